"""semsplat export: meshes and point clouds of things."""

from pathlib import Path

import numpy as np
import pytest
from furniture import furniture

from semsplat.app import cli
from semsplat.distill import objects
from semsplat.distill.objects import Thing

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("open3d")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(["export", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out + err


@pytest.fixture
def named(room: Path) -> Path:
    """The furniture with a mug and a table."""
    gaussians, _, numbers = furniture(0.08)
    things = {"red mug": numbers == 3, "table": numbers < 3}
    objects.put(room, *(Thing.of(name, gaussians, rows, teacher="labels") for name, rows in things.items()))
    return room


@pytest.mark.slow
def test_a_thing_becomes_a_mesh_in_units_of_the_file(
    capsys: pytest.CaptureFixture[str], named: Path, tmp_path: Path
) -> None:
    gaussians, _, numbers = furniture(0.08)
    means = gaussians.means[numbers < 3].numpy()
    options = ("--object", "table", "--raw", "--watertight", "--triangles", 2000)
    status, said = run(capsys, named, *options, "-o", tmp_path / "table.stl", "--scale", 10, "--voxel", 0.5)
    assert status == 0 and "watertight" in said
    read = trimesh.load(tmp_path / "table.stl")
    assert read.is_watertight and len(read.faces) <= 2000
    assert np.abs(read.bounds - 10 * np.stack([means.min(0), means.max(0)])).max() < 3.0
    status, said = run(capsys, named, *options, "-o", tmp_path / "table.ply", "--kind", "mesh", "--center")
    assert status == 0 and len(trimesh.load(tmp_path / "table.ply").faces) > 100
    status, said = run(capsys, named, *options, "-o", tmp_path / "table.glb", "--kind", "mesh", "--texture", 64)
    assert status == 0 and trimesh.load(tmp_path / "table.glb", force="mesh").visual.uv is not None


def test_a_thing_becomes_points(capsys: pytest.CaptureFixture[str], named: Path, tmp_path: Path) -> None:
    gaussians, _, numbers = furniture(0.08)
    means = gaussians.means[numbers == 3].numpy()
    for name in ("mug.pcd", "mug.xyz", "mug.ply"):
        kind = ("--kind", "points") if name.endswith("ply") else ()
        options = ("--object", "red mug", "--raw", "--opacity", 0, "--scale", 2)
        assert run(capsys, named, *options, *kind, "-o", tmp_path / name)[0] == 0
    lines = np.loadtxt(tmp_path / "mug.xyz", ndmin=2)
    assert np.allclose(lines[:, :3], 2 * means, atol=1e-5) and lines.shape[1] == 9
    assert np.allclose(trimesh.load(tmp_path / "mug.ply").vertices, 2 * means, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("mug.stl", ("--triangles", 3), "--triangles"),
        ("mug.stl", ("--texture", 64), ".glb or .obj"),
        ("mug.obj", ("--texture", 3), "--texture"),
        ("mug.obj", ("--voxel", -1), "--voxel"),
        ("mug.obj", ("--voxel", 100), "too large"),
        ("mug.obj", ("--voxel", 1e-6), "say --voxel"),
        ("mug.pcd", ("--opacity", 2), "--opacity"),
        ("mug.spz", ("--kind", "mesh"), "cannot be written as mesh"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_keeps_the_file(
    capsys: pytest.CaptureFixture[str], named: Path, tmp_path: Path, name: str, options: tuple, words: str
) -> None:
    target = tmp_path / name
    target.write_text("old")
    status, said = run(capsys, named, "--object", "red mug", "--raw", "-o", target, *options)
    assert status == 2 and words in said and "Traceback" not in said
    assert target.read_text() == "old"
