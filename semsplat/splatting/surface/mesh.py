"""A mesh of Gaussians: looks from all around, fused into a signed distance, whose zero is the surface."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..errors import InputError
from ..gaussians import Gaussians
from ..project import covariances
from . import shapes
from .look import Look, aimed, around, look
from .paint import colors_of
from .texture import check, textured
from .types import How, Mesh
from .volume import Volume

FAINT = 0.05  # opacity below which a Gaussian is no part of a surface
STRAYS = 0.005  # share of the Gaussians that may lie outside the box, at each end of each axis
PIXELS = 1.5  # of a look, for each voxel along its side
SEEN = 2.0  # voxels behind what a look shows, within which a point is what is seen
SLIM = 3.5  # what is longer, for its volume, gets voxels as if it were thicker
LONG = 0.15  # of the diagonal of the largest loose piece: a piece that is longer is no crumb, such as half of a pole
LEAST_SIDE, MOST_SIDE = 96, 768  # pixels of a look
LARGEST = 1e12  # world units

Report = Callable[[int, int], None]


def mesh(
    thing: Gaussians,
    seen: Float[Tensor, "n 3"],
    cameras: Sequence[Camera] = (),
    how: How | None = None,
    report: Report | None = None,
) -> Mesh:
    """The surface of Gaussians that stand alone.

    Args:
        thing: the Gaussians, on the CPU in float32. seen: see :func:`.look.seen_from`, for the same rows.
        cameras: where photos were taken that show it; colours come from there, shape from all around.
        report: called with (looks taken, looks).

    Raises:
        InputError: there is no surface, or the voxels are too small.
    """
    how = how or How()
    shapes.open3d()  # say so early where it is missing
    check(how.texture)
    good = thing.is_finite() & (thing.opacities > FAINT)
    thing, seen = thing[good], seen[good]
    low, high = extent(thing)
    voxel = _voxel(low, high, how)
    margin = (how.truncation + 2) * voxel
    volume = Volume.over(low - margin, high + margin, voxel, how.truncation * voxel)
    looks = looks_at(thing, seen, cameras, low, high, voxel, how, report)
    for taken in looks:
        volume.add(taken)
    points, faces = surface_of(volume, how.watertight)
    points, faces = without_crumbs(points, faces, how.least_piece, how.watertight)
    if not len(faces):
        raise InputError("These Gaussians make no surface: they are too few or too faint; select more of the thing.")
    points = shapes.smoothed(points, faces, how.smooth)
    points, faces = shapes.decimated(points, faces, how.triangles or len(faces), how.watertight)
    near = SEEN * voxel
    made = Mesh(points, faces, colors_of(points, faces, looks, near))
    return made if how.texture is None else textured(made, looks, how.texture, near)


def extent(thing: Gaussians) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Ends of the box of Gaussians with two deviations on each side, without a few strays.

    Raises:
        InputError: there is nothing, or it is endless.
    """
    if not len(thing):
        raise InputError("There is nothing to make a surface of: no Gaussian of the selection is more than faint.")
    reach = 2.0 * torch.diagonal(covariances(thing.double()), dim1=-2, dim2=-1).clamp_min(0.0).sqrt()
    means, some = thing.means.double(), slice(None, None, max(1, len(thing) // 1_000_000))
    low = torch.quantile((means - reach)[some], STRAYS, dim=0)
    high = torch.quantile((means + reach)[some], 1.0 - STRAYS, dim=0)
    longest = float((high - low).max())
    if not longest < LARGEST:
        raise InputError(f"Gaussians spread over {longest:.3g} units make no surface; delete what lies far out.")
    return low, high


def _voxel(low: Tensor, high: Tensor, how: How) -> float:
    longest = float((high - low).max())
    cube = float((high - low).prod()) ** (1 / 3)
    voxel = how.voxel if how.voxel is not None else max(cube, longest / SLIM) / how.resolution
    if not voxel > 0 or not np.isfinite(voxel):
        raise InputError(f"A voxel of {voxel:g} is not possible: give --voxel a length above 0, in units of the scene.")
    if voxel > longest / 4:
        raise InputError(
            f"A voxel of {voxel:g} is too large for a thing of {longest:.3g}; say --voxel {longest / 64:.2g}."
        )
    return voxel


def looks_at(
    thing: Gaussians, seen: Tensor, cameras: Sequence[Camera], low: Tensor, high: Tensor, voxel: float, how: How,
    report: Report | None = None,
) -> list[Look]:  # fmt: skip
    """Looks from the photos' places, then from all around."""
    middle, radius = ((low + high) / 2).float(), 0.5 * float((high - low).norm())
    side = int(np.clip(PIXELS * float((high - low).max()) / voxel, LEAST_SIDE, MOST_SIDE))
    chosen = (
        [cameras[k * len(cameras) // how.photos] for k in range(how.photos)] if len(cameras) > how.photos else cameras
    )
    places = [(camera, True) for camera in aimed(chosen, middle, radius, side)]
    places += [(camera, False) for camera in around(middle, radius, how.around, side)]
    looks = []
    for camera, photo in places:
        looks.append(look(thing, seen, camera, photo, how.met))
        if report is not None:
            report(len(looks), len(places))
    return looks


def surface_of(volume: Volume, watertight: bool) -> tuple[np.ndarray, np.ndarray]:
    """World corners (v, 3) and triangles (f, 3) of the volume's surface; where nobody looked only if ``watertight``."""
    places, faces = shapes.isosurface(volume.solid())
    points = (places - 1.0) * volume.voxel + volume.corner
    if not watertight:
        known = volume.known(points)
        faces = faces[known[faces].all(1)]
    return points, faces


def without_crumbs(
    points: np.ndarray, faces: np.ndarray, least: float, watertight: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Without loose pieces that are small and short; of closed surfaces also without hollows inside."""
    if not len(faces):
        return points, faces
    labels, areas = shapes.pieces(points, faces)
    low, high = np.full((len(areas), 3), np.inf), np.full((len(areas), 3), -np.inf)
    for corner in faces.T:
        np.minimum.at(low, labels, points[corner])
        np.maximum.at(high, labels, points[corner])
    sizes = np.linalg.norm(high - low, axis=1)
    good = (areas >= least * areas.max()) | (sizes >= LONG * sizes[areas.argmax()])
    if watertight:
        a, b, c = (points[faces[:, k]] - points.mean(0) for k in range(3))
        volumes = np.bincount(labels, np.einsum("fk,fk->f", a, np.cross(b, c)), len(areas))
        good &= volumes > 0
    faces = faces[good[labels]]
    used, faces = np.unique(faces, return_inverse=True)
    return points[used], faces.reshape(-1, 3)
