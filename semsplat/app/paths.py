"""Ways for a camera to travel, made from the cameras of a scene: orbit, interpolate, spiral. Pure geometry."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting.camera import Camera, pinhole
from ..splatting.errors import InputError
from .poses import up_of

SWING = 0.9  # of the covered angle: what is seen from its very ends is seen by few photos
Up = Float[Tensor, "3"] | None  # of the world; None: what the cameras say
FULL_CIRCLE = math.radians(270)  # cameras that cover at least so much of the circle are orbited all the way round


@dataclass(frozen=True)
class Layout:
    """How the cameras of a scene stand: float64, world units."""

    positions: Float[Tensor, "n 3"]
    forwards: Float[Tensor, "n 3"]  # unit vectors of the optical axes
    up: Float[Tensor, "3"]
    focus: Float[Tensor, "3"]  # the point nearest to all optical axes

    @classmethod
    def of(cls, cameras: Sequence[Camera], up: Float[Tensor, "3"] | None = None) -> "Layout":
        """Look at where cameras stand and where they look; ``up`` is what they say when it is not given."""
        if not cameras:
            raise InputError("A camera path needs the cameras of a scene, and there are none.")
        poses = torch.stack([camera.world_to_camera.cpu().double() for camera in cameras])
        rotations, translations = poses[:, :3, :3], poses[:, :3, 3]
        positions = -(rotations.transpose(1, 2) @ translations[:, :, None])[:, :, 0]
        forwards = rotations[:, 2]
        up = torch.nn.functional.normalize((up_of(cameras) if up is None else up).cpu().double(), dim=0)
        return cls(positions, forwards, up, _focus(positions, forwards))


def orbit(cameras: Sequence[Camera], count: int, up: Up = None) -> list[Camera]:
    """Around the focus at the cameras' median distance and height: all the way round where the cameras do so,
    else to and fro over nearly the angle that they cover. The path closes: the first view follows the last.
    """
    layout, lens = Layout.of(cameras, up), _lens(cameras)
    across, along = _plane(layout.up, layout.positions[0] - layout.focus)
    arms = layout.positions - layout.focus
    x, y, heights = arms @ across, arms @ along, arms @ layout.up
    radius, height = torch.hypot(x, y).median(), heights.median()
    middle, extent = _arc(torch.atan2(y, x).numpy())
    turns = np.arange(count) / max(1, count) * 2 * math.pi
    angles = middle + turns if extent >= FULL_CIRCLE else middle + 0.5 * SWING * extent * np.sin(turns)
    path = []
    for angle in angles:
        position = layout.focus + radius * (math.cos(angle) * across + math.sin(angle) * along) + height * layout.up
        path.append(_aim(lens, position, layout.focus, layout.up))
    return path


def spiral(cameras: Sequence[Camera], count: int, up: Up = None) -> list[Camera]:
    """Two turns of a flat spiral about the mean camera, looking at the focus (Mildenhall et al. 2019, LLFF). It closes.

    For captures from about one side; its radii are the 90th percentiles of the cameras' offsets.
    """
    layout, lens = Layout.of(cameras, up), _lens(cameras)
    middle = layout.positions.mean(0)
    forward = torch.nn.functional.normalize(layout.forwards.mean(0), dim=0)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, layout.up), dim=0)
    axes = torch.stack([right, torch.linalg.cross(forward, right), forward])
    radii = torch.quantile(((layout.positions - middle) @ axes.T).abs(), 0.9, dim=0)
    distance = ((layout.focus - middle) @ forward).clamp_min(1e-3)
    target = middle + distance * forward
    path = []
    for t in np.arange(count) / max(1, count) * 4 * math.pi:
        offset = torch.tensor([math.cos(t), math.sin(t), math.sin(0.5 * t)], dtype=torch.float64) * radii
        path.append(_aim(lens, middle + offset @ axes, target, layout.up))
    return path


def interpolate(cameras: Sequence[Camera], count: int, up: Up = None) -> list[Camera]:
    """Smoothly through every camera in the order given, however it was held: splines of positions and rotations."""
    from scipy.interpolate import CubicSpline
    from scipy.spatial.transform import Rotation, RotationSpline

    if len(cameras) < 2:
        raise InputError("A path through the cameras needs at least two of them; use orbit or spiral.")
    poses = torch.stack([camera.camera_to_world.cpu().double() for camera in cameras]).numpy()
    positions, rotations = poses[:, :3, 3], Rotation.from_matrix(poses[:, :3, :3])
    steps = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    turns = (rotations[:-1].inv() * rotations[1:]).magnitude()
    scale = steps.mean() or 1.0
    times = np.concatenate([[0.0], np.cumsum(np.sqrt(steps / scale + turns) + 1e-3)])  # centripetal: no loops
    moments = np.linspace(0.0, times[-1], count)
    path = np.tile(np.eye(4), (count, 1, 1))
    path[:, :3, 3] = CubicSpline(times, positions)(moments)
    path[:, :3, :3] = RotationSpline(times, rotations)(moments).as_matrix()
    lens = _lens(cameras)
    views = torch.from_numpy(np.linalg.inv(path)).float()
    return [Camera(view, lens.intrinsics, lens.width, lens.height) for view in views]


PATHS: dict[str, Callable[[Sequence[Camera], int, Up], list[Camera]]] = {
    "orbit": orbit,
    "interpolate": interpolate,
    "spiral": spiral,
}


def _focus(positions: Float[Tensor, "n 3"], forwards: Float[Tensor, "n 3"]) -> Float[Tensor, "3"]:
    """The point with the least squared distance to all axes, among those in front of most cameras."""
    across = torch.eye(3, dtype=torch.float64) - forwards[:, :, None] * forwards[:, None, :]
    spread = positions.std(0, correction=0).norm().clamp_min(1e-6)
    middle = positions.mean(0)
    ahead = middle + spread * torch.nn.functional.normalize(forwards.mean(0), dim=0)
    damping = 1e-7 * len(positions)  # parallel axes meet nowhere: then a little ahead of the middle
    left = across.sum(0) + damping * torch.eye(3, dtype=torch.float64)
    right = (across @ positions[:, :, None]).sum(0)[:, 0] + damping * ahead
    focus = torch.linalg.solve(left, right)
    in_front = ((focus - positions) * forwards).sum(1) > 0
    return focus if in_front.float().mean() > 0.5 else ahead


def _plane(up: Tensor, towards: Tensor) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Two unit vectors at right angles to ``up``, the first as near as can be to ``towards``."""
    flat = towards - (towards @ up) * up
    if flat.norm() < 1e-6 * towards.norm().clamp_min(1e-12):
        flat = torch.linalg.cross(up, up.roll(1) + torch.tensor([1.0, 0.0, 0.0], dtype=up.dtype))
    across = torch.nn.functional.normalize(flat, dim=0)
    return across, torch.linalg.cross(up, across)


def _arc(angles: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Middle and extent of the shortest arc that holds all angles, radians."""
    ordered = np.sort(angles % (2 * math.pi))
    gaps = np.diff(np.append(ordered, ordered[0] + 2 * math.pi))
    widest = int(gaps.argmax())
    extent = 2 * math.pi - float(gaps[widest])
    start = float(ordered[(widest + 1) % len(ordered)])
    return start + 0.5 * extent, extent


def _lens(cameras: Sequence[Camera]) -> Camera:
    """A camera with the median focal lengths of all, at the size of the first, looking straight."""
    first = cameras[0]
    fx, fy = (
        float(np.median([c.intrinsics[i, i].item() * side / (c.width, c.height)[i] for c in cameras]))
        for i, side in enumerate((first.width, first.height))
    )
    intrinsics = pinhole(fx, fy, 0.5 * first.width, 0.5 * first.height)
    return Camera(torch.eye(4), intrinsics, first.width, first.height)


def _aim(lens: Camera, position: Tensor, target: Tensor, up: Tensor) -> Camera:
    view = Camera.look_at(position, target, up, 1.0, lens.width, lens.height).world_to_camera.float()
    return Camera(view, lens.intrinsics, lens.width, lens.height)
