"""The scene folder: there and back exactly, who may write into a folder, and what half-written ones say."""

from pathlib import Path

import pytest
import torch

from semsplat.app import scene
from semsplat.app.scene import Scene
from semsplat.splatting import history_files
from semsplat.splatting.camera import Camera, pinhole
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.edit import Delete, Insert
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.history import History
from semsplat.splatting.train_types import TrainState


def gaussians(count: int = 5) -> Gaussians:
    make = torch.Generator().manual_seed(1)
    shapes = ((count, 3), (count, 4), (count, 3), (count,), (count, 4, 3))
    return Gaussians(*(torch.randn(*shape, generator=make) for shape in shapes), ids=torch.arange(count) * 3)


def camera(turn: float) -> Camera:
    view = torch.tensor([turn, 2.0, 3.0]), torch.tensor([0.0, 0.1, 0.2]), torch.tensor([0.0, 0.0, 1.0])
    seen = Camera.look_at(*view, fov=0.8, width=31, height=17)
    return Camera(seen.world_to_camera, pinhole(40.1, 41.3, 15.2, 8.7), 31, 17)


def state(steps: int = 3) -> TrainState:
    columns = dict(gaussians().tensors())
    moments = {"random": torch.get_rng_state(), "adam.means": torch.randn(5, 3, dtype=torch.float64).T}
    numbers = {"step": float(steps), "seconds": 0.1 + 0.2}
    return TrainState({**columns, **moments}, numbers, [(1, 0.1, 20.0), (2, 1 / 3, float("inf"))])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole scene."""
    folder = tmp_path / "room"
    frames = [Frame(f"images/{i}.jpg", camera(float(i)), folder / "cache" / f"{i}.npy", i == 2) for i in range(3)]
    scene.write_json(folder / scene.CONFIG, {"semsplat": "0", "source": "photos"})
    scene.write_cameras(folder, frames, frames[:1])
    scene.write_gaussians(folder, gaussians())
    scene.save_checkpoint(folder, state())
    return folder


def test_gaussians_and_cameras_come_back_exactly(folder: Path) -> None:
    opened = Scene.open(folder)
    for name, tensor in gaussians().tensors():
        assert torch.equal(getattr(opened.gaussians, name), tensor), name
    assert list(opened.cameras) == [f"images/{i}.jpg" for i in range(3)]
    assert [view.held_out for view in opened.views] == [True, False, False]
    assert [view.background for view in opened.views] == [False, False, True]
    for i, seen in enumerate(opened.cameras.values()):
        assert torch.allclose(seen.world_to_camera, camera(float(i)).world_to_camera, atol=1e-7)
        assert torch.equal(seen.intrinsics, camera(float(i)).intrinsics) and (seen.width, seen.height) == (31, 17)


def test_frames_are_those_whose_pixels_are_there(folder: Path) -> None:
    assert Scene.open(folder).frames == []
    (folder / "cache").mkdir()
    for i in (0, 2):
        (folder / "cache" / f"{i}.npy").touch()
    opened = Scene.open(folder)
    assert [frame.name for frame in opened.frames] == ["images/0.jpg", "images/2.jpg"]
    assert [frame.name for frame in opened.frames_of(held_out=True)] == ["images/0.jpg"]


def test_a_scene_folder_may_be_moved(folder: Path) -> None:
    moved = folder.rename(folder.with_name("moved"))
    assert Scene.open(moved).views[1].pixels == moved / "cache" / "1.npy"


def test_cameras_are_in_opengl_axes(folder: Path) -> None:
    pose = torch.tensor(scene.read_json(folder / scene.CAMERAS)["frames"][0]["transform_matrix"])
    assert torch.allclose(pose[:3, 3], camera(0.0).center, atol=1e-6)
    assert torch.allclose(-pose[:3, 2], camera(0.0).world_to_camera[2, :3], atol=1e-6)  # it looks along -z


def test_a_checkpoint_comes_back_bit_for_bit(folder: Path) -> None:
    saved = state()
    scene.save_checkpoint(folder, saved)
    loaded = scene.load_checkpoint(folder)
    assert loaded is not None
    assert loaded.numbers == saved.numbers and loaded.curve == saved.curve
    assert set(loaded.tensors) == set(saved.tensors)
    for name, tensor in saved.tensors.items():
        assert tensor.dtype == loaded.tensors[name].dtype and torch.equal(tensor, loaded.tensors[name]), name


def test_no_checkpoint_yet_is_no_error(folder: Path) -> None:
    (folder / scene.CHECKPOINT).unlink()
    assert scene.load_checkpoint(folder) is None


def sentence(function, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("name", [scene.CAMERAS, scene.CHECKPOINT, scene.GAUSSIANS, scene.CONFIG])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_truncated_file_is_named(folder: Path, name: str, share: float) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    text = sentence(lambda: (Scene.open(folder).gaussians, scene.load_checkpoint(folder)))
    assert str(path) in text and ("--overwrite" in text or "--resume" in text)


def test_a_missing_file_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / scene.GAUSSIANS).unlink()
    assert "scene.ply is missing" in sentence(Scene.open, folder) and "--resume" in sentence(Scene.open, folder)
    assert "no scene folder" in sentence(Scene.open, tmp_path / "nothing")
    (tmp_path / "other").mkdir()
    assert "not a scene folder" in sentence(Scene.open, tmp_path / "other")


def test_who_may_write_into_a_folder(folder: Path, tmp_path: Path) -> None:
    scene.claim(tmp_path / "new" / "scene")
    assert not (tmp_path / "new" / "scene").exists()
    scene.claim(folder, resume=True)
    scene.claim(folder, overwrite=True)
    assert "--resume" in sentence(scene.claim, folder) and "--overwrite" in sentence(scene.claim, folder)
    assert "nothing to resume" in sentence(scene.claim, tmp_path / "new", resume=True)
    other = tmp_path / "other"
    other.mkdir()
    scene.claim(other)
    (other / "thesis.tex").write_text("years of work")
    assert "thesis.tex" in sentence(scene.claim, other)
    assert "thesis.tex" in sentence(scene.claim, other, overwrite=True)
    assert "Cannot use" in sentence(scene.claim, other / "thesis.tex")


def test_clearing_leaves_what_is_not_ours(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    (folder / ".checkpoint.0123abcd.tmp.safetensors").write_text("half")
    history_files.write(folder, History().do(Delete(torch.arange(2))).do(Insert(gaussians())))
    assert (folder / "edits.json").exists() and (folder / "edits").is_dir()
    scene.clear(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
