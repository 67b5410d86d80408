"""Camera paths: they look where the photos look, stay where the photos were, and close."""

import itertools
import math

import pytest
import torch

from semsplat.app.paths import PATHS, Layout, interpolate, orbit, spiral
from semsplat.splatting.camera import Camera
from semsplat.splatting.errors import InputError


def around(extent: float, count: int = 12, focus: tuple = (0.4, -0.2, 0.7), down: float = 0.8) -> list[Camera]:
    """Cameras on an arc about ``focus`` of a world whose up is +z, radius 2."""
    target, up = torch.tensor(focus), torch.tensor([0.0, 0.0, 1.0])
    turns = [extent * i / count for i in range(count)]
    places = [target + torch.tensor([2 * math.cos(t), 2 * math.sin(t), down]) for t in turns]
    return [Camera.look_at(place, target, up, 0.7, 64, 48) for place in places]


def looks_at(camera: Camera, point: torch.Tensor) -> bool:
    seen = camera.world_to_camera[:3, :3] @ point.float() + camera.world_to_camera[:3, 3]
    return bool(seen[2] > 0) and bool((seen[:2].abs() < 1e-4).all())


@pytest.mark.parametrize("extent", [1.2, 2 * math.pi])
def test_focus_and_up_of_a_capture(extent: float) -> None:
    layout = Layout.of(around(extent), torch.tensor([0.0, 0.0, 2.0]))
    assert torch.allclose(layout.focus, torch.tensor([0.4, -0.2, 0.7], dtype=torch.float64), atol=1e-3)
    assert torch.allclose(layout.up, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), atol=1e-9)
    cameras_say = Layout.of(around(extent)).up
    assert torch.allclose(cameras_say, layout.up, atol=5e-3)  # 0.3 degrees


def test_an_orbit_goes_all_the_way_round_where_the_photos_do() -> None:
    path = orbit(around(2 * math.pi), 40)
    focus = torch.tensor([0.4, -0.2, 0.7])
    centers = torch.stack([camera.center for camera in path]) - focus
    assert all(looks_at(camera, focus) for camera in path)
    assert torch.allclose(centers[:, :2].norm(dim=1), torch.tensor(2.0), atol=1e-3)
    steps = (centers - centers.roll(1, 0)).norm(dim=1)
    assert torch.allclose(steps, steps.mean(), rtol=1e-3)  # it closes


def test_an_orbit_stays_on_the_side_of_the_photos() -> None:
    cameras = around(1.5)
    angles = [
        math.atan2(*(camera.center - torch.tensor([0.4, -0.2, 0.7]))[[1, 0]].tolist()) for camera in orbit(cameras, 60)
    ]
    assert min(angles) >= -1e-3 and max(angles) <= 1.5 * 11 / 12 + 1e-3
    assert max(angles) - min(angles) > 1.2


@pytest.mark.slow
def test_interpolation_passes_every_photo() -> None:
    cameras = around(1.5, 5)
    path = interpolate(cameras, 2001)
    for camera in cameras:
        errors = [(camera.world_to_camera - view.world_to_camera).abs().max().item() for view in path]
        assert min(errors) < 5e-3
    jumps = [(a.center - b.center).norm().item() for a, b in itertools.pairwise(path)]
    assert max(jumps) < 3 * sum(jumps) / len(jumps)


def test_a_spiral_stays_near_the_middle_and_closes() -> None:
    cameras = around(0.8)
    path = spiral(cameras, 50)
    middle = torch.stack([camera.center for camera in cameras]).mean(0)
    far = max((camera.center - middle).norm() for camera in cameras)
    assert all((camera.center - middle).norm() < 2 * far for camera in path)
    jumps = [(a.center - b.center).norm().item() for a, b in itertools.pairwise([*path, path[0]])]
    assert max(jumps) < 3 * sum(jumps) / len(jumps)


def test_photos_that_all_look_the_same_way() -> None:
    eye = torch.eye(4)
    cameras = []
    for i in range(4):
        view = eye.clone()
        view[0, 3] = -0.2 * i
        cameras.append(Camera(view, around(1.0)[0].intrinsics, 64, 48))
    for name, path in PATHS.items():
        for camera in path(cameras, 9):
            assert camera.world_to_camera.isfinite().all(), name
            assert camera.world_to_camera[2, 2] > 0.3, name  # still the same way


@pytest.mark.parametrize("name", PATHS)
def test_one_camera_or_none(name: str) -> None:
    with pytest.raises(InputError):
        PATHS[name]([], 5)
    if name == "interpolate":
        with pytest.raises(InputError, match="at least two"):
            interpolate(around(1.0)[:1], 5)
    else:
        assert all(camera.world_to_camera.isfinite().all() for camera in PATHS[name](around(1.0)[:1], 5))


@pytest.mark.parametrize("name", PATHS)
def test_poses_are_rigid_and_as_many_as_asked(name: str) -> None:
    path = PATHS[name](around(2.0), 17)
    assert len(path) == 17
    for camera in path:
        rotation = camera.world_to_camera[:3, :3].double()
        assert torch.allclose(rotation @ rotation.T, torch.eye(3, dtype=torch.float64), atol=1e-5)
        assert torch.det(rotation) > 0
