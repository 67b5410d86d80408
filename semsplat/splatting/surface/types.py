"""What a mesh is, and how one is made."""

from dataclasses import dataclass

import numpy as np

# A surface is where a coverage is reached, so many standard deviations before the place where the Gaussian that reaches
# it is densest along the ray. Fits are foggy: half-way, at the densest place, is 2.2 % of a thing's diagonal too deep,
# ALONE 0.4 % (medians over six things of the bundled capture); with all that floats in a whole scene, AMONG is nearer
# (2.9 cm off in half of the pixels, for 5.2 cm).
ALONE, AMONG = (0.2, 2.0), (0.5, 1.0)


@dataclass(frozen=True)
class How:
    """What a mesh is made with."""

    voxel: float | None = None  # world units; when not given, a part of the thing's size: see `resolution`
    resolution: int = 68  # voxels along a side of a cube of the box's volume, when `voxel` is not given
    truncation: float = 8.0  # voxels before and behind a surface over which what cameras say is averaged
    watertight: bool = False  # close what nobody could look at
    triangles: int | None = 50_000  # at most about so many; None: as many as there are
    texture: int | None = None  # pixels of its side; None: each corner has a colour instead
    met: tuple[float, float] = ALONE  # coverage at which a surface is met, and deviations before the densest place
    least_piece: float = 0.02  # loose pieces with a smaller share of the largest one's area are dropped if short
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
