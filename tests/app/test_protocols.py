"""Protocols on a scene of three balls and made-up sets with known answers: the numbers, and what flatters them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from small_scenes import BALLS, labelled_balls, views  # beside this file

from semsplat.app import cli, scene
from semsplat.app.protocols.bench import Bench
from semsplat.app.protocols.relevance import highest, own_cut, peak, published_cut
from semsplat.app.scene import Scene
from semsplat.app.truth import Texts, answer, visible
from semsplat.distill import field as fields
from semsplat.distill import maps
from semsplat.distill.field import StoredField
from semsplat.distill.teachers.labels import LabelsTeacher
from semsplat.splatting.errors import InputError

COUNT = 60
GAUSSIANS, FIELDS = labelled_balls(COUNT)
FIELD = FIELDS["labels"]
OWN = torch.arange(3 * COUNT) // COUNT


def seen(camera, ball: int) -> np.ndarray:
    return visible(GAUSSIANS, ball == OWN, camera).numpy()


def labels(camera, count: int = 4) -> np.ndarray:
    """What the field answers of the first names: the number of the ball, -1 nowhere."""
    return answer(GAUSSIANS, FIELD, camera, Texts(BALLS[:count], torch.eye(4)[:count]))[0].numpy()


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture.astype(np.uint8) * (255 if picture.dtype == bool else 1)).save(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "balls"
    folder.mkdir()
    scene.write_json(folder / scene.CONFIG, {"semsplat": "0", "source": "/gone/set/three_balls", "resolution": 120})
    frames = [view.frame for view in views(folder)]
    scene.write_cameras(folder, frames, frames[:1])
    scene.write_gaussians(folder, GAUSSIANS)
    codes, ones = FIELD.codes(GAUSSIANS), torch.ones(3 * COUNT)
    fields.save(folder, StoredField("labels", GAUSSIANS.ids, codes, ones, FIELD.decoder, FIELD.memory))
    return folder


@pytest.fixture
def balls(made: Path, tmp_path: Path) -> Path:
    """The scene's folder; photo0 was held out."""
    return Path(shutil.copytree(made, tmp_path / "balls"))


def run(folder: Path, protocol: str, data: Path) -> tuple[dict, str]:
    """(rows of the labels field or of the one table, what was said)."""
    console = Console(width=200, force_terminal=False)
    with console.capture() as captured:
        assert cli.COMMANDS["eval"](folder, data, protocol=protocol, device="cpu").run(console) == 0
    (rows,) = scene.read_json(folder / scene.METRICS)["protocols"][protocol]["numbers"].values()
    return rows, captured.get()


def lerf(folder: Path, photo: int, things: list[tuple[str, list[list[int]]]]) -> None:
    """An annotation of polygons, of twice the photo's size."""
    folder.mkdir(parents=True, exist_ok=True)
    objects = [
        {"category": name, "segmentation": corners, "bbox": [*map(min, *corners), *map(max, *corners)]}
        for name, corners in things
    ]
    info = {"name": f"photo{photo}.jpg", "width": 240, "height": 160}
    (folder / f"frame_{photo:05}.json").write_text(json.dumps({"info": info, "objects": objects}))


