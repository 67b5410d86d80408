"""The benchmark of rooms that nobody has seen, and that of growth: what they make and compute, not their figures."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from semsplat.splatting.camera import Camera, pinhole
from semsplat.splatting.capture.types import Frame

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_wrong_labels_are_as_many_as_wanted_and_others_stay() -> None:
    spoilt = importlib.import_module("meaning_common").spoilt
    exact = np.full((160, 240), 3, np.uint8)
    exact[:, :100] = 5
    rough = spoilt(exact, np.random.default_rng(0), 0.1, 200, [5])
    assert (rough[:, :96] == 0).mean() > 0.8  # what is left out is unlabelled, but for the wrong blocks
    assert 0.05 < (rough[:, 104:] != 3).mean() < 0.15
    assert set(np.unique(spoilt(exact, np.random.default_rng(0), 0.0, 200, []))) == {3, 5}


def test_a_stroke_stays_within_the_thing() -> None:
    drawn = importlib.import_module("rooms").drawn
    camera = Camera(torch.eye(4), pinhole(50.0, 50.0, 30.0, 20.0), 60, 40)
    frame = Frame("a.png", camera, Path("a.png"))
    mask = torch.zeros(40, 60, dtype=torch.bool)
    mask[5:35, 5:15] = True  # an L: the straight way to its far end leads outside
    mask[28:35, 5:55] = True
    points = drawn(frame, mask).points
    assert mask[points[:, 1].long(), points[:, 0].long()].all()
    assert (points[-1] - points[0]).norm() > 5


def test_the_exponent_of_growth() -> None:
    growth = importlib.import_module("growth")
    points = [{"photos": n, "width": n, "step_ms": 2.0 * n**2, "lift_s": 7.0} for n in (10, 20, 40)]
    assert growth.exponent(points, "photos", "step_ms") == pytest.approx(2.0)
    assert growth.exponent(points, "width", "step_ms") == pytest.approx(1.0)  # pixels are the square of it
    assert growth.exponent(points, "photos", "lift_s") == pytest.approx(0.0, abs=1e-9)


def test_things_are_put_where_they_touch_nothing() -> None:
    furnish = importlib.import_module("rooms_furnish")
    balls = [furnish.renamed(furnish.ball(), f"ball {k}") for k in range(12)]
    parts = furnish.scattered(balls, [(-1.0, 1.0, -1.0, 1.0)], [(0, 0, 0.3)], np.random.default_rng(0), (0.8, 1.2), 0.5)
    middles = np.array([np.mean(furnish.bounds([part]), axis=0) for part in parts])
    radii = np.array([np.ptp(furnish.bounds([part]), axis=0)[0] / 2 for part in parts])
    away = np.linalg.norm(middles[:, None, :2] - middles[None, :, :2], axis=-1) + 9 * np.eye(len(parts))
    assert len(parts) >= 4 and (away > radii[:, None] + radii[None]).all()
    assert np.allclose([furnish.bounds([part])[0][2] for part in parts], 0.5)


@pytest.mark.slow
def test_a_seed_is_a_room() -> None:
    furnished = importlib.import_module("rooms_furnish").furnished
    one, again, other = furnished(3), furnished(3), furnished(4)
    assert one.names == again.names and one.lamp == again.lamp
    assert all(
        np.array_equal(a.sheets[0].points, b.sheets[0].points) for a, b in zip(one.parts, again.parts, strict=True)
    )
    assert one.names != other.names or one.lamp != other.lamp
    for room in (one, other):
        assert next(iter(room.names)) == "none" and len(room.names) > 12
        assert {part.thing for part in room.parts} == set(room.names) - {"none"}
        assert not any("red" in name.split() or "with" in name for names in room.names.values() for name in names)
        uv = np.random.default_rng(0).random((50, 2))
        colours = [part.material.pattern(uv, np.random.default_rng(1).random((50, 3))) for part in room.parts]
        assert all(c.shape == (50, 3) and c.min() >= 0 for c in colours)


@pytest.mark.slow
def test_growth_prints_one_line_of_json() -> None:
    command = [sys.executable, str(BENCHMARKS / "growth.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (point,) = json.loads(done.stdout)["sweeps"]["photos"]
    assert point["step_ms"] > 0 and point["lift_s"] > 0 and point["lift_mib"] >= point["fit_mib"] > 50
