"""A selection that is to stand alone: what reaches over its border goes, what is seen of it stays."""

import math

import pytest
import torch

from semsplat.distill.segment.alone import isolated
from semsplat.distill.segment.behind import brought_up
from semsplat.distill.segment.flat import flattened
from semsplat.splatting import sh
from semsplat.splatting.camera import Camera
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

RED, GREY = (0.9, 0.1, 0.1), (0.5, 0.5, 0.5)


def sheet(side: float, height: float, step: float, color: tuple[float, float, float]) -> Gaussians:
    """A level square of opaque flat Gaussians, its middle above the origin; z is up."""
    ticks = torch.arange(-side / 2, side / 2 + 1e-6, step)
    places = torch.cartesian_prod(ticks, ticks)
    count = len(places)
    return Gaussians(
        torch.cat([places, torch.full((count, 1), height)], dim=1),
        torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        torch.tensor([0.6 * step, 0.6 * step, 0.005]).log().repeat(count, 1),
        torch.full((count,), 0.95).logit(),
        sh.from_color(torch.tensor(color)).expand(count, 1, 3).contiguous(),
    )


def cameras(count: int = 8) -> list[Camera]:
    """Around and above."""
    up = torch.tensor([0.0, 0.0, 1.0])
    angles = [2 * math.pi * k / count for k in range(count)]
    places = [torch.tensor([2 * math.cos(a), 2 * math.sin(a), 1.5]) for a in angles]
    return [Camera.look_at(place, torch.zeros(3), up, 0.7, 96, 72) for place in places]


def scene() -> tuple[Gaussians, torch.Tensor]:
    """A red rug on a grey floor; selected are also large Gaussians below the floor, and wide ones at its border."""
    floor, rug = sheet(2.4, 0.0, 0.08, GREY), sheet(0.8, 0.03, 0.08, RED)
    below = sheet(1.4, -0.12, 0.35, RED)
    edge = rug.means[:, 0] > 0.39
    wide = rug.log_scales.clone()
    wide[edge, 0] = math.log(0.16)
    parts = Gaussians.cat([floor, rug.replace(log_scales=wide), below])
    number = torch.cat([torch.full((len(part),), k) for k, part in enumerate((floor, rug, below))])
    return parts.replace(ids=10 + torch.arange(len(parts))), number > 0


def outside(gaussians: Gaussians) -> float:
    """Mean coverage around the rug, seen from above."""
    camera = Camera.look_at(torch.tensor([0.0, 0.0, 2.0]), torch.zeros(3), torch.tensor([0.0, 1.0, 0.0]), 0.9, 80, 80)
    alpha = splat(gaussians, camera).alpha[..., 0]
    reach = 0.47 / (2.0 * math.tan(0.45)) * 80  # pixels from the middle
    away = (torch.arange(80) + 0.5 - 40).abs() > reach
    return alpha[away[:, None] | away[None, :]].mean().item()


@pytest.mark.slow
def test_what_no_view_saw_and_what_reaches_over_the_border_goes() -> None:
    gaussians, selection = scene()
    before = gaussians[selection]
    after = isolated(gaussians, selection, cameras())
    assert outside(before) > 0.2 and outside(after) < 0.1 * outside(before)
    assert torch.isin(after.ids, before.ids).all()
    assert before.means[:, :2].abs().max() > 0.69 and after.means[:, :2].abs().max() < 0.6
    camera = cameras()[0]
    shown = splat(after, camera).alpha[36, 48].item()
    assert shown > 0.9  # the rug itself stays


