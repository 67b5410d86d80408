"""Cameras of our own: around a thing, inside a place, nothing before the lens."""

import pytest
import torch

from semsplat.distill import own_cameras
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

UP = torch.tensor([0.0, 0.0, 1.0])


def wall_of(points: torch.Tensor, size: float) -> Gaussians:
    made = Gaussians.from_points(points, torch.full((len(points), 3), 0.5), sh_degree=0, opacity=0.95)
    return made.replace(log_scales=torch.full((len(points), 3), size).log())


def thing(count: int = 500) -> Gaussians:
    make = torch.Generator().manual_seed(0)
    shell = torch.nn.functional.normalize(torch.randn(count, 3, generator=make), dim=1)
    return wall_of(shell * torch.tensor([0.4, 0.4, 1.0]), 0.05)


def place(count: int = 3000) -> Gaussians:
    make = torch.Generator().manual_seed(0)
    points = torch.rand(count, 3, generator=make) * 2 - 1
    side = torch.arange(count) % 3
    points[torch.arange(count), side] = points[torch.arange(count), side].sign()
    return wall_of(points * torch.tensor([3.0, 2.0, 1.2]), 0.12)


@pytest.mark.slow
def test_a_thing_is_looked_at_from_around_it() -> None:
    cameras, inside = own_cameras.choose(thing(), 8, 64, 48, UP)
    assert not inside and len(cameras) == 8
    eyes = torch.stack([camera.center for camera in cameras])
    assert (eyes.norm(dim=1) > 1.0).all()
    turns = torch.atan2(eyes[:, 1], eyes[:, 0]).sort().values
    assert turns.diff().max() < 2.5
    for camera in cameras:
        alpha = splat(thing(), camera).detach().alpha[..., 0]
        assert 0.05 < alpha.mean() < 0.95
        assert camera.world_to_camera[1, :3] @ UP < 0  # up is up in the picture
    again, _ = own_cameras.choose(thing(), 8, 64, 48, UP)
    assert all(torch.equal(a.world_to_camera, b.world_to_camera) for a, b in zip(cameras, again, strict=True))


@pytest.mark.slow
def test_a_place_is_looked_at_from_inside() -> None:
    cameras, inside = own_cameras.choose(place(), 12, 64, 48, UP)
    assert inside and len(cameras) == 12
    within = [bool((camera.center.abs() < torch.tensor([3.0, 2.0, 1.2])).all()) for camera in cameras]
    assert all(within)
    seen = sum(splat(place(), camera).detach().T @ torch.ones(48, 64, 1) for camera in cameras)
    assert (seen > 0.5).float().mean() > 0.6


def test_strays_and_a_far_background_do_not_set_the_size() -> None:
    far = wall_of(100 * torch.nn.functional.normalize(torch.randn(25, 3), dim=1), 1.0)
    low, high = own_cameras.extent(Gaussians.cat([thing(), far]))
    assert (high - low).max() < 5


def test_nothing_to_see_is_a_sentence() -> None:
    faint = thing().replace(logit_opacities=torch.full((500,), -9.0))
    with pytest.raises(InputError, match="no Gaussian is more than faint"):
        own_cameras.choose(faint, 4, 64, 48, UP)
