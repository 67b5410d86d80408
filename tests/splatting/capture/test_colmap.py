"""COLMAP projects: held to pycolmap (in a process of its own) and to files written here; damage ends in a sentence."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from made_captures import dots, projected
from PIL import Image

from semsplat.splatting.capture import lens as lenses
from semsplat.splatting.capture import load, prepare
from semsplat.splatting.capture.colmap_files import read_points
from semsplat.splatting.errors import InputError

# Writes one model per camera type, binary and text, and says where pycolmap itself sees the points.
ORACLE = """
import zlib, json, sys, warnings
import numpy as np
import pycolmap
from pathlib import Path
warnings.simplefilter("ignore")
root, result = Path(sys.argv[1]), {}
size = (160, 120)
two, one = [150.0, 140.0, 83.0, 57.0], [150.0, 83.0, 57.0]
models = {
    "SIMPLE_PINHOLE": one, "PINHOLE": two, "SIMPLE_RADIAL": [*one, 0.2], "RADIAL": [*one, 0.2, -0.1],
    "OPENCV": [*two, 0.2, -0.1, 0.02, -0.015], "OPENCV_FISHEYE": [*two, 0.05, -0.02, 0.01, -0.004],
    "FULL_OPENCV": [*two, 0.2, -0.1, 0.02, -0.015, 0.03, 0.1, -0.05, 0.02],
    "SIMPLE_RADIAL_FISHEYE": [*one, 0.1], "RADIAL_FISHEYE": [*one, 0.1, -0.05],
    "FOV": [*two, 0.9],
}
rng = np.random.default_rng(5)
xyz = rng.uniform(-1.2, 1.2, (12, 3))
for name, params in models.items():
    model = pycolmap.Reconstruction()
    camera = pycolmap.Camera(model=name, width=size[0], height=size[1], params=params, camera_id=7)
    model.add_camera_with_trivial_rig(camera)
    pixels = {}
    for number in range(3):
        axis = rng.normal(size=3)
        turn = pycolmap.Rotation3d(axis / np.linalg.norm(axis) * 0.4)
        pose = pycolmap.Rigid3d(turn, np.array([0.1 * number, -0.2, 4.0]))
        image = pycolmap.Image(name=f"in/{number}.png", image_id=number + 1, camera_id=7)
        image.points2D = pycolmap.Point2DList([pycolmap.Point2D(np.array([1.0, 2.0]))] * (12 + number))
        model.add_image_with_trivial_frame(image, pose)
        seen = np.array([(pose * p) for p in xyz])
        pixels[image.name] = np.array([camera.img_from_cam(p) for p in seen]).reshape(-1, 2).tolist()
    for number, p in enumerate(xyz):
        track = pycolmap.Track()
        for image in range(number % 3 + 1):
            track.add_element(image + 1, number)
        model.add_point3D(p, track, np.array([number, 2 * number, 255], np.uint8))
    for kind in ("bin", "txt"):
        (root / name / kind).mkdir(parents=True)
        (model.write_binary if kind == "bin" else model.write_text)(str(root / name / kind))
    result[name] = pixels
