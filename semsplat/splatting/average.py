"""Averaging pictures over a coarser grid, exactly by area: a matrix A, so ``A W`` is a blend on that grid.

Thin things are never drawn at a coarse grid, where the rasterizer would swell them: they are drawn at a fine size and
averaged. A's transpose goes the other way, so what lifts through W.T lifts through ``W.T A.T``.
"""

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

from .blend import Blend


def shares(fine: int, coarse: int) -> Float[Tensor, "coarse fine"]:
    """Along one axis, the share of each coarse cell that each fine pixel fills; rows sum to 1."""
    edges = torch.arange(coarse + 1, dtype=torch.float64)[:, None] * fine / coarse
    pixels = torch.arange(fine, dtype=torch.float64)[None]
    overlap = torch.minimum(edges[1:], pixels + 1) - torch.maximum(edges[:-1], pixels)
    return overlap.clamp_min(0.0) * coarse / fine


def average(image: Float[Tensor, "h w c"], height: int, width: int) -> Float[Tensor, "{height} {width} c"]:
    """A @ image: means over the cells of a grid of any size that covers the same picture."""
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    if rows % height == 0 and columns % width == 0:
        return image.reshape(height, rows // height, width, columns // width, -1).mean((1, 3))
    down, across = (shares(*sizes).to(image) for sizes in ((rows, height), (columns, width)))
    return across @ (down @ image.reshape(rows, -1)).reshape(height, columns, -1)


def spread_back(cells: Float[Tensor, "u v c"], height: int, width: int) -> Float[Tensor, "{height} {width} c"]:
    """A.T @ cells: every pixel gets of each cell what it gave to its mean."""
    rows, columns = cells.shape[:2]
    if (rows, columns) == (height, width):
        return cells
    down, across = (shares(*sizes).to(cells) for sizes in ((height, rows), (width, columns)))
    return (down.T @ (across.T @ cells).reshape(rows, -1)).reshape(height, width, -1)


@dataclass(frozen=True)
class Averaged:
    """``D A W``: a blend, averaged over a coarser grid, its cells weighed; used like a blend where only products are.

    With ``D = sqrt(weights)`` the least-squares values (:func:`.lift.solve`) of ``D A W`` and ``D map`` are the
    weighted ones.
    """

    blend: Blend
    scale: Float[Tensor, "u v 1"]  # the diagonal of D; ones leave A W

    def detach(self) -> Self:
        """Without gradient to the geometry."""
        return type(self)(self.blend.detach(), self.scale)

    def __matmul__(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "u v c"]:
        return self.scale * self.blend.means(values, *self.scale.shape[:2])

    def gather_into(self, total: Float[Tensor, "n c"], cells: Float[Tensor, "u v c"]) -> None:
        """total += W.T A.T D @ cells, in place, without gradient."""
        self.blend.gather_into(total, self.scale * cells)

    @property
    def T(self) -> "TransposedAverage":
        """W.T A.T D, for ``averaged.T @ cells``."""
        return TransposedAverage(self)


@dataclass(frozen=True)
class TransposedAverage:
    """W.T A.T D of an averaged blend."""

    averaged: Averaged

    def __matmul__(self, cells: Float[Tensor, "u v c"]) -> Float[Tensor, "n c"]:
        return self.averaged.blend.gather_means(self.averaged.scale * cells)
