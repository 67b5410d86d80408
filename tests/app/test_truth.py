"""Truth: fields against label images, selections against masks, on the photos that were held out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from small_capture import blobs, ring  # beside this file

from semsplat.app import cli, scene, truth, truth_report
from semsplat.app.scene import Scene
from semsplat.app.truth_files import LabelImages, MaskImages
from semsplat.distill import field as fields
from semsplat.distill import objects
from semsplat.distill.field import FeatureField, StoredField
from semsplat.distill.objects import Thing
from semsplat.splatting.capture.types import Frame, Lens
from semsplat.splatting.errors import InputError
from semsplat.splatting.splat import splat

NAMES = [["left", "west"], ["right"], ["left", "far left"]]
CODES = torch.eye(3)


def class_of() -> torch.Tensor:
    """Each blob's class: by where it is."""
    x = blobs().means[:, 0]
    return torch.where(x < -0.2, 2, torch.where(x < 0.1, 0, 1))


def label_map(camera) -> np.ndarray:
    """0 void, else class + 1: which class has most of a pixel."""
    image = splat(blobs(), camera) @ CODES[class_of()]
    return torch.where(image.sum(-1) > 0.5, image.argmax(-1) + 1, 0).numpy().astype(np.uint8)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Exact label images of all photos, with names."""
    folder = tmp_path / "labels"
    folder.mkdir()
    for i, camera in enumerate(ring()):
        Image.fromarray(label_map(camera)).save(folder / f"{i:02}.png")
    (folder / "names.json").write_text('{"1": ["left", "west"], "2": ["right"], "3": ["left", "far left"]}')
    return folder


@pytest.fixture
def taught(fitted: Path) -> Path:
    """The fitted scene with a perfect field of the labels."""
    count = len(blobs())
    memory = {"names": NAMES, "source": "made"}
    stored = StoredField("labels", torch.arange(count), CODES[class_of()], torch.ones(count), torch.eye(3), memory)
    fields.save(fitted, stored)
    return fitted


@pytest.mark.slow
def test_a_perfect_field_scores_one(taught: Path, labels: Path) -> None:
    assert cli.COMMANDS["eval"](taught, labels=labels).run(Console(quiet=True)) == 0
    facts = scene.read_json(taught / scene.METRICS)
    found = facts["labels"]["labels"]
    assert found["photos"] == 3 and facts["psnr"] > 45
    assert set(found["classes"]) == {"left", "right"}, "two classes of one name are one"
    assert found["miou"] > 0.94 and found["accuracy"] > 0.95 and found["boundary_iou"] > 0.8
    assert found["localisation"] == 1.0 and found["unknown_words"] == []
    assert (taught / "truth-labels.png").is_file() and facts["agreement_with_teacher"] == {}


def test_the_table_names_the_worst_class_and_the_unknown_word(taught: Path, labels: Path) -> None:
    (labels / "names.json").write_text('{"1": "left", "2": "zebra", "3": "left"}')
    console = Console(record=True, width=120, force_terminal=False)
    with console.capture() as captured:
        truth_report.run(truth_report.Wanted.of(taught, labels, None, None, None, "cpu"), console)
    said = captured.get()
    assert "labels does not know: zebra" in said and said.index("zebra") < said.index("left")
    classes = scene.read_json(taught / scene.METRICS)["labels"]["labels"]["classes"]
    assert classes["zebra"]["iou"] == 0.0 and 0 < classes["left"]["iou"] < 1


def test_void_and_coverage(taught: Path) -> None:
    gaussians, attached = Scene.open(taught).meaning
    field, camera = attached["labels"], ring()[0]
    texts = truth.Texts(("left", "right"), torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]))
    answered, scores = truth.answer(gaussians, field, camera, texts)
    assert answered[0, 0] == -1 and scores.shape == (48, 64, 2)
    frame = Frame("a", camera, taught / "none.npy")
    result = truth.score_field(gaussians, field, texts, [frame], lambda _: torch.full((48, 64), -1))
    assert result.facts()["miou"] is None and result.facts()["classes"] == {}


@pytest.mark.slow
def test_a_selection_is_scored_as_what_is_seen_of_it(taught: Path, labels: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    selection = class_of() != 1
    for i, camera in enumerate(ring()):
        seen = truth.visible(blobs(), selection, camera)
        Image.fromarray(seen.numpy().astype(np.uint8) * 255).resize((128, 96)).save(masks / f"{i:02}_mask.png")
    objects.put(taught, Thing.of("left", blobs(), selection))
    objects.put(taught, Thing.of("right", blobs(), ~selection))
    for name in ("left", "right"):
        assert cli.COMMANDS["eval"](taught, masks=masks, object=name).run(Console(quiet=True)) == 0
    found = scene.read_json(taught / scene.METRICS)["objects"]
    assert found["left"]["iou"] > 0.98 and found["left"]["boundary_iou"] > 0.9 and found["left"]["photos"] == 3
    assert found["right"]["iou"] < 0.05 and len(found["right"]["views"]) == 3
    assert (taught / "truth-object.png").is_file()


def test_what_cannot_be_compared(fitted: Path, labels: Path, tmp_path: Path) -> None:
    def wanted(**options):
        settings = {"labels": None, "names": None, "masks": None, "object_name": None, "device": "cpu"} | options
        return truth_report.Wanted.of(fitted, **settings)

    with pytest.raises(InputError, match="has no field to score"):
        wanted(labels=labels)
    with pytest.raises(InputError, match="--labels FOLDER"):
        wanted(names=labels / "names.json")
    with pytest.raises(InputError, match="belong together"):
        wanted(masks=labels)
    with pytest.raises(InputError, match=r"no object 'mug': it has none"):
        wanted(masks=labels, object_name="mug")
    objects.put(fitted, Thing.of("cup", blobs(), class_of() == 1))
    with pytest.raises(InputError, match=r"no object 'mug': it has cup"):
        wanted(masks=labels, object_name="mug")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no mask in"):
        wanted(masks=tmp_path / "empty", object_name="cup")
    with pytest.raises(InputError, match="no folder"):
        wanted(masks=tmp_path / "nowhere", object_name="cup")
    Image.new("L", (64, 48)).save(tmp_path / "empty" / "zzz.png")
    with pytest.raises(InputError, match="None of the 10 photos"):
        wanted(masks=tmp_path / "empty", object_name="cup")
    Image.new("L", (64, 48)).save(tmp_path / "empty" / "01.png")
    with pytest.raises(InputError, match="held-out photos"):
        truth_report.run(wanted(masks=tmp_path / "empty", object_name="cup"), Console(quiet=True))


def test_a_field_without_words_is_said_to_have_none(taught: Path, labels: Path) -> None:
    stored = fields.load(taught / "fields" / "labels.safetensors")
    (taught / "fields" / "labels.safetensors").unlink()
    fields.save(taught, StoredField("sam", stored.ids, stored.codes, stored.reliability, stored.decoder, {}))
    wanted = truth_report.Wanted.of(taught, labels, None, None, None, "cpu")
    with pytest.raises(InputError, match=r"knows the labels. names"):
        truth_report.run(wanted, Console(quiet=True))


def test_a_field_that_knows_no_name_of_the_labels_is_not_scored_with_zeros(taught: Path, labels: Path) -> None:
    stored = fields.load(taught / "fields" / "labels.safetensors")
    codes, decoder = stored.codes[:, :1], torch.eye(7)[:1]
    fields.save(taught, StoredField("appearance", stored.ids, codes, stored.reliability, decoder, {}))
    console = Console(record=True, width=200)
    truth_report.run(truth_report.Wanted.of(taught, labels, None, None, None, "cpu"), console)
    assert "appearance knows none of the labels' names" in console.export_text()
    assert list(scene.read_json(taught / scene.METRICS)["labels"]) == ["labels"]


def test_masks_and_labels_bend_with_their_photos(tmp_path: Path) -> None:
    lens = Lens(128, 96, 90.0, 90.0, 64.0, 48.0, "OPENCV", (-0.3, 0.05, 0.0, 0.0))
    mask = np.zeros((96, 128), np.uint8)
    mask[20:40, 60:100] = 255
    Image.fromarray(mask).save(tmp_path / "a.png")
    (tmp_path / "names.json").write_text('{"255": "thing", "0": "rest"}')
    frame = Frame("photos/a.jpg", ring()[0], tmp_path / "a.npy")
    bent = MaskImages.open(tmp_path, {"photos/a.jpg": lens}).read(frame)
    plain = MaskImages.open(tmp_path, {}).read(frame)
    labelled = LabelImages.open(tmp_path, None, {"photos/a.jpg": lens})
    assert bent.shape == plain.shape == (48, 64) and plain.sum() == 200
    assert not torch.equal(bent, plain)
    assert (labelled.read(frame) == bent.long() * labelled.names.index("thing")).float().mean() > 0.98


def test_agreement_is_with_the_teacher_and_not_with_the_truth() -> None:
    gaussians = blobs().replace(features=torch.cat([CODES[class_of()], torch.ones(60, 1)], dim=1))
    field = FeatureField("made", slice(0, 3), torch.eye(3))
    camera = ring()[0].resized(320, 240)
    frame = Frame("a", camera, Path("none"))
    names = ("a", "b", "c", "never")
    texts = truth.Texts(names, torch.cat([torch.eye(3), torch.tensor([[-1.0, -1.0, -1.0]])]))
    drawn = (splat(gaussians, camera) @ field.codes(gaussians)).clone()
    drawn[drawn.sum(-1) < 0.3] = 0.0
    same = truth.agreement(gaussians, field, texts, [frame], lambda _: drawn)
    assert same.accuracy > 0.98 and same.miou > 0.95 and set(same.labels) == {"a", "b", "c"}
    swapped = truth.agreement(gaussians, field, texts, [frame], lambda _: drawn[..., [1, 0, 2]])
    assert swapped.accuracy < 0.7 and swapped.facts()["photos"] == 1
    two = truth.agreement(gaussians, field, texts, [frame], lambda _: drawn, commonest=2)
    assert len(two.labels) == 2
    assert truth._protocol_grid(camera) == (119, 159)
    nothing = truth.agreement(gaussians, field, texts, [frame], lambda _: drawn * 0)
    assert nothing.labels == () and nothing.facts()["accuracy"] is None


def test_eval_also_says_how_far_the_teacher_agrees(taught: Path, labels: Path) -> None:
    from semsplat.distill import maps
    from semsplat.distill.teachers.labels import LabelsTeacher

    class Exact(LabelsTeacher):
        def has(self, name: str) -> bool:
            return True

        def look(self, image: torch.Tensor, name: str = "") -> torch.Tensor:
            found = torch.from_numpy(label_map(ring()[int(Path(name).stem)])).long()
            return torch.cat([torch.zeros(1, 3), self.codes])[found]

    opened = Scene.open(taught)
    place = taught / scene.CACHE / "maps" / "labels"
    maps.make(opened.frames, Exact(NAMES, None, "made"), place, 8)
    console = Console(record=True, width=120, force_terminal=False)
    with console.capture() as captured:
        truth_report.run(truth_report.Wanted.of(taught, labels, None, None, None, "cpu"), console)
    found = scene.read_json(taught / scene.METRICS)["agreement_with_teacher"]["labels"]
    assert found["photos"] == 3 and found["accuracy"] > 0.9 and set(found["labels"]) == {"left", "right"}
    assert "not truth" in captured.get()