@pytest.mark.slow
def test_it_looks_as_in_the_scene() -> None:
    gaussians, selection = scene()
    after = isolated(gaussians, selection, cameras())
    camera = cameras(16)[1]  # none of those that it was fitted to
    share = (splat(gaussians, camera) @ selection.float()[:, None])[..., 0]
    alone, alpha = splat(after, camera).composite(after.colors(camera))
    inside = share > 0.9
    assert (alone[inside] - torch.tensor(RED)).abs().mean() < 0.06
    shown = share > 0.5
    assert alpha[..., 0][shown].mean() > 0.95 and alpha[..., 0][~shown].mean() < 0.07
    halo = splat(gaussians[selection], camera).alpha[..., 0][~shown].mean()
    assert halo > 0.4  # what it was before


@pytest.mark.slow
def test_a_thin_pole_stays_as_it_is() -> None:
    needle = sheet(0.1, 0.0, 0.2, RED)[:1]
    heights = torch.tensor([0.2, 0.4, 0.6])
    pole = Gaussians.cat([needle] * 3).replace(
        means=torch.stack([0 * heights, 0 * heights, heights], dim=1),
        log_scales=torch.tensor([0.008, 0.008, 0.1]).log().repeat(3, 1),
        logit_opacities=torch.full((3,), 3.0),
    )
    foot = sheet(0.4, 0.03, 0.08, RED)
    gaussians = Gaussians.cat([sheet(2.4, 0.0, 0.08, GREY), foot, pole])
    gaussians = gaussians.replace(ids=torch.arange(len(gaussians)))
    selection = torch.arange(len(gaussians)) >= len(gaussians) - len(foot) - 3
    after = isolated(gaussians, selection, cameras())
    left, kept = after[after.ids >= len(gaussians) - 2], pole[1:]  # what is next to the foot is no thin part
    assert torch.equal(left.means, kept.means) and torch.equal(left.log_scales, kept.log_scales)


@pytest.mark.slow
def test_what_is_out_of_every_frame_is_cut_off() -> None:
    gaussians, selection = scene()
    rug, up = gaussians[selection], torch.tensor([0.0, 0.0, 1.0])
    near = [Camera.look_at(camera.center * 0.3, torch.zeros(3), up, 0.5, 96, 72) for camera in cameras()]
    after = isolated(gaussians, selection, near)
    reach = (after.means.norm(dim=1) + after.scales.amax(1)).max()
    assert reach < 0.7 * (rug.means.norm(dim=1) + rug.scales.amax(1)).max()


@pytest.mark.slow
def test_the_same_again() -> None:
    gaussians, selection = scene()
    one, other = (isolated(gaussians, selection, cameras(3)) for _ in range(2))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one.tensors(), other.tensors(), strict=True))


def test_everything_nothing_and_no_camera_that_sees_it() -> None:
    gaussians, selection = scene()
    everything = torch.ones_like(selection)
    assert torch.equal(isolated(gaussians, everything, cameras()).means, gaussians.means)
    assert len(isolated(gaussians, ~everything, cameras())) == 0
    away = Camera.look_at(torch.tensor([0.0, 0, 5]), torch.tensor([0.0, 0, 9]), torch.tensor([0.0, 1, 0]), 0.7, 32, 32)
    for views in ([], [away]):
        found = isolated(gaussians, selection, views)
        assert torch.equal(found.ids, gaussians.ids[selection])  # axes are cut, nothing is dropped


def test_what_floats_behind_a_flat_thing_is_brought_up_to_it() -> None:
    top, behind = sheet(0.8, 0.0, 0.08, RED), sheet(0.4, -0.15, 0.1, RED)
    top = top.replace(logit_opacities=torch.zeros(len(top)))  # half of what is behind is seen
    thing = Gaussians.cat([top, behind])
    found, moved = flattened(thing, cameras())
    assert torch.equal(moved, torch.arange(len(thing)) >= len(top))
    assert found.means[:, 2].abs().max() < 0.03 and torch.equal(found.ids, thing.ids)
    assert (found.scales[moved] < thing.scales[moved]).all()
    above = Camera.look_at(torch.tensor([0.0, 0, 2]), torch.zeros(3), torch.tensor([0.0, 1, 0]), 0.7, 64, 64)
    before, after = (splat(one, above).alpha for one in (thing, found))
    assert (before - after).abs().max() < 0.3 and (before - after).abs().mean() < 0.02


