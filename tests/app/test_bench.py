"""``semsplat bench``: the rival draws what we draw, ratios are what they say, and the command prints table and JSON."""

import json
import os
import subprocess
import sys

import pytest
import torch

from semsplat.app.bench import rival, sending, steps, values
from semsplat.app.bench.clock import Limit, Spread, in_turns
from semsplat.app.bench.rows import Row, table
from semsplat.app.bench.scenes import shell
from semsplat.splatting.errors import SemsplatError
from semsplat.splatting.splat import splat

CPU = torch.device("cpu")


def test_the_rival_draws_the_same_and_another_picture_is_refused() -> None:
    views = shell(300, 64, 48, views=1)
    same = steps.agreement(views.gaussians, views.cameras[0])
    assert same["largest_difference"] < 1e-4
    with pytest.raises(SemsplatError, match="another picture: "):
        steps.agreement(views.gaussians, views.cameras[0], lambda g, camera, v: 0.9 * rival.draw(g, camera, v))


@pytest.mark.slow
def test_the_rival_s_stored_matrices_are_w_and_its_transpose() -> None:
    views = shell(200, 50, 38, views=1)  # tiles reach over the edges
    blend = splat(views.gaussians, views.cameras[0]).detach()
    drawn = torch.rand(200, 5, generator=torch.Generator().manual_seed(0))
    slope = torch.rand(38, 50, 5, generator=torch.Generator().manual_seed(1))
    matrix, transposed = rival.matrix(views.gaussians, views.cameras[0])
    torch.testing.assert_close((matrix @ drawn).reshape(38, 50, 5), blend @ drawn, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(transposed @ slope.flatten(0, 1), blend.T @ slope, atol=1e-4, rtol=1e-4)


def test_turns_end_after_one_when_the_time_is_over() -> None:
    calls: list[str] = []
    ours, theirs, ratio = in_turns(lambda: calls.append("a"), lambda: calls.append("b"), CPU, 5, 3, Limit(-1.0))
    assert calls == ["a", "b", "a", "a", "a", "b"]
    assert ratio.median == pytest.approx(theirs.median / ours.median, rel=1e-6)


def test_a_row_says_when_the_rival_had_not_arrived() -> None:
    spread = [Spread.of([2.0]), Spread.of([10.0, 30.0, 20.0]), Spread.of([5.0, 15.0, 10.0])]
    row = Row("lifting", "lifting", "joint", "s", *spread, at_least=True)
    assert row.cells()[1:5] == ("2.00 s", ">20.00 s", ">10.0", "5.0 - 15.0")
    assert row.json()["rival_not_arrived"] and row.json()["ratio"] == {"median": 10.0, "min": 5.0, "max": 15.0}
    assert len({len(line.rstrip()) for line in table([row])}) <= 2


def test_new_colours_are_fewer_bytes_than_all_splats_again() -> None:
    for row in sending.measured(quick=True):
        assert row.facts["resent_uncompressed_kB"] == 64.0  # 32 bytes for each of 2,000
        assert row.ours.median < 2000 * 4 * 4 / 3 / 1e3 < row.theirs.median
        assert row.ratio.median == pytest.approx(row.theirs.median / row.ours.median)


def test_channels_are_left_out_when_the_time_is_over() -> None:
    assert list(values.measured(CPU, True, Limit(-1.0))) == []


@pytest.mark.slow
def test_the_command_prints_a_table_and_one_line_of_json() -> None:
    command = [sys.executable, "-m", "semsplat.app.cli", "bench", "--quick", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "300"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    found = json.loads(done.stdout)
    assert found["benchmark"] == "bench" and found["quick"] and "cores" in found["machine"] and "load_before" in found
    assert {row["part"] for row in found["rows"]} == {"step", "values", "lifting", "sending"}
    assert all(row["ratio"]["min"] <= row["ratio"]["median"] <= row["ratio"]["max"] for row in found["rows"])
    assert "rival / ours" in done.stderr and "figures mean nothing" in done.stderr and "load before" in done.stderr
