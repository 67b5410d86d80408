"""The kernels compile for GPUs that are not here (NVIDIA A100 is sm_80, H100 and H200 are sm_90): registers, spills."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

SCRIPT = Path(__file__).parent / "triton_compiles.py"
SPILL = 16  # bytes of stack that a thread may have
SHARED = {
    80: 163 << 10,
    90: 227 << 10,
}  # bytes that a block may have (CUDA C++ Programming Guide)


@pytest.mark.slow
@pytest.mark.parametrize("arch", [80, 90])
def test_every_kernel_fits_the_gpu(arch: int) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    environment["PYTHONPATH"] = os.pathsep.join([str(SCRIPT.parents[2]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(SCRIPT), str(arch)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert len(found) == 6
    for name, row in found.items():
        assert row["reg"] <= 255 and row["stack"] <= SPILL and row["shared"] <= SHARED[arch], row
        assert bool(row["products"]) == (name not in ("trim", "adam")), row
        assert not row["fresh"], f"{name} is compiled again for some numbers of {row['fresh']}"
    if arch >= 90:
        assert "wgmma" in found["draw"]["products"]
        assert all(found[name]["vectors"] for name in ("gather", "gather_mean"))  # atomics four numbers wide
