"""A picture laid over a mesh: xatlas unfolds the mesh, Open3D says which place of it each pixel is."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..errors import InputError
from . import shapes
from .look import Look
from .paint import colors_at, normals_of
from .types import Mesh

MARGIN = 2  # pixels around each piece that take its colours, so that no seam shows
SMALLEST, LARGEST = 64, 8192  # pixels
CHUNK = 1 << 18  # pixels coloured at a time


def check(side: int | None) -> None:
    """Say no early: raises InputError when there can be no texture of so many pixels, or xatlas is missing."""
    if side is None:
        return
    if not SMALLEST <= side <= LARGEST:
        raise InputError(
            f"A texture of {side} pixels is not possible; give --texture a side from {SMALLEST} to {LARGEST}."
        )
    _xatlas()


def textured(mesh: Mesh, looks: Sequence[Look], side: int, near: float) -> Mesh:
    """The mesh with a texture of ``side`` x ``side`` pixels; corners at seams are there twice or more.

    Args:
        near: see :func:`.paint.colors_at`.
    """
    normals = normals_of(mesh.points, mesh.faces)
    corners, faces, uv = _xatlas().parametrize(mesh.points.astype(np.float32), mesh.faces.astype(np.uint32))
    corners, faces = corners.astype(np.int64), faces.astype(np.int64)
    unfolded = replace(mesh, points=mesh.points[corners], faces=faces, colors=mesh.colors[corners], uv=uv)
    places = shapes.baked(unfolded, uv, normals[corners], side, MARGIN)
    texture = np.broadcast_to(mesh.colors.mean(0).astype(np.uint8), (side * side, 3)).copy()
    filled = np.flatnonzero(np.isfinite(places).all(1))
    for begin in range(0, len(filled), CHUNK):
        part = filled[begin : begin + CHUNK]
        at = torch.from_numpy(places[part].astype(np.float64))
        texture[part] = colors_at(at[:, :3], torch.nn.functional.normalize(at[:, 3:], dim=-1), looks, near)
    return replace(unfolded, texture=texture.reshape(side, side, 3))


def _xatlas():
    try:
        import xatlas as library
    except ImportError as error:
        raise InputError("Textures need xatlas; install it with: pip install 'semsplat[mesh]'") from error
    return library
