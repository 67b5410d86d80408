"""Point clouds of Gaussians, read back by others."""

from pathlib import Path

import numpy as np
import pytest
import torch

from semsplat.splatting import sh
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.surface import points

COLORS = torch.tensor([[0.0, 0.2, 1.0], [1.0, 0.4, 0.0], [0.2, 0.2, 0.2], [0.9, 0.9, 0.1]])


def four() -> Gaussians:
    """Flat ones, the last one faint; the first has its shortest axis along x, the others along z."""
    scales = torch.tensor([[1e-3, 0.1, 0.1], [0.1, 0.1, 1e-3], [0.1, 0.1, 1e-3], [0.1, 0.1, 1e-3]]).log()
    quats = torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(4, 1)
    means = torch.tensor([[-1.0, 0.25, 0.0], [0.0, 0.5, 2.0], [3.0, 0.0, -2.0], [0.0, 0.0, 0.0]])
    return Gaussians(means, quats, scales, torch.tensor([2.0, 2.0, 2.0, -4.0]), sh.from_color(COLORS)[:, None])


def test_points_have_colors_and_normals() -> None:
    seen = torch.tensor([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [0.0, 0.0, 1.0]])
    cloud = points.points(four(), seen=seen)
    assert len(cloud.positions) == 3
    assert np.allclose(cloud.normals, [[-1, 0, 0], [0, 0, 1], [0, 0, -1]])
    assert np.array_equal(cloud.colors, np.round(255 * COLORS[:3].numpy()))
    assert len(points.points(four(), 0.0).positions) == 4
    for opacity, words in ((0.99, "as opaque as 0.99"), (1.5, "from 0 to 1"), (float("nan"), "from 0 to 1")):
        with pytest.raises(InputError, match=words):
            points.points(four(), opacity)


@pytest.mark.parametrize("suffix", points.WRITERS)
def test_open3d_reads_them(suffix: str, tmp_path: Path) -> None:
    o3d = pytest.importorskip("open3d")
    cloud, path = points.points(four()), tmp_path / f"four{suffix}"
    points.write(path, cloud)
    read = o3d.io.read_point_cloud(str(path), format="xyzn" if suffix == ".xyz" else "auto")
    assert np.allclose(np.asarray(read.points), cloud.positions, atol=1e-6)
    assert np.allclose(np.asarray(read.normals), cloud.normals, atol=1e-5)
    if suffix != ".xyz":
        assert np.allclose(255 * np.asarray(read.colors), cloud.colors, atol=0.5)


def test_trimesh_reads_them(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    cloud = points.points(four())
    for suffix in (".ply", ".xyz"):
        path = tmp_path / f"four{suffix}"
        points.write(path, cloud)
        read = trimesh.load(path)
        assert np.allclose(read.vertices, cloud.positions, atol=1e-6)
    points.write(tmp_path / "four.ply", cloud)
    assert np.array_equal(trimesh.load(tmp_path / "four.ply").colors[:, :3], cloud.colors)


def test_bad_places_are_one_sentence(tmp_path: Path) -> None:
    cloud = points.points(four())
    with pytest.raises(InputError, match=r"point clouds; use \.ply, \.pcd, \.xyz"):
        points.write(tmp_path / "a.las", cloud)
    (tmp_path / "file").touch()
    for suffix in points.WRITERS:
        with pytest.raises(InputError, match="Cannot write"):
            points.write(tmp_path / "file" / f"a{suffix}", cloud)
