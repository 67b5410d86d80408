"""What photos tell about a hole: where the thing stood in front, how far the scene is, which Gaussians are not to be
trusted without it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ._cpu import CpuBlend
from .blend import Blend
from .camera import Camera
from .capture.types import Frame
from .depth import slopes
from .gaussians import Gaussians
from .splat import splat

LONGEST = 480  # pixels of a photo's longer side that are looked at
COVERED = 0.04  # coverage by the thing from which on a pixel is not trusted
BORDER = 2  # pixels around these that are not trusted either, at least
SHADE = 0.06  # of the thing's size in the view: so wide is the shade, or the glow, that it leaves on what it touches
MARGIN = 0.8  # of the thing's size in a view that is looked at around it, on each side
LEAST = 24  # pixels of that margin
SURE = 0.85  # coverage from which on a depth is one
FAINT = 0.05  # coverage below which nothing is there
SLANT = 0.3  # of the depth of its centre, that a Gaussian may be nearer or farther at a pixel

Say = Callable[[float, str], None]  # (share done in [0, 1], what is done)


@dataclass(frozen=True)
class Sight:
    """A photo, or the part of it around the hole."""

    camera: Camera
    photo: Float[Tensor, "h w 3"]  # in [0, 1]
    free: Bool[Tensor, "h w"]  # the thing is not in front, and the photo's own mask lets it count
    hidden: Bool[Tensor, "h w"]  # the thing is in front
    before: Float[Tensor, "h w"]  # depth of the scene with the thing, world units; nan where there is none
    thing: Bool[Tensor, "h w"]  # the thing itself is seen here

    def around(self, points: Float[Tensor, "k 3"] | None = None) -> "Sight":
        """The part around the hole, and around where points are seen."""
        seen, ranges = torch.zeros_like(self.hidden), []
        if points is not None:
            at, _, inside = pixels_of(points, self.camera)
            seen.view(-1)[at[inside]] = True
        for axis in (1, 0):
            hole, more = (torch.nonzero(mask.any(axis))[:, 0] for mask in (self.hidden, seen))
            by = max(LEAST, round(MARGIN * int(hole[-1] - hole[0] + 1)))
            ends = torch.cat([hole[:1] - by, hole[-1:] + 1 + by, more - LEAST, more + 1 + LEAST])
            low, high = ends.clamp(0, self.hidden.shape[1 - axis]).aminmax()
            ranges.append(slice(int(low), int(high)))
        y, x = ranges
        maps = (map_[y, x].contiguous() for map_ in (self.photo, self.free, self.hidden, self.before, self.thing))
        return Sight(self.camera.cut(y, x), *maps)


@torch.no_grad()
def look(
    gaussians: Gaussians, gone: Bool[Tensor, " n"], frames: Sequence[Frame], say: Say
) -> tuple[list[Sight], Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Sights of all photos that show the thing, and how much each other Gaussian is seen without it.

    Returns:
        sights, and sums of W.T @ 1 of the scene without the thing over pixels where it was not in front, and over all.
    """
    sights, there = [], torch.nonzero(~gone)[:, 0]
    others = gaussians[there]
    free_mass, mass = torch.zeros(2, len(gaussians)).to(gaussians.means)
    for number, frame in enumerate(frames):
        say(number / len(frames), "looking at the photos")
        camera = frame.camera.scaled(min(1.0, LONGEST / max(frame.camera.width, frame.camera.height)))
        blend = splat(gaussians, camera).detach()
        thing = (blend @ gone[:, None].to(gaussians.means))[..., 0]
        hidden = grown(thing > COVERED, max(BORDER, round(SHADE * (thing > 0.5).sum().sqrt().item())))
        photo, weight = frame.shown_to(camera, gaussians.means.device)
        free = ~hidden if weight is None else ~hidden & (weight[..., 0] > 0.5)
        without = splat(others, camera).detach()
        pair = without.T @ torch.stack([free.to(photo), torch.ones_like(photo[..., 0])], -1)
        free_mass[there] += pair[:, 0]
        mass[there] += pair[:, 1]
        if all(int(hidden.any(axis).sum()) > 1 for axis in (0, 1)):
            depth, alpha = surface_depth(blend)
            depth = torch.where(alpha > SURE, depth, torch.nan)
            sights.append(Sight(camera, photo, free, hidden, depth, thing > 0.5))
    return sights, free_mass, mass


def surface_depth(blend: Blend) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Where each pixel turns opaque, as a depth (nan where nothing is), and its coverage.

    It is the depth, at the pixel, of the Gaussian at which half of the coverage is reached.
    """
    assert isinstance(blend, CpuBlend)  # fill() sees to it
    alpha = blend.alpha.detach()[..., 0]
    there = alpha > FAINT
    y, x = torch.nonzero(there, as_tuple=True)
    few, at = blend.raster.half_way(alpha)[there].unique(return_inverse=True)
    plain, away = blend.footprints.depths[few][at], torch.stack([x, y], 1) + 0.5 - blend.footprints.centers[few][at]
    slanted = plain + (slopes(blend, few)[at] * away).sum(-1)
    depth = torch.full_like(alpha, torch.nan)
    depth[there] = torch.where((slanted / plain - 1.0).abs() < SLANT, slanted, plain)
    return depth, alpha


def rays(camera: Camera) -> Float[Tensor, "h w 3"]:
    """The way from the camera's centre through each pixel's centre, of depth 1, world axes."""
    like, k = camera.world_to_camera, camera.intrinsics
    y, x = torch.meshgrid(torch.arange(camera.height).to(like), torch.arange(camera.width).to(like), indexing="ij")
    local = torch.stack([(x + 0.5 - k[0, 2]) / k[0, 0], (y + 0.5 - k[1, 2]) / k[1, 1], torch.ones_like(x)], -1)
    return local @ camera.world_to_camera[:3, :3]


def grown(mask: Bool[Tensor, "h w"], pixels: int) -> Bool[Tensor, "h w"]:
    """With all pixels that are at most so far away, in rows or columns."""
    if pixels < 1:
        return mask
    from scipy import ndimage

    found = mask.numpy().astype(np.uint8)
    for axis in (0, 1):
        found = ndimage.maximum_filter1d(found, 2 * pixels + 1, axis, mode="constant")
    return torch.from_numpy(found > 0)


def pixels_of(points: Float[Tensor, "m 3"], camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """Flat index of the pixel that each point is in (0 outside), its depth, and whether it is in the picture."""
    local = camera.local(points)
    depth = local[:, 2]
    image = (local @ camera.intrinsics.T)[:, :2] / depth.clamp_min(1e-6)[:, None]
    x, y = image.floor().long().unbind(1)
    inside = (depth > 1e-4) & (x >= 0) & (y >= 0) & (x < camera.width) & (y < camera.height)
    return torch.where(inside, y * camera.width + x, 0), depth.clamp_min(1e-6), inside
