"""Exports the surfaces of things as meshes; see :mod:`semsplat.splatting.surface`."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting.camera import Camera
from ..splatting.errors import InputError
from ..splatting.ids import rows_of
from ..splatting.similarity import Similarity
from ..splatting.surface import files
from ..splatting.surface.look import around, seen_from
from ..splatting.surface.mesh import extent, mesh
from ..splatting.surface.types import AMONG, How, Mesh
from .progress import paced

if TYPE_CHECKING:
    from .export import Work
    from .export_parts import Source

SIDE = 256  # pixels of the pictures that tell which side of a surface was seen
FEWEST = 16  # triangles
TEXTURED = 10_000  # triangles under a texture, when nothing is said
WHOLE = {"resolution": 110, "truncation": 4.0, "met": AMONG}  # for all that there is, where depths agree less
VIEWS = 60  # of them, at most


def write(work: "Work") -> None:
    """Write each part to its file."""
    how = how_of(work)
    targets = work.files()
    for _, path in targets:
        files.check(path, how.texture is not None)
    seen, cameras = seen_of(work.source)
    for part, path in targets:
        own = seen[rows_of(work.source.gaussians.ids, part.gaussians.ids)]
        is_whole = len(part.gaussians) == len(work.source.gaussians)
        fine = replace(how, **WHOLE) if is_whole else how
        report = paced(work.say, f"{part.name}: looking from all sides")
        made = placed(mesh(part.gaussians, own, cameras, fine, report), part.placement)
        files.write(path, made)
        tight = ", watertight" if how.watertight else ""
        work.say(f"{part.name}: {len(made.faces):,} triangles{tight} written to {path}")


def how_of(work: "Work") -> How:
    """What the command line says about meshes.

    Raises:
        InputError: a number that is not possible.
    """
    wanted, how = work.request.mesh, How()
    triangles = wanted.triangles if wanted.triangles is not None else TEXTURED if wanted.texture else how.triangles
    if triangles is not None and triangles < FEWEST:
        raise InputError(f"{triangles} triangles make no surface: give --triangles {FEWEST} or more.")
    voxel = None if wanted.voxel is None else wanted.voxel / work.placement.scale
    return replace(how, voxel=voxel, triangles=triangles, texture=wanted.texture, watertight=wanted.watertight)


def seen_of(source: "Source") -> tuple[Float[Tensor, "n 3"], list[Camera]]:
    """Directions from which the Gaussians of the scene were seen, and its cameras; without photos from all around."""
    if source.scene is not None and source.scene.views:
        cameras = [view.camera for view in source.scene.views]
        some = cameras[:: -(-len(cameras) // VIEWS)]
        return seen_from(source.gaussians, some, SIDE), cameras
    low, high = extent(source.gaussians)
    some = around(((low + high) / 2).float(), 0.5 * float((high - low).norm()), VIEWS, SIDE)
    return seen_from(source.gaussians, some, SIDE), []


def placed(made: Mesh, placement: Similarity) -> Mesh:
    """The mesh in the file's numbers."""
    points = placement.points(torch.from_numpy(np.ascontiguousarray(made.points)))
    return replace(made, points=points.numpy())
