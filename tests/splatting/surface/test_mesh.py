"""Meshes of Gaussians whose true surface is known, and the files they become."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from semsplat.splatting import sh
from semsplat.splatting.camera import Camera
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.surface import files, shapes
from semsplat.splatting.surface.look import around, look, seen_from
from semsplat.splatting.surface.mesh import extent, mesh
from semsplat.splatting.surface.types import How, Mesh

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("open3d")
RADIUS, MIDDLE = 0.5, (1.0, -2.0, 0.5)
QUICK = How(resolution=40, around=24, triangles=3000, truncation=4.0)


def discs(points: torch.Tensor, normals: torch.Tensor, size: float, colors: torch.Tensor) -> Gaussians:
    """Flat opaque Gaussians that lie on a surface."""
    half = torch.nn.functional.normalize(normals + torch.tensor([0.0, 0.0, 1.0]), dim=-1)  # turns z to the normal
    quats = torch.cat([torch.zeros(len(points), 1), half], dim=1)
    scales = torch.tensor([size, size, size / 50]).log().expand(len(points), 3)
    opacities = torch.full((len(points),), 3.0)
    return Gaussians(points, quats, scales.contiguous(), opacities, sh.from_color(colors)[:, None, :])


def ball(count: int = 2500, lowest: float = -1.0) -> Gaussians:
    """A ball; its upper half is red, its lower half blue. ``lowest``: what is below, in radii, is missing."""
    k = torch.arange(count)
    z = 1 - 2 * (k + 0.5) / count
    turn, flat = k * math.pi * (3 - 5**0.5), (1 - z * z).sqrt()
    normals = torch.stack([flat * turn.cos(), flat * turn.sin(), z], dim=-1)
    colors = torch.where(z[:, None] > 0, torch.tensor([0.8, 0.1, 0.1]), torch.tensor([0.1, 0.2, 0.9]))
    rows = z > lowest
    return discs(torch.tensor(MIDDLE) + RADIUS * normals, normals, 2.2 * RADIUS / count**0.5, colors)[rows]


def photos(count: int = 12, side: int = 64) -> list[Camera]:
    """From above the horizon only."""
    every = around(torch.tensor(MIDDLE), RADIUS, 2 * count, side)
    return every[:count]


def made(thing: Gaussians, how: How) -> Mesh:
    cameras = photos()
    return mesh(thing, seen_from(thing, cameras), cameras, how)


@pytest.fixture(scope="module")
def whole() -> Mesh:
    return made(ball(), How(**{**vars(QUICK), "watertight": True}))


def test_depth_is_where_the_ball_is() -> None:
    thing, camera = ball(), photos()[3]
    found = look(thing, seen_from(thing, photos()), camera, True)
    middle = torch.tensor(MIDDLE)
    centre = found.depth[camera.height // 2, camera.width // 2]
    assert centre == pytest.approx(float((camera.center - middle).norm()) - RADIUS, abs=0.02 * RADIUS)
    assert torch.isinf(found.depth[0, 0])
    assert found.color.dtype == torch.uint8


def test_backs_of_surfaces_are_not_trusted() -> None:
    bowl = ball(lowest=0.3)  # a cap, photographed from above
    below = around(torch.tensor(MIDDLE), RADIUS, 24, 64)[-1]
    found = look(bowl, seen_from(bowl, photos()), below, False)
    assert torch.isnan(found.depth).any() and not torch.isfinite(found.depth).any()


def test_a_ball_is_a_ball(whole: Mesh) -> None:
    model = trimesh.Trimesh(whole.points, whole.faces, process=False)
    assert model.is_watertight and model.is_winding_consistent
    assert model.volume == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=0.1)
    away = np.linalg.norm(whole.points - MIDDLE, axis=1)
    assert np.abs(away - RADIUS).mean() < 0.03 * RADIUS  # half of a Chamfer distance; the other half is a closed ball
    assert len(whole.faces) <= 3000
    top, bottom = whole.points[:, 2] > MIDDLE[2] + 0.2, whole.points[:, 2] < MIDDLE[2] - 0.2
    assert np.abs(whole.colors[top].astype(int) - [204, 26, 26]).mean() < 6
    assert np.abs(whole.colors[bottom].astype(int) - [26, 51, 230]).mean() < 6


@pytest.mark.slow
def test_holes_are_closed_only_on_request() -> None:
    thing = ball(lowest=-0.5)
    open_mesh = made(thing, QUICK)
    closed = made(thing, How(**{**vars(QUICK), "watertight": True}))
    assert not shapes.is_closed(open_mesh.faces)
    model = trimesh.Trimesh(closed.points, closed.faces, process=False)
    assert model.is_watertight
    assert closed.points[:, 2].min() > MIDDLE[2] - 0.65 * RADIUS  # flat, where the ball ends


@pytest.mark.slow
def test_small_loose_pieces_are_dropped() -> None:
    thing = ball()
    crumb = ball(60)
    crumb = crumb.replace(means=0.1 * (crumb.means - torch.tensor(MIDDLE)) + torch.tensor(MIDDLE) + 0.6)
    crumb = crumb.replace(log_scales=crumb.log_scales - 2.3, ids=crumb.ids + len(thing))
    found = made(Gaussians.cat([thing, crumb]), QUICK)
    assert np.linalg.norm(found.points - MIDDLE, axis=1).max() < 1.1 * RADIUS


def pole() -> Gaussians:
    """Upright needles, one above the other, under the ball: as thin for it as a lamp's pole."""
    places = torch.tensor(MIDDLE) - torch.tensor([[0.0, 0.0, z] for z in (0.9, 1.3, 1.7)])
    scales = torch.tensor([0.03, 0.03, 0.2]).log().expand(3, 3).contiguous()
    quats = torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(3, 1)
    return Gaussians(places, quats, scales, torch.full((3,), 4.0), sh.from_color(torch.ones(3, 3))[:, None, :])


