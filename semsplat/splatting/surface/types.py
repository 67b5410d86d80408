"""What a mesh is, and how one is made."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class How:
    """What a mesh is made with."""

    voxel: float | None = None  # world units; when not given, a part of the thing's longest side: see `resolution`
    resolution: int = 128  # voxels along the longest side, when `voxel` is not given
    watertight: bool = False  # close what nobody could look at
    triangles: int | None = 50_000  # at most about so many; None: as many as there are
    texture: int | None = None  # pixels of its side; None: each corner has a colour instead
    least_piece: float = 0.02  # loose pieces with a smaller share of the largest one's area are dropped
    smooth: int = 15  # steps of smoothing that does not shrink
    around: int = 64  # looks from all around, besides those of the photos
    photos: int = 48  # looks from where photos were taken, at most


@dataclass(frozen=True)
class Mesh:
    """Triangles with a colour at each corner, world units; counter-clockwise seen from outside."""

    points: np.ndarray  # (v, 3) float64
    faces: np.ndarray  # (f, 3) int64
    colors: np.ndarray  # (v, 3) uint8, sRGB
    uv: np.ndarray | None = None  # (v, 2) in [0, 1], place in the texture, v upwards
    texture: np.ndarray | None = None  # (s, s, 3) uint8, sRGB
