"""The floor of a scene is found as it lies, and is no wall, no ceiling and no side of a thing."""

import math

import pytest
import torch

from semsplat.splatting.camera import Camera
from semsplat.splatting.floor import find_floor
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.similarity import Similarity, upright

Z = torch.tensor([0.0, 0.0, 1.0])


def sheet(corner: tuple, along: tuple, across: tuple, step: float = 0.12) -> Gaussians:
    """A rectangle of flat, opaque Gaussians."""
    start, u, v = (torch.tensor(part) for part in (corner, along, across))
    rows = torch.arange(0.0, 1.0, step / u.norm().item())
    columns = torch.arange(0.0, 1.0, step / v.norm().item())
    means = (start + rows[:, None, None] * u + columns[None, :, None] * v).reshape(-1, 3)
    count = len(means)
    turn = torch.tensor(upright(Z, torch.linalg.cross(u, v))).float()
    scales = torch.tensor([0.7 * step, 0.7 * step, 0.004]).log()
    return Gaussians(means, turn.expand(count, 4).clone(), scales.expand(count, 3).clone(), torch.full((count,), 4.0),
                     torch.zeros(count, 1, 3))  # fmt: skip


def room(floor: bool = True) -> Gaussians:
    """A wall, higher than wide, a box with a top, and perhaps a floor."""
    parts = [
        sheet((-1.5, 1.5, 0.0), (3.0, 0.0, 0.0), (0.0, 0.0, 3.0)),
        sheet((-0.2, -0.2, 0.5), (0.4, 0.0, 0.0), (0.0, 0.4, 0.0), 0.06),
        sheet((-0.2, -0.2, 0.0), (0.4, 0.0, 0.0), (0.0, 0.0, 0.5), 0.06),
    ]
    return Gaussians.cat(parts + ([sheet((-1.5, -1.5, 0.0), (3.0, 0.0, 0.0), (0.0, 3.0, 0.0))] if floor else []))


def photographers(extent: float, count: int = 8, high: float = 1.6) -> list[Camera]:
    """On an arc before the wall, looking down at the box."""
    turns = [-math.pi / 2 + extent * (i / (count - 1) - 0.5) for i in range(count)]
    places = [torch.tensor([2 * math.cos(t), 2 * math.sin(t), high]) for t in turns]
    return [Camera.look_at(place, torch.tensor([0.0, 0.0, 0.2]), Z, 0.9, 96, 72) for place in places]


def off(floor, up: torch.Tensor) -> float:
    return math.degrees(math.acos(min(1.0, float(floor.up @ up.double()))))


@pytest.mark.slow
@pytest.mark.parametrize("askew", [(1.0, 0.0, 0.0, 0.0), (0.8, 0.5, -0.2, 0.25)])
def test_the_floor_is_found_however_the_scene_lies(askew: tuple) -> None:
    length = math.hypot(*askew)
    world = Similarity(tuple(part / length for part in askew), 3.0, (4.0, -2.0, 1.0))
    cameras = [world.camera(camera) for camera in photographers(2.5)]
    up = (world.matrix[:3, :3] @ Z.double()) / 3.0
    about = torch.nn.functional.normalize(up + 0.06, dim=0).float()  # up to 6 degrees off
    floor = find_floor(world.gaussians(room()), cameras, about)
    assert floor is not None and off(floor, up) < 0.5
    on_it = world.points(torch.tensor([[0.7, -0.9, 0.0]], dtype=torch.float64))[0]
    assert abs(float(on_it @ floor.up) - floor.height) < 0.02 * 3.0 and floor.share > 0.2


def test_photographers_on_one_side_look_down_and_the_floor_says_so() -> None:
    cameras = photographers(0.3)
    mean = -torch.stack([camera.world_to_camera[1, :3] for camera in cameras]).mean(0)  # 35 degrees before up
    floor = find_floor(room(), cameras, mean)
    assert floor is not None and off(floor, Z) < 0.5


def test_no_floor_is_no_floor() -> None:
    assert find_floor(room(floor=False), photographers(2.5), Z) is None  # neither the wall nor the top of the box
    assert find_floor(room(), [], Z) is None and find_floor(room()[:0], photographers(2.5), Z) is None


def test_what_the_cameras_contradict_is_no_floor() -> None:
    """A slope of 20 degrees: who walks around it would have held every other photo askew."""
    slope = Similarity((math.cos(math.radians(10)), math.sin(math.radians(10)), 0.0, 0.0))
    tilted = slope.gaussians(sheet((-1.5, -1.5, 0.0), (3.0, 0.0, 0.0), (0.0, 3.0, 0.0)))
    around = [
        Camera.look_at(torch.tensor([2 * math.cos(t), 2 * math.sin(t), 1.6]), torch.zeros(3), Z, 0.9, 96, 72)
        for t in torch.arange(8) * math.pi / 4
    ]
    assert find_floor(tilted, around, Z) is None
