"""semsplat distill: on a fitted scene, on a file without photos, together with the colours; and what it refuses."""

import io
import json
from pathlib import Path

import pytest
import small_capture
import torch
from rich.console import Console

from semsplat.app import live, train
from semsplat.app.cli_meaning import Distill
from semsplat.app.plan import Request
from semsplat.app.scene import Scene
from semsplat.splatting.errors import InputError
from semsplat.splatting.formats import ply

STEPS = 20

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("capture")
    small_capture.write_capture(folder / "photos")
    scene = folder / "scene"
    train.run(Request(scene, folder / "photos", steps=STEPS, cap=200, points=False, device="cpu"), silent())
    return scene


def silent() -> Console:
    return Console(file=io.StringIO(), width=200)


def distil(scene: Path, **options) -> str:
    console = silent()
    assert Distill(scene, device="cpu", **{"teacher": "appearance", **options}).run(console) == 0
    return console.file.getvalue()


def test_a_scene_gets_a_field(fitted: Path) -> None:
    told = distil(fitted, sweeps=2)
    gaussians, fields = Scene.open(fitted).meaning
    field = fields["appearance"]
    assert field.codes(gaussians).shape == (len(gaussians), 7) and field.codes(gaussians).abs().max() > 0.1
    assert field.facts["method"] == "lift" and field.facts["held_out"] == 2 and field.facts["held_out_cosine"] > 0.5
    assert {"compression_error", "seconds", "megabytes", "reliability_mean", "map_grid"} <= field.facts.keys()
    assert (fitted / "fields" / "appearance.png").is_file()
    assert "nothing is lost" in told and "Held out: feature error" in told
    stamps = {path: path.stat().st_mtime_ns for path in (fitted / "cache" / "maps" / "appearance").iterdir()}
    distil(fitted, sweeps=0)
    assert stamps == {path: path.stat().st_mtime_ns for path in (fitted / "cache" / "maps" / "appearance").iterdir()}


def test_features_arrive_while_it_goes_on_and_go_when_it_ends_early(fitted: Path, monkeypatch) -> None:
    path, seen = fitted / "fields" / "appearance.safetensors", []
    path.unlink(missing_ok=True)

    def stopped(*_, **__):
        seen.append(Scene.open(fitted).meaning[1]["appearance"].facts)
        seen.append(live.read(fitted).what)
        raise KeyboardInterrupt

    monkeypatch.setattr("semsplat.distill.fit._solved", stopped)
    with pytest.raises(KeyboardInterrupt):
        distil(fitted)
    assert seen == [{"arriving": True}, "distilling appearance"]
    assert not path.exists() and live.read(fitted) is None
    monkeypatch.undo()
    distil(fitted, sweeps=0)
    before = path.read_bytes()
    monkeypatch.setattr("semsplat.distill.fit._solved", stopped)
    with pytest.raises(KeyboardInterrupt):
        distil(fitted)
    assert path.read_bytes() == before  # what was there stays


def test_fewer_numbers_say_what_they_lose(fitted: Path) -> None:
    told = distil(fitted, sweeps=0, dimension=3)
    _, fields = Scene.open(fitted).meaning
    field = fields["appearance"]
    assert field.decoder.shape == (3, 7) and 0 < field.facts["compression_error"] < 0.7
    assert "7 channels in 3 numbers (relative error" in told


@pytest.mark.parametrize("method", ["joint", "decoder"])
def test_a_scene_is_fitted_anew_with_codes(fitted: Path, tmp_path: Path, method: str) -> None:
    new = tmp_path / "new"
    distil(fitted, method=method, out=new, dimension=3)
    opened = Scene.open(new)
    gaussians, fields = opened.meaning
    field = fields["appearance"]
    assert field.decoder.shape == (3, 7) and field.facts["method"] == method and field.facts["steps"] == STEPS
    assert field.codes(gaussians).abs().max() > 0
    before = Scene.open(fitted).gaussians
    assert torch.equal(before.means, opened.gaussians.means) and torch.equal(before.sh, opened.gaussians.sh)
    with pytest.raises(InputError, match="fitted together with features"):
        train.run(Request(new, resume=True, steps=80), silent())
    with pytest.raises(InputError, match="already holds a scene"):
        distil(fitted, method=method, out=new)


def test_a_file_becomes_a_scene(tmp_path: Path) -> None:
    ply.write(tmp_path / "thing.ply", small_capture.blobs())
    with pytest.raises(InputError, match="give a new scene folder for it with -o"):
        distil(tmp_path / "thing.ply")
    told = distil(tmp_path / "thing.ply", out=tmp_path / "scene", views=9, up="z", sweeps=1)
    assert "60 Gaussians without photos; 9 cameras were chosen" in told
    opened = Scene.open(tmp_path / "scene")
    gaussians, fields = opened.meaning
    assert len(opened.views) == 9 and sum(view.held_out for view in opened.views) == 2
    assert fields["appearance"].reliability(gaussians).max() > 0.5
    opened.views[3].pixels.unlink()
    distil(tmp_path / "scene", sweeps=0)
    assert opened.views[3].pixels.is_file()
    with pytest.raises(InputError, match="no photos to fit"):
        train.run(Request(tmp_path / "scene", resume=True), silent())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"teacher": "apearance"}, "no teacher 'apearance'.*did you mean appearance"),
        ({"dimension": 0}, "--dimension 0 is too small"),
        ({"sweeps": -1}, "--sweeps -1 is too small"),
        ({"method": "joint"}, "give a new folder with -o"),
        ({"out": Path("elsewhere")}, "-o is for a file of Gaussians"),
        ({"scene": Path("nowhere")}, "There is no nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(fitted: Path, options: dict, sentence: str) -> None:
    before = sorted(path.name for path in fitted.iterdir())
    with pytest.raises(InputError, match=sentence):
        distil(options.pop("scene", fitted), **options)
    assert before == sorted(path.name for path in fitted.iterdir())


def test_teachers_that_go_by_names_are_no_use_for_a_file(tmp_path: Path) -> None:
    ply.write(tmp_path / "thing.ply", small_capture.blobs())
    for teacher in ("labels", "folder"):
        with pytest.raises(InputError, match="goes by the names of photos"):
            distil(tmp_path / "thing.ply", out=tmp_path / "scene", teacher=teacher)
    assert not (tmp_path / "scene").exists()


def test_photos_that_are_gone_are_said(fitted: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(fitted, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text()) | {"source": str(tmp_path / "gone")}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"are gone \(.*gone\); put them back"):
        distil(copy, method="joint", out=tmp_path / "new")
