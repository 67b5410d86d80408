"""Readers of published sets, on small ones made here: what is found is what was put in, and damage is one sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semsplat.distill.protocols import Scores, lerf_ovs, nvos, replica, spin_nerf, threed_ovs
from semsplat.distill.protocols.types import mean_iou, mean_iou_everywhere, share_above
from semsplat.splatting.errors import InputError

PHOTOS = ["images/frame_00001.jpg", "images/frame_00002.jpg", "images/frame_00003.jpg"]


def save(path: Path, mask: np.ndarray, white: int = 255) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * white).save(path)
    return path


def square(x: int, y: int, side: int = 4, shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def labelled(folder: Path, frame: str, things: list[tuple[str, int, int]]) -> Path:
    """A LERF-OVS annotation of squares of 4 x 4 pixels."""
    objects = [
        {"category": name, "bbox": [x + 3, y + 3, x, y],
         "segmentation": [[x, y], [x + 3, y], [x + 3, y + 3], [x, y + 3]]}
        for name, x, y in things
    ]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    content = {"info": {"name": f"{frame}.jpg", "width": 30, "height": 20}, "objects": objects}
    (path := folder / f"{frame}.json").write_text(json.dumps(content))
    return path


def test_lerf_ovs_is_read_as_it_was_drawn(tmp_path: Path) -> None:
    data = tmp_path / "lerf_ovs"
    labelled(data / "label" / "teatime", "frame_00001", [("mug", 2, 3), ("bear", 10, 5), ("mug", 20, 3)])
    labelled(data / "label" / "teatime", "frame_00003", [])
    labelled(data / "label" / "ramen", "frame_00001", [("egg", 2, 3)])
    for place in (data, data / "label", data / "label" / "teatime"):
        first, last = lerf_ovs.read(place, ["other", "Teatime"], PHOTOS)
        assert (first.photo, last.photo) == (PHOTOS[0], PHOTOS[2]) and last.phrases == ()
        assert first.phrases == ("mug", "bear") and len(first.boxes["mug"]) == 2
        assert first.boxes["bear"] == [(10, 5, 13, 8)], "corners in order"
        masks = first.masks()
        np.testing.assert_array_equal(masks["mug"], square(2, 3) | square(20, 3))
        np.testing.assert_array_equal(masks["bear"], square(10, 5))
    with pytest.raises(InputError, match="annotations of ramen, teatime, and the scene is called fork"):
        lerf_ovs.read(data, ["fork"], PHOTOS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"info": {', "not whole JSON"),
        ("[" * 100000, "not whole JSON"),
        ("[]", "not as LERF-OVS has it"),
        ('{"info": {"name": "frame_00001.jpg", "width": 30, "height": 20}}', "KeyError: 'objects'"),
        ('{"info": {"name": "frame_00009.jpg", "width": 30, "height": 20}, "objects": []}', "not among the 3"),
        ('{"info": {"name": "frame_00001.jpg", "width": 3e9, "height": 20}, "objects": []}', "states a picture of"),
        ('{"info": {"name": "frame_00001.jpg", "width": 30, "height": 20}, "objects": []}', "No thing is annotated"),
        (
            '{"info": {"name": "frame_00001.jpg", "width": 30, "height": 20}, "objects": [{"category": "mug", '
            '"bbox": [1, 2, 3, 4], "segmentation": [[1, 2], [3, 4]]}]}',
            "'mug' with 2 points",
        ),
        (
            '{"info": {"name": "frame_00001.jpg", "width": 30, "height": 20}, "objects": [{"category": "mug", '
            '"bbox": [1, 2, 3], "segmentation": [[1, 2], [3, 4], [NaN, 1]]}]}',
            "not as LERF-OVS has it",
        ),
    ],
)
def test_damaged_labels_are_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "frame_00001.json").write_text(text)
    with pytest.raises(InputError, match=said):
        lerf_ovs.read(tmp_path, ["a"], PHOTOS)


def test_3d_ovs_by_number_and_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "bed" / "segmentations"
    for frame in ("00", "frame_00003"):
        save(folder / frame / "red bag.png", square(1, 1))
        save(folder / frame / "bed.png", ~square(1, 1))
    (folder / "classes.txt").write_text("red bag\nbed\n\n")
    for place in (tmp_path, tmp_path / "bed", folder):
        first, last = threed_ovs.read(place, ["bed"], PHOTOS)
        assert (first.photo, last.photo) == (PHOTOS[0], PHOTOS[2]) and first.phrases == ("red bag", "bed")
        np.testing.assert_array_equal(first.masks()["red bag"], square(1, 1))


def spoil_3d_ovs(folder: Path, how: str) -> None:
    match how:
        case "gone":
            (folder / "00" / "bed.png").unlink()
        case "size":
            save(folder / "00" / "bed.png", square(0, 0, shape=(8, 8)))
        case "cut":
            (folder / "00" / "bed.png").write_bytes(b"\x89PNG\r\n")
        case "number":
            (folder / "00").rename(folder / "07")
        case "none":
            (folder / "classes.txt").write_text("\n")
        case "binary":
            (folder / "classes.txt").write_bytes(b"\xff\xfe\x00bed")
        case "outside":
            (folder / "classes.txt").write_text("../bed\n")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("gone", r"has no bed\.png"),
        ("size", "different sizes"),
        ("cut", "Cannot read picture"),
        ("number", "photo number 7"),
        ("none", "names no class"),
        ("binary", "not text in UTF-8"),
        ("outside", "no name of a file"),
    ],
)
def test_damaged_3d_ovs(tmp_path: Path, how: str, said: str) -> None:
    for name in ("bag", "bed"):
        save(tmp_path / "00" / f"{name}.png", square(1, 1))
    (tmp_path / "classes.txt").write_text("bag\nbed\n")
    spoil_3d_ovs(tmp_path, how)
    with pytest.raises(InputError, match=said):
        for photo in threed_ovs.read(tmp_path, ["bed"], PHOTOS):
            photo.masks()


def write_nvos(root: Path, thing: str) -> None:
    save(root / "masks" / thing / "frame_00002_mask.png", square(4, 4))
    save(root / "masks" / thing / "frame_00002.png", square(0, 0))
    save(root / "reference_image" / thing / "frame_00001.png", square(0, 0))
    for kind in ("pos_0", "neg_0", "vis_0"):
        save(root / "scribbles" / thing / f"{kind}_horns.png", square(5, 5, 1))


@pytest.mark.parametrize("below", ["", "labels/llff"])
def test_nvos_has_two_things_in_horns(tmp_path: Path, below: str) -> None:
    for thing in ("fern", "horns_center", "horns_left"):
        write_nvos(tmp_path / below, thing)
    center, left = nvos.read(tmp_path, ["nothing", "horns_undistort"], PHOTOS)
    assert (center.name, left.name) == ("horns_center", "horns_left") and not center.is_outline
    assert center.reference == PHOTOS[0] and [photo for photo, _ in center.targets] == [PHOTOS[1]]
    assert center.shown.name == "pos_0_horns.png" and center.against and center.against.name == "neg_0_horns.png"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda root: (root / "scribbles/fern/neg_0_horns.png").unlink(), "has 0 files neg_"),
        (lambda root: save(root / "reference_image/fern/b.png", square(0, 0)), "has 2 pictures, not one"),
        (lambda root: (root / "reference_image").rename(root / "x"), "There is no folder"),
        (lambda root: (root / "masks").rename(root / "x"), "There is no folder masks"),
        (lambda root: save(root / "masks/fern/IMG_1_mask.png", square(0, 0)), "has 2 files"),
        (
            lambda root: (root / "masks/fern/frame_00002_mask.png").rename(root / "masks/fern/IMG_1_mask.png"),
            "photo IMG_1, which is not among",
        ),
    ],
)
def test_damaged_nvos(tmp_path: Path, harm: Callable[[Path], object], said: str) -> None:
    write_nvos(tmp_path, "fern")
    harm(tmp_path)
    with pytest.raises(InputError, match=said):
        nvos.read(tmp_path, ["fern"], PHOTOS)


@pytest.mark.parametrize("form", ["{stem}.png", "0_{stem}.png", "image00{number}.png"])
def test_spin_nerf_names_photos_in_three_ways(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "fern (llff)"
    for number, photo in enumerate(PHOTOS):
        name = form.format(stem=Path(photo).stem, number=number)
        save(folder / name, square(number, 2))
        save(folder / name.replace(".png", "_cutout.png"), square(0, 0))
        save(folder / name.replace(".png", "_pseudo.png"), square(0, 0))
    (thing,) = spin_nerf.read(tmp_path, ["fern"], PHOTOS)
    assert thing.is_outline and thing.reference == PHOTOS[0]
    assert [photo for photo, _ in thing.targets] == PHOTOS
    with pytest.raises(InputError, match=r"not among the 1|photo number 1"):
        spin_nerf.read(folder, ["fern"], PHOTOS[:1])


def test_spin_nerf_without_masks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no mask"):
        spin_nerf.read(tmp_path, ["fern"], PHOTOS)
    save(tmp_path / "frame_00001.png", square(0, 0))
    with pytest.raises(InputError, match="has one mask"):
        spin_nerf.read(tmp_path, ["fern"], PHOTOS)
    save(tmp_path / "0_frame_00001.png", square(0, 0))
    with pytest.raises(InputError, match="of one photo"):
        spin_nerf.read(tmp_path, ["fern"], PHOTOS)
    with pytest.raises(InputError, match="There is no folder"):
        spin_nerf.read(tmp_path / "none", ["fern"], PHOTOS)


def test_replica_finds_labels_and_names(tmp_path: Path) -> None:
    for sequence in ("Sequence_1", "Sequence_2"):
        save(tmp_path / "room_0" / sequence / "semantic_class" / "semantic_class_0.png", square(0, 0))
    (tmp_path / "room_1" / "semantic_class").mkdir(parents=True)
    with pytest.raises(InputError, match="Sequence_1 and Sequence_2"):
        replica.find(tmp_path, ["room_0"])
    own = tmp_path / "room_0" / "Sequence_2" / "semantic_class"
    with pytest.raises(InputError, match=r"no info_semantic\.json"):
        replica.find(tmp_path, ["room_0", "Sequence_2"])
    (names := tmp_path / "semantic_info" / "room_0" / "info_semantic.json").parent.mkdir(parents=True)
    names.write_text("{}")
    assert replica.find(tmp_path, ["room_0", "Sequence_2"]) == (own, names)
    assert replica.find(own, ["any"]) == (own, names)


def test_an_answer_where_nothing_is_counts_only_when_asked_everywhere() -> None:
    def scores(truth: np.ndarray, answer: np.ndarray) -> Scores:
        return Scores.of("mug", "a", False, torch.from_numpy(truth), torch.from_numpy(answer))

    half = scores(square(0, 0, 4), square(0, 2, 4))  # 8 of 24 pixels
    alarm = scores(np.zeros((20, 30), bool), square(0, 0, 4))  # 16 pixels too many
    silent = scores(np.zeros((20, 30), bool), np.zeros((20, 30), bool))
    assert half.iou == pytest.approx(1 / 3) and half.accuracy == pytest.approx(1 - 16 / 600)
    assert half.accuracy_of_nothing == pytest.approx(1 - 16 / 600) and silent.iou != silent.iou
    assert mean_iou([half, alarm, silent]) == pytest.approx(1 / 3)
    assert mean_iou_everywhere([half, silent]) == pytest.approx(1 / 3)
    assert mean_iou_everywhere([half, alarm]) == pytest.approx(8 / 40)
    assert share_above([half, alarm]) == 1.0 and share_above([half], 0.5) == 0.0
    assert mean_iou([silent]) != mean_iou([silent])