(root / "truth.json").write_text(json.dumps({"points": xyz.tolist(), "pixels": result}))
"""
SIZE = (160, 120)
KNOWN = (
    "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE", "FULL_OPENCV",
    "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE",
)  # fmt: skip


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    """(folder with MODEL/bin and MODEL/txt, points, pixels by model and image)."""
    root = tmp_path_factory.mktemp("oracle")
    done = subprocess.run([sys.executable, "-c", ORACLE, str(root)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    truth = json.loads((root / "truth.json").read_text())
    return root, np.array(truth["points"]), truth["pixels"]


def project(oracle, folder, model, kind, place="sparse/0", images="images"):
    """A project folder with pictures of dots and the model at ``place``."""
    root, _, pixels = oracle
    (folder / place).mkdir(parents=True, exist_ok=True)
    for file in (root / model / kind).iterdir():
        (folder / place / file.name).write_bytes(file.read_bytes())
    for name, centers in pixels[model].items():
        path = folder / images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(dots(np.array(centers), *SIZE)).save(path)
    return folder


@pytest.mark.parametrize("kind", ["bin", "txt"])
@pytest.mark.parametrize("model", KNOWN)
def test_points_fall_where_colmap_sees_them(oracle, tmp_path, model, kind):
    _, points, pixels = oracle
    capture = load(project(oracle, tmp_path / "p", model, kind))
    assert [p.name for p in capture.photos] == [f"images/in/{n}.png" for n in range(3)]
    order = np.argsort(capture.colors[:, 0].numpy())
    np.testing.assert_allclose(capture.points.numpy()[order], points, atol=1e-6)
    assert (capture.colors[:, 2] == 1).all() and set((capture.colors[:, 1] * 255).round().int().tolist()) == set(
        range(0, 24, 2)
    )
    for photo in capture.photos:
        matrix = photo.world_to_camera.double().numpy()
        x, y, z = (points @ matrix[:3, :3].T + matrix[:3, 3]).T
        seen = np.stack(lenses.to_pixels(photo.lens, x / z, y / z), 1)
        np.testing.assert_allclose(seen, pixels[model][photo.name.removeprefix("images/")], atol=1e-4)


@pytest.mark.parametrize("model", ["OPENCV", "OPENCV_FISHEYE", "SIMPLE_PINHOLE"])
def test_prepared_pictures_agree_with_their_cameras(oracle, tmp_path, check_dots, model):
    frames = prepare(load(project(oracle, tmp_path / "p", model, "bin")), tmp_path / "cache")
    assert check_dots(frames, oracle[1]) > 10
    assert projected(frames[0], oracle[1]).shape == (12, 2)


@pytest.mark.parametrize(
    ("place", "images", "given"),
    [
        ("sparse/0", "images", "."),
        ("sparse", "images", "."),
        ("colmap/sparse/0", "images", "."),
        (".", "images", "."),
        (".", ".", "."),
        ("sparse/0", "images", "sparse/0"),
        ("sparse", "images", "sparse"),
        ("colmap/sparse/0", "images", "colmap/sparse/0"),
        ("sparse/3", "images", "sparse/3"),
    ],
)
def test_layouts(oracle, tmp_path, place, images, given):
    folder = project(oracle, tmp_path / "p", "PINHOLE", "bin", place, images)
    capture = load(folder / given)
    assert len(capture.photos) == 3 and len(capture.points) == 12 and capture.notes == ()


def test_several_models_and_missing_pictures_are_said(oracle, tmp_path):
    folder = project(oracle, tmp_path / "p", "PINHOLE", "bin")
    project(oracle, tmp_path / "p", "PINHOLE", "bin", "sparse/1")
    (folder / "images" / "in" / "1.png").unlink()
    assert load(folder).notes == (
        "1 of 3 pictures do not exist and were left out: in/1.png.",
        "COLMAP made 2 models that do not connect; 0 is used (give its folder for another).",
    )


def test_masks_as_colmap_names_them(oracle, tmp_path):
    folder = project(oracle, tmp_path / "p", "PINHOLE", "bin")
    (folder / "masks" / "in").mkdir(parents=True)
    for number in range(3):
        Image.new("L", SIZE, 255).save(folder / "masks" / "in" / f"{number}.png.png")
    capture = load(folder)
    assert all(p.mask_path and p.mask_path.name == f"{i}.png.png" for i, p in enumerate(capture.photos))


def refused(folder) -> str:
    with pytest.raises(InputError) as error:
        load(folder)
    return str(error.value).replace(str(folder), "HERE")


AGAIN = "copy it again or run COLMAP's mapper again."


@pytest.mark.parametrize(
    ("file", "size", "sentence"),
    [
        ("points3D.bin", 0, "is empty; " + AGAIN),
        ("points3D.bin", 5, "is truncated: 0 of 0 points could be read; " + AGAIN),
        ("points3D.bin", -1, "is truncated: 11 of 12 points could be read; " + AGAIN),
        ("points3D.bin", 100, "is truncated: 1 of 12 points could be read; " + AGAIN),
        ("images.bin", -1, "is truncated: 2 of 3 images could be read; " + AGAIN),
        ("images.bin", 60, "is truncated: 0 of 3 images could be read; " + AGAIN),
        ("cameras.bin", -1, "is truncated: 0 of 1 cameras could be read; " + AGAIN),
    ],
)
def test_truncated_files(oracle, tmp_path, file, size, sentence):
    folder = project(oracle, tmp_path / "p", "PINHOLE", "bin")
    path = folder / "sparse" / "0" / file
    path.write_bytes(path.read_bytes()[:size])
    assert refused(folder) == f"HERE/sparse/0/{file} {sentence}"


@pytest.mark.parametrize("file", ["points3D.bin", "images.bin", "cameras.bin"])
def test_hostile_counts_cost_nothing(oracle, tmp_path, file):
    folder = project(oracle, tmp_path / "p", "PINHOLE", "bin")
    path = folder / "sparse" / "0" / file
    path.write_bytes(struct.pack("<Q", 2**63) + path.read_bytes()[8:])
    assert "is truncated: " in refused(folder)


@pytest.mark.slow
def test_every_cut_and_many_flips_end_in_a_capture_or_a_sentence(oracle, tmp_path):
    folder = project(oracle, tmp_path / "p", "OPENCV", "bin")
    rng = np.random.default_rng(0)
    for file in ("points3D.bin", "images.bin", "cameras.bin"):
        path = folder / "sparse" / "0" / file
        whole = path.read_bytes()
        for _ in range(60):
            broken = bytearray(whole)
            for place in rng.integers(0, len(whole), 3):
                broken[place] = rng.integers(0, 256)
            path.write_bytes(broken[: rng.integers(0, len(whole) + 1)] if rng.random() < 0.5 else broken)
            try:
                load(folder)
            except InputError as error:
                assert str(error).endswith(".")
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("points3D.txt", "255", "red", "cannot be read: "),
        ("images.txt", "1 0.9", "1 x0.9", "cannot be read: "),
        ("cameras.txt", "PINHOLE 160", "PINHOLE wide", "cannot be read: "),
        ("cameras.txt", " 57", "", "cannot be read: "),
    ],
)
def test_damaged_text(oracle, tmp_path, file, old, new, sentence):
    folder = project(oracle, tmp_path / "p", "PINHOLE", "txt")
    path = folder / "sparse" / "0" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert refused(folder).startswith(f"HERE/sparse/0/{file}, line ") and sentence in refused(folder)


@pytest.mark.parametrize("kind", ["bin", "txt"])
def test_unknown_models_are_refused_by_name(oracle, tmp_path, kind):
    folder = project(oracle, tmp_path / "p", "FOV", kind)
    assert refused(folder) == (
        "HERE/sparse/0, camera 7 has the model FOV, which is not supported; "
        "run colmap image_undistorter and give its result."
    )


def test_no_points_and_no_pictures(oracle, tmp_path):
    folder = project(oracle, tmp_path / "p", "PINHOLE", "bin")
    (folder / "sparse" / "0" / "points3D.bin").unlink()
    assert load(folder).points.shape == (0, 3)
    for path in (folder / "images" / "in").iterdir():
        path.unlink()
    assert refused(folder) == "None of the 3 pictures that the source names exists, for instance 'in/0.png'."


@pytest.mark.slow
def test_a_million_points_are_read_in_seconds(tmp_path):
    rng = np.random.default_rng(0)
    count, tracks = 1_000_000, rng.integers(2, 9, 1_000_000)
    head = np.zeros(count, [("id", "<u8"), ("xyz", "<f8", 3), ("rgb", "u1", 3), ("error", "<f8"), ("track", "<u8")])
    head["xyz"], head["rgb"], head["track"] = rng.normal(size=(count, 3)), rng.integers(0, 255, (count, 3)), tracks
    starts = 8 + np.concatenate([[0], np.cumsum(51 + 8 * tracks)])
    data = np.zeros(starts[-1], np.uint8)
    data[:8] = np.frombuffer(struct.pack("<Q", count), np.uint8)
    for begin in range(0, count, 100_000):
        rows = head[begin : begin + 100_000].view(np.uint8).reshape(-1, 51)[:, :51]
        data[starts[begin : begin + len(rows), None] + np.arange(51)] = rows
    assert head.dtype.itemsize == 51
    data.tofile(tmp_path / "points3D.bin")
    xyz, rgb = read_points(tmp_path)
    np.testing.assert_allclose(xyz, head["xyz"], rtol=1e-6)
    np.testing.assert_array_equal((rgb * 255).round(), head["rgb"])
