"""Fitting from the command line: what it leaves behind, and that nothing that ends it early loses anything."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console
from small_capture import ring  # beside this file

from semsplat.app import plan as plans
from semsplat.app import scene, train
from semsplat.app.plan import Request
from semsplat.app.progress import Watch, clock, facts
from semsplat.app.scene import Scene
from semsplat.splatting import capture
from semsplat.splatting import train as fitting
from semsplat.splatting.errors import InputError
from semsplat.splatting.train_types import Progress, TrainState

QUIET = Console(quiet=True)
FILES = {"scene.ply", "cameras.json", "config.json", "metrics.json", "checkpoint.safetensors", "preview.png"}


def request(photos: Path, folder: Path, **options) -> Request:
    usual = {"steps": 12, "cap": 200, "device": "cpu", "sh_degree": 1, "points": False}
    return Request(folder, photos, **{**usual, **options})


def checkpoint(folder: Path) -> TrainState:
    state = scene.load_checkpoint(folder)
    assert state is not None
    return state


def assert_same_fit(left: Path, right: Path) -> None:
    """Bit for bit, but for the clock."""
    a, b = checkpoint(left), checkpoint(right)
    assert a.curve == b.curve
    assert {**a.numbers, "seconds": 0} == {**b.numbers, "seconds": 0}
    assert a.tensors.keys() == b.tensors.keys()
    for name, tensor in a.tensors.items():
        assert torch.equal(tensor, b.tensors[name]), name
    assert (left / scene.GAUSSIANS).read_bytes() == (right / scene.GAUSSIANS).read_bytes()


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fit that ran through."""
    folder = tmp_path_factory.mktemp("fits") / "whole"
    assert train.run(request(photos, folder), QUIET) == 0
    return folder


def test_what_a_fit_leaves_behind(whole: Path, photos: Path) -> None:
    names = {path.name for path in whole.iterdir()}
    assert FILES | {"curves.png", "contact_sheet.png", "cache"} == names
    opened = Scene.open(whole)
    assert len(opened.views) == 10 and sum(view.held_out for view in opened.views) == 2
    assert len(opened.frames) == 10 and len(opened.gaussians) > 50
    assert opened.metrics["gaussians"] == len(opened.gaussians) and len(opened.metrics["views"]) == 2
    assert 5 < opened.metrics["psnr"] < 60 and opened.metrics["training"]["step"] >= 10
    assert opened.config["train"]["steps"] == 12 and Path(opened.config["source"]) == photos
    with Image.open(whole / scene.PREVIEW) as preview:
        assert preview.size == (64, 48)


def test_the_folder_rules_hold(whole: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="already holds a scene"):
        train.run(request(photos, whole), QUIET)
    for options, text in (
        ({"source": tmp_path}, "was fitted from"),
        ({"source": None, "seed": 5}, "--seed 0, not 5"),
        ({"source": None, "sh_degree": 2}, "--sh-degree 1, not 2"),
        ({"source": None, "resolution": 32}, "--resolution 512, not 32"),
        ({"source": None, "outside_mask": "empty"}, "--outside-mask unknown, not empty"),
    ):
        with pytest.raises(InputError, match=text):
            train.run(Request(whole, resume=True, device="cpu", **options), QUIET)


