"""A truncated signed distance in a box, filled from looks (Curless and Levoy 1996)."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .._kernels import array, spread
from .._kernels import surface as kernels
from ..errors import InputError
from .look import Look, lens_of

MOST = 2**25  # voxels: 268 MB
FALL = 2.0  # power with which a look counts less, the deeper behind what it saw: beside a rim it saw past it


@dataclass
class Volume:
    """Signed distances to the surface, positive outside, in truncations; ``weights`` 0: nobody looked there."""

    corner: np.ndarray  # (3,) world place of the first voxel's centre
    voxel: float  # world units
    truncation: float  # world units
    distances: np.ndarray  # (z, y, x) float32 in [-1, 1]
    weights: np.ndarray  # (z, y, x) float32

    @classmethod
    def over(cls, low: Float[Tensor, "3"], high: Float[Tensor, "3"], voxel: float, truncation: float) -> Self:
        """An empty volume over a box; lengths in world units.

        Raises:
            InputError: it would have too many voxels.
        """
        first, last = low.double().numpy(), high.double().numpy()
        counts = np.ceil((last - first) / voxel) + 1
        if not np.prod(counts) <= MOST:
            least = voxel * float(np.cbrt(np.prod(counts) / MOST))
            raise InputError(
                f"Voxels of {voxel:.3g} make {np.prod(counts):.2g} of them, more than {MOST:,}; "
                f"say --voxel {least * 1.05:.2g} or more."
            )
        shape = tuple(int(count) for count in counts[::-1])
        corner = (first + last) / 2 - voxel * (counts - 1) / 2
        return cls(corner, voxel, truncation, np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def add(self, look: Look) -> None:
        """Take in what a camera saw."""
        camera = look.camera
        view, lens = array(camera.world_to_camera.double()), array(lens_of(camera))
        arguments = self.corner, self.voxel, view, lens, array(look.depth), self.truncation, FALL
        spread(kernels.fuse, len(self.distances), *arguments, self.distances, self.weights, least=4)

    def solid(self) -> np.ndarray:
        """Distances with a border of outside all around; where nobody could look is inside."""
        return np.pad(np.where(self.weights > 0, self.distances, -1.0), 1, constant_values=1.0).astype(np.float32)

    def known(self, points: np.ndarray) -> np.ndarray:
        """Whether somebody looked at all eight voxels around each point (p, 3)."""
        low = np.floor((points - self.corner) / self.voxel).astype(int)
        last = np.array(self.weights.shape[::-1]) - 1
        good = np.ones(len(points), bool)
        for k in range(8):
            x, y, z = np.clip(low + [(k >> axis) & 1 for axis in range(3)], 0, last).T
            good &= self.weights[z, y, x] > 0
        return good
