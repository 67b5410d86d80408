"""semsplat take: from photos to a file of one thing, once and again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semsplat.app import cli, scene
from semsplat.app.scene import Scene
from semsplat.distill import objects
from semsplat.splatting import formats


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(["take", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out + err


@pytest.mark.slow
def test_a_thing_of_a_fitted_scene_leaves_upright(room: Path, tmp_path: Path, capsys) -> None:
    before = (room / "scene.ply").read_bytes()
    files = [tmp_path / "out" / "mug.ply", tmp_path / "out" / "mug.glb"]
    status, said = run(capsys, room, "the  red mug", "-o", *files, "--raw")
    assert status == 0, said
    assert "The scene is there already" in said and "The features of labels are there already" in said
    assert "Taken: the red mug, " in said and "in all" in said
    taken = formats.read(files[0])
    everything = Scene.open(room).gaussians
    assert 20 < len(taken) < 0.2 * len(everything) and len(formats.read(files[1])) == len(taken)
    heights = -taken.means[:, 1]  # -y is up in a .ply
    assert abs(heights.min().item()) < 0.05 and taken.means[:, [0, 2]].mean(0).abs().max() < 0.05  # it stands there
    picture = np.asarray(Image.open(tmp_path / "out" / "mug-taken.png"))
    assert picture.shape[1] > 1000 and picture.std() > 10  # photo, overlay, alone
    assert [thing.name for thing in objects.read(room)] == ["the red mug"]
    assert (room / "scene.ply").read_bytes() == before
    run(capsys, room, "the red mug", "-o", files[0], "--raw")
    assert len(objects.read(room)) == 1  # taken again, it is no second thing


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("", "-o", "a.glb"), "Nothing was asked for"),
        (("mug",), "Say where the thing goes"),
        (("mug", "-o", "a.docx"), "'.docx' cannot be written"),
        (("mug", "-o", "folder"), "has no suffix"),
        (("mug", "-o", "a.ply", "b.json"), "one thing becomes one file"),
        (("mug", "-o", "a.ply", "--teacher", "label"), "did you mean labels"),
        (("mug", "-o", "a.ply", "--teacher", "lseg"), "The weights of 'lseg' are not here"),
        (("mug", "-o", "a.ply", "--scene", "other"), "is a scene itself"),
        (("unicorn", "-o", "a.ply"), "unicorn"),
    ],
)
def test_what_cannot_be_taken_is_one_sentence(room: Path, tmp_path: Path, capsys, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEMSPLAT_WEIGHTS", str(tmp_path / "none"))
    status, said = run(capsys, room, *arguments)
    assert status == 2 and sentence in said and not list(tmp_path.glob("*.ply"))


def test_weights_are_asked_for_before_anything_is_fitted(photos: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("SEMSPLAT_WEIGHTS", str(tmp_path / "none"))
    status, said = run(capsys, photos, "mug", "-o", tmp_path / "mug.glb")
    assert status == 2 and "The weights of 'tipsv2' are not here" in said and "semsplat models get tipsv2" in said
    assert not list(tmp_path.iterdir())
    status, said = run(capsys, tmp_path / "nowhere", "mug", "-o", tmp_path / "mug.glb")
    assert status == 2 and "There is no" in said


def test_the_scene_of_other_photos_is_left_alone(fitted: Path, photos: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(photos, tmp_path / "others")
    arguments = ("red thing", "-o", tmp_path / "a.ply", "--teacher", "appearance", "--scene", fitted)
    status, said = run(capsys, tmp_path / "others", *arguments)
    assert status == 2 and f"is the scene of {photos}" in said


@pytest.mark.slow
def test_from_photos_once_and_again_and_after_an_interruption(photos: Path, tmp_path: Path, capsys) -> None:
    home = tmp_path / "photos-scene"
    command = [sys.executable, "-m", "semsplat.app.cli", "take", photos, "red thing", "-o", tmp_path / "red.ply"]
    rest = ["--teacher", "appearance", "--steps", "4000", "--cap", "100"]
    taking = subprocess.Popen([*map(str, command), *rest], stdout=subprocess.PIPE, text=True, env={**os.environ})
    while not (home / scene.CHECKPOINT).exists():
        assert taking.poll() is None
        time.sleep(0.1)
    taking.send_signal(signal.SIGINT)
    try:
        out, _ = taking.communicate(timeout=60)
    finally:
        taking.kill()
    assert taking.returncode == 130 and "The same command goes on from there" in out
    config = scene.read_json(home / scene.CONFIG)
    config["train"]["steps"] = 60  # long enough for a test
    scene.write_json(home / scene.CONFIG, config)
    status, said = run(capsys, photos, "red thing", "-o", tmp_path / "red.ply", "--teacher", "appearance")
    assert "Going on with the fit" in said and "Teacher: appearance" in said
    assert status == 0 and (tmp_path / "red.ply").exists() and (tmp_path / "red-taken.png").exists(), said
    status, said = run(capsys, photos, "blue thing", "-o", tmp_path / "blue.spz", "--teacher", "appearance")
    assert "The scene is there already" in said and "are there already" in said
    assert status == 0 and len(formats.read(tmp_path / "blue.spz")) > 0
