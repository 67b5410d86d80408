"""The demo: from nothing to pictures and a film; it never touches a scene that it did not make."""

import re
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from semsplat.app import cli, demo, scene
from semsplat.app.scene import Scene
from semsplat.distill import fit, objects
from semsplat.splatting import capture, formats
from semsplat.splatting.errors import InputError


def test_the_capture_comes_with_the_package() -> None:
    found = capture.load(demo.bundled())
    assert len(found.photos) == 48 and sum(photo.held_out is True for photo in found.photos) == 8
    assert len(found.points) > 500
    size = sum(path.stat().st_size for path in demo.bundled().rglob("*") if path.is_file())
    assert size < 5e6


@pytest.mark.slow
def test_the_demo_in_little_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "SECONDS", 0.5)
    folder = tmp_path / "demo-scene"
    monkeypatch.setattr(fit, "SWEEPS", 0)  # the weighted mean alone
    out = run(folder, capsys)
    for text in ("is generated", "Device: cpu", "Held out: PSNR", "turntable.mp4", "contact_sheet.png"):
        assert text in out, text
    assert f"semsplat view {folder}" in out
    opened = Scene.open(folder)
    assert opened.config["generated"] is True and opened.metrics["psnr"] > 17
    things = {thing.name: thing for thing in objects.read(folder)}
    assert set(things) == {demo.QUESTION, demo.CLICKED}
    scores = dict(re.findall(r"'(.+)' in the held-out photos: IoU ([0-9.]+)", out))
    assert set(scores) == set(things) and float(scores[demo.CLICKED]) > 0.5, scores
    assert opened.metrics["labels"]["labels"]["miou"] > 0.4
    assert len(list((folder / "answers").glob("*.png"))) == 2
    taken = {suffix: formats.read(folder / "exports" / f"mug{suffix}") for suffix in demo.FILES}
    assert set(taken) == {".ply", ".spz", ".glb"} and len({len(part) for part in taken.values()}) == 1
    assert taken[".ply"].means.abs().max() < 0.5  # it stands on the origin
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert sheet.width > 900
    assert (folder / demo.TURNTABLE).stat().st_size > 20_000
    monkeypatch.setattr(demo, "_give_meaning", lambda *_: None)
    run(folder, capsys)  # made anew: what was known of other Gaussians is gone
    assert not objects.read(folder) and not (folder / "fields").exists() and not (folder / "answers").exists()


def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        cli.main(["demo", "-o", str(folder), "--minutes", "0.1", "--device", "cpu"])
    assert not caught.value.code
    return capsys.readouterr().out


def test_it_leaves_other_scenes_alone(fitted: Path) -> None:
    before = sorted(path.name for path in fitted.iterdir())
    with pytest.raises(InputError, match="did not make"):
        demo.run(fitted, 0.1, "cpu", Console(quiet=True))
    assert sorted(path.name for path in fitted.iterdir()) == before


def test_it_ends_by_serving_only_where_a_person_sits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from semsplat.app import viewer

    served = []
    monkeypatch.setattr(demo, "run", lambda *_: 0)
    monkeypatch.setattr(viewer, "serve", lambda folder, *_, **__: served.append(folder))
    for person in (False, True):
        monkeypatch.setattr(demo, "has_person", lambda person=person: person)
        with pytest.raises(SystemExit):
            cli.main(["demo", "-o", str(tmp_path / "a"), "--port", "8123"])
    assert served == [tmp_path / "a"]
    assert capsys.readouterr().out.count("semsplat view") == 1
    assert not scene.is_scene(tmp_path / "a")
