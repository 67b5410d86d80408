"""semsplat train on sources without poses."""

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from semsplat import assets
from semsplat.app import cli, scene, train
from semsplat.app.plan import Request
from semsplat.app.scene import Scene
from semsplat.splatting.errors import InputError

ROOM = Path(assets.__file__).parent / "room"
QUIET = Console(quiet=True)


def request(source: Path | None, folder: Path, **options) -> Request:
    usual = {"steps": 3, "cap": 300, "resolution": 96, "device": "cpu", "sh_degree": 0}
    return Request(folder, source, **{**usual, **options})


@pytest.mark.slow
def test_photos_without_poses_become_a_scene_that_can_be_gone_on_with(tmp_path):
    photos, folder = tmp_path / "photos", tmp_path / "room"
    photos.mkdir()
    for number in range(8):
        shutil.copy(ROOM / "images" / f"{number:02}.jpg", photos)
    assert train.run(request(photos, folder), QUIET) == 0
    opened = Scene.open(folder)
    assert opened.config["source"] == str(photos) and opened.config["poses"] is True
    assert opened.source == folder / scene.POSES
    assert [view.name for view in opened.views] == [f"{number:02}.jpg" for number in range(8)]
    poses = [view.camera.world_to_camera for view in opened.views]
    shutil.rmtree(folder / scene.CACHE)
    assert train.run(request(None, folder, resume=True, steps=5), QUIET) == 0
    assert all((a == b.camera.world_to_camera).all() for a, b in zip(poses, Scene.open(folder).views, strict=True))
    shutil.rmtree(folder / scene.POSES)
    with pytest.raises(InputError, match=r"poses is gone, to which the scene was fitted; begin anew with --overwrite"):
        train.run(request(None, folder, resume=True, steps=7), QUIET)


def test_frames_are_asked_for_only_where_there_are_no_poses(tmp_path):
    with pytest.raises(InputError, match=r"--frames is for photos without poses and for videos; .*room states poses"):
        train.run(request(ROOM, tmp_path / "out", frames=20), QUIET)
    with pytest.raises(InputError, match=r"--frames 2 is too small; the least is 3"):
        train.run(request(ROOM, tmp_path / "out", frames=2), QUIET)


def test_what_cannot_be_placed_is_one_sentence_and_status_2(tmp_path, capsys):
    text = tmp_path / "walk.mp4"
    text.write_text("not a video")
    (tmp_path / "empty").mkdir()
    shutil.copytree(ROOM / "images", tmp_path / "one", ignore=lambda _, names: sorted(names)[1:])
    for source, said in (
        (text, "Cannot read video"), (tmp_path / "empty", "holds no photos, no transforms.json and no COLMAP project"),
        (tmp_path / "one", "holds 1 different photos; finding poses needs at least 3"),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as error:
            cli.main(["train", str(source), "-o", str(tmp_path / "out")])
        assert error.value.code == 2
        complaint = capsys.readouterr().err
        assert complaint.startswith("semsplat: ") and said in complaint and complaint.count("\n") == 1
    assert not scene.is_scene(tmp_path / "out")
