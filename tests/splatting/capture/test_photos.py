"""Pictures made ready: exact averages, weights, the cache, and every way a file can be bad."""

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from made_captures import dots, found
from PIL import Image

from semsplat.splatting.capture import Capture, Lens, Photo, pictures, prepare
from semsplat.splatting.capture.photos import develop
from semsplat.splatting.errors import InputError


def capture_of(*paths: Path, size=(8, 6), lens: Lens | None = None, mask: Path | None = None) -> Capture:
    lens = lens or Lens(*size, 10.0, 10.0, size[0] / 2, size[1] / 2)
    photos = [Photo(p.name, p, torch.eye(4), lens, mask) for p in paths]
    return Capture(tuple(photos), torch.zeros(0, 3), torch.zeros(0, 3))


def saved(path: Path, pixels: np.ndarray, **options) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def pair(tmp_path) -> list[Path]:
    """Two small pictures of noise."""
    rng = np.random.default_rng(1)
    return [saved(tmp_path / name, rng.integers(0, 255, (6, 8, 3), np.uint8)) for name in ("a.png", "b.png")]


def test_pixels_come_as_they_are(pair, tmp_path):
    told = []
    frames = prepare(capture_of(*pair), tmp_path / "cache", report=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    for frame, path in zip(frames, pair, strict=True):
        np.testing.assert_array_equal(frame.read(), np.asarray(Image.open(path)))
        assert frame.camera.intrinsics.dtype == frame.camera.world_to_camera.dtype == torch.float32
        assert frame.name == path.name


def averaged_slowly(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """By definition: pixels repeated until the new size divides the picture, then means of blocks."""
    fine = pixels.astype(float).repeat(height, 0).repeat(width, 1)
    h, w = pixels.shape[:2]
    return fine.reshape(height, h, width, w, -1).mean((1, 3))


@pytest.mark.parametrize(("width", "height"), [(8, 6), (4, 3), (5, 4), (3, 2), (1, 1), (7, 5)])
def test_areas_are_averaged_exactly(width, height):
    pixels = np.random.default_rng(2).integers(0, 255, (6, 8, 3), np.uint8)
    lens = Lens(8, 6, 10.0, 10.0, 4.0, 3.0)
    expected = averaged_slowly(pixels, width, height)
    result = develop(pixels, lens, lens, width, height)
    assert np.abs(result - expected).max() <= 0.5 + 1e-4


def test_bands_do_not_show(monkeypatch):
    from semsplat.splatting.capture import photos

    pixels = np.random.default_rng(2).integers(0, 255, (60, 80, 3), np.uint8)
    lens = Lens(80, 60, 70.0, 72.0, 41.0, 29.0, "OPENCV", (0.1, -0.02, 0.003, 0.002))
    view = photos.lenses.pinhole_view(lens)
    whole = develop(pixels, lens, view, 33, 24)
    monkeypatch.setattr(photos, "_BAND", 200)
    bands = develop(pixels, lens, view, 33, 24)
    assert np.abs(whole.astype(int) - bands).max() <= 1  # float32 sums in another order


def test_colours_are_averaged_by_weight():
    pixels = np.zeros((2, 4, 4), np.uint8)
    pixels[..., 0] = [[10, 250, 30, 50], [10, 250, 30, 50]]
    pixels[..., 3] = [[255, 0, 255, 255], [255, 0, 0, 255]]
    lens = Lens(4, 2, 10.0, 10.0, 2.0, 1.0)
    small = develop(pixels, lens, lens, 2, 1)
    assert small[0, :, 0].tolist() == [10, 43] and small[0, :, 3].tolist() == [128, 191]
    pixels[..., 3] = 0  # nothing counts, and yet there is a colour to look at
    assert develop(pixels, lens, lens, 2, 1)[0, :, 0].tolist() == [130, 40]


@pytest.mark.slow
def test_large_photos_are_undistorted_in_the_right_place(tmp_path):
    """The short cut for much larger photos: reduce first, then undistort."""
    lens = Lens(811, 603, 700.0, 690.0, 417.0, 290.0, "OPENCV", (0.2, -0.1, 0.01, 0.02))
    from semsplat.splatting.capture import lens as lenses

    grid = np.stack(np.meshgrid(np.linspace(-0.4, 0.4, 5), np.linspace(-0.3, 0.3, 4)), -1).reshape(-1, 2)
    u, v = lenses.to_pixels(lens, grid[:, 0], grid[:, 1])
    paths = [saved(tmp_path / n, dots(np.stack([u, v], 1), 811, 603, 9.0)) for n in ("a.png", "b.png")]
    frames = prepare(capture_of(*paths, lens=lens), tmp_path / "cache", 130)
    assert max(frames[0].camera.width, frames[0].camera.height) == 130
    fx, cx, fy, cy = (frames[0].camera.intrinsics[i].item() for i in ((0, 0), (0, 2), (1, 1), (1, 2)))
    for x, y in grid:
        expected = np.array([fx * x + cx, fy * y + cy])
        np.testing.assert_allclose(found(frames[0].read().numpy(), expected, 5.0), expected, atol=0.1)


def test_masks_of_all_kinds(pair, tmp_path):
    def weights(pixels: np.ndarray, **options):
        mask = saved(tmp_path / "mask.png", pixels, **options)
        frames = prepare(capture_of(*pair, mask=mask), tmp_path / "cache")
        assert not frames[0].background
        return frames[0].read()[..., 3].numpy()

    half = np.zeros((6, 8), np.uint8)
    half[:, 4:] = 1
    expected = half * 255
    np.testing.assert_array_equal(weights(half * 255), expected)
    np.testing.assert_array_equal(weights(half), expected)  # 0 and 1
    np.testing.assert_array_equal(weights(half * 240 + 9), expected)  # as JPEG leaves it
    np.testing.assert_array_equal(weights(np.repeat((half * 255)[..., None], 3, 2)), expected)
    np.testing.assert_array_equal(weights(half.astype(bool)), expected)
    np.testing.assert_array_equal(weights(half[::2, ::2] * 255), expected)  # of another size
    with pytest.raises(InputError) as error:
        weights(np.zeros((8, 8), np.uint8))
    assert str(error.value) == f"The mask {tmp_path / 'mask.png'} has 8 x 8 pixels, its photo 8 x 6."


def test_alpha_is_weight_and_background(tmp_path):
    pixels = np.full((6, 8, 4), 200, np.uint8)
    pixels[:3, :, 3] = 0
    paths = [saved(tmp_path / name, pixels) for name in ("a.png", "b.png")]
    frames = prepare(capture_of(*paths), tmp_path / "cache")
    assert frames[0].background and frames[0].read()[:, 0, 3].tolist() == [0, 0, 0, 200, 200, 200]
    mask = saved(tmp_path / "mask.png", np.full((6, 8), 255, np.uint8))
    assert not prepare(capture_of(*paths, mask=mask), tmp_path / "other")[0].background
    pixels[..., 3] = 255  # full everywhere: no fourth channel
    paths = [saved(tmp_path / name, pixels) for name in ("a.png", "b.png")]
    assert prepare(capture_of(*paths), tmp_path / "cache")[0].read().shape == (6, 8, 3)


def test_kinds_of_pixels(tmp_path):
    gray = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    first = saved(tmp_path / "gray.png", gray)
    second = tmp_path / "cmyk.jpg"
    Image.fromarray(np.repeat(gray[..., None], 3, 2)).convert("CMYK").save(second, quality=100)
    palette = tmp_path / "palette.png"
    Image.fromarray(gray).convert("P").save(palette)
    deep = saved(tmp_path / "deep.png", gray.astype(np.uint16) * 257)
    frames = prepare(capture_of(first, second, palette, deep), tmp_path / "cache")
    for frame, tolerance in zip(frames, (0, 6, 0, 0), strict=True):
        assert frame.read().shape == (6, 8, 3)
        assert np.abs(frame.read()[..., 1].numpy().astype(int) - gray).max() <= tolerance, frame.name


def test_exif_turns_only_when_the_stated_size_says_so(tmp_path):
    stored = np.zeros((6, 8, 3), np.uint8)
    stored[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise for looking
    paths = [saved(tmp_path / name, stored, exif=exif) for name in ("a.png", "b.png")]
    as_stored = prepare(capture_of(*paths), tmp_path / "one")[0].read()
    assert as_stored.shape == (6, 8, 3) and as_stored[0, 0, 0] == 255
    turned = prepare(capture_of(*paths, size=(6, 8)), tmp_path / "two")[0].read()
    assert turned.shape == (8, 6, 3) and turned[0, 5, 0] == 255


class Watch:
    """Counts what is made anew in a cache."""

    def __init__(self, cache: Path):
        self.cache, self.before = cache, {}

    def changed(self) -> list[str]:
        now = {p.name: p.stat().st_ino for p in self.cache.glob("*.npy")}
        names = sorted(name[0] for name, inode in now.items() if self.before.get(name) != inode)
        self.before = now
        return names


def test_the_cache_makes_only_what_changed(pair, tmp_path):
    cache = tmp_path / "cache"
    watch = Watch(cache)
    prepare(capture_of(*pair), cache)
    assert watch.changed() == ["a", "b"]
    prepare(capture_of(*pair), cache)
    assert watch.changed() == []
    os.utime(pair[0], (1, 1))
    prepare(capture_of(*pair), cache)
    assert watch.changed() == ["a"]
    lens = Lens(8, 6, 10.0, 10.0, 4.0, 3.0, "OPENCV", (0.1,))
    prepare(capture_of(*pair, lens=lens), cache)
    assert watch.changed() == ["a", "b"]
    prepare(capture_of(*pair, lens=lens), cache, 4)
    assert watch.changed() == ["a", "b"]
    prepare(capture_of(*pair, lens=lens), cache)
    assert watch.changed() == []  # two sizes live side by side


@pytest.mark.parametrize("damage", ["facts gone", "facts cut", "pixels cut", "pixels gone", "facts are a list"])
def test_half_written_caches_are_harmless(pair, tmp_path, damage):
    cache = tmp_path / "cache"
    expected = [f.read() for f in prepare(capture_of(*pair), cache)]
    pixels, facts = sorted(cache.glob("a*.npy"))[0], sorted(cache.glob("a*.json"))[0]
    match damage.split():
        case ["facts", "gone"]:
            facts.unlink()
        case ["facts", "cut"]:
            facts.write_bytes(facts.read_bytes()[:20])
        case ["pixels", "cut"]:
            pixels.write_bytes(pixels.read_bytes()[:-20])
        case ["pixels", "gone"]:
            pixels.unlink()
        case _:
            facts.write_text("[]")
    again = [f.read() for f in prepare(capture_of(*pair), cache)]
    assert all(torch.equal(a, b) for a, b in zip(expected, again, strict=True))
    assert json.loads(facts.read_text())["bytes"] == pixels.stat().st_size


def test_photos_of_equal_looking_names_do_not_collide(tmp_path):
    paths = []
    for number, name in enumerate(("x/a.png", "x_a.png", "y" * 120 + "/a.png", "y" * 121 + "/a.png")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        paths.append(saved(path, np.full((6, 8, 3), 40 * number, np.uint8)))
    lens = Lens(8, 6, 10.0, 10.0, 4.0, 3.0)
    photos = tuple(Photo(p.relative_to(tmp_path).as_posix(), p, torch.eye(4), lens) for p in paths)
    frames = prepare(Capture(photos, torch.zeros(0, 3), torch.zeros(0, 3)), tmp_path / "cache")
    assert [int(f.read()[0, 0, 0]) for f in frames] == [0, 40, 80, 120]


def sentence(capture: Capture, cache: Path, resolution: int | None = None) -> str:
    with pytest.raises(InputError) as error:
        prepare(capture, cache, resolution)
    return str(error.value)


def test_bad_pictures_end_in_a_sentence(pair, tmp_path):
    cache = tmp_path / "cache"
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    whole = saved(tmp_path / "whole.jpg", noise).read_bytes()
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(whole[: len(whole) // 2])
    text = sentence(capture_of(pair[0], bad, lens=Lens(80, 60, 9.0, 9.0, 40.0, 30.0)), cache)
    assert text in {  # whichever of the two is met first
        f"{pair[0]} has 8 x 6 pixels, not 80 x 60 any more.",
        f"Cannot read picture {bad}: image file is truncated (0 bytes not processed).",
    } or text.startswith(f"Cannot read picture {bad}: image file is truncated (")
    bad.write_bytes(b"no picture at all")
    assert (
        sentence(capture_of(pair[0], bad), cache)
        == f"Cannot read picture {bad}: no known format; give JPEG, PNG or WebP."
    )
    bad.write_bytes(b"")
    assert sentence(capture_of(pair[0], bad), cache).startswith(f"Cannot read picture {bad}: no known format")
    bad.unlink()
    assert sentence(capture_of(pair[0], bad), cache) == f"Cannot read picture {bad}: No such file or directory."
    saved(tmp_path / "float.tiff", np.zeros((6, 8), np.float32))
    assert (
        sentence(capture_of(pair[0], tmp_path / "float.tiff"), cache)
        == f"{tmp_path / 'float.tiff'} has floating-point pixels; convert it to 8 bits."
    )
    assert list(cache.glob("bad*")) == [] and list(cache.glob(".*")) == []


def test_huge_claims_are_refused_and_large_pictures_are_not_warned_about(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # of Pillow: warns above, refuses above twice as much
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(prepare(capture_of(*pair), tmp_path / "cache")) == 2
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    text = sentence(capture_of(*pair), tmp_path / "other")
    assert text.endswith("it claims more than 178 million pixels; make it smaller.")


def test_too_few_photos_and_bad_resolution(pair, tmp_path):
    few = "can be used; fitting a scene needs at least two views."
    assert sentence(capture_of(), tmp_path / "c") == f"Only 0 photos {few}"
    assert sentence(capture_of(pair[0]), tmp_path / "c") == f"Only 1 photo {few}"
    text = "A resolution of 0 pixels is not possible; ask for at least 1."
    assert sentence(capture_of(*pair), tmp_path / "c", 0) == text
    assert prepare(capture_of(*pair), tmp_path / "c", 1)[0].read().shape == (1, 1, 3)
    assert prepare(capture_of(*pair), tmp_path / "c", 5000)[0].read().shape == (6, 8, 3)


def test_a_cache_that_cannot_be_written(pair, tmp_path):
    (tmp_path / "file").touch()
    text = sentence(capture_of(*pair), tmp_path / "file" / "cache")
    assert text.startswith("Cannot write ") and text.endswith("a part of the path is a file, not a folder.")


def test_an_interruption_ends_the_threads(pair, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(capture_of(*pair), tmp_path / "cache", report=stop)
    assert len(prepare(capture_of(*pair), tmp_path / "cache")) == 2


def test_heic_is_read_upright(tmp_path):
    """pillow-heif writes what it reads; the orientation in its header is applied by it."""
    pillow_heif = pytest.importorskip("pillow_heif")
    picture = np.full((64, 96, 3), 30, np.uint8)
    picture[:16, :16] = 240
    pillow_heif.from_pillow(Image.fromarray(picture)).save(tmp_path / "a.heic", quality=95)
    width, height = pictures.upright_size(tmp_path / "a.heic")
    assert (width, height) == (96, 64)
    pixels, alpha = pictures.decode(tmp_path / "a.heic", width, height, upright=True)
    assert alpha is None and pixels[8, 8].min() > 200 and pixels[40, 60].max() < 60
    (tmp_path / "b.heic").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"Cannot read picture .*b\.heic"):
        pictures.sizes(tmp_path / "b.heic")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_upright_pictures_are_turned_whatever_their_size_says(tmp_path, orientation):
    upright = np.zeros((40, 40, 3), np.uint8)
    upright[:10, :10] = 250
    turned = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]  # quarter turns to the left that a camera held so does
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.rot90(upright, turned)).save(tmp_path / "a.png", exif=exif)
    pixels, _ = pictures.decode(tmp_path / "a.png", 40, 40, upright=True)
    np.testing.assert_array_equal(pixels, upright)