def boxed(mask: np.ndarray) -> tuple[list[list[int]], np.ndarray]:
    """(corners at twice the size, the mask that they are) of the rectangle around a mask."""
    y, x = np.nonzero(mask)
    (x0, x1), (y0, y1) = (x.min(), x.max() + 1), (y.min(), y.max() + 1)
    inside = np.zeros_like(mask)
    inside[y0:y1, x0:x1] = True
    a, b, c, d = (int(v) for v in (2 * x0, 2 * y0, 2 * x1 - 1, 2 * y1 - 1))
    return [[a, b], [c, b], [c, d], [a, d]], inside


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_lerf_ovs_in_space_has_the_known_answers(balls: Path, tmp_path: Path) -> None:
    cameras = [view.camera for view in views(balls)]
    red = [boxed(seen(camera, 0)) for camera in cameras]
    blue = boxed(seen(cameras[1], 2))
    label = tmp_path / "lerf_ovs" / "label"
    lerf(label / "three_balls", 0, [("red ball", red[0][0])])
    lerf(label / "three_balls", 1, [("red ball", red[1][0]), ("blue ball", blue[0])])
    rows, said = run(balls, "lerf-ovs-3d", tmp_path / "lerf_ovs")
    reds, blues = [iou(seen(cameras[k], 0), red[k][1]) for k in (0, 1)], iou(seen(cameras[1], 2), blue[1])
    whole, held_out = rows["threshold of its own, all 2 photos"], rows["threshold of its own, 1 held out"]
    assert whole["mIoU, known to be there"] == pytest.approx((sum(reds) + blues) / 3, abs=1e-3)
    assert held_out["mIoU, known to be there"] == pytest.approx(reds[0], abs=1e-3) and whole["Acc@.25"] == 1.0
    both = sum((seen(cameras[k], 0) & red[k][1]).sum() for k in (0, 1))
    either = sum((seen(cameras[k], 0) | red[k][1]).sum() for k in (0, 1))
    blue_both = (seen(cameras[1], 2) & blue[1]).sum()
    blue_either = (seen(cameras[1], 2) | blue[1]).sum() + seen(cameras[0], 2).sum()
    expected = (both / either + blue_both / blue_either) / 2
    assert (
        whole["mIoU, asked in all"] == pytest.approx(expected, abs=1e-3) and expected < whole["mIoU, known to be there"]
    )
    assert "asked in all" in said and "fitted from" in said
    counted = rows["as many pixels as are annotated, all 2 photos"]
    areas = [seen(cameras[k], 0).sum() / red[k][1].sum() for k in (0, 1)]
    assert max(areas) < 1.0 and counted["mIoU, known to be there"] >= whole["mIoU, known to be there"] - 0.02


def test_lerf_ovs_in_pictures_says_what_flatters(balls: Path, tmp_path: Path) -> None:
    cameras = [view.camera for view in views(balls)]
    for k in (0, 1):
        lerf(tmp_path / "label", k, [("red ball", boxed(seen(cameras[k], 0))[0])])
    lerf(tmp_path / "label", 2, [("anvil", [[0, 0], [30, 0], [30, 30]]), ("teapot", [[0, 0], [30, 0], [30, 30]])])
    rows, said = run(balls, "lerf-ovs", tmp_path / "label")
    own = rows["relevancy above 0.5, all 3 photos"]
    red = rows["relevancy above 0.5, 1 held out"]
    assert red["mIoU, known to be there"] > 0.6 and red["peak in box"] == 1.0 == red["peak in mask"]
    assert own["Acc@.25"] == 0.5 and own["peak in mask"] == 0.5, "there is no anvil, and nobody knows teapots"
    published = rows["70% of the way to the picture's own peak, all 3 photos"]
    for numbers in (published, own):
        assert numbers["mIoU, asked in all"] < numbers["mIoU, known to be there"], "the red ball is found in photo 2"
    counted = rows["as many pixels as are annotated, all 3 photos"]
    assert counted["mIoU, asked in all"] > own["mIoU, asked in all"], "the truth says that it is not in photo 2"
    assert "score 0 there: teapot." in said and "held out" in said


def test_3d_ovs_with_the_list_of_classes_and_without(balls: Path, tmp_path: Path) -> None:
    for k in (0, 2):
        found = labels(views(balls)[k].camera, 3)
        for number in range(3):
            save(tmp_path / "segmentations" / f"{k:02}" / f"{BALLS[number]}.png", found == number)
    (tmp_path / "segmentations" / "classes.txt").write_text("\n".join(BALLS[:3]))
    rows, said = run(balls, "3d-ovs", tmp_path)
    for title in ("all 2 photos", "1 held out"):
        listed, alone = rows[f"best of the 3 listed, {title}"], rows[f"relevancy above 0.5, {title}"]
        assert listed["mIoU"] == 1.0 == listed["pixel accuracy"] == listed["boundary IoU"]
        assert 0.5 < alone["mIoU"] <= 1.0 and alone["pixel accuracy"] > 0.9
    assert "without the list" in said