@pytest.mark.slow
def test_overwriting_begins_anew_and_only_after_the_photos_were_read(whole: Path, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "room"
    train.run(request(photos, folder, steps=3), QUIET)
    before = (folder / scene.GAUSSIANS).read_bytes()
    with pytest.raises(InputError):
        train.run(request(tmp_path / "nowhere", folder, overwrite=True), QUIET)
    assert (folder / scene.GAUSSIANS).read_bytes() == before
    train.run(request(photos, folder, overwrite=True), QUIET)
    assert_same_fit(folder, whole)


class Stopper:
    """Sends this process a signal while a step is going on."""

    def __init__(self, at: int) -> None:
        self.at, self.steps = at, 0

    def __call__(self, *arguments, **options):
        self.steps += 1
        if self.steps == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return self.original(*arguments, **options)


@pytest.mark.slow
def test_ctrl_c_saves_and_resume_ends_at_the_same_bits(
    whole: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "room"
    stopper = Stopper(at=2 + 5)  # the warm-up takes two steps
    stopper.original = fitting._step
    monkeypatch.setattr(fitting, "_step", stopper)
    console = Console(record=True, width=200)
    with console.capture() as captured:
        assert train.run(request(photos, folder), console) == train.INTERRUPTED
    assert "Stopped at step 5 of 12" in captured.get() and f"semsplat train -o {folder} --resume" in captured.get()
    assert checkpoint(folder).numbers["step"] == 5 and not (folder / scene.METRICS).exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert train.run(Request(folder, resume=True, device="cpu"), QUIET) == 0
    assert_same_fit(folder, whole)


@pytest.mark.slow
def test_resuming_a_finished_fit_goes_on_only_with_more_steps(whole: Path, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "room"
    train.run(request(photos, folder, steps=4), QUIET)
    console = Console(record=True, width=200)
    with console.capture() as captured:
        assert train.run(Request(folder, resume=True, device="cpu"), console) == 0
    assert "Nothing is left to fit" in captured.get()
    assert train.run(Request(folder, resume=True, device="cpu", steps=6), QUIET) == 0
    assert checkpoint(folder).numbers["step"] == 6
    assert scene.read_json(folder / scene.CONFIG)["train"]["steps"] == 6


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.0, 0.35, 0.8])
def test_sigkill_at_any_moment_leaves_a_fit_to_resume(whole: Path, photos: Path, tmp_path: Path, moment: float) -> None:
    folder = tmp_path / "room"
    code = (
        "import sys; from pathlib import Path; from rich.console import Console; from semsplat.app import train, plan; "
        "train.SAVE_EVERY = 0.0; "  # a save after every step: most kills hit one
        "train.run(plan.Request(Path(sys.argv[2]), Path(sys.argv[1]), steps=12, cap=200, device='cpu', sh_degree=1, "
        "points=False), Console(quiet=True))"
    )
    # One torch thread, as in this process: sums depend on it.
    running = subprocess.Popen(
        [sys.executable, "-c", "import torch; torch.set_num_threads(1); " + code, str(photos), str(folder)]
    )
    deadline = time.monotonic() + 100
    while not (folder / scene.CHECKPOINT).exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(0.12 * moment)
    running.kill()
    running.wait()
    assert (folder / scene.CHECKPOINT).exists()
    assert 1 <= checkpoint(folder).numbers["step"] <= 12
    assert train.run(Request(folder, resume=True, device="cpu"), QUIET) == 0
    assert_same_fit(folder, whole)
    assert not list(folder.glob(".*"))


@pytest.mark.slow
def test_killed_before_the_first_save_begins_again(whole: Path, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "room"
    train.run(request(photos, folder), QUIET)
    for name in (scene.CHECKPOINT, scene.GAUSSIANS, scene.METRICS):
        (folder / name).unlink()
    for name in (".checkpoint.00ff00ff.tmp.safetensors", ".tmpM72FQc"):  # ours, and the one safetensors writes first
        (folder / name).write_bytes(b"half")
    assert train.run(Request(folder, resume=True, device="cpu", points=False), QUIET) == 0
    assert_same_fit(folder, whole)


def test_no_space_for_a_save_keeps_the_last_one(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "room"
    saves = 0

    def save(target: Path, progress: Progress) -> None:
        nonlocal saves
        saves += 1
        if saves > 2:
            with scene.replacing(target / scene.CHECKPOINT) as temporary:
                temporary.write_bytes(b"half a checkpoint")
                raise OSError(28, "No space left on device")
        keep(target, progress)

    keep = train._save
    monkeypatch.setattr(train, "_save", save)
    monkeypatch.setattr(train, "SAVE_EVERY", 0.0)
    with pytest.raises(InputError, match="no space is left"):
        train.run(request(photos, folder), QUIET)
    assert checkpoint(folder).numbers["step"] == 2
    assert not list(folder.glob(".*"))


@pytest.mark.slow
def test_no_photos_held_out_is_fine(photos: Path, tmp_path: Path) -> None:
    console = Console(record=True, width=200)
    with console.capture() as captured:  # the one fit here that begins from triangulated points
        assert train.run(request(photos, tmp_path / "room", eval=0, steps=3, points=True), console) == 0
    assert "triangulating some from its photos" in captured.get()
    opened = Scene.open(tmp_path / "room")
    assert "psnr" not in opened.metrics and not any(view.held_out for view in opened.views)
    assert (tmp_path / "room" / "contact_sheet.png").exists()


def test_the_source_may_say_what_is_held_out(photos: Path) -> None:
    found = capture.load(photos)
    flagged = [
        type(photo)(photo.name, photo.path, photo.world_to_camera, photo.lens, held_out=i in (1, 2))
        for i, photo in enumerate(found.photos)
    ]
    frames = [capture.Frame(photo.name, ring(1)[0], Path("x")) for photo in flagged]
    found = capture.Capture(tuple(flagged), found.points, found.colors)
    assert [f.name for f in plans.divide(found, frames, None)[1]] == [flagged[1].name, flagged[2].name]
    assert [f.name for f in plans.divide(found, frames, 5)[1]] == [flagged[0].name, flagged[5].name]


@pytest.mark.slow
def test_options_reach_the_fit(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "room"
    options = {"resolution": 32, "density": "classic", "seed": 7, "cap": 64, "steps": 3, "sh_degree": 0, "eval": 5}
    options["outside_mask"] = "empty"
    train.run(request(photos, folder, **options), QUIET)
    opened = Scene.open(folder)
    assert max(opened.views[0].camera.width, opened.views[0].camera.height) == 32
    assert all(view.background for view in opened.views) and opened.config["outside_mask"] == "empty"
    assert opened.gaussians.sh.shape[1] == 1 and len(opened.gaussians) <= 64
    assert [view.held_out for view in opened.views] == [True] + [False] * 4 + [True] + [False] * 4
    assert opened.config["train"]["density"] == "classic" and opened.config["train"]["seed"] == 7


@pytest.mark.slow
def test_a_time_budget_is_kept(photos: Path, tmp_path: Path) -> None:
    train.run(request(photos, tmp_path / "room", minutes=0.1), QUIET)
    assert checkpoint(tmp_path / "room").numbers["seconds"] == pytest.approx(6.0, rel=0.1)


@pytest.mark.slow
def test_tensorboard_files_when_asked_for(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train.run(request(photos, tmp_path / "room", tensorboard=True, steps=10), QUIET)
    assert list((tmp_path / "room" / "tensorboard").glob("events*"))


def progress(step: int, seconds_left: float = 61.0) -> Progress:
    return Progress(step, 100, 0.1234, 25.5, 1234, 1.0, seconds_left, TrainState({}))


def test_facts_are_said_in_one_line() -> None:
    assert facts(progress(7)) == "step 7/100  loss 0.1234  PSNR 25.50 dB  1,234 Gaussians  1:01 left"
    assert clock(3725) == "1:02:05" and clock(59.6) == "1:00" and clock(-1) == "0:00"


def test_without_a_terminal_a_line_now_and_then_and_at_the_end() -> None:
    console = Console(record=True, width=200, force_terminal=False)
    with console.capture() as captured, Watch(console) as watch:
        for step in range(1, 101):
            watch.show(progress(step))
    assert [line.split()[1] for line in captured.get().splitlines()] == ["1/100", "100/100"]


def test_in_a_terminal_a_live_bar() -> None:
    console = Console(width=140, force_terminal=True)
    with console.capture() as captured, Watch(console) as watch:
        watch.show(progress(50))
    text = captured.get()
    assert "fitting" in text and "step 50/100" in text and "1,234 Gaussians" in text and "1:01 left" in text


def test_config_and_metrics_are_plain_json(whole: Path) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is no JSON")

    for name in (scene.CONFIG, scene.METRICS, scene.CAMERAS):
        json.loads((whole / name).read_text(), parse_constant=refuse)
