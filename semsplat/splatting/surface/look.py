"""Pictures from which a surface is made: colour, and the depth of what is in front."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from .._cpu_raster import Raster
from .._kernels import array, spread
from .._kernels import surface as kernels
from ..camera import Camera
from ..errors import InputError
from ..gaussians import Gaussians
from ..project import covariances, rotations
from ..splat import splat
from .types import ALONE

FREE_BELOW = 0.3  # coverage: a pixel that is less covered shows that nothing is there ...
SOLID = 0.5  # ... and one that is more covered a surface
THINNEST = 1e-3  # of a Gaussian's longest axis: thinner ones count as so thick
REACH = 3.0  # standard deviations along the camera's axis, within which a ray meets a Gaussian
BEHIND = 0.0  # a Gaussian is seen from its back when the direction to the camera, along `seen`, is less than this ...
ROUND = 0.35  # ... unless it was seen from all around: the mean direction is shorter than this


@dataclass(frozen=True)
class Look:
    """What one camera sees of a thing that stands alone."""

    camera: Camera
    depth: Float[Tensor, "h w"]  # world units along the camera's axis; infinite where nothing is, NaN where unknown
    color: UInt8[Tensor, "h w 3"]  # of what is opaque
    photo: bool  # the camera stands where a photo was taken


def seen_from(gaussians: Gaussians, cameras: Sequence[Camera], side: int = 256) -> Float[Tensor, "n 3"]:
    """For each Gaussian the mean of the unit directions to the cameras that see it, by how much; 0 where none does.

    Its length, in [0, 1], says how much the directions agree.
    """
    total, mass = torch.zeros_like(gaussians.means), torch.zeros_like(gaussians.logit_opacities)[:, None]
    for camera in cameras:
        small = camera.scaled(min(1.0, side / max(camera.width, camera.height)))
        blend = splat(gaussians, small).detach()
        seen = blend.T @ torch.ones_like(blend.alpha)
        away = torch.nn.functional.normalize(camera.center.to(gaussians.means) - gaussians.means, dim=-1)
        total, mass = total + seen * away, mass + seen
    return total / mass.clamp_min(1e-9)


def look(
    thing: Gaussians, seen: Float[Tensor, "n 3"], camera: Camera, photo: bool, met: tuple[float, float] = ALONE
) -> Look:
    """What a camera sees of a thing.

    Args:
        thing: on the CPU, alone. seen: see :func:`seen_from`; surfaces are not trusted from behind.
        photo: whether colours may change with the direction, as somebody looked from there. met: see :class:`.How`.
    """
    blend = splat(thing, camera).detach()
    color, alpha = blend.composite(thing.colors(camera, 3 if photo else 0))
    depth = _depth(thing, seen, camera, blend.raster, met)  # type: ignore[attr-defined]
    color = (255.0 * (color / alpha.clamp_min(1e-3)).clamp(0.0, 1.0)).round().to(torch.uint8)
    return Look(camera, depth, color, photo)


def _depth(
    thing: Gaussians, seen: Tensor, camera: Camera, raster: Raster, met: tuple[float, float]
) -> Float[Tensor, "h w"]:
    view = camera.world_to_camera.double()
    away = torch.nn.functional.normalize(camera.center - thing.means, dim=-1)
    trusted = ((away * seen).sum(-1) > BEHIND) | (seen.norm(dim=-1) < ROUND)
    shapes, levers = _precision(thing, camera.center.double())
    spread_along = torch.einsum("i,nij,j->n", view[2, :3], covariances(thing.double()), view[2, :3]).sqrt()
    middles = thing.means.double() @ view[2, :3] + view[2, 3]
    sparse = raster.sparse
    if sparse is None:
        raise InputError("The Gaussians overlap too much for pictures so fine; say a larger --voxel.")
    out = np.empty(camera.width * camera.height, np.float32)
    numbers = shapes, levers, middles, REACH * spread_along, trusted.to(torch.uint8), view, lens_of(camera)
    limits = np.array([FREE_BELOW, met[0], SOLID, met[1]])
    spread(kernels.depths, len(out), *sparse.by_pixel, *(array(t) for t in numbers), camera.width, limits, out)
    return torch.from_numpy(out).reshape(camera.height, camera.width)


def _precision(thing: Gaussians, eye: Float[Tensor, "3"]) -> tuple[Float[Tensor, "n 6"], Float[Tensor, "n 3"]]:
    """Inverse covariances (xx, xy, xz, yy, yz, zz), and those times the way from the eye to the centre."""
    turned, scales = rotations(thing.quats.double()), thing.scales.double()
    scales = scales.clamp_min(THINNEST * scales.amax(-1, keepdim=True)).clamp_min(1e-12)
    half = turned / scales[:, None, :]
    inverse = half @ half.transpose(-1, -2)
    levers = (inverse @ (thing.means.double() - eye)[:, :, None])[:, :, 0]
    rows, columns = torch.triu_indices(3, 3)
    return inverse[:, rows, columns], levers


def lens_of(camera: Camera) -> Float[Tensor, "4"]:
    """fx, fy, cx, cy in pixels, float64."""
    lens = camera.intrinsics.double()
    return torch.stack([lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2]])


def around(middle: Float[Tensor, "3"], radius: float, count: int, side: int, fov: float = 0.7) -> list[Camera]:
    """Cameras evenly all around a ball, from above and from below, each of which sees all of it."""
    cameras = []
    for k in range(count):
        z = 1.0 - 2.0 * (k + 0.5) / count
        turn, flat = k * math.pi * (3 - 5**0.5), math.sqrt(1 - z * z)
        direction = torch.tensor([flat * math.cos(turn), flat * math.sin(turn), z])
        cameras.append(_at(middle + direction * radius / math.sin(fov / 2), middle, radius, side))
    return cameras


def aimed(cameras: Sequence[Camera], middle: Float[Tensor, "3"], radius: float, side: int) -> list[Camera]:
    """The cameras turned to the ball and zoomed onto it; those inside it or next to it stay as they are, but larger."""
    result = []
    for camera in cameras:
        eye = camera.center
        if (eye - middle).norm() > 1.5 * radius:
            result.append(_at(eye, middle, radius, side))
        else:
            result.append(camera.scaled(side / max(camera.width, camera.height)))
    return result


def _at(eye: Float[Tensor, "3"], middle: Float[Tensor, "3"], radius: float, side: int) -> Camera:
    """From the eye onto the ball, which just fits."""
    fov = 2 * math.asin(min(1.0, radius / float((eye - middle).norm())))
    return Camera.look_at(eye, middle, torch.tensor([0.0, 0.0, 1.0]), fov, side, side)
