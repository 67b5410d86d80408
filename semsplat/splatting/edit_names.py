"""Edits of what Gaussians are called. They change no Gaussian: :mod:`semsplat.distill.naming` folds them over names."""

from dataclasses import dataclass

from .edit_base import Named
from .edit_table import Table
from .errors import InputError

LONGEST = 120  # letters of a name


@dataclass(frozen=True, eq=False)
class Naming(Named):
    """An edit of names; Gaussians stay as they are."""

    name: str  # one line

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.name) > LONGEST or not any(letter.isprintable() and letter != " " for letter in self.name):
            raise InputError(f"{self.name[:40]!r} is no name; give one line of at most {LONGEST} letters.")
        if not len(self.ids):
            raise InputError(f"Nothing is picked that could be called '{self.name}'; pick something first.")

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""

    @property
    def work(self) -> int:
        """See :attr:`Edit.work`."""
        return 0


@dataclass(frozen=True, eq=False)
class Rename(Naming):
    """Call the thing of exactly these Gaussians otherwise; passed over when there is none."""

    was: str = ""  # its name before: tells it from another thing of the same Gaussians

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        before = f"'{self.was}'" if self.was else self.them
        return f"Call {before} '{self.name}'"


@dataclass(frozen=True, eq=False)
class Group(Naming):
    """Make a thing of these Gaussians; things that are wholly among them become its parts."""

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Group {self.them} as '{self.name}'"


@dataclass(frozen=True, eq=False)
class Ungroup(Naming):
    """Forget the thing of exactly these Gaussians and this name; its parts stay, in what it was a part of itself."""

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Ungroup '{self.name}'"
