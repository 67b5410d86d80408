"""Every CPU benchmark runs and prints one line of JSON; its figures are not looked at."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["cpu_step", "cpu_channels", "first_picture", "select_speed", "ask_speed", "edit_speed", "formats"]
)
def test_benchmark_prints_one_line_of_json(name: str) -> None:
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert result["benchmark"] == name and result["threads"] >= 1 and "cores" in result["machine"]
    assert len(done.stderr.splitlines()) > 2