def test_nvos_from_scribbles(balls: Path, tmp_path: Path) -> None:
    cameras = [view.camera for view in views(balls)]
    save(tmp_path / "masks" / "three_balls" / "photo2_mask.png", seen(cameras[2], 0))
    save(tmp_path / "reference_image" / "three_balls" / "photo0.jpg", np.zeros((80, 120), np.uint8))
    for kind, ball in (("pos", 0), ("neg", 1)):
        y, x = (int(v.mean()) for v in np.nonzero(seen(cameras[0], ball)))
        line = np.zeros((80, 120), bool)
        line[y, x - 3 : x + 4] = True
        save(tmp_path / "scribbles" / "three_balls" / f"{kind}_0.png", np.repeat(line, 2, 0).repeat(2, 1))
    rows, said = run(balls, "nvos", tmp_path)
    (numbers,) = rows.values()
    assert "fitted on" in next(iter(rows)) and numbers["IoU"] > 0.9
    share = float(seen(cameras[2], 0).mean())
    assert numbers["accuracy"] > 0.99 and numbers["accuracy of nothing"] == pytest.approx(1 - share, abs=1e-3)
    assert "1 of the set's 8 targets" in said and "leave the target out" in said


def test_spin_nerf_with_the_shown_mask_and_without(balls: Path, tmp_path: Path) -> None:
    cameras = [view.camera for view in views(balls)]
    missed = np.zeros((80, 120), bool)
    missed[:6, :10] = True  # in the masks of the others, where nothing is
    for k, camera in enumerate(cameras):
        save(tmp_path / f"image{k:03}.png", seen(camera, 0) | (missed & bool(k)))
        save(tmp_path / f"image{k:03}_cutout.png", np.zeros((80, 120), np.uint8))
    rows, said = run(balls, "spin-nerf", tmp_path)
    whole, others, held_out = rows.values()
    expected = [iou(seen(camera, 0), seen(camera, 0) | missed) for camera in cameras[1:]]
    assert others["IoU"] == pytest.approx(sum(expected) / 3, abs=0.02) and others["IoU"] < 0.95
    assert whole["IoU"] == pytest.approx((1 + sum(expected)) / 4, abs=0.02) and whole["IoU"] > others["IoU"]
    assert held_out["IoU"] is None, "the one that was held out is the one shown"
    assert "true mask of photo0.jpg" in said


def test_replica_beside_the_agreement_with_the_teacher(balls: Path, tmp_path: Path) -> None:
    for view in views(balls):
        found = labels(view.camera) + 1
        found[:5] = 4  # an anvil, where nothing is drawn
        save(tmp_path / "semantic_class" / f"semantic_class_{view.name[5]}.png", found.astype(np.uint8))
    classes = [{"id": number, "name": name} for number, name in enumerate((*BALLS, "teapot"), 1)]
    (tmp_path / "info_semantic.json").write_text(json.dumps({"classes": classes}))
    rows, said = run(balls, "replica-feature3dgs", tmp_path)
    first = labels(views(balls)[0].camera)
    expected = (3 + (first == 3).sum() / ((first == 3).sum() + 5 * 120)) / 4
    everything = rows["truth, all 5 labels"]
    there = rows["truth, the 4 labels known to be there"]
    assert everything["mIoU"] == pytest.approx(expected, abs=2e-3), "the balls are right, the anvil is missed"
    assert everything["mIoU"] == there["mIoU"] and 0.75 <= expected < 0.8
    assert everything["boundary IoU"] <= 1.0 and rows["truth, all labels, all 4 photos"]["mIoU"] < 0.8
    assert rows["agreement with the teacher, 1 held out"]["mIoU"] is None and "right or wrong" in said


def test_cuts_and_peak() -> None:
    heat = torch.zeros(40, 60)
    heat[10:20, 30:40] = 0.4
    heat[30, 10] = 0.45  # a stray, which smoothing takes away
    assert highest(heat, 1).nonzero().tolist() == [[30, 10]] and not highest(heat, 0).any()
    assert highest(heat, 2000).sum() == 101 and not own_cut(heat).any() and published_cut(heat)[12:18, 32:38].all()
    assert not published_cut(heat)[30, 10] and 10 <= peak(heat)[0] < 20 and 30 <= peak(heat)[1] < 40


