"""PlayCanvas' splat-transform as a second opinion on every format: it reads what we write, we read what it writes.

Skipped unless it is there: npm install -g @playcanvas/splat-transform, or its path in $SPLAT_TRANSFORM. Last seen
agreeing: 2.7.1.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from file_laws import some
from scipy.spatial import KDTree

from semsplat.splatting import formats
from semsplat.splatting.gaussians import Gaussians

pytestmark = pytest.mark.slow
WE_WRITE = (".ply", ".compressed.ply", ".spz", ".splat", ".sog")  # what it can read
IT_WRITES = (".ply", ".compressed.ply", ".spz", ".glb", ".sog")


@pytest.fixture(scope="module")
def tool() -> str:
    """The program."""
    found = os.environ.get("SPLAT_TRANSFORM") or shutil.which("splat-transform")
    if not found:
        pytest.skip("splat-transform is not installed")
    return found


def convert(tool: str, source: Path, target: Path, *options: str) -> None:
    done = subprocess.run(
        [tool, "-q", "-w", "--gpu", "cpu", *options, str(source), str(target)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 and target.exists(), done.stdout + done.stderr


def scene(degree: int) -> Gaussians:
    """Within what every format can hold."""
    gaussians = some(400, degree)
    return gaussians.replace(
        log_scales=gaussians.log_scales.clamp(-8.0, 0.0),
        logit_opacities=gaussians.logit_opacities.clamp(-5.0, 5.0),
        sh=gaussians.sh.clamp(-0.9, 0.9),
    )


def assert_same(one: Gaussians, other: Gaussians, means: float, scales: float, sh: float, opacity: float) -> None:
    """The same Gaussians in any order, each difference at most so large; rotations to 4 degrees."""
    assert len(one) == len(other) and one.sh.shape == other.sh.shape
    apart, rows = KDTree(other.means.double().numpy()).query(one.means.double().numpy())
    assert apart.max() <= means, apart.max()
    other = other[torch.from_numpy(rows)]
    assert len(set(rows.tolist())) == len(one)
    differences = {
        "scales": ((one.log_scales - other.log_scales).abs().max().item(), scales),
        "sh": ((one.sh - other.sh).abs().max().item(), sh),
        "opacities": ((one.opacities - other.opacities).abs().max().item(), opacity),
    }
    first, second = (torch.nn.functional.normalize(g.quats, dim=-1) for g in (one, other))
    differences["rotations"] = (1.0 - (first * second).sum(-1).abs()).max().item(), 0.0005
    assert all(error <= most for error, most in differences.values()), differences


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("suffix", WE_WRITE)
def test_it_reads_what_we_write(tool: str, tmp_path: Path, suffix: str, degree: int) -> None:
    if suffix not in formats.writable():
        pytest.skip(f"{suffix} cannot be written")
    ours = tmp_path / f"ours{suffix}"
    formats.write(ours, scene(degree))
    convert(tool, ours, tmp_path / "theirs.ply")
    loose = 2e-4 if suffix == ".splat" else 2e-5
    assert_same(formats.read(ours), formats.read(tmp_path / "theirs.ply"), 1e-5, loose, 1e-4, 1e-4)


@pytest.mark.parametrize("degree", [0, 3])
@pytest.mark.parametrize("suffix", IT_WRITES)
def test_we_read_what_it_writes(tool: str, tmp_path: Path, suffix: str, degree: int) -> None:
    before = scene(degree)
    formats.write(tmp_path / "a.ply", before)
    for options in (("--spz-version", "3"), ("--spz-version", "4")) if suffix == ".spz" else ((),):
        theirs = tmp_path / f"theirs{suffix}"
        convert(tool, tmp_path / "a.ply", theirs, *options)
        exact = suffix in (".ply", ".glb")
        limits = (1e-6, 1e-5, 1e-5, 1e-5) if exact else (0.02, 0.07, 0.2, 0.02)
        if suffix == ".sog" and degree:
            limits = (0.02, 0.07, 2.0, 0.02)  # its palette of coefficients cannot hold random ones
        assert_same(before, formats.read(theirs), *limits)
