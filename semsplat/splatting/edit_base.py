"""What every edit is: data that names Gaussians by id, and a pure function on Gaussians."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from jaxtyping import Int64
from torch import Tensor

from . import id_sets
from .edit_table import Table
from .errors import InputError
from .gaussians import Gaussians

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]  # wxyz, any length but zero

# Minted ids are `number of the edit << POSITION_BITS | position`, below 2**52: a .ply holds them exactly, in a double.
POSITION_BITS = 32
LARGEST_NUMBER = 2**20 - 1


@dataclass(frozen=True, eq=False)
class Edit(ABC):
    """A change of Gaussians. ``edit(gaussians)`` gives new ones and leaves the old; see :mod:`.history` for lists."""

    def __call__(self, gaussians: Gaussians) -> Gaussians:
        """The changed Gaussians; columns that it does not change are the same tensors as before."""
        table = Table(gaussians)
        self.on(table)
        return table.gaussians()

    @abstractmethod
    def on(self, table: Table) -> None:
        """Change a working copy."""

    @abstractmethod
    def describe(self) -> str:
        """A short plain sentence without a full stop."""

    @property
    def work(self) -> int:
        """Gaussians it names: how long it takes, about."""
        return 0

    def numbered(self, number: int) -> Self:
        """The same edit, minting its ids from this number; edits that make no Gaussians are returned as they are."""
        return self


@dataclass(frozen=True, eq=False)
class Named(Edit):
    """An edit of some Gaussians. Ids that are not there (any more) are passed over."""

    ids: Int64[Tensor, " k"]  # on the CPU, ascending, each once: made so when given otherwise

    def __post_init__(self) -> None:
        ids = self.ids.detach().cpu().contiguous()
        object.__setattr__(self, "ids", ids if bool((ids.diff() > 0).all()) else ids.unique())

    @property
    def work(self) -> int:
        """See :attr:`Edit.work`."""
        return len(self.ids)

    @cached_property
    def digest(self) -> str:
        """Says which ids: under this they are saved."""
        return id_sets.digest(self.ids)

    @property
    def them(self) -> str:
        """What it is about, in words: 1,204 Gaussians."""
        return counted(len(self.ids))


@dataclass(frozen=True, eq=False)
class Minting(Edit):
    """An edit that makes Gaussians. Their ids come from its own number alone, whatever else is in the list."""

    @property
    @abstractmethod
    def minted(self) -> Int64[Tensor, " k"]:
        """The ids of all Gaussians that it can make, ascending."""

    def numbered(self, number: int) -> Self:
        """See :meth:`Edit.numbered`."""
        return replace(self, number=number)  # type: ignore[call-arg]  # each of them has it, behind its own fields


def mint(number: int, positions: Int64[Tensor, " k"]) -> Int64[Tensor, " k"]:
    """Ids from the number of an edit and positions in what it names: nobody else's, below 2**52.

    Raises:
        InputError: the number is below 1 or too large.
    """
    if not 1 <= number <= LARGEST_NUMBER:
        raise InputError(f"{number} is no number of an edit that makes Gaussians; 1 to {LARGEST_NUMBER:,} are.")
    return (number << POSITION_BITS) + positions


def number_above(ids: Int64[Tensor, " n"]) -> int:
    """The first number of an edit whose minted ids are none of these."""
    return (int(ids.max()) >> POSITION_BITS) + 1 if len(ids) else 1


def counted(count: int) -> str:
    """1 Gaussian; 1,204 Gaussians."""
    return f"{count:,} Gaussian" + "s" * (count != 1)


def shown(numbers: Iterable[float]) -> str:
    """Numbers for people: 0.20, 0, 0."""
    return ", ".join(_shown(number) for number in numbers)


def _shown(number: float) -> str:
    if abs(number - round(number)) < 5e-4:
        return f"{round(number):,}"
    return f"{number:,.2f}" if abs(number) >= 0.1 else f"{number:.2g}"


def finite(values: Iterable[float], count: int, what: str) -> tuple[float, ...]:
    """The values as so many floats.

    Raises:
        InputError: there are more or fewer of them, or one is not a finite number.
    """
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{values!r} is no {what}; give {count} numbers.") from error
    if len(found) != count or not all(math.isfinite(value) for value in found):
        raise InputError(f"{', '.join(map(str, found))} is no {what}; give {count} finite numbers.")
    return found


def between(value: float, low: float, high: float, what: str) -> float:
    """``value`` as a float.

    Raises:
        InputError: it is outside [low, high] or not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{what} {value} is not possible; give a number from {low:g} to {high:g}.")
    return float(value)


def as_tensor(vector: Iterable[float], like: Tensor) -> Tensor:
    """On the device and in the precision of another."""
    return torch.tensor(tuple(vector), dtype=torch.float64).to(like)