def test_it_says_what_is_missing(balls: Path, fitted: Path, tmp_path: Path) -> None:
    eval_, console = cli.COMMANDS["eval"], Console(quiet=True)
    (tmp_path / "empty").mkdir()
    lerf(tmp_path / "label", 0, [("red ball", [[0, 0], [30, 0], [30, 30]])])
    for command, said in (
        (eval_(balls, protocol="lerf-ovs"), "Where is the set"),
        (eval_(balls, tmp_path), "Say which set it is"),
        (eval_(balls, tmp_path, protocol="nvos", labels=tmp_path), "leave --labels out"),
        (eval_(balls, tmp_path / "empty", protocol="lerf-ovs", device="cpu"), "There is no frame_"),
        (eval_(balls, tmp_path / "none", protocol="3d-ovs", device="cpu"), "There is no folder"),
        (eval_(fitted, tmp_path / "label", protocol="lerf-ovs", device="cpu"), "not among the 10 of the scene"),
    ):
        with pytest.raises(InputError, match=said):
            command.run(console)


def test_a_mask_of_another_shape_is_not_stretched(balls: Path, tmp_path: Path) -> None:
    for k in range(2):
        save(tmp_path / f"image{k:03}.png", np.ones((80, 80), bool))
    with pytest.raises(InputError, match="80 x 80 pixels and another shape than the photo"):
        run(balls, "spin-nerf", tmp_path)
    for k in range(2):
        save(tmp_path / f"image{k:03}.png", np.zeros((80, 120), bool))
    with pytest.raises(InputError, match="mask is empty"):
        run(balls, "spin-nerf", tmp_path)


def test_annotations_land_on_the_pixels_of_the_prepared_photo(fitted: Path) -> None:
    bench = Bench.of(fitted, "cpu")
    photo = bench.photos[0]
    assert photo in bench.lenses, "the source is there, so that its lens would bend the mask, too"
    large = np.zeros((4 * 48, 4 * 64), bool)
    large[40:80, 100:200] = True
    found = bench.on_photo(large, photo, Path("a.png")).numpy()
    assert found[10:20, 25:50].all() and found.sum() == 10 * 25
    line = np.zeros_like(large)
    line[41, 100:200] = True  # between the middles of the small pixels
    assert not bench.on_photo(line, photo, Path("a.png")).any()
    assert bench.on_photo(line, photo, Path("a.png"), thin=True).nonzero()[:, 0].unique().tolist() == [10]
    with pytest.raises(InputError, match="another shape"):
        bench.on_photo(large[:, :100], photo, Path("a.png"))


class Taught(LabelsTeacher):
    """Sees what the field answers."""

    def has(self, name: str) -> bool:
        return True

    def look(self, image: torch.Tensor, name: str = "") -> torch.Tensor:
        camera = next(view.camera for view in views(Path()) if view.name == name)
        return torch.cat([self.codes, torch.zeros(1, 4)])[torch.from_numpy(labels(camera))]


def test_who_repeats_a_wrong_teacher_agrees_with_it_and_not_with_the_truth(balls: Path, tmp_path: Path) -> None:
    opened = Scene.open(balls)
    for view in opened.views:
        view.pixels.parent.mkdir(parents=True, exist_ok=True)
        np.save(view.pixels, np.zeros((80, 120, 3), np.uint8))
        truth = np.array([1, 2, 0, 3, -1])[labels(view.camera)] + 1  # every ball is called by another's name
        save(tmp_path / "semantic_class" / f"semantic_class_{view.name[5]}.png", truth.astype(np.uint8))
    classes = [{"id": number, "name": name} for number, name in enumerate(BALLS, 1)]
    (tmp_path / "info_semantic.json").write_text(json.dumps({"classes": classes}))
    maps.make(opened.frames, Taught([[n] for n in BALLS], None, "made"), balls / scene.CACHE / "maps" / "labels", 8)
    rows, _ = run(balls, "replica-feature3dgs", tmp_path)
    agreed, true = rows["agreement with the teacher, 1 held out"], rows["truth, all 4 labels"]
    assert agreed["accuracy"] > 0.9 and agreed["mIoU"] > 0.5 and true["accuracy"] < 0.1 and true["mIoU"] < 0.3
