"""Edits of where Gaussians are: move, turn, scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from . import sh as spherical_harmonics
from .edit_base import Named, Quaternion, Vector, as_tensor, between, finite, shown
from .edit_table import Table
from .errors import InputError
from .gaussians import Gaussians
from .project import rotations

SMALLEST, LARGEST = 1e-6, 1e6  # factors


@dataclass(frozen=True, eq=False)
class Move(Named):
    """Move them."""

    by: Vector  # world units

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "by", finite(self.by, 3, "way to move"))

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        rows = table.rows(self.ids)
        means = table.column("means", rows)
        table.write("means", rows, means + as_tensor(self.by, means))

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Move {self.them} by {shown(self.by)}"


@dataclass(frozen=True, eq=False)
class Rotate(Named):
    """Turn them about a point; what they reflect turns with them."""

    rotation: Quaternion
    center: Vector  # world units

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "rotation", unit(self.rotation))
        object.__setattr__(self, "center", finite(self.center, 3, "point to turn about"))

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        rows = table.rows(self.ids)
        part = transformed(table.taken(rows), self.rotation, 1.0, (0.0, 0.0, 0.0), self.center)
        for name in ("means", "quats", "sh"):
            table.write(name, rows, getattr(part, name))

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        degrees = 2.0 * math.degrees(math.acos(min(1.0, abs(self.rotation[0]))))
        return f"Turn {self.them} by {shown([degrees])} degrees"


@dataclass(frozen=True, eq=False)
class Scale(Named):
    """Make them larger or smaller, alike in all directions, seen from a point that stays."""

    factor: float
    center: Vector  # world units

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "factor", between(self.factor, SMALLEST, LARGEST, "A factor of"))
        object.__setattr__(self, "center", finite(self.center, 3, "point to scale from"))

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        rows = table.rows(self.ids)
        means, log_scales = table.column("means", rows), table.column("log_scales", rows)
        center = as_tensor(self.center, means)
        table.write("means", rows, center + self.factor * (means - center))
        table.write("log_scales", rows, log_scales + math.log(self.factor))

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Scale {self.them} by {shown([self.factor])}"


def transformed(
    gaussians: Gaussians, rotation: Quaternion, factor: float, by: Vector, center: Vector = (0.0, 0.0, 0.0)
) -> Gaussians:
    """Turned about ``center``, scaled from it, then moved, with their spherical harmonics."""
    means, quats = gaussians.means, gaussians.quats
    matrix = rotations(torch.tensor([rotation], dtype=torch.float64))[0]
    middle = as_tensor(center, means)
    return gaussians.replace(
        means=middle + factor * ((means - middle) @ matrix.to(means).T) + as_tensor(by, means),
        quats=multiplied(rotation, quats),
        log_scales=gaussians.log_scales + math.log(factor),
        sh=spherical_harmonics.rotated(gaussians.sh, matrix),
    )


def multiplied(first: Quaternion, quats: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """The rotation ``first`` after each of ``quats``: Hamilton's product, wxyz."""
    w, x, y, z = first
    left = torch.tensor([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]], dtype=torch.float64)
    return quats @ left.to(quats).T


def unit(rotation: Sequence[float]) -> Quaternion:
    """A quaternion of length 1.

    Raises:
        InputError: these are not four finite numbers, or all are zero.
    """
    w, x, y, z = finite(rotation, 4, "rotation (wxyz)")
    length = math.hypot(w, x, y, z)
    if not length:
        raise InputError("0, 0, 0, 0 is no rotation; give a quaternion wxyz that is not zero.")
    if abs(length - 1.0) < 1e-12:  # again and again the same
        return w, x, y, z
    return w / length, x / length, y / length, z / length


def turn(axis: Sequence[float], degrees: float) -> Quaternion:
    """The rotation about an axis, by the right hand.

    Raises:
        InputError: the axis has no length.
    """
    x, y, z = finite(axis, 3, "axis")
    length = math.hypot(x, y, z)
    if not length:
        raise InputError("0, 0, 0 is no axis to turn about; give a direction.")
    sine = math.sin(math.radians(degrees) / 2.0) / length
    return unit((math.cos(math.radians(degrees) / 2.0), sine * x, sine * y, sine * z))


def pivot(gaussians: Gaussians, ids: Int64[Tensor, " k"]) -> Vector:
    """Where to take hold of Gaussians: their mean by opacity, world units; the origin when none is there."""
    rows = Table(gaussians).rows(ids)
    weights, means = gaussians.opacities[rows].double(), gaussians.means[rows].double()
    x, y, z = ((weights[:, None] * means).sum(0) / weights.sum().clamp_min(1e-300)).tolist()
    return x, y, z
