"""Gaussians while edits are folded over them: each edit costs what it names, not what the scene holds."""

import torch
from jaxtyping import Int64
from torch import Tensor

from . import sh as spherical_harmonics
from .errors import InputError
from .gaussians import Gaussians

GROWTH = 1.5  # a table that was enlarged before is enlarged by this, so that many small additions stay cheap


class Table:
    """A working copy. Columns that no edit wrote are the very tensors it was made from; those it never changes."""

    def __init__(self, gaussians: Gaussians) -> None:
        self._columns = {name: t.detach() if t.requires_grad else t for name, t in gaussians.tensors()}
        self._size = len(gaussians)  # rows in use; columns may have room for more
        self._ours: set[str] = set()  # columns that nobody else sees, so they may be written
        self._alive = torch.ones(self._size, dtype=torch.bool, device=gaussians.ids.device)
        self._sorted, self._order = _in_order(gaussians.ids)

    @property
    def _dead(self) -> bool:
        return not bool(self._alive.all())

    def find(self, ids: Int64[Tensor, " k"]) -> tuple[Int64[Tensor, " m"], Int64[Tensor, " m"]]:
        """Rows of the ``ids`` that are there, and their positions in ``ids``."""
        ids = ids.to(self._sorted.device)
        if not len(self._sorted):
            return ids[:0], ids[:0]
        at = torch.searchsorted(self._sorted, ids).clamp_max_(len(self._sorted) - 1)
        positions = (self._sorted[at] == ids).nonzero()[:, 0]
        rows = self._order[at[positions]]
        alive = self._alive[rows]
        return (rows, positions) if bool(alive.all()) else (rows[alive], positions[alive])

    def rows(self, ids: Int64[Tensor, " k"]) -> Int64[Tensor, " m"]:
        """Rows of the ``ids`` that are there."""
        return self.find(ids)[0]

    def column(self, name: str, rows: Int64[Tensor, " m"]) -> Tensor:
        """A copy of some rows of a column of :class:`Gaussians`."""
        return self._columns[name][rows]

    def taken(self, rows: Int64[Tensor, " m"]) -> Gaussians:
        """A copy of some rows."""
        return Gaussians(**{name: column[rows] for name, column in self._columns.items()})

    def write(self, name: str, rows: Int64[Tensor, " m"], values: Tensor) -> None:
        """Put ``values`` into rows of a column."""
        if not len(rows):
            return
        if name not in self._ours:
            self._columns[name] = self._columns[name].clone()
            self._ours.add(name)
        self._columns[name].index_copy_(0, rows, values.to(self._columns[name]))

    def drop(self, rows: Int64[Tensor, " m"]) -> None:
        """Take rows away."""
        self._alive[rows] = False

    def keep(self, rows: Int64[Tensor, " m"]) -> None:
        """Take all other rows away."""
        self._alive = torch.zeros_like(self._alive)
        self._alive[rows] = True

    def append(self, part: Gaussians) -> None:
        """Add Gaussians behind the others. Features and spherical harmonics that one side lacks are zeros.

        Raises:
            InputError: an id of them is there already.
        """
        if not len(part):
            return
        if len(self.rows(part.ids)):
            raise InputError(
                "An edit would make Gaussians that are there already: its number was used before, or the edits are "
                "those of another scene; begin a new list of edits for this scene."
            )
        self._widen(part.sh.shape[1])
        ids = part.ids.to(self._sorted.device)
        for name, values in _fitting(part, self._columns).items():
            self._extend(name, values)
        rows = torch.arange(self._size, self._size + len(part), device=ids.device)
        self._size += len(part)
        self._alive = torch.cat([self._alive, torch.ones_like(rows, dtype=torch.bool)])
        ascending, order = _in_order(ids)
        later = not len(self._sorted) or bool(ascending[0] > self._sorted[-1])
        self._sorted, self._order = torch.cat([self._sorted, ascending]), torch.cat([self._order, rows[order]])
        if not later:
            self._sorted, order = self._sorted.sort()
            self._order = self._order[order]

    def gaussians(self) -> Gaussians:
        """The Gaussians as they are now."""
        if self._dead:
            rows = self._alive.nonzero()[:, 0]
            return Gaussians(**{name: column[rows] for name, column in self._columns.items()})
        self._ours.clear()
        return Gaussians(**{n: c if len(c) == self._size else c[: self._size] for n, c in self._columns.items()})

    def _widen(self, coefficients: int) -> None:
        sh = self._columns["sh"]
        if coefficients > sh.shape[1]:
            self._columns["sh"] = _padded(sh, coefficients)
            self._ours.add("sh")

    def _extend(self, name: str, values: Tensor) -> None:
        column, needed = self._columns[name], self._size + len(values)
        if name not in self._ours or len(column) < needed:
            room = int(GROWTH * needed) if name in self._ours else needed
            larger = column.new_empty(room, *column.shape[1:])
            larger[: self._size] = column[: self._size]
            self._columns[name] = larger
            self._ours.add(name)
        self._columns[name][self._size : needed] = values


def _in_order(ids: Int64[Tensor, " n"]) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " n"]]:
    """Ids ascending, and their rows."""
    if bool((ids.diff() > 0).all()):
        return ids, torch.arange(len(ids), device=ids.device)
    return ids.sort()


def _fitting(part: Gaussians, columns: dict[str, Tensor]) -> dict[str, Tensor]:
    """The columns of ``part`` as wide as the others, on their device and in their precision."""
    count, width = len(part), columns["features"].shape[1]
    features = part.features if part.features.shape[1] == width else part.features.new_zeros(count, width)
    part = part.replace(sh=_padded(part.sh, columns["sh"].shape[1]), features=features)
    return {name: values.to(columns[name]) for name, values in part.tensors()}


def _padded(sh: Tensor, coefficients: int) -> Tensor:
    assert spherical_harmonics.degree(coefficients) >= spherical_harmonics.degree(sh.shape[1])
    more = sh.new_zeros(len(sh), coefficients - sh.shape[1], 3)
    return torch.cat([sh, more], dim=1) if more.shape[1] else sh