@pytest.mark.slow
def test_a_thin_pole_is_a_part_of_the_thing() -> None:
    thing = Gaussians.cat([ball(120), pole()])  # few, so that needles are no strays
    low, high = extent(thing)
    assert low[2] < MIDDLE[2] - 1.8 and high[2] < MIDDLE[2] + 1.3 * RADIUS  # each as far as it reaches along an axis
    assert ((high - low)[:2] < 2.6 * RADIUS).all()
    found = made(thing, How(**{**vars(QUICK), "triangles": None}))
    shown = found.points[(found.points[:, 2] < MIDDLE[2] - 0.8) & (found.points[:, 2] > MIDDLE[2] - 1.7)]
    assert np.ptp(shown[:, 2]) > 0.8 and (np.abs(shown[:, :2] - MIDDLE[:2]) < 0.08).all()


def seen_colors(read: Any, suffix: str) -> np.ndarray:
    """Colours of corners in [0, 1] as they are seen; in .glb they are linear light."""
    if suffix != ".glb":
        return read.visual.vertex_colors[:, :3] / 255.0
    light = read.visual.vertex_attributes["color"][:, :3] / 255.0
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("suffix", files.SUFFIXES)
def test_files_are_read_back(suffix: str, whole: Mesh, tmp_path: Path) -> None:
    path = tmp_path / f"ball{suffix}"
    files.write(path, whole)
    found = trimesh.load(path)
    read = next(iter(found.geometry.values())) if suffix == ".glb" else found
    assert np.allclose(read.bounds, [whole.points.min(0), whole.points.max(0)], atol=1e-5)
    assert len(read.faces) == len(whole.faces) and read.is_watertight
    if suffix != ".stl":
        colors = seen_colors(read, suffix)
        up = read.vertices[:, 2] > MIDDLE[2] + 0.2
        assert np.abs(255 * colors[up].mean(0) - [204, 26, 26]).max() < 8
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_textures_are_read_back(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("xatlas")
    found = made(ball(), How(**{**vars(QUICK), "triangles": 400, "texture": 128}))
    assert found.texture is not None and found.texture.shape == (128, 128, 3)
    files.write(tmp_path / f"ball{suffix}", found)
    read = trimesh.load(tmp_path / f"ball{suffix}", force="mesh")
    colors = read.visual.to_color().vertex_colors[:, :3].astype(int)
    up = read.vertices[:, 2] > MIDDLE[2] + 0.2
    assert np.abs(colors[up] - [204, 26, 26]).mean() < 10
    assert np.abs(colors[read.vertices[:, 2] < MIDDLE[2] - 0.2] - [26, 51, 230]).mean() < 10
    with pytest.raises(InputError, match=r"\.glb or \.obj"):
        files.write(tmp_path / "ball.stl", found)


@pytest.mark.parametrize(
    ("thing", "how", "words"),
    [
        (ball()[:0], QUICK, "nothing to make a surface of"),
        (ball()[:1].replace(logit_opacities=torch.tensor([-6.0])), QUICK, "nothing to make a surface of"),
        (ball(100).replace(means=1e30 * ball(100).means), QUICK, "no surface"),
        (ball(100).replace(log_scales=ball(100).log_scales + 200), QUICK, "no surface"),
        (ball(), How(voxel=-1.0), "--voxel"),
        (ball(), How(voxel=math.nan), "--voxel"),
        (ball(), How(voxel=0.9), "too large"),
        (ball(), How(voxel=1e-5), "say --voxel"),
        (ball(), How(texture=3), "--texture"),
    ],
)
def test_what_cannot_be_is_one_sentence(thing: Gaussians, how: How, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        mesh(thing, torch.zeros(len(thing), 3), (), how)
    assert str(caught.value).count(". ") == 0


@pytest.mark.slow
def test_one_gaussian_and_wild_ones() -> None:
    thing = ball()
    one = mesh(
        thing[:1].replace(log_scales=torch.full((1, 3), -2.0)), torch.zeros(1, 3), (), How(resolution=20, around=16)
    )
    assert len(one.faces) > 20
    wild = thing[:3].replace(
        means=torch.tensor([[math.nan, 0, 0], [math.inf, 0, 0], [1e4, 0, 0]]), ids=thing.ids[:3] + len(thing)
    )
    found = made(Gaussians.cat([thing, wild]), QUICK)
    assert np.abs(np.linalg.norm(found.points - MIDDLE, axis=1) - RADIUS).mean() < 0.03 * RADIUS


def test_a_failed_write_keeps_what_was_there(whole: Mesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ball.ply"
    path.write_bytes(b"old")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(InputError, match="no space"):
        patch.setattr(Path, "write_bytes", full)
        files.write(path, whole)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(InputError, match="known format of meshes"):
        files.write(tmp_path / "ball.dae", whole)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write"):
        files.write(tmp_path / "file" / "ball.ply", whole)
