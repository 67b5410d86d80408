"""Every file of other programs opens, and goes to every format that can be written and back."""

from pathlib import Path

import pytest
from file_laws import assert_round_trip

from semsplat.splatting import formats

FILES = (
    "biker_top60k_3dgs_sh0.ply", "juleelee_model.splat", "playbot_lod3_3dgs_sh2.ply", "playbot_sh2.spz",
    "playcanvas_biker.compressed.ply", "playcanvas_biker.spz", "playcanvas_guitar.compressed.ply",
    "playcanvas_playbot_lod3.sog", "st_minimal-v2.spz", "st_minimal-v3.spz", "st_minimal-v4.spz",
    "st_minimal.ksplat", "st_minimal.splat",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_to_every_format_and_back(tmp_path: Path, captures: Path, name: str) -> None:
    gaussians = formats.read(captures / "splats" / name)
    for suffix, module in formats.writable().items():
        if hasattr(module, "tolerance"):
            assert_round_trip(tmp_path / f"a{suffix}", module, gaussians)
        else:
            formats.write(tmp_path / f"a{suffix}", gaussians)
            assert len(formats.read(tmp_path / f"a{suffix}")) == len(gaussians)
