"""Regions drawn on a picture, and what of the scene is in them. No browser, no meaning: only where things are."""

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..distill.segment import Graph, Stroke
from ..distill.segment.prompts import brush
from ..splatting.camera import Camera
from ..splatting.gaussians import Gaussians
from ..splatting.project import NEAR
from ..splatting.splat import splat

SIDE = 320  # pixels of the longest side of the picture in which surfaces are looked at
FINE = 1024  # and of the one in which centres are
SEEN = 0.1  # of what a Gaussian would show alone; what shows less is behind something
TOUCHING = 0.01  # contact at which two Gaussians are neighbours


@dataclass(frozen=True)
class Region:
    """A polygon, or a line as broad as a brush."""

    points: Float[Tensor, "p 2"]  # x, y as shares of the picture's width and height, (0, 0) the upper left corner
    radius: float | None = None  # of the brush, as a share of the picture's height; None: a polygon, filled

    @classmethod
    def box(cls, one: tuple[float, float], other: tuple[float, float]) -> Self:
        """The rectangle between two corners."""
        (x0, y0), (x1, y1) = one, other
        return cls(torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))

    def mask(self, camera: Camera) -> Bool[Tensor, "h w"]:
        """The pixels of a camera that are in it; none where it is outside the picture or has no area."""
        points = self.points.double() * torch.tensor([camera.width, camera.height], dtype=torch.float64)
        if self.radius is None:
            return filled(points, camera.width, camera.height)
        limit = torch.tensor([camera.width, camera.height], dtype=torch.float64)
        reach = self.radius * camera.height
        if not len(points) or ((points + reach < 0) | (points - reach > limit)).any(1).all():
            return torch.zeros(camera.height, camera.width, dtype=torch.bool)
        return brush(Stroke(camera, points.float(), max(reach, 1.0)))


def filled(points: Float[Tensor, "p 2"], width: int, height: int) -> Bool[Tensor, "h w"]:
    """Pixels whose centres are inside a closed polygon, by the even-odd rule. ``points`` in pixels."""
    flips = torch.zeros(height, width + 1, dtype=torch.int32)
    for (x0, y0), (x1, y1) in zip(points.tolist(), points.roll(-1, 0).tolist(), strict=True):
        low, high = sorted((y0, y1))
        lines = torch.arange(height, dtype=torch.float64) + 0.5
        crossed = torch.nonzero((lines >= low) & (lines < high))[:, 0]
        if len(crossed):
            x = x0 + (x1 - x0) * (lines[crossed] - y0) / (y1 - y0)
            first = (x - 0.5).ceil().clamp(0, width).long()  # pixels from here on change sides
            flips[crossed, first] += 1
    return flips.cumsum(1)[:, :width] % 2 == 1


@torch.no_grad()
def surface(gaussians: Gaussians, camera: Camera, region: Region) -> Bool[Tensor, " n"]:
    """What the camera sees in the region, and nothing behind it: more than half of what is seen of it is in there."""
    small = _sized(camera, SIDE)
    mask = region.mask(small).to(gaussians.means.device)
    if not mask.any() or not len(gaussians):
        return torch.zeros(len(gaussians), dtype=torch.bool, device=gaussians.means.device)
    blend = splat(gaussians.detach(), small).detach()
    inside, seen = (blend.T @ torch.stack([mask, torch.ones_like(mask)], -1).to(gaussians.means)).unbind(1)
    xx, xy, yy = blend.footprints.covariances.unbind(-1)
    alone = blend.footprints.opacities * 2 * torch.pi * (xx * yy - xy * xy).clamp_min(0.0).sqrt()
    return (inside > 0.5 * seen) & (seen > SEEN * alone.clamp_max(mask.numel()))


@torch.no_grad()
def through(gaussians: Gaussians, camera: Camera, region: Region) -> Bool[Tensor, " n"]:
    """Everything whose centre the camera has in the region, however far behind."""
    fine = _sized(camera, FINE)
    mask = region.mask(fine).to(gaussians.means.device)
    points = fine.local(gaussians.means) @ fine.intrinsics.to(gaussians.means).T
    places = (points[:, :2] / points[:, 2:].clamp_min(NEAR)).floor()
    limit = places.new_tensor([fine.width, fine.height])
    there = (points[:, 2] > NEAR) & ((places >= 0) & (places < limit)).all(1)
    x, y = places[there].long().unbind(1)
    found = torch.zeros_like(there)
    found[there] = mask[y, x]
    return found


def shown(gaussians: Gaussians, visible: Float[Tensor, " n"] | None) -> Gaussians:
    """The Gaussians with their opacities times a factor, as they are seen; one points at nothing else."""
    if visible is None:
        return gaussians
    opacities = gaussians.opacities * visible.to(gaussians.opacities)
    return gaussians.replace(logit_opacities=opacities.clamp(1e-7, 1 - 1e-7).logit())


def grown(graph: Graph, selection: Bool[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """With the neighbours of what is selected."""
    return selection | _beside(graph, selection)


def shrunk(graph: Graph, selection: Bool[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Without those that have a neighbour which is not selected."""
    return selection & ~_beside(graph, ~selection)


def _beside(graph: Graph, selection: Bool[Tensor, " n"]) -> Bool[Tensor, " n"]:
    first, second = graph.pairs[graph.contact >= TOUCHING].unbind(1)
    beside = torch.zeros_like(selection)
    beside[second[selection[first]]] = True
    beside[first[selection[second]]] = True
    return beside


def sizes(means: Float[Tensor, "n 3"], up: Float[Tensor, "3"]) -> tuple[float, float, float]:
    """(width, depth, height) in world units without the outermost 1 % at each end: height along up, width along the
    level direction nearest to the scene's x axis, depth square to both."""
    if not len(means):
        return 0.0, 0.0, 0.0
    up = torch.nn.functional.normalize(up.to(means), dim=0)
    axis = means.new_tensor([1.0, 0.0, 0.0]) if up[0].abs() < 0.9 else means.new_tensor([0.0, 0.0, 1.0])
    wide = torch.nn.functional.normalize(axis - (axis @ up) * up, dim=0)
    along = means @ torch.stack([wide, torch.linalg.cross(up, wide), up], dim=1)
    ordered, cut = along.sort(0).values, len(means) // 100
    width, depth, height = (ordered[len(means) - 1 - cut] - ordered[cut]).tolist()
    return width, depth, height


def _sized(camera: Camera, side: int) -> Camera:
    return camera.scaled(side / max(camera.width, camera.height))
