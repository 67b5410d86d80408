"""The dominant level surface of a scene, a floor, the ground or a table top: what says most exactly where up is.

What cameras see, as points with normals from median depths, and RANSAC over it (Fischler and Bolles 1981): each point
is a candidate by itself, and the best are refined by least squares on the points that lie in them (LO-RANSAC, Chum et
al. 2003).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .camera import Camera
from .depth import median_depth
from .gaussians import Gaussians
from .splat import splat

VIEWS, SIDE = 12, 96  # cameras that are looked through, and pixels on their longest side
COVERED = 0.8  # of a pixel: what is less has no depth
TILT = math.cos(math.radians(40))  # surfaces that are more than that off the given up are not level: who photographs
# from one side only and looks down is off by so much
ROLL = math.sin(math.radians(6))  # by so much more than with the given up may cameras have been held askew (root mean
# square): what a floor must not contradict, as people look up and down but hold the picture level
ALIKE = math.cos(math.radians(25))  # normals of points in a plane
THICK = 0.015  # of the median distance from the cameras: how far from the plane its points lie
CANDIDATES, REFINED, ROUNDS = 400, 12, 6
BROAD = 0.08  # of that distance: least standard deviation of a floor in its narrower direction
SHARE = 0.05  # of what cameras see: least for a floor
ABOVE = 0.9  # share of the cameras that a floor is below, at least


@dataclass(frozen=True)
class Floor:
    """A level plane: the points x with ``x @ up == height``."""

    up: Float[Tensor, "3"]  # unit vector, float64
    height: float  # world units
    share: float  # of what cameras see that lies in it
    middle: Float[Tensor, "3"]  # of what lies in it, float64


def find_floor(
    gaussians: Gaussians,
    cameras: Sequence[Camera],
    up: Float[Tensor, "3"],
    report: Callable[[int, int], None] | None = None,
) -> Floor | None:
    """The level surface below the cameras that fills most of what they see; None where there is none.

    Args:
        up: about where up is, such as from the cameras.
        report: called with (views drawn, views).
    """
    if not cameras or not len(gaussians):
        return None
    up = torch.nn.functional.normalize(up.double().cpu(), dim=0)
    points, normals, distance = seen(gaussians, cameras, report)
    eyes = torch.stack([camera.center.double().cpu() for camera in cameras])
    rights = torch.stack([camera.world_to_camera[0, :3].double().cpu() for camera in cameras])
    askew = (rights @ up).square().mean().sqrt() + ROLL
    found = None
    for normal, height in _candidates(points, normals, normals @ up > TILT, THICK * distance):
        floor = _refined(points, normals, normal, height, distance)
        if floor is None or floor.up @ up < TILT or (rights @ floor.up).square().mean().sqrt() > askew:
            continue
        below = (eyes @ floor.up > floor.height).double().mean() >= ABOVE
        if below and (found is None or floor.share > found.share):
            found = floor
    return found if found is not None and found.share >= SHARE else None


@torch.no_grad()
def seen(
    gaussians: Gaussians, cameras: Sequence[Camera], report: Callable[[int, int], None] | None = None
) -> tuple[Float[Tensor, "p 3"], Float[Tensor, "p 3"], float]:
    """(points that cameras see, unit normals towards them, median distance); float64, world units."""
    chosen = cameras[:: max(1, -(-len(cameras) // VIEWS))]
    points, normals, distances = [], [], []
    for done, camera in enumerate(chosen, 1):
        small = camera.scaled(SIDE / max(camera.width, camera.height))
        blend = splat(gaussians, small.to(gaussians.means.device)).detach()
        depth = torch.where(blend.alpha >= COVERED, median_depth(blend), 0.0)[..., 0].double().cpu()
        places, facing, whole = _surface(depth, small.to("cpu"))
        points.append(places[whole])
        normals.append(facing[whole])
        distances.append(depth[1:-1, 1:-1][whole])
        if report:
            report(done, len(chosen))
    distance = torch.cat(distances)
    return torch.cat(points), torch.cat(normals), float(distance.median()) if len(distance) else 1.0


def _surface(depth: Float[Tensor, "h w"], camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """(points, normals, which are on a surface) of the pixels inside the border."""
    rows, columns = (torch.arange(n, dtype=torch.float64) + 0.5 for n in depth.shape)
    pixels = torch.stack([columns.expand(len(rows), -1), rows[:, None].expand(-1, len(columns))], dim=-1)
    pixels = torch.cat([pixels, torch.ones_like(depth)[..., None]], dim=-1)
    rays = pixels @ torch.linalg.inv(camera.intrinsics.double()).T
    pose = camera.camera_to_world.double()
    points = depth[..., None] * rays @ pose[:3, :3].T + pose[:3, 3]
    across, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
    normals = torch.nn.functional.normalize(torch.linalg.cross(down, across, dim=-1), dim=-1)
    towards = torch.nn.functional.normalize(pose[:3, 3] - points[1:-1, 1:-1], dim=-1)
    around = torch.stack([depth[1:-1, 2:], depth[1:-1, :-2], depth[2:, 1:-1], depth[:-2, 1:-1]])
    whole = (depth[1:-1, 1:-1] > 0) & (around > 0).all(0) & ((normals * towards).sum(-1) > 0.1)
    return points[1:-1, 1:-1], normals, whole


def _candidates(
    points: Tensor, normals: Tensor, level: Tensor, thick: float
) -> list[tuple[Float[Tensor, "3"], Float[Tensor, ""]]]:
    """(normal, height) of the best planes that single points lie in."""
    rows = level.nonzero()[:, 0]
    if not len(rows):
        return []
    random = torch.Generator().manual_seed(0)
    chosen = rows[torch.randperm(len(rows), generator=random)[:CANDIDATES]]
    planes, heights = normals[chosen], (normals[chosen] * points[chosen]).sum(1)
    mine, facing = points[rows], normals[rows]
    scores = torch.tensor([int(_inside(mine, facing, n, h, thick).sum()) for n, h in zip(planes, heights, strict=True)])
    best = scores.argsort(descending=True)[:REFINED]
    return [(planes[k], heights[k]) for k in best]


def _inside(points: Tensor, normals: Tensor, normal: Tensor, height: Tensor, thick: float) -> Tensor:
    """Which points lie in a plane and along it."""
    return ((points @ normal - height).abs() < thick) & (normals @ normal > ALIKE)


def _refined(points: Tensor, normals: Tensor, normal: Tensor, height: Tensor, distance: float) -> Floor | None:
    """The plane through the points that lie in it; None where these are no broad surface."""
    middle, spread = points[0], torch.zeros(3)
    for _ in range(ROUNDS):
        mine = points[_inside(points, normals, normal, height, THICK * distance)]
        if len(mine) < 3:
            return None
        middle = mine.mean(0)
        spread, vectors = torch.linalg.eigh((mine - middle).T @ (mine - middle) / len(mine))
        normal = vectors[:, 0] * torch.sign(vectors[:, 0] @ normal)
        height = middle @ normal
    if spread[1].clamp_min(0.0).sqrt() < BROAD * distance:
        return None
    inside = _inside(points, normals, normal, height, THICK * distance)
    return Floor(normal, height.item(), int(inside.sum()) / len(points), middle)
