"""Flat in photos: 40 photos of 12 megapixels take the memory that 8 take."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "photos_memory.py"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell a high-water mark")
def test_the_peak_does_not_depend_on_the_number_of_photos():
    command = [sys.executable, str(SCRIPT), "--photos", "8", "40", "--resolution", "480"]
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    few, many = result["runs"]
    assert (few["photos"], many["photos"]) == (8, 40)
    assert many["peak_mib"] < few["peak_mib"] + 100  # one more photo per thread would be 72
    assert many["peak_mib"] < 800  # the photos themselves are 1,400 MiB
