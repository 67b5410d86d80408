"""Compressed .ply of PlayCanvas: there and back, both ways to name it, and what is broken."""

from pathlib import Path

import numpy as np
import pytest
import torch
from file_laws import assert_round_trip, assert_survives_damage, sentence, some

from semsplat.splatting import formats, plyio
from semsplat.splatting.formats import compressed_ply


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("count", [1, 256, 600])
def test_there_and_back(tmp_path: Path, count: int, degree: int) -> None:
    assert_round_trip(tmp_path / "a.compressed.ply", compressed_ply, some(count, degree))


def test_it_is_known_by_its_header(tmp_path: Path) -> None:
    formats.write(tmp_path / "a.compressed.ply", some())
    (tmp_path / "a.compressed.ply").rename(tmp_path / "a.ply")
    assert len(formats.read(tmp_path / "a.ply")) == 600
    formats.write(tmp_path / "b.ply", some())
    (tmp_path / "b.ply").rename(tmp_path / "b.compressed.ply")
    assert "no compressed PLY" in sentence(tmp_path / "b.compressed.ply")


def test_none_at_all_and_all_alike(tmp_path: Path) -> None:
    formats.write(tmp_path / "a.compressed.ply", some(0))
    assert len(formats.read(tmp_path / "a.compressed.ply")) == 0
    alike = some(300)[torch.zeros(300, dtype=torch.int64)]
    assert_round_trip(tmp_path / "a.compressed.ply", compressed_ply, alike)


def test_elements_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    formats.write(tmp_path / "a.compressed.ply", some(300, 1))
    elements = plyio.read_elements(tmp_path / "a.compressed.ply", ("chunk", "vertex", "sh"))
    chunk, vertex, sh = elements["chunk"], elements["vertex"], elements["sh"]
    without_color = {name: column for name, column in chunk.items() if name[-1] not in "rgb"}
    plyio.write_elements(path, {"chunk": without_color, "vertex": vertex, "sh": sh})
    assert len(formats.read(path)) == 300
    plyio.write_elements(path, {"vertex": vertex})
    assert "min_x" in sentence(path)
    plyio.write_elements(path, {"chunk": {name: column[:1] for name, column in chunk.items()}, "vertex": vertex})
    assert "1 chunks of 256 for 300" in sentence(path)
    plyio.write_elements(path, {"chunk": chunk, "vertex": vertex, "sh": {"f_rest_0": sh["f_rest_0"]}})
    assert "1 properties" in sentence(path)
    plyio.write_elements(path, {"chunk": chunk, "vertex": vertex, "sh": {n: c[:9] for n, c in sh.items()}})
    assert "300 rows" in sentence(path)
    plyio.write_elements(path, {"chunk": {**chunk, "max_y": np.full(2, np.nan, "f4")}, "vertex": vertex, "sh": sh})
    assert len(formats.read(path)) == 0


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.compressed.ply"
    formats.write(path, some(20, 1))
    whole = path.read_bytes()
    for length in range(0, len(whole), 41):
        sentence(path, whole[:length])
    assert_survives_damage(path, whole)


def test_files_of_other_programs(captures: Path) -> None:
    for name, count in (("biker", 152_746), ("guitar", 90_854)):
        reading = formats.read_with_notes(captures / "splats" / f"playcanvas_{name}.compressed.ply")
        assert len(reading.gaussians) == count and reading.notes == ()


def test_the_same_splat_cut_to_60_thousand(captures: Path) -> None:
    """biker_top60k was made from the compressed one: each of its Gaussians is there."""
    from scipy.spatial import KDTree

    whole = formats.read(captures / "splats" / "playcanvas_biker.compressed.ply")
    part = formats.read(captures / "splats" / "biker_top60k_3dgs_sh0.ply")
    distance, row = KDTree(whole.means.numpy()).query(part.means.numpy())
    assert distance.max() < 1e-6
    for name in ("log_scales", "sh", "opacities"):
        error = (getattr(whole, name)[row] - getattr(part, name)).abs()
        assert float((error > 1e-4).float().mean()) < 1e-4, name  # two lie in the same place
