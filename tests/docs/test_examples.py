"""The examples in docs/examples run as they are, and do what they say."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_capture import write_capture
from small_scenes import three_balls

from semsplat.app import scene
from semsplat.splatting import capture, formats

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
LONGEST = 40  # lines, imports and blank ones included


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_they_are_short() -> None:
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= LONGEST, path


@pytest.mark.slow
def test_photos_to_glb(tmp_path: Path, monkeypatch, capsys) -> None:
    run(monkeypatch, "photos_to_glb.py", write_capture(tmp_path / "photos"), tmp_path / "scene.glb", 30)
    said = capsys.readouterr().out
    assert "up is" in said and "written to" in said
    assert len(formats.read(tmp_path / "scene.glb")) > 50


@pytest.mark.slow
def test_own_teacher(tmp_path: Path, monkeypatch, capsys) -> None:
    photos, folder = write_capture(tmp_path / "photos", three_balls(60)), tmp_path / "scene"
    frames = capture.prepare(capture.load(photos), folder / scene.CACHE, 512)
    scene.write_json(folder / scene.CONFIG, {"semsplat": "0", "source": str(photos), "resolution": 512})
    scene.write_cameras(folder, frames, [])
    scene.write_gaussians(folder, three_balls(60))
    for word, first in (("red", 0), ("green", 60), ("blue", 120)):
        run(monkeypatch, "own_teacher.py", folder, word, tmp_path / f"{word}.ply")
        taken, own = formats.read(tmp_path / f"{word}.ply"), three_balls(60).means[first : first + 60]
        near = (taken.means[:, None] - own[None]).norm(dim=-1).amin(1) < 1e-5
        assert near.float().mean() > 0.9 and near.sum() > 30, capsys.readouterr().out


def test_own_scene(tmp_path: Path, monkeypatch, capsys) -> None:
    run(monkeypatch, "own_scene.py", tmp_path / "made")
    assert "6,000 Gaussians" in capsys.readouterr().out
    picture = np.asarray(Image.open(tmp_path / "made" / "spring.png")).astype(int)
    orange = (picture[..., 0] > 180) & (abs(picture[..., 1] - 128) < 40) & (picture[..., 2] < 60)
    assert picture.shape == (480, 640, 3) and 0.002 < orange.mean() < 0.2  # the upper part, painted
    assert {len(formats.read(tmp_path / "made" / f"spring{suffix}")) for suffix in (".ply", ".spz", ".glb")} == {6000}
