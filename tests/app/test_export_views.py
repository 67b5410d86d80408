"""What is exported for each view is read back: by our own readers, and by pycocotools."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_scenes import labelled_balls, views

from semsplat.app import render, scene
from semsplat.app.cli_export import Export, PerView
from semsplat.app.export import export
from semsplat.app.export_depth import step_for
from semsplat.app.export_views import Shot, stems
from semsplat.app.scene import Scene
from semsplat.app.session import Session
from semsplat.distill import field as fields
from semsplat.distill import objects
from semsplat.distill.annotations import Annotations
from semsplat.distill.coco import decode
from semsplat.distill.objects import Thing
from semsplat.distill.teachers import open_teacher
from semsplat.distill.teachers.base import Options
from semsplat.splatting import capture, formats
from semsplat.splatting.camera import Camera
from semsplat.splatting.capture.types import Frame, Lens
from semsplat.splatting.edit import Delete
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

BALL = 60  # Gaussians of each
RED = torch.arange(BALL)


@pytest.fixture
def balls(tmp_path: Path) -> Path:
    """A scene folder of three balls, three views with photos, a field of labels, and objects: each ball, and a half."""
    folder = tmp_path / "balls"
    gaussians, own = labelled_balls(BALL)
    frames = []
    for view in views(folder, 3):
        pixels = np.full((view.camera.height, view.camera.width, 4), 200, np.uint8)
        pixels[:10, :, 3] = 0
        (folder / "cache").mkdir(parents=True, exist_ok=True)
        np.save(folder / "cache" / f"{view.name}.npy", pixels)
        frames.append(Frame(f"in/{view.name}", view.camera, folder / "cache" / f"{view.name}.npy", False))
    scene.write_json(folder / scene.CONFIG, {"semsplat": "0", "source": "nowhere"})
    scene.write_cameras(folder, frames, frames[:1])
    scene.write_gaussians(folder, gaussians)
    known = own["labels"]
    facts = known.codes(gaussians), known.reliability(gaussians), known.decoder
    fields.save(folder, fields.StoredField("labels", gaussians.ids, *facts, known.memory))
    whole = [Thing(name, torch.arange(k * BALL, (k + 1) * BALL)) for k, name in enumerate(("red", "green", "blue"))]
    objects.write(folder, [*whole, Thing("half of red/green", RED[::2], parent="red")])
    return folder


def run(folder: Path, kind: str, out: Path, **options) -> list[str]:
    said: list[str] = []
    own = {name: options.pop(name) for name in tuple(options) if name in PerView.__dataclass_fields__}
    request = Export(folder, out, kind=kind, views=PerView(**own, device="cpu"), **options)
    assert export(request, said.append) == 0
    return said


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_masks_say_what_is_seen_of_each_thing(balls, tmp_path):
    out = tmp_path / "masks"
    said = run(balls, "masks", out, all_objects=True)
    assert "4 things in 3 views" in said[-1]
    opened = Scene.open(balls)
    made = json.loads((out / "annotations.json").read_text())
    assert [category["name"] for category in made["categories"]] == ["red", "green", "blue", "half of red/green"]
    assert made["categories"][3]["supercategory"] == "red"
    assert [(image["file_name"], image["held_out"]) for image in made["images"]] == [
        (view.name, view.held_out) for view in opened.views
    ]
    written = {(a["image_id"], a["category_id"]): decode(a["segmentation"]) for a in made["annotations"]}
    for number, view in enumerate(opened.views, 1):
        blend = splat(opened.gaussians, view.camera)
        for place, name in enumerate(("red", "green", "blue", "half-of-red-green"), 1):
            ids = objects.read(balls)[place - 1].ids
            seen = (blend @ torch.isin(opened.gaussians.ids, ids).float()[:, None])[..., 0] > 0.5
            mask = picture(out / "masks" / name / f"photo{number - 1}.png")
            assert mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255}
            np.testing.assert_array_equal(mask > 0, seen.numpy())
            np.testing.assert_array_equal(mask > 0, written.get((number, place), np.zeros_like(mask > 0)))
    assert picture(out / "masks" / "blue" / "photo1.png").any()


def test_numbered_pictures_are_annotations(balls, tmp_path):
    out = tmp_path / "masks"
    run(balls, "masks", out, all_objects=True)
    found = Annotations.open(out / "instances", None, {})
    assert found.names == (("red",), ("green",), ("blue",), ("half of red/green",))
    half = picture(out / "masks" / "half-of-red-green" / "photo1.png") > 0
    red = picture(out / "masks" / "red" / "photo1.png") > 0
    classes = found.read("in/photo1.jpg")
    np.testing.assert_array_equal(classes == 3, half)  # the smaller one is on top
    np.testing.assert_array_equal(classes == 0, red & ~half)
    with Image.open(out / "instances" / "photo1.png") as image:
        assert image.mode == "P" and image.getpalette()[3:6] == [round(255 * c) for c in objects.read(balls)[0].color]


def test_what_is_in_front_hides(balls, tmp_path):
    """Seen along the line from red to green, green is hidden behind red although red was not asked for."""
    run(balls, "masks", tmp_path / "green", object=("green",))
    run(balls, "masks", tmp_path / "alone", object=("green",), every=2)
    opened = Scene.open(balls)
    green = opened.gaussians[BALL : 2 * BALL]
    view = opened.views[0]
    alone = (splat(green, view.camera).alpha > 0.5)[..., 0].numpy()
    mask = picture(tmp_path / "green/masks/green/photo0.png") > 0
    assert (mask <= alone).mean() > 0.999
    assert len(json.loads((tmp_path / "alone" / "annotations.json").read_text())["images"]) == 2


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_the_masks(balls, tmp_path):
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO

    out = tmp_path / "masks"
    run(balls, "masks", out, object=("red", "blue"), size=90)
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = COCO(str(out / "annotations.json"))
    assert len(loaded.getAnnIds()) == 6
    for annotation in loaded.loadAnns(loaded.getAnnIds()):
        name = ("red", "blue")[annotation["category_id"] - 1]
        mask = picture(out / "masks" / name / f"photo{annotation['image_id'] - 1}.png")
        np.testing.assert_array_equal(loaded.annToMask(annotation), mask > 0)
        rows, columns = np.nonzero(mask)
        x, y, width, height = annotation["bbox"]
        assert (x, y, x + width, y + height) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert annotation["area"] == len(rows) and mask.shape == (60, 90)


@pytest.mark.slow
def test_many_things_need_sixteen_bits(balls, tmp_path):
    objects.write(balls, [Thing(f"{k}", torch.tensor([k % (3 * BALL)])) for k in range(300)])
    run(balls, "masks", tmp_path / "masks", all_objects=True, every=3, size=24)
    with Image.open(tmp_path / "masks/instances/photo0.png") as image:
        assert image.mode.startswith("I")


@pytest.mark.parametrize("mean", [False, True])
def test_depth_is_where_things_are(balls, tmp_path, mean):
    out = tmp_path / "depth"
    run(balls, "depth", out, floats=True, scale=2.0, mean=mean)
    facts = json.loads((out / "depth.json").read_text())
    cameras = json.loads((out / "transforms.json").read_text())["frames"]
    assert facts["step"] == 0.001 and facts["depth"] == ("mean" if mean else "median") and facts["nothing"] == 0
    opened = Scene.open(balls)
    for view, frame in zip(opened.views, cameras, strict=True):
        steps = picture(out / frame["depth_file_path"]).astype(float)
        with np.load(out / frame["depth_file_path"].replace(".png", ".npz")) as tables:
            depth = tables["depth"]
        assert depth.dtype == np.float32
        np.testing.assert_allclose(steps * facts["step"], depth, atol=0.0005 + 1e-6)
        assert (depth == 0).mean() > 0.5 and 2 * 3.0 < depth[depth > 0].min() < depth.max() < 2 * 8.0
        center = opened.gaussians.means[:BALL].mean(0)  # the red ball is nearest to where it is seen
        expected = 2 * float((view.camera.world_to_camera @ torch.cat([center, torch.ones(1)]))[2])
        mask = (splat(opened.gaussians, view.camera) @ (opened.gaussians.ids < BALL).float()[:, None])[..., 0] > 0.9
        assert depth[mask.numpy()].mean() == pytest.approx(expected, abs=2 * 0.4)
        pose = np.array(frame["transform_matrix"])
        np.testing.assert_allclose(pose[:3, 3], 2 * view.camera.center, atol=1e-4)  # scaled like the depth


@pytest.mark.parametrize(("scale", "step"), [(1.0, 1e-3), (10.0, 1e-2), (100.0, 0.1), (0.05, 1e-4)])
def test_a_step_fits_the_scene(scale, step):
    gaussians, _ = labelled_balls(BALL)
    taken = [Shot(view.name, view.name, view.camera) for view in views(Path())]
    assert step_for(gaussians, taken, scale) == pytest.approx(step)
    assert step_for(gaussians[:0], taken, scale) == 1e-3


def test_features_are_read_back_by_the_folder_teacher(balls, tmp_path):
    out = tmp_path / "maps"
    said = run(balls, "features", out)
    assert "3 maps of 4 x 80 x 120" in said[-1]
    opened = Scene.open(balls)
    lenses = {view.name: lens_of(view.camera) for view in opened.views}
    teacher = open_teacher("folder", Options(source=out, lenses=lenses))
    assert teacher.channels == 4
    gaussians, own = opened.meaning
    for view in opened.views:
        assert teacher.has(view.name)
        seen = teacher.look(torch.zeros(view.camera.height, view.camera.width, 3), view.name)
        blend = splat(gaussians, view.camera).detach()
        mean = blend @ own["labels"].codes(gaussians) / blend.alpha.clamp_min(1e-6)
        expected = torch.where(blend.alpha >= 0.1, own["labels"].decode(mean), torch.zeros(()))
        torch.testing.assert_close(seen, expected, atol=1e-3, rtol=1e-3)
    words = teacher.read(["red ball", "green ball", "blue ball"])  # they came along
    best = (seen @ words.T).argmax(-1)
    shares = torch.cat([blend @ (gaussians.ids // BALL == k).float()[:, None] for k in range(3)], dim=-1)
    clear = shares.amax(-1) > 0.8
    assert clear.sum() > 100 and (best == shares.argmax(-1))[clear].all()


def test_codes_and_their_decoder(balls, tmp_path):
    run(balls, "features", tmp_path / "codes", codes=True, size=60)
    run(balls, "features", tmp_path / "maps", size=60)
    with np.load(tmp_path / "codes" / "decoder.npz") as tables:
        decoder = tables["decoder"]
    with (
        np.load(tmp_path / "codes/photo2_fmap_CxHxW.npz") as one,
        np.load(tmp_path / "maps/photo2_fmap_CxHxW.npz") as two,
    ):
        codes, maps = one["codes"], two["features"]
    assert codes.dtype == maps.dtype == np.float16 and maps.shape == (4, 40, 60)
    np.testing.assert_allclose(np.einsum("dhw,dc->chw", codes, decoder), maps, atol=2e-3)
    assert not (tmp_path / "codes" / "words.npz").exists()


def test_frames_are_a_capture(balls, tmp_path):
    out = tmp_path / "frames"
    run(balls, "frames", out)
    opened, found = Scene.open(balls), capture.load(out)
    assert [photo.name for photo in found.photos] == ["images/photo0.png", "images/photo1.png", "images/photo2.png"]
    assert [photo.held_out for photo in found.photos] == [True, False, False]
    for view, photo in zip(opened.views, found.photos, strict=True):
        torch.testing.assert_close(photo.world_to_camera, view.camera.world_to_camera, atol=1e-5, rtol=1e-5)
        np.testing.assert_array_equal(picture(photo.path), next(render.draw(opened.gaussians, [view.camera])))


@pytest.mark.slow
@pytest.mark.parametrize("raw", [False, True])
def test_objects_alone_stand_on_nothing(balls, tmp_path, raw):
    run(balls, "frames", tmp_path / "frames", object=("red",), raw=raw)
    drawn = picture(tmp_path / "frames/images/photo1.png")
    assert drawn.shape[2] == 4 and 0.005 < (drawn[..., 3] > 250).mean() < 0.3
    solid = drawn[drawn[..., 3] > 128].astype(float)
    assert (solid[:, 0] > 200).all() and (solid[:, 1] < 60).all()  # the colour is not darkened towards the border
    run(balls, "depth", tmp_path / "depth", object=("red",), raw=raw)
    assert ((picture(tmp_path / "depth/depth/photo1.png") > 0) <= (drawn[..., 3] > 120)).all()


def test_a_path_in_place_of_the_photos(balls, tmp_path):
    run(balls, "frames", tmp_path / "frames", path="orbit", count=4, size=40)
    assert len(capture.load(tmp_path / "frames").photos) == 4
    assert picture(tmp_path / "frames/images/00003.png").shape == (26, 40, 3)
    run(balls, "masks", tmp_path / "masks", path="orbit", count=4, size=40, object=("red",))
    made = json.loads((tmp_path / "masks/annotations.json").read_text())
    assert [image["file_name"] for image in made["images"]] == [f"0000{k}" for k in range(4)]


@pytest.mark.parametrize("text", [False, True])
def test_cameras_and_photos_are_a_colmap_project(balls, tmp_path, text):
    out = tmp_path / "project"
    said = run(balls, "cameras", out, photos=True, text=text)
    assert "3 cameras of 120 x 80, 180 points" in said[-1]
    opened, found = Scene.open(balls), capture.load(out)
    assert [photo.name for photo in found.photos] == [f"images/photo{k}.png" for k in range(3)]
    assert all(photo.mask_path is not None for photo in found.photos)  # what was unknown stays unknown
    for view, photo in zip(opened.views, found.photos, strict=True):
        torch.testing.assert_close(photo.world_to_camera, view.camera.world_to_camera, atol=1e-5, rtol=1e-5)
        assert photo.lens == lens_of(view.camera)
    torch.testing.assert_close(found.points, opened.gaussians.means)
    frame = capture.prepare(found, tmp_path / "cache", 512)[0]
    assert (frame.read()[12:, :, :3] == 200).all() and (frame.read()[:10, :, 3] == 0).all()


def test_cameras_as_transforms(balls, tmp_path):
    said = run(balls, "cameras", tmp_path / "set" / "transforms.json", photos=True, up="upright", center=True)
    assert "3 cameras" in said[-1]
    found = capture.load(tmp_path / "set")
    assert len(found.points) == 3 * BALL and all(photo.mask_path for photo in found.photos)
    assert found.colors[:BALL, 0].mean() > 0.8
    up = [-photo.world_to_camera[1, :3] for photo in found.photos]
    assert all(float(direction[2]) > 0.9 for direction in up)  # z is up
    assert found.points.mean(0)[:2].abs().max() < 0.1
    run(balls, "cameras", tmp_path / "alone.json")
    assert sorted(path.name for path in tmp_path.iterdir() if "alone" in path.name) == ["alone.json"]


def test_a_broken_off_export_goes_on(balls, tmp_path):
    for kind, last in (("masks", "instances/*.png"), ("depth", "depth/*.png"), ("frames", "images/*.png")):
        out = tmp_path / kind
        run(balls, kind, out)
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        kept, lost, *_ = sorted(out.glob(last))
        stamp = kept.stat().st_mtime_ns
        lost.unlink()
        (lost.parent / f".{lost.stem}.0123.tmp.png").write_bytes(b"half")
        said = run(balls, kind, out)
        assert any("2 of 3 views are there already" in text for text in said)
        assert kept.stat().st_mtime_ns == stamp
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_edits_are_seen_and_do_not_mix(balls, tmp_path):
    run(balls, "frames", tmp_path / "before")
    Session.at(balls).do(Delete(RED), "delete")
    run(balls, "frames", tmp_path / "after")
    opened = Scene.open(balls)
    expected = next(render.draw(opened.edited, [opened.views[1].camera]))
    np.testing.assert_array_equal(picture(tmp_path / "after/images/photo1.png"), expected)
    assert (picture(tmp_path / "before/images/photo1.png") != expected).any()
    with pytest.raises(InputError, match="holds another export"):
        run(balls, "frames", tmp_path / "before")
    with pytest.raises(InputError, match="'red' is not there any more"):
        run(balls, "masks", tmp_path / "gone", object=("red",))


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("masks", {"object": ("purple",)}, "no object 'purple'"),
        ("frames", {"size": 1}, "--size 1 is too small"),
        ("frames", {"every": 0}, "--every 0 is not possible"),
        ("frames", {"count": 3}, "--every 2 takes every second"),
        ("frames", {"path": "orbit", "every": 2}, "has --count pictures"),
        ("frames", {"path": "orbit", "count": 0}, "A path of 0 pictures"),
        ("features", {"teacher": "lseg"}, "no features of 'lseg'; it has those of labels"),
        ("cameras", {"path": "orbit", "photos": True}, "no photos along a --path"),
        ("frames", {"size": 100_000}, "--size 100000 is too large"),
        ("frames", {"path": "orbit", "size": 100_000}, "--size 100000 is too large"),
        ("masks", {"format": "png"}, "leave --format png out"),
        ("mask", {}, "There is no --kind mask: did you mean masks?"),
        ("everything", {}, "the kinds are gaussians, mesh, points, masks"),
        ("masks", {"codes": True}, "--codes is of --kind features; leave it out for masks"),
        ("depth", {"photos": True}, "--photos is of --kind cameras"),
    ],
)
def test_what_cannot_be_exported(balls, tmp_path, kind, options, said):
    with pytest.raises(InputError, match=said):
        run(balls, kind, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_be_written(balls, tmp_path):
    with pytest.raises(InputError, match="not an empty folder"):
        run(balls, "frames", balls)
    (tmp_path / "file").touch()
    for kind in ("frames", "cameras"):
        with pytest.raises(InputError, match="Cannot write"):
            run(balls, kind, tmp_path / "file" / "out")
    with pytest.raises(InputError, match=r"without '\.ply'"):
        run(balls, "frames", tmp_path / "out.ply")
    with pytest.raises(InputError, match="Cannot write"):
        run(balls, "frames", tmp_path / "file")
    for name, said in (("a.png", "--kind frames"), ("a.npz", "--kind features"), ("a.mp4", "semsplat render")):
        with pytest.raises(InputError, match=said):
            export(Export(balls, tmp_path / name), lambda text: None)
    with pytest.raises(InputError, match="files for each view by --kind masks"):
        export(Export(balls, tmp_path / "folder"), lambda text: None)
    with pytest.raises(InputError, match="--every is of --kind masks"):
        export(Export(balls, tmp_path / "a.ply", views=PerView(every=2)), lambda text: None)
    with pytest.raises(InputError, match="--text is for COLMAP"):
        run(balls, "cameras", tmp_path / "out.json", text=True)


def test_a_file_of_gaussians_has_no_cameras(tmp_path):
    gaussians: Gaussians = labelled_balls(5)[0]
    formats.write(tmp_path / "a.ply", gaussians)
    for kind in ("masks", "depth", "features", "frames", "cameras"):
        with pytest.raises(InputError, match="without cameras"):
            run(tmp_path / "a.ply", kind, tmp_path / "out")


def test_features_larger_than_the_disk(balls, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(InputError, match="ask for a smaller --size"):
        run(balls, "features", tmp_path / "maps")


def test_files_of_photos_are_told_apart():
    assert stems(["images/00.jpg", "images/01.jpg"]) == ["00", "01"]
    assert stems(["a/l/0.jpg", "a/r/0.jpg"]) == ["l/0", "r/0"]
    assert stems(["00.jpg", "00.png", "01.v2.png"]) == ["00.jpg", "00.png", "01.v2"]
    assert stems(["../../x/A.png", "/x/a.jpg"]) == ["A.png", "a.jpg"]
    assert stems(["only/one.png"]) == ["one"]


def lens_of(camera: Camera) -> Lens:
    k = camera.intrinsics.tolist()
    return Lens(camera.width, camera.height, k[0][0], k[1][1], k[0][2], k[1][2])
