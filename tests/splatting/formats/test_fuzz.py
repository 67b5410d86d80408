"""10,000 damaged files over all readers: a sentence or Gaussians, within a second and a stated memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "fuzz.py"
EACH = 910  # of eleven readers


@pytest.mark.slow
def test_damaged_files_of_every_format(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--inputs", str(EACH), "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    readers = json.loads(done.stdout)["readers"]
    assert sum(one["inputs"] for one in readers.values()) >= 10_000
    assert all(0.1 * EACH < one["refused"] < EACH for one in readers.values())
