"""Poses for photos without any: real photos of the bundled room go through COLMAP, and bad ones end in a sentence."""

import math
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semsplat import assets
from semsplat.splatting.capture import load, needs_poses, placed, sfm, working
from semsplat.splatting.capture.photos import prepare
from semsplat.splatting.errors import InputError

ROOM = Path(assets.__file__).parent / "room"
COUNT = 10
SIDEWAYS = 6  # EXIF: the camera was held with its right side down

pytestmark = pytest.mark.slow


def quiet(*_):
    pass


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> tuple[Path, list[str], dict[str, int]]:
    """A folder with photos of the room and their poses found, what was said, and how often each stage was told."""
    folder, said, stages = tmp_path_factory.mktemp("room"), [], {}
    photos = folder / "photos, Größe ß"
    photos.mkdir()
    for number in range(COUNT):
        shutil.copy(ROOM / "images" / f"{number:02}.jpg", photos / f"bild {number} ä.jpg")
    picture = Image.open(photos / "bild 1 ä.jpg")
    exif = Image.Exif()
    exif[0x0112] = SIDEWAYS
    picture.rotate(90, expand=True).save(photos / "bild 1 ä.jpg", exif=exif, quality=95)
    shutil.copy(photos / "bild 2 ä.jpg", photos / "zzz copy.jpg")
    Image.open(photos / "bild 4 ä.jpg").resize((480, 360)).save(photos / "bild 4 ä.jpg")  # another camera
    Image.open(photos / "bild 5 ä.jpg").crop((70, 0, 250, 240)).save(photos / "bild 5 ä.jpg")  # portrait
    whole = (photos / "bild 3 ä.jpg").read_bytes()
    (photos / "broken.jpg").write_bytes(whole[: len(whole) // 2])

    def report(stage, done, total):
        stages[stage] = stages.get(stage, 0) + 1
        assert 0 < done <= total

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sfm, "PLANNED", 5)  # of so few photos the time is not estimated otherwise
        sfm.place(photos, folder / "cache", folder / "poses", sfm.Options(), report, said.append)
    return folder, said, stages


def aligned(found: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, float]:
    """Places (n, 3) brought onto the true ones by a similarity (Umeyama 1991), and its scale."""
    a, b = found - found.mean(0), true - true.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    d = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = float((s * np.diag(d)).sum() / (a * a).sum())
    return scale * a @ (u @ d @ vt).T + true.mean(0), scale


def test_photos_are_placed_where_they_were_taken(room):
    folder, _, stages = room
    found = load(folder / "poses")
    assert set(stages) >= {"reading photos", "finding features", "matching photos", "placing photos"}
    assert [photo.name for photo in found.photos] == [f"bild {n} ä.jpg" for n in range(COUNT)]
    true = {int(Path(p.name).stem): p.world_to_camera for p in load(ROOM).photos}
    poses = [torch.linalg.inv(p.world_to_camera) for p in found.photos]
    theirs = [torch.linalg.inv(true[n]) for n in range(COUNT)]
    ours = np.stack([pose[:3, 3].numpy() for pose in poses])
    right = np.stack([pose[:3, 3].numpy() for pose in theirs])
    off = np.linalg.norm(aligned(ours, right)[0] - right, axis=1)
    assert off.max() < 0.03 * np.linalg.norm(right - right.mean(0), axis=1).max()
    turns = [(a[:3, :3].T @ b[:3, :3]).numpy() for a, b in pairwise(poses)]
    asked = [(a[:3, :3].T @ b[:3, :3]).numpy() for a, b in pairwise(theirs)]
    cosines = [(np.trace(x.T @ y) - 1) / 2 for x, y in zip(turns, asked, strict=True)]
    assert math.degrees(math.acos(min(1, min(cosines)))) < 1.0
    lenses = [photo.lens for photo in found.photos]
    assert lenses[0] == lenses[1] and lenses[0].fx == pytest.approx(266.28, rel=0.05)
    assert (lenses[4].width, lenses[4].fx / 1.5) == (480, pytest.approx(266.28, rel=0.1))
    assert (lenses[5].width, lenses[5].height, lenses[5].fx) == (180, 240, pytest.approx(266.28, rel=0.1))


def test_the_time_is_estimated_before_the_work(room):
    (plan,) = room[1]
    assert plan.startswith("Finding poses of 12 photos means matching about 66 pairs and takes about ")
    assert "(judged by 4 of them). Ctrl-C keeps what is done." in plan


def test_what_was_left_out_is_said(room):
    notes = load(room[0] / "poses").notes
    assert any(note.startswith(f"{COUNT} of {COUNT} photos were placed") for note in notes)
    assert any("the same picture as another and were left out: zzz copy.jpg" in note for note in notes)
    assert any(note.startswith("Left out: Cannot read picture") and "broken.jpg" in note for note in notes)


def test_a_photo_turned_by_its_header_is_prepared_upright(room):
    folder, _, _ = room
    found = load(folder / "poses")
    frames = prepare(found, folder / "prepared")
    turned, straight = frames[1].read().float(), frames[2].read().float()
    assert turned.shape == straight.shape
    upright = torch.from_numpy(np.array(Image.open(ROOM / "images" / "01.jpg"))).float()
    middle = [slice(30, 210), slice(30, 290)]
    assert (turned[middle[0], middle[1]] - upright[middle[0], middle[1]]).abs().mean() < 12  # the lens bends a little


def test_a_second_run_has_nothing_to_do(room):
    folder, _, _ = room
    before = (folder / "poses" / placed.FILE).stat().st_mtime_ns
    stages = set()
    photos = next(folder.glob("photos*"))
    sfm.place(photos, folder / "cache", folder / "poses", sfm.Options(), lambda s, *_: stages.add(s), quiet)
    assert stages == {"reading photos"}
    assert (folder / "poses" / placed.FILE).stat().st_mtime_ns == before


def test_a_run_without_its_poses_goes_on_from_the_matches(room, tmp_path):
    folder, _, _ = room
    stages = {}
    photos = next(folder.glob("photos*"))
    shutil.copytree(folder / "cache", tmp_path / "cache")
    sfm.place(photos, tmp_path / "cache", tmp_path / "poses", sfm.Options(), lambda s, *_: stages.update({s: 1}), quiet)
    assert "finding features" not in stages and "matching photos" not in stages
    assert len(load(tmp_path / "poses").photos) == COUNT


def refused(source: Path, tmp_path: Path, **options) -> str:
    assert needs_poses(source)
    with pytest.raises(InputError) as error:
        sfm.place(source, tmp_path / "cache", tmp_path / "poses", sfm.Options(**options), quiet, quiet)
    assert not (tmp_path / "poses").exists()
    return str(error.value).replace(str(tmp_path), "HERE")


def noise(path: Path, seed: int) -> None:
    path.parent.mkdir(exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    Image.fromarray(pixels).resize((160, 120)).save(path)


def test_one_photo_and_the_same_photo_again(tmp_path):
    noise(tmp_path / "photos" / "a.png", 0)
    assert refused(tmp_path / "photos", tmp_path).startswith(
        "HERE/photos holds 1 different photos; finding poses needs"
    )
    for name in "bcd":
        shutil.copy(tmp_path / "photos" / "a.png", tmp_path / "photos" / f"{name}.png")
    assert "(3 photos are the same picture as another and were left out: b.png, c.png, d.png.)" in refused(
        tmp_path / "photos", tmp_path
    )
    assert "--frames 1 is too few" in refused(tmp_path / "photos", tmp_path, frames=1)


def test_photos_that_show_nothing_in_common(tmp_path):
    for seed in range(3):
        noise(tmp_path / "photos" / f"{seed}.png", seed)
    said = refused(tmp_path / "photos", tmp_path)
    assert said.startswith(
        "No two of the 3 photos (0.png, 1.png, 2.png) show the same things, so they cannot be placed;"
    )


def test_masks_and_transparency_decide_what_counts(tmp_path):
    noise(tmp_path / "a.png", 0)
    mask = np.zeros((120, 160), np.uint8)
    mask[40:80, 50:100] = 255
    noise(tmp_path / "b.png", 1)
    clear = np.dstack([np.asarray(Image.open(tmp_path / "b.png")), mask])
    Image.fromarray(clear).save(tmp_path / "b.png")
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    photos = [(name, tmp_path / name) for name in ("a.png", "b.png")]
    copies, notes = working.make(photos, tmp_path / "masks", tmp_path / "made", quiet)
    assert not notes and all(copy.masked for copy in copies)
    for copy in copies:
        kept = np.asarray(Image.open(tmp_path / "made" / "masks" / f"{copy.file}.png"))
        np.testing.assert_array_equal(kept, mask)


def test_a_changed_photo_is_another_copy(tmp_path):
    noise(tmp_path / "a.png", 0)
    first, _ = working.make([("a.png", tmp_path / "a.png")], None, tmp_path / "made", quiet)
    again, _ = working.make([("a.png", tmp_path / "a.png")], None, tmp_path / "made", quiet)
    assert first == again
    noise(tmp_path / "a.png", 1)
    changed, _ = working.make([("a.png", tmp_path / "a.png")], None, tmp_path / "made", quiet)
    assert changed[0].file != first[0].file and changed[0].file.isascii()
