"""Damaged files for every reader (the script tries 10,000 of each): a sentence or Gaussians, soon, in little memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "fuzz.py"
EACH = 80  # of each reader


@pytest.mark.slow
def test_damaged_files_of_every_format(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--inputs", str(EACH), "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    readers = json.loads(done.stdout)["readers"]
    assert sum(one["inputs"] for one in readers.values()) >= 10 * EACH
    assert all(0.1 * EACH < one["refused"] < EACH for one in readers.values())
