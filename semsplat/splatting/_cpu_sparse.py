"""W of the CPU rasterizer as a stored sparse matrix: the fast way for many channels."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ._kernels import LANES, array, spread, spread_tiles
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

    @property
    def is_turned(self) -> bool:
        """Whether it is stored by Gaussian, too."""
        return "by_gaussian" in self.__dict__

    def draw(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "p c"]:
        """W @ values."""
        return _multiply(self.by_pixel, values, least=2048)

    def gather(self, image: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        """W.T @ image."""
        return _multiply(self.by_gaussian, image.reshape(-1, image.shape[2]), least=256)


def _multiply(matrix: tuple[np.ndarray, ...], values: Float[Tensor, "n c"], least: int) -> Float[Tensor, "m c"]:
    """The product of a stored matrix; ``least`` rows go to a thread."""
    rows, channels = len(matrix[0]) - 1, values.shape[1]
    width = -(-channels // LANES) * LANES if channels > 1 else 1
    padded = values.detach() if width == channels else torch.nn.functional.pad(values.detach(), (0, width - channels))
    out = padded.new_empty(rows, width)
    spread(
        weight_kernels.multiply, rows, *matrix, array(padded).reshape(-1), width, out.numpy().reshape(-1), least=least
    )
    return out if width == channels else out[:, :channels].contiguous()
