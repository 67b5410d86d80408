"""The edit that closes the hole which something left behind; :mod:`.fill` computes it."""

from dataclasses import dataclass

from .edit_base import Named, counted, mint
from .edit_source import Sourced, plain
from .edit_table import Table
from .gaussians import Gaussians


@dataclass(frozen=True, eq=False)
class Fill(Named, Sourced):
    """Put other Gaussians in the place of some: a surface where a thing was taken away. They have no features (zeros).

    ``ids`` are what the thing left at its border, and what only its absence shows; they are taken away. All that was
    computed is in ``source``, so a list of edits is replayed at once and always the same.
    """

    source: Gaussians  # float32, on the CPU, without features; rows that are not finite are left out
    number: int = 1  # its own in a list of edits, which gives it

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "source", plain(self.source))
        mint(self.number, self.ids[:0])

    @property
    def work(self) -> int:
        """See :attr:`Edit.work`."""
        return len(self.ids) + len(self.source)

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        table.drop(table.rows(self.ids))
        table.append(self.source.replace(ids=self.minted))

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Fill with {counted(len(self.source))}" + (f" in the place of {self.them}" if len(self.ids) else "")
