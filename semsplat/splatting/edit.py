"""Edits are data: each names Gaussians by id and is a pure function on them; :class:`.history.History` keeps a list.

``Delete(ids)(gaussians)`` gives new Gaussians and leaves the old. Ids that are not there (any more) are passed over, so
any edit of a list can be switched off and the others still mean the same.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Int64

from . import formats
from .edit_base import Edit, Minting, Named, Quaternion, Vector, as_tensor, between, counted, finite, mint, shown
from .edit_color import Gain, Hue, Opacity, Tint
from .edit_fill import Fill
from .edit_names import Group, Rename, Ungroup
from .edit_place import LARGEST, SMALLEST, Move, Rotate, Scale, pivot, transformed, turn, unit
from .edit_source import Sourced, plain, source_digest
from .edit_table import Table
from .errors import InputError
from .gaussians import Gaussians
from .project import rotations

__all__ = [
    "KINDS", "Delete", "Duplicate", "Edit", "Fill", "Gain", "Group", "Hue", "Insert", "Keep", "Minting", "Move",
    "Named", "Opacity", "Quaternion", "Rename", "Rotate", "Scale", "Tint", "Ungroup", "Vector", "describe", "pivot",
    "source_digest", "turn",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Delete(Named):
    """Take them away."""

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        table.drop(table.rows(self.ids))

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Delete {self.them}"


@dataclass(frozen=True, eq=False)
class Keep(Named):
    """Take all others away."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self.ids):
            raise InputError("Nothing is selected, so keeping only that would leave nothing; select something first.")

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        table.keep(table.rows(self.ids))

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Keep only {self.them}"


@dataclass(frozen=True, eq=False)
class Duplicate(Named, Minting):
    """Put a copy of them elsewhere; the copy has the same features and ids of its own."""

    by: Vector  # world units
    number: int = 1  # its own in a list of edits, which gives it

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "by", finite(self.by, 3, "way to the copy"))
        mint(self.number, self.ids[:0])

    @property
    def minted(self) -> Int64[torch.Tensor, " k"]:
        """See :attr:`Minting.minted`. The copy of ``ids[k]`` is ``minted[k]``."""
        return mint(self.number, torch.arange(len(self.ids)))

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        rows, positions = table.find(self.ids)
        copy = table.taken(rows)
        table.append(copy.replace(means=copy.means + as_tensor(self.by, copy.means), ids=mint(self.number, positions)))

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Duplicate {self.them}, the copy {shown(self.by)} away"


@dataclass(frozen=True, eq=False)
class Insert(Sourced):
    """Add other Gaussians: turned and scaled about their origin, then moved. They have no features (zeros)."""

    source: Gaussians  # float32, on the CPU, without features; rows that are not finite are left out
    name: str = "another scene"  # for people
    rotation: Quaternion = (1.0, 0.0, 0.0, 0.0)
    scale: float = 1.0
    by: Vector = (0.0, 0.0, 0.0)  # world units of the scene that they come into
    light: Vector | None = None  # that they were taken in, when it is known: see light.light_of of their own scene
    number: int = 1  # its own in a list of edits, which gives it
    _placed: Gaussians = field(init=False, repr=False)

    @classmethod
    def read(cls, path: str | Path, **transform: object) -> Self:
        """The Gaussians of a file, of any format that can be read; ``transform`` as the fields.

        Raises:
            InputError: the file is missing, holds something else, or the transform is not possible.
        """
        return cls(formats.read(path), Path(path).name, **transform)  # type: ignore[arg-type]

    @classmethod
    def at(
        cls,
        source: Gaussians,
        point: Vector,
        name: str,
        rotation: Quaternion = (1.0, 0.0, 0.0, 0.0),
        scale: float = 1.0,
        light: Vector | None = None,
    ) -> Self:
        """The Gaussians so that their middle (:func:`pivot`) comes to lie on a point, turned and scaled about it."""
        middle = as_tensor(pivot(source, source.ids), torch.zeros(1, 3, dtype=torch.float64))
        turned = scale * (rotations(torch.tensor([unit(rotation)], dtype=torch.float64))[0] @ middle)
        x, y, z = (as_tensor(point, turned) - turned).tolist()
        return cls(source, name, rotation, scale, (x, y, z), light)

    def __post_init__(self) -> None:
        kept = plain(self.source)
        rotation = unit(self.rotation)
        x, y, z = finite(self.by, 3, "place to insert at")
        by, scale = (x, y, z), between(self.scale, SMALLEST, LARGEST, "A scale of")
        light = None if self.light is None else finite(self.light, 3, "light")
        values = {"source": kept, "rotation": rotation, "by": by, "scale": scale, "light": light}
        mint(self.number, kept.ids[:0])
        moved = (rotation, scale, by) != ((1.0, 0.0, 0.0, 0.0), 1.0, (0.0, 0.0, 0.0))
        values["_placed"] = transformed(kept, rotation, scale, by) if moved else kept
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def work(self) -> int:
        """See :attr:`Edit.work`."""
        return len(self.source)

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        table.append(self._placed.replace(ids=self.minted))

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Insert {self.name} ({counted(len(self.source))})"


_ALL: tuple[type[Edit], ...] = (
    Delete, Keep, Tint, Hue, Gain, Opacity, Move, Rotate, Scale, Duplicate, Insert, Fill, Rename, Group, Ungroup,
)  # fmt: skip
KINDS = {kind.__name__.lower(): kind for kind in _ALL}  # by their names in files


def describe(edit: Edit) -> str:
    """A short plain sentence for a list, without a full stop: Delete 312 Gaussians."""
    return edit.describe()
