"""Annotations as a teacher: maps of codes, unknown pixels, words, and which photos have one."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semsplat import assets
from semsplat.distill.annotations import Annotations
from semsplat.distill.teachers import open_teacher, reopen
from semsplat.distill.teachers.base import Options
from semsplat.distill.teachers.codes import class_codes
from semsplat.distill.teachers.labels import LabelsTeacher
from semsplat.splatting.capture.ids import encode_ids
from semsplat.splatting.capture.types import Lens
from semsplat.splatting.errors import InputError

IDS = np.kron(np.array([[1, 2, 0], [7, 7, 0]]), np.ones((20, 20), np.int64))  # 40 x 60, a third is void
STRAIGHT = Lens(60, 40, 50.0, 50.0, 30.0, 20.0)
BENT = Lens(60, 40, 50.0, 50.0, 30.0, 20.0, "OPENCV", (-0.25, 0.1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labels").mkdir()
    encode_ids(IDS, tmp_path / "labels" / "00.png")
    (tmp_path / "names.json").write_text(json.dumps({"0": [], "1": ["mug", "cup"], "2": ["chair"], "7": ["chair"]}))
    return tmp_path / "labels"


def opened(folder: Path, **options: object) -> LabelsTeacher:
    teacher = open_teacher("labels", Options(source=folder, **options))  # type: ignore[arg-type]
    assert isinstance(teacher, LabelsTeacher)
    return teacher


def test_maps_are_codes_and_void_is_unknown(folder: Path) -> None:
    teacher = opened(folder)
    seen = teacher.look(torch.rand(40, 60, 3), "images/00.jpg")
    assert seen.shape == (40, 60, 3) and teacher.channels == 3
    for number, code in ((1, [1, 0, 0]), (2, [0, 1, 0]), (7, [0, 0, 1]), (0, [0, 0, 0])):
        assert (seen[torch.from_numpy(number == IDS)] == torch.tensor(code)).all()


def test_cells_share_classes_by_area_and_half_unknown_ones_are_unknown(folder: Path) -> None:
    seen = opened(folder).look(torch.rand(3, 4, 3), "00.jpg")  # cells of 15 x 13.3 pixels
    assert torch.allclose(seen[0, 1], torch.tensor([1 / 3, 2 / 3, 0]))
    assert torch.allclose(seen[0, 2], torch.tensor([0.0, 1, 0]))  # two thirds are known: their mean
    assert (seen[:, 3] == 0).all()


@pytest.mark.slow
def test_large_annotations_make_maps_of_a_bounded_size(folder: Path) -> None:
    encode_ids(np.kron(IDS, np.ones((20, 20), np.int64)), folder / "00.png")
    assert opened(folder).look(torch.rand(600, 900, 3), "00.jpg").shape == (213, 320, 3)


def test_words_are_names_and_a_name_means_all_that_have_it(folder: Path) -> None:
    teacher = opened(folder)
    vectors = teacher.read(["mug", "Cups", "the chairs"])
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3))
    assert torch.allclose(vectors, torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 0.5**0.5, 0.5**0.5]]))
    assert teacher.negatives("cup") == ("chair",) and teacher.negatives("chair") == ("mug",)
    assert "names, not pixels" in teacher.remark("mug") and "'beaker' was taken as 'mug'" in teacher.remark("beaker")
    for bad in ([""], ["zebra"], []):
        with pytest.raises(InputError):
            teacher.read(bad)


def test_which_photos_have_one(folder: Path) -> None:
    teacher = opened(folder, lenses={"images/00.jpg": STRAIGHT, "images/01.jpg": STRAIGHT})
    assert teacher.has("images/00.jpg") and not teacher.has("images/01.jpg")
    with pytest.raises(InputError, match=r"no annotation for the photo images/01\.jpg"):
        teacher.look(torch.rand(40, 60, 3), "images/01.jpg")


def test_annotations_bend_with_the_lens(folder: Path) -> None:
    seen = opened(folder, lenses={"00.jpg": BENT}).look(torch.rand(30, 50, 3), "00.jpg")
    straight = opened(folder).look(torch.rand(30, 50, 3), "00.jpg")
    assert seen.shape == straight.shape and not torch.equal(seen, straight)


def test_the_words_are_there_without_the_photos(folder: Path) -> None:
    teacher = opened(folder)
    memory = json.loads(json.dumps(teacher.memory()))
    again = reopen("labels", memory, torch.device("cpu"))
    assert isinstance(again, LabelsTeacher)
    assert torch.equal(again.read(["cup", "chair"]), teacher.read(["cup", "chair"])) and not again.has("00.jpg")
    with pytest.raises(InputError, match="Only the names"):
        again.look(torch.rand(4, 6, 3), "00.jpg")


def test_every_name_of_the_bundled_room_is_found() -> None:
    here = Path(assets.__path__[0]) / "room"
    names = json.loads((here / "names.json").read_text())
    teacher = opened(here / "labels_noisy", names=here / "names.json")
    known = [given for given in names.values() if given]
    assert teacher.channels == len(known)
    for number, given in enumerate(known):
        for name in given:
            match = teacher.match(name)
            assert number in match.classes and match.sure == 1, name
            assert teacher.read([name])[0, number] > 0.5
    annotated = [photo for photo in range(48) if teacher.has(f"images/{photo:02}.jpg")]
    assert len(annotated) == 34


def test_masks_in_a_folder_for_each_thing_or_photo(tmp_path: Path) -> None:
    big, small = np.zeros((2, 40, 60), bool)
    big[:30], small[10:20, 10:20] = True, True
    for by_thing, by_photo, mask in (("blue_mug/00", "00/blue_mug", small), ("table/00", "00/table", big)):
        for place in (tmp_path / "things" / f"{by_thing}.png", tmp_path / "photos" / f"{by_photo}.png"):
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(place)
    for source in ("things", "photos"):
        annotations = Annotations.open(tmp_path / source, None, {"images/00.jpg": STRAIGHT})
        assert annotations.names == (("background", "rest"), ("blue mug",), ("table",))
        classes = annotations.read("images/00.jpg")
        assert (classes[small] == 1).all() and (classes[big & ~small] == 2).all() and (classes[~big] == 0).all()


def test_masks_in_folders_of_photos_are_no_things(tmp_path: Path) -> None:
    for place in ("train/00.png", "val/01.png"):
        (tmp_path / place).parent.mkdir()
        Image.fromarray(np.kron([[0, 255]], np.ones((8, 8))).astype(np.uint8)).save(tmp_path / place)
    annotations = Annotations.open(tmp_path, None, {"train/00.jpg": STRAIGHT, "val/01.jpg": STRAIGHT})
    assert annotations.names == (("background", "rest"), ("255",)) and annotations.has("val/01.jpg")


def test_an_annotation_of_another_shape_than_what_is_looked_at(folder: Path) -> None:
    with pytest.raises(InputError, match=r"00\.jpg has 60 x 40 pixels and another shape than the photo \(40 x 60\)"):
        opened(folder).look(torch.rand(60, 40, 3), "00.jpg")


def test_masks_of_one_thing_tell_what_it_is_not(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.kron([[0, 255]], np.ones((8, 8))).astype(np.uint8)).save(tmp_path / "masks" / "00.png")
    (tmp_path / "names.txt").write_text("255 cape, gold cape")
    annotations = Annotations.open(tmp_path / "masks", None, {})
    assert annotations.names == (("background", "rest"), ("cape", "gold cape"))
    assert np.unique(annotations.read("00.jpg")).tolist() == [0, 1]


def test_colour_coded_masks(tmp_path: Path) -> None:
    (tmp_path / "seg").mkdir()
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:, :2], pixels[:, 2:4] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "seg" / "00_seg.png")
    (tmp_path / "names.json").write_text('{"#ff0000": "mug", "0,0,255": "wall"}')
    assert np.unique(Annotations.open(tmp_path / "seg", None, {}).read("rgb/00.jpg")).tolist() == [-1, 0, 1]
    (tmp_path / "names.json").write_text('{"1": "mug"}')
    pixels[pixels.sum(-1) == 0] = (0, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "seg" / "00_seg.png")
    with pytest.raises(InputError, match="has the ids 255, 65280, #ff0000, of which the names file names none"):
        Annotations.open(tmp_path / "seg", None, {}).read("00.jpg")


def test_annotations_without_a_names_file_are_called_by_number(folder: Path) -> None:
    (folder.parent / "names.json").unlink()
    teacher = opened(folder)
    assert teacher.names == (("1",), ("2",), ("7",))
    assert teacher.read(["7"]).tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("case", ["no folder", "empty", "another scene", "shape", "two", "no option"])
def test_what_does_not_fit_is_one_sentence(folder: Path, case: str) -> None:
    says = {
        "no folder": "There is no folder",
        "empty": "no annotation image",
        "no option": "needs a folder of annotation",
        "another scene": r"None of the 1 photos \(such as garden/01\.jpg\) has an annotation .*of another scene",
        "shape": "another shape than its photo",
        "two": "several files",
    }[case]
    with pytest.raises(InputError, match=says):
        if case == "no folder":
            opened(folder / "none")
        elif case == "empty":
            (folder / "00.png").unlink()
            opened(folder)
        elif case == "another scene":
            opened(folder, lenses={"garden/01.jpg": STRAIGHT})
        elif case == "shape":
            opened(folder, lenses={"00.jpg": Lens(40, 60, 50.0, 50.0, 20.0, 30.0)}).look(
                torch.rand(60, 40, 3), "00.jpg"
            )
        elif case == "two":
            encode_ids(IDS, folder / "00.tif")
            opened(folder).has("00.jpg")
        else:
            open_teacher("labels", Options())


@pytest.mark.parametrize("count", [1, 64, 65, 500, 2112])
def test_codes_are_unit_vectors_far_from_each_other(count: int) -> None:
    codes = class_codes(count)
    likeness = (codes @ codes.T - torch.eye(count)).abs()
    assert codes.shape == (count, min(count, 64))
    assert torch.allclose(codes.norm(dim=1), torch.ones(count))
    assert likeness.max() <= (0 if count <= 64 else 1 / 8 + 1e-6)
    assert torch.equal(class_codes(2112)[:count], codes) or count < 64


def test_too_many_classes() -> None:
    with pytest.raises(InputError, match="2113 classes"):
        class_codes(2113)
