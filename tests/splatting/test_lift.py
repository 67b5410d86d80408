"""Lifting and solving: the closed form, and the least-squares values as linear algebra gives them."""

import pytest
import torch
from scenes import camera, cloud

from semsplat.splatting._dense import dense
from semsplat.splatting.camera import Camera
from semsplat.splatting.errors import InputError
from semsplat.splatting.lift import lift, solve
from semsplat.splatting.splat import splat


def cameras(count: int = 4) -> list[Camera]:
    views = []
    for k in range(count):
        angle = torch.tensor(2 * torch.pi * k / count, dtype=torch.float64)
        eye = torch.stack([3 * angle.sin(), -3 * angle.cos(), torch.tensor(0.5, dtype=torch.float64)])
        up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
        views.append(Camera.look_at(eye, torch.zeros(3, dtype=torch.float64), up, 0.9, 52, 37))
    return views


@pytest.mark.parametrize("channels", [2, 30])
def test_lifting_is_a_weighted_mean(channels: int) -> None:
    scene = cloud(80)
    maps = [torch.rand(37, 52, channels, dtype=torch.float64) for _ in range(4)]
    values, mass = lift((splat(scene, c), m) for c, m in zip(cameras(), maps, strict=True))
    weights = torch.cat([dense(scene, c).weights for c in cameras()])
    expected = weights.T @ torch.cat([m.flatten(0, 1) for m in maps])
    torch.testing.assert_close(mass[:, 0], weights.sum(0))
    torch.testing.assert_close(values * mass, expected)
    assert values.min() >= 0 and values.max() <= 1


def test_a_constant_map_lifts_to_the_constant() -> None:
    scene = cloud(80)
    values, mass = lift([(splat(scene, c), torch.full((37, 52, 1), 0.7, dtype=torch.float64)) for c in cameras()])
    torch.testing.assert_close(values[mass > 1e-9], torch.full_like(values[mass > 1e-9], 0.7))
    assert (values[mass == 0] == 0).all()


def test_solving_reaches_the_least_squares_values() -> None:
    scene = cloud(60)
    scene = scene.replace(log_scales=scene.log_scales * 0.5 - 0.5)
    maps = [torch.rand(37, 52, 3, generator=torch.Generator().manual_seed(k), dtype=torch.float64) for k in range(4)]
    views = [(splat(scene, c), m) for c, m in zip(cameras(), maps, strict=True)]
    weights = torch.cat([dense(scene, c).weights for c in cameras()])
    wanted = torch.cat([m.flatten(0, 1) for m in maps])
    start, _ = lift(views)

    def error(values: torch.Tensor) -> float:
        return (weights @ values - wanted).square().sum().item()

    best = error(torch.linalg.lstsq(weights, wanted, driver="gelsd").solution)
    errors = [error(solve(views, start, sweeps)) for sweeps in (0, 3, 10, 60)]
    assert errors[0] == pytest.approx(error(start)) and errors == sorted(errors, reverse=True)
    assert errors[-1] == pytest.approx(best, rel=1e-6)


def test_solving_recovers_what_was_drawn_and_leaves_the_unseen_alone() -> None:
    scene, truth = cloud(60), torch.rand(61, 2, dtype=torch.float64)
    hidden = scene[:1].replace(means=torch.full((1, 3), 1e3, dtype=torch.float64))
    scene = type(scene).cat([scene, hidden])
    views = [(splat(scene, c), splat(scene, c) @ truth) for c in cameras()]
    start, mass = lift(views)
    start[60] = 5.0
    found = solve(views, start, 80)
    well = mass[:, 0] > 5
    assert well.sum() > 30
    torch.testing.assert_close(found[well], truth[well], atol=1e-3, rtol=0)
    assert (found[60] == 5.0).all()


def test_bad_views_are_refused_in_words() -> None:
    with pytest.raises(InputError, match="at least one view"):
        lift([])
    one = (splat(cloud(5), camera()), torch.zeros(37, 52, 1, dtype=torch.float64))
    with pytest.raises(InputError, match="give a list of them, not a generator"):
        solve((v for v in [one]), torch.zeros(5, 1, dtype=torch.float64), 2)
