"""Lifting maps: what was drawn is found again, disagreement is noticed, memory and order change nothing."""

from pathlib import Path

import pytest
import torch
from small_maps import Seer, frames, scene, truth

from semsplat.distill import fit, maps
from semsplat.splatting.errors import InputError
from semsplat.splatting.lift import lift as plain_lift
from semsplat.splatting.splat import splat


def seen_well(shown) -> torch.Tensor:
    mass = sum(splat(scene(), f.camera).T @ torch.ones(f.camera.height, f.camera.width, 1) for f in shown)
    return mass[:, 0] > 60


@pytest.mark.slow
@pytest.mark.parametrize("grid", [(36, 48), (18, 24), (10, 13)])
def test_codes_are_found_again(tmp_path: Path, grid: tuple[int, int]) -> None:
    shown = frames(tmp_path)
    made = maps.make(shown, Seer(shown, truth(), grid), tmp_path / "maps", 8)
    lifted = fit.lift(scene(), shown, made, sweeps=0)
    solved = fit.lift(scene(), shown, made, sweeps=8)
    well = seen_well(shown)
    errors = [(one.codes - truth())[well].norm(dim=1).mean() for one in (lifted, solved)]
    assert errors[1] < 0.6 * errors[0] and errors[1] < 0.2
    assert (fit.held_out(scene(), solved.codes, shown, made)[1]) > 0.98


def test_the_mean_is_the_plain_one_on_whole_maps(tmp_path: Path) -> None:
    shown = frames(tmp_path)
    teacher = Seer(shown, truth())
    made = maps.make(shown, teacher, tmp_path / "maps", 8)
    lifted = fit.lift(scene(), shown, made, sweeps=0)
    views = []
    for frame in shown:
        one = made.read(frame.name)
        views.append((splat(scene(), frame.camera), torch.cat([one.codes * one.known, one.known], dim=-1)))
    values, _ = plain_lift(views)
    torch.testing.assert_close(lifted.codes, values[:, :-1] / values[:, -1:].clamp_min(1e-9), atol=1e-4, rtol=1e-3)


def test_memory_for_views_changes_nothing_but_time(tmp_path: Path) -> None:
    shown = frames(tmp_path, 4)
    made = maps.make(shown, Seer(shown, truth(), (18, 24)), tmp_path / "maps", 8)
    done = []
    results = [
        fit.lift(scene(), shown, made, 2, 1, report=lambda *now: done.append(now), keep=k).codes for k in (0, 10**9)
    ]
    assert torch.equal(*results)
    assert done[-1][0] == done[-1][1] and len(done) == 2 * done[-1][1]


@pytest.mark.slow
def test_robust_rounds_believe_the_many(tmp_path: Path) -> None:
    shown = frames(tmp_path)
    teacher = Seer(shown, truth())
    for name in ("1.jpg", "4.jpg"):
        teacher.wrong[name] = torch.nn.functional.normalize(torch.tensor([1.0, 0, 0, 0, -1.0]), dim=0)
    made = maps.make(shown, teacher, tmp_path / "maps", 8)
    well = seen_well(shown)
    errors = []
    for rounds in (0, 1, 2):
        codes = fit.lift(scene(), shown, made, 4, rounds).codes
        errors.append(float((codes - truth())[well].norm(dim=1).mean()))
    assert errors[1] < 0.8 * errors[0] and errors[2] < errors[1]


@pytest.mark.slow
def test_reliability_tells_where_views_disagree(tmp_path: Path) -> None:
    shown = frames(tmp_path)
    codes = torch.nn.functional.one_hot(torch.arange(80) % 5, 5).float()
    good = fit.lift(scene(), shown, maps.make(shown, Seer(shown, codes), tmp_path / "a", 8), sweeps=0)
    teacher = Seer(shown, codes)
    teacher.look = lambda image, name="": Seer.look(teacher, image, name).roll(int(name[0]), dims=-1)
    bad = fit.lift(scene(), shown, maps.make(shown, teacher, tmp_path / "b", 8), sweeps=0)
    assert bad.reliability.mean() + 0.2 < good.reliability.mean()
    for one in (good, bad):
        assert one.reliability.min() >= 0 and one.reliability.max() <= 1
    hidden = type(scene()).cat([scene(), scene()[:1].replace(means=torch.full((1, 3), 1e3))])
    alone = fit.lift(hidden, shown, maps.make(shown, Seer(shown, codes), tmp_path / "a", 8), sweeps=1)
    assert alone.reliability[80] == 0 and (alone.codes[80] == 0).all()


def test_nothing_is_drawn_at_less_than_half_the_photo(tmp_path: Path) -> None:
    camera = frames(tmp_path, 1)[0].camera
    for grid in ((1, 1), (18, 24), (19, 24), (36, 48)):
        drawn = fit.drawn_at(camera, grid)
        assert drawn.width >= max(24, grid[1]) and drawn.height >= max(18, grid[0])


def test_no_views_is_refused(tmp_path: Path) -> None:
    shown = frames(tmp_path, 2)
    made = maps.make(shown, Seer(shown, truth()), tmp_path / "maps", 8)
    with pytest.raises(InputError, match="at least one photo"):
        fit.lift(scene(), [], made)
