"""W of the CPU rasterizer as a stored sparse matrix: the fast way for many channels."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from torch import Tensor

from ._kernels import array, spread, spread_tiles
from ._kernels import weights as weight_kernels

MOST = 2**27  # nonzeros of a stored W (1 GB twice); a larger picture is drawn in passes


@dataclass(frozen=True)
class Sparse:
    """W as (starts, columns, data) by pixel; by Gaussian too, once a transposed product was asked for."""

    by_pixel: tuple[np.ndarray, np.ndarray, np.ndarray]
    count: int  # Gaussians

    @classmethod
    def collect(
        cls, lists: tuple[np.ndarray, ...], geometry: tuple[np.ndarray, ...], width: int, height: int, count: int
    ) -> Self | None:
        """W from the tiles' lists; None when it has more than MOST nonzeros."""
        starts = np.zeros(height * width + 1, np.int64)
        dtype = geometry[0].dtype
        tiles, arguments = lists[0], (*lists[1:], *geometry, width, height)
        spread_tiles(
            weight_kernels.collect, tiles, *arguments, False, starts, np.zeros(0, np.int32), np.zeros(0, dtype)
        )
        np.cumsum(starts, out=starts)
        if starts[-1] > MOST:
            return None
        columns, data = np.empty(starts[-1], np.int32), np.empty(starts[-1], dtype)
        spread_tiles(weight_kernels.collect, tiles, *arguments, True, starts[:-1].copy(), columns, data)
        return cls((starts, columns, data), count)

    @cached_property
    def by_gaussian(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        starts, columns, data = self.by_pixel
        out = np.zeros(self.count + 1, np.int64), np.empty_like(columns), np.empty_like(data)
        weight_kernels.transpose(starts, columns, data, *out)
        return out

    def draw(self, values: Tensor) -> Tensor:
        """(n, c) -> (pixels, c)"""
        out = values.new_empty(len(self.by_pixel[0]) - 1, values.shape[1])
        spread(weight_kernels.multiply, len(out), *self.by_pixel, array(values), out.numpy())
        return out

    def gather(self, image: Tensor) -> Tensor:
        """(h, w, c) -> (n, c)"""
        out = image.new_empty(self.count, image.shape[2])
        flat = array(image).reshape(-1, image.shape[2])
        spread(weight_kernels.multiply, self.count, *self.by_gaussian, flat, out.numpy(), least=256)
        return out
