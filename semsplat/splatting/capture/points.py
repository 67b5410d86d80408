"""Sparse points from a PLY file."""

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..plyio import read_vertices

_RGB = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))


def read_points(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) float32 in world units and colours (n, 3) float32 in [0, 1], gray where the file has none.

    Raises:
        InputError: not a PLY with x, y, z, or truncated.
    """
    columns = read_vertices(path)
    if missing := [name for name in "xyz" if name not in columns]:
        raise InputError(f"{path} has no property {missing[0]!r}; give a PLY of points.")
    with np.errstate(over="ignore"):
        xyz = np.stack([np.asarray(columns[name], np.float32) for name in "xyz"], 1)
    for names in _RGB:
        if all(name in columns for name in names):
            rgb = np.stack([columns[name] for name in names], 1)
            scale = np.iinfo(rgb.dtype).max if rgb.dtype.kind in "ui" else 1.0
            return xyz, (rgb / scale).astype(np.float32)
    return xyz, np.full_like(xyz, 0.5)
