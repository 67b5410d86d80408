"""Cameras as files: our readers and pycolmap (in a process of its own) see what was written."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from semsplat.splatting.camera import Camera, pinhole
from semsplat.splatting.capture import load
from semsplat.splatting.capture.writing import Posed, write_colmap, write_transforms
from semsplat.splatting.errors import InputError

SEEN = """
import zlib, json, sys
import pycolmap
model = pycolmap.Reconstruction(sys.argv[1])
print(json.dumps({
    "images": {image.name: {
        "pose": image.cam_from_world().matrix().tolist(),
        "lens": [model.cameras[image.camera_id].model.name, *model.cameras[image.camera_id].params.tolist()],
        "size": [model.cameras[image.camera_id].width, model.cameras[image.camera_id].height],
    } for image in model.images.values()},
    "cameras": len(model.cameras),
    "points": sorted([*point.xyz.tolist(), *point.color.tolist()] for point in model.points3D.values()),
}))
"""


def posed(count: int = 5, own_lenses: bool = False) -> list[Posed]:
    """Views on a ring, every third held out, through one lens or each through its own."""
    views = []
    for number in range(count):
        turn = 0.7 * number
        place = torch.tensor([3 * math.cos(turn), 3 * math.sin(turn), 1.0 + 0.1 * number])
        camera = Camera.look_at(place, torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]), 0.9, 64, 48)
        lens = pinhole(60.0 + own_lenses * number, 58.5, 31.25, 24.5)
        camera = Camera(camera.world_to_camera, lens, 64, 48)
        views.append(Posed(f"images/{number}ä.png", camera, number % 3 == 0))
    return views


def pictures(folder, views) -> None:
    for view in views:
        path = folder / view.name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (view.camera.width, view.camera.height)).save(path)


def the_same(capture, views) -> None:
    """The capture has exactly these views, in any order."""
    photos = {photo.name: photo for photo in capture.photos}
    assert set(photos) == {view.name for view in views}
    for view in views:
        photo, lens = photos[view.name], view.camera.intrinsics
        torch.testing.assert_close(photo.world_to_camera, view.camera.world_to_camera, atol=1e-6, rtol=1e-6)
        seen = (photo.lens.fx, photo.lens.fy, photo.lens.cx, photo.lens.cy)
        assert seen == tuple(lens[i, j].item() for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
        assert (photo.lens.width, photo.lens.height, photo.lens.model) == (64, 48, "PINHOLE")


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("own_lenses", [False, True])
def test_a_colmap_model_is_read_back(tmp_path, text, own_lenses):
    views = posed(own_lenses=own_lenses)
    points, colors = torch.randn(20, 3), torch.rand(20, 3)
    pictures(tmp_path, views)
    write_colmap(tmp_path / "sparse/0", views, points, colors, text=text)
    capture = load(tmp_path)
    the_same(capture, views)
    torch.testing.assert_close(capture.points, points)
    torch.testing.assert_close(capture.colors, colors, atol=0.5 / 255 + 1e-6, rtol=0)
    names = {path.name for path in (tmp_path / "sparse/0").iterdir()}
    assert names == {f"{name}.{'txt' if text else 'bin'}" for name in ("cameras", "images", "points3D")}


@pytest.mark.slow
@pytest.mark.parametrize("text", [False, True])
def test_pycolmap_reads_a_model(tmp_path, text):
    views, points, colors = posed(own_lenses=True), torch.randn(4, 3), torch.rand(4, 3)
    write_colmap(tmp_path, views, points, colors, text=text)
    done = subprocess.run([sys.executable, "-c", SEEN, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["cameras"] == len(views) and set(seen["images"]) == {view.name for view in views}
    for number, view in enumerate(views):
        image = seen["images"][view.name]
        np.testing.assert_allclose(image["pose"], view.camera.world_to_camera[:3], atol=1e-6)
        assert image["lens"] == ["PINHOLE", 60.0 + number, 58.5, 31.25, 24.5] and image["size"] == [64, 48]
    table = torch.cat([points, (colors * 255).round()], dim=1).double()
    np.testing.assert_allclose(seen["points"], sorted(table.tolist()))


def test_a_model_without_points(tmp_path):
    views = posed()
    pictures(tmp_path, views)
    for text in (False, True):
        folder = tmp_path / ("txt" if text else "bin") / "sparse" / "0"
        write_colmap(folder, views, torch.zeros(0, 3), torch.zeros(0, 3), text=text)
        pictures(folder.parent.parent, views)
        assert not len(load(folder.parent.parent).points)


@pytest.mark.parametrize("own_lenses", [False, True])
def test_transforms_are_read_back(tmp_path, own_lenses):
    views = posed(own_lenses=own_lenses)
    pictures(tmp_path, views)
    write_transforms(tmp_path / "transforms.json", views)
    capture = load(tmp_path)
    the_same(capture, views)
    held_out = {photo.name: photo.held_out for photo in capture.photos}
    assert held_out == {view.name: view.held_out for view in views}
    content = json.loads((tmp_path / "transforms.json").read_text())
    assert ("fl_x" in content) != own_lenses and ("fl_x" in content["frames"][0]) == own_lenses
    if not own_lenses:
        assert content["camera_angle_x"] == pytest.approx(2 * math.atan(32 / 60))


def test_a_name_with_a_space(tmp_path):
    views = [Posed(f"a b/{number}.png", view.camera) for number, view in enumerate(posed())]
    pictures(tmp_path / "images", views)
    write_colmap(tmp_path / "sparse", views, torch.zeros(0, 3), torch.zeros(0, 3))
    assert len(load(tmp_path).photos) == len(views)
    with pytest.raises(InputError, match="as it has a space"):
        write_colmap(tmp_path / "text", views, torch.zeros(0, 3), torch.zeros(0, 3), text=True)
    assert not (tmp_path / "text").exists()


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write"):
        write_colmap(tmp_path / "file" / "sparse", posed(), torch.zeros(0, 3), torch.zeros(0, 3))
    with pytest.raises(InputError, match="Cannot write"):
        write_transforms(tmp_path / "file" / "transforms.json", posed())