def test_what_few_views_see_before_a_flat_thing_is_brought_to_it() -> None:
    top = sheet(0.8, 0.0, 0.08, RED)
    stray = top[:1].replace(means=torch.tensor([[0.0, 0.0, 0.15]]), ids=torch.tensor([len(top)]))
    thing, up = Gaussians.cat([top, stray]), torch.tensor([0.0, 0.0, 1.0])
    places = [torch.tensor([2 * math.cos(a), 2 * math.sin(a), 1.5]) for a in (0.0, 0.1, 0.2)]
    views = [Camera.look_at(place, torch.zeros(3), up, 0.7, 96, 72) for place in places]
    found, moved = flattened(thing, views)
    assert moved[-1] and not moved[:-1].any() and found.means[-1, 2].abs() < 0.05
    assert found.scales[-1].max() > thing.scales[-1].max()  # it is farther away, and looks as large
    assert (splat(thing, views[1]).alpha - splat(found, views[1]).alpha).abs().max() < 0.1
    assert not flattened(thing, cameras())[1].any()  # seen from all around, it is where it is


def test_legs_and_round_things_stay() -> None:
    heights = -0.05 * torch.arange(2.0, 16.0)
    legs = [sheet(0.01, 0.0, 0.05, RED)[:1].replace(means=torch.tensor([[0.42, 0.0, z]])) for z in heights.tolist()]
    table = Gaussians.cat([sheet(0.8, 0.0, 0.08, RED), *legs])
    make = torch.Generator().manual_seed(0)
    ball = sheet(0.8, 0.0, 0.08, RED)
    round_ = ball.replace(means=0.4 * torch.nn.functional.normalize(torch.randn(ball.means.shape, generator=make)))
    for thing in (table, round_, table[:5], table[:0]):
        found, moved = flattened(thing, cameras())
        assert not moved.any() and torch.equal(found.means, thing.means)


@pytest.mark.slow
def test_what_is_seen_through_a_corner_is_brought_up_to_it() -> None:
    floor, below = sheet(0.8, 0.0, 0.08, RED), sheet(0.4, -0.2, 0.1, RED)
    floor = floor.replace(logit_opacities=torch.ones(len(floor)))  # a third of what is behind is seen
    turned = torch.tensor([0.5**0.5, 0.0, 0.5**0.5, 0.0])  # about y: the sheet stands, and looks along x
    wall, behind = (
        part.replace(means=part.means[:, [2, 1, 0]] + torch.tensor([-0.4, 0, 0.4]), quats=turned.repeat(len(part), 1))
        for part in (floor, below)
    )
    thing = Gaussians.cat([floor, wall, below, behind])
    kept = len(floor) + len(wall)
    views = [camera for camera in cameras(16) if camera.center[0] > 0.5]
    for mend in (flattened, brought_up):
        found, moved = mend(thing, views)
        assert not moved[:kept].any() and moved[kept:].float().mean() > 0.8
        far, now = (
            torch.minimum(one.means[kept:, 2].abs(), (one.means[kept:, 0] + 0.4).abs()) for one in (thing, found)
        )
        assert far.mean() > 0.15 and now.mean() < 0.06


@pytest.mark.slow
def test_what_is_round_keeps_its_shape() -> None:
    make = torch.Generator().manual_seed(0)
    ball = sheet(0.8, 0.0, 0.04, RED)
    ball = ball.replace(
        means=0.4 * torch.nn.functional.normalize(torch.randn(ball.means.shape, generator=make)),
        log_scales=torch.full_like(ball.log_scales, math.log(0.03)),
    )
    found, moved = brought_up(ball, cameras())
    assert moved.float().mean() < 0.1 and torch.equal(found.means[~moved], ball.means[~moved])
