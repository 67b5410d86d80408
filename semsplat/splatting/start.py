"""Where a fit begins: Gaussians on the capture's sparse points, or on colours along the frames' own rays."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from .camera import Camera
from .capture.types import Capture, Frame
from .errors import InputError
from .gaussians import Gaussians
from .train_types import TrainConfig

FEW = 100  # fewer sparse points than this are not enough to begin with
RANDOM = 6_000  # Gaussians of a random start
LARGEST = 0.1  # of the distance of the scene's middle: no Gaussian begins larger
MANY, HULL = 20, 128  # candidates for each Gaussian where empty space is known; pixels across for looking it up
NEAREST, FARTHEST = 0.35, 3.0  # random depths, times the distance of the scene's middle


def start(capture: Capture, config: TrainConfig, frames: Sequence[Frame]) -> Gaussians:
    """Initial Gaussians, no more than ``config.cap``; the same for the same seed.

    Raises:
        InputError: there are neither points nor frames.
    """
    if not frames:
        raise InputError("There is no view to begin with.")
    generator = torch.Generator().manual_seed(config.seed)
    points, colors = capture.points, capture.colors
    good = points.isfinite().all(-1)
    points, colors = points[good], colors[good]
    middle = scene_middle([f.camera for f in frames])
    distance = torch.stack([(f.camera.center - middle).norm() for f in frames]).median().item()
    if len(points) < FEW:
        points, colors = _random(frames, distance, min(RANDOM, config.cap), generator)
    elif len(points) > config.cap:
        chosen = torch.randperm(len(points), generator=generator)[: config.cap]
        points, colors = points[chosen], colors[chosen]
    opacity = 0.5 if config.density == "mcmc" else 0.1
    return Gaussians.from_points(points, colors, config.sh_degree, opacity, LARGEST * distance)


def scene_middle(cameras: Sequence[Camera]) -> Float[Tensor, "3"]:
    """The point nearest to all optical axes, least squares; world units."""
    centers = torch.stack([c.center for c in cameras]).double()
    axes = torch.nn.functional.normalize(torch.stack([c.world_to_camera[2, :3] for c in cameras]).double(), dim=-1)
    across = torch.eye(3, dtype=torch.float64) - axes[:, :, None] * axes[:, None, :]
    total = across.sum(0) + 1e-6 * len(cameras) * torch.eye(3, dtype=torch.float64)  # parallel axes have no such point
    right = (across @ centers[:, :, None]).sum(0)[:, 0] + 1e-6 * len(cameras) * (centers + axes).mean(0)
    return torch.linalg.solve(total, right).float()


def _random(
    frames: Sequence[Frame], distance: float, count: int, generator: torch.Generator
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Random coloured points; where all frames know empty space, only those that no view sees there."""
    if not all(frame.background for frame in frames):
        return _along_rays(frames, distance, count, generator)
    points, colors = _along_rays(frames, distance, MANY * count, generator)
    agreed = occupied(points, frames).topk(count).indices
    return points[agreed], colors[agreed]


def occupied(points: Float[Tensor, "n 3"], frames: Sequence[Frame]) -> Float[Tensor, " n"]:
    """In [0, 1]: in how many of the views that see a point it does not lie in empty space (a soft visual hull)."""
    seen, full = torch.zeros(len(points)), torch.zeros(len(points))
    for frame in frames:
        camera = frame.camera.scaled(min(1.0, HULL / frame.camera.width))
        _, weight = frame.shown_to(camera, torch.device("cpu"))
        x, y, z = (camera.local(points) @ camera.intrinsics.T).unbind(-1)
        column, row = (x / z.clamp_min(1e-6)).floor().long(), (y / z.clamp_min(1e-6)).floor().long()
        inside = (z > 0) & (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
        seen += inside
        at = row.clamp(0, camera.height - 1), column.clamp(0, camera.width - 1)
        full += inside if weight is None else inside * (weight[at][:, 0] > 0.5)
    return full / seen.clamp_min(1)


def _along_rays(
    frames: Sequence[Frame], distance: float, count: int, generator: torch.Generator
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Random pixels of all frames at random depths, evenly in inverse depth, with the pixels' colours."""
    points, colors = [], []
    for k, frame in enumerate(frames):
        share = count * (k + 1) // len(frames) - count * k // len(frames)
        camera = frame.camera.scaled(min(1.0, 64 / frame.camera.width))
        photo, weight = frame.shown_to(camera, torch.device("cpu"))
        likely = torch.ones(photo.shape[:2]) if weight is None else weight[..., 0].clamp_min(1e-4)
        pixel = torch.multinomial(likely.flatten(), share, replacement=True, generator=generator)
        x, y = pixel % camera.width + 0.5, pixel // camera.width + 0.5
        near, far = 1 / (NEAREST * distance), 1 / (FARTHEST * distance)
        depth = 1 / (far + (near - far) * torch.rand(share, generator=generator))
        seen = torch.stack([x, y, torch.ones_like(x)], dim=-1) @ torch.linalg.inv(camera.intrinsics).T * depth[:, None]
        to_world = camera.camera_to_world
        points.append(seen @ to_world[:3, :3].T + to_world[:3, 3])
        colors.append(photo.reshape(-1, 3)[pixel])
    return torch.cat(points), torch.cat(colors)
