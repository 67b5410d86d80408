"""Real captures, where a folder of them is given: every photo loads, and the geometry agrees with the pixels."""

import numpy as np
import pytest
import torch
from made_captures import projected
from PIL import Image

from semsplat.splatting.capture import load, prepare


@pytest.mark.slow
@pytest.mark.parametrize(("name", "photos", "channels"), [("fox", 50, 3), ("bear", 96, 3), ("gold_cape", 40, 4)])
def test_every_photo_is_prepared(captures, tmp_path, name, photos, channels):
    capture = load(captures / name)
    frames = prepare(capture, tmp_path / "cache")
    assert len(frames) == photos and capture.notes == ()
    for frame, photo in zip(frames, capture.photos, strict=True):
        pixels = frame.read()
        assert pixels.shape == (frame.camera.height, frame.camera.width, channels)
        assert frame.camera.width * frame.camera.height > 0.95 * photo.lens.width * photo.lens.height
        original = torch.from_numpy(np.asarray(Image.open(photo.path).convert("RGB")).astype(np.float32))
        assert (pixels[..., :3].float().mean((0, 1)) - original.mean((0, 1))).abs().max() < 4


def test_poses_without_pictures_are_counted(captures):
    (note,) = load(captures / "fox" / "transforms_original_67frames.json").notes
    assert note.startswith("17 of 67 pictures do not exist and were left out: images/0005.jpg, ")


@pytest.mark.slow
def test_sparse_points_have_the_colours_of_the_pixels(captures, tmp_path):
    """Hidden points disagree, so: far more than by chance, and less when the camera is turned upside down."""
    capture = load(captures / "bear")
    frames = prepare(capture, tmp_path / "cache")
    points, colors = capture.points.double().numpy(), capture.colors.numpy()
    agree, by_chance, inside = [], [], []
    rng = np.random.default_rng(0)
    for frame in frames[::8]:
        matrix = frame.camera.world_to_camera.double().numpy()
        ahead = (points @ matrix[:3, :3].T + matrix[:3, 3])[:, 2] > 0
        u, v = projected(frame, points[ahead]).T
        seen = (u > 0) & (v > 0) & (u < frame.camera.width) & (v < frame.camera.height)
        pixels = frame.read().numpy()[v[seen].astype(int), u[seen].astype(int), :3] / 255
        stated = colors[ahead][seen]
        inside.append(seen.sum() / len(points))
        agree.append(np.median(np.abs(pixels - stated).mean(1)))
        by_chance.append(np.median(np.abs(pixels - rng.permutation(stated)).mean(1)))
    assert np.mean(inside) > 0.4
    assert np.mean(agree) < 0.6 * np.mean(by_chance)
