"""``semsplat train``: from a source of photos to a scene folder, watched, saved and gone on with."""

import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from ..distill.fit_joint import Together
from ..splatting import capture as captures
from ..splatting import processes
from ..splatting import train as fitting
from ..splatting.capture import Capture, Frame
from ..splatting.capture.suspect import SUSPECT
from ..splatting.capture.triangulate import triangulate
from ..splatting.start import FEW, start
from ..splatting.train_types import Progress, TrainState
from . import evaluate, pictures, posing, scene, upright
from . import plan as plans
from .board import Board
from .layers import Rgb
from .live import FITTING, live
from .plan import Plan, Request
from .progress import Watch, clock, counter, say
from .session import Session
from .warmup import warm_up

Meaning = Callable[[list[Frame], list[Frame]], Together]
SAVE_EVERY = 30.0  # seconds between checkpoints
SHOW_EVERY = 2.0  # seconds between scenes for those who watch, at least
INTERRUPTED = 130  # exit status after Ctrl-C, as shells have it


def run(request: Request, console: Console, meaning: Meaning | None = None) -> int:
    """Fit, save, score; returns the exit status. Of several processes the first one writes, and all come by here.

    Args:
        meaning: given the training and held-out photos, what is to be fitted together with the colours.

    Raises:
        SemsplatError: anything that the person at the keyboard can mend.
    """
    processes.first(scene.claim, request.folder, request.resume, request.overwrite)
    device = plans.pick_device(request.device)
    say(console, f"Device: {device.type} ({plans.why(device, request.device)}).")
    plan = plans.resumed(request) if request.resume else plans.fresh(request, device)
    state = scene.load_checkpoint(request.folder) if request.resume else None
    found = plans.unmasked(posing.capture_of(plan, request, console), plan.outside_mask)
    for note in found.notes:
        say(console, note if note.startswith(SUSPECT) else f"Note: {note}")
    frames = captures.prepare(
        found, request.folder / scene.CACHE, plan.resolution, counter(console, "preparing photos")
    )
    frames = plans.masked(frames, plan.outside_mask)
    training, held_out = plans.divide(found, frames, plan.eval)
    processes.first(scene.sweep if request.resume else scene.clear, request.folder)
    together = meaning(training, held_out) if meaning else None
    config = plan.as_json(device) | ({plans.TOGETHER: True} if together else {})
    processes.first(scene.write_json, request.folder / scene.CONFIG, config)
    processes.first(scene.write_cameras, request.folder, frames, held_out)
    say(console, _intention(plan, found, training, held_out))
    stopped = _fit(request, plan, found, training, state, device, console, together)
    if stopped is not None and together:
        say(console, f"Stopped at step {stopped.step} of {stopped.steps}; a fit with features begins again next time.")
        return INTERRUPTED
    if stopped is not None:
        say(console, f"Stopped at step {stopped.step} of {stopped.steps} and saved. {_again(request.folder)}")
        return INTERRUPTED
    processes.first(_finish, request.folder, training, held_out, device, console)
    return 0


@contextmanager
def interruptions() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM set the event instead of tearing a step apart; a second Ctrl-C is the usual one."""
    stop = threading.Event()

    def ask_to_stop(number: int, frame: object) -> None:
        stop.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    for number in before:
        signal.signal(number, ask_to_stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fit(
    request: Request, plan: Plan, found: Capture, training: list[Frame], state: TrainState | None,
    device: torch.device, console: Console, together: Together | None,
) -> Progress | None:  # fmt: skip
    """Run the loop to its end and save; where it was stopped by Ctrl-C, the last progress."""
    last, keep = None, Keeper(request.folder)
    with (
        Watch(console) as watch,
        interruptions() as stop,
        Board(request.folder, request.tensorboard and processes.is_first()) as board,
        live(request.folder, FITTING) as told,
    ):
        warm_up(device, plan.config, watch.say)
        state = _begun(request, plan, found, training, state, together, watch)
        state.tensors = {name: tensor.to(device) for name, tensor in state.tensors.items()}
        extra: dict[str, Any] = {}
        if together is not None:
            extra = {"feature_loss": together.loss, "feature_geometry": together.feature_geometry}
        loop = fitting.train(state.gaussians, training, plan.config, state=state, stop=stop.is_set, **extra)
        try:
            for last in loop:
                if together is not None:
                    together.learn()
                watch.show(last)
                board.add(last)
                keep.see(last)
                told.show(last)
                if told.wishes_stop(meanwhile=processes.hold):
                    stop.set()
        except processes.Lost:
            if last is not None:
                keep.save(last)
                watch.say(f"Step {last.step} is saved. {_again(request.folder)}")
            raise
        stopped = processes.any_of(stop.is_set())
        if last is not None:
            keep.save(last)
        elif stopped:
            raise KeyboardInterrupt  # before the first step: there is nothing new to save
        else:
            watch.say("Nothing is left to fit; give more --steps or --minutes to go on.")
    return last if stopped else None


def _begun(
    request: Request, plan: Plan, found: Capture, training: list[Frame], state: TrainState | None,
    together: Together | None, watch: Watch,
) -> TrainState:  # fmt: skip
    """The state that the fit goes on from, on the CPU: what was saved, or a beginning; the same in all processes."""
    if state is None and processes.is_first():
        gaussians = start(_with_points(request, found, training, watch), plan.config, training)
        if together is not None:
            gaussians = gaussians.replace(features=gaussians.means.new_zeros(len(gaussians), together.dimension))
        state = fitting.begin(gaussians, plan.config)
    state = state or TrainState({})
    tensors, (numbers, curve) = processes.of_first(state.tensors, (state.numbers, state.curve))
    return TrainState(tensors, numbers, [tuple(point) for point in curve])


class Keeper:
    """Saves now and then, and shows the scene between saves; in the first process only."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._shown = folder, Shown(folder)
        self._saved_at = -SAVE_EVERY

    def see(self, progress: Progress) -> None:
        """After every step: do what is due."""
        if not processes.is_first():
            return
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self.save(progress)
            self._saved_at = self._shown.at = time.monotonic()
        elif self._shown.due():
            self._shown.write(progress)

    def save(self, progress: Progress) -> None:
        """Save the state and the scene."""
        if processes.is_first():
            _save(self._folder, progress)


class Shown:
    """Writes the scene between saves, for those who watch: the faster it is written, the more often."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._cost = folder, 0.0
        self.at = time.monotonic()

    def due(self) -> bool:
        """Whether it is time, with a few per cent of it spent on writing."""
        return time.monotonic() - self.at >= max(SHOW_EVERY, 30.0 * self._cost)

    def write(self, progress: Progress) -> None:
        """Write scene.ply."""
        began = time.monotonic()
        scene.write_gaussians(self._folder, progress.gaussians)
        self.at = time.monotonic()
        self._cost = self.at - began


def _with_points(request: Request, found: Capture, training: list[Frame], watch: Watch) -> Capture:
    """The capture with points: its own, or triangulated ones; where empty space is known that is enough to begin."""
    if len(found.points) >= FEW or not request.points or all(frame.background for frame in training):
        return found
    watch.say(
        f"The capture has {len(found.points)} points: triangulating some from its photos (--no-points leaves it)."
    )
    report = counter(watch.console, "triangulating points")
    points, colors = triangulate(training, request.folder / scene.CACHE, report)
    if len(points) < FEW:
        watch.say(f"Only {len(points)} points were found, so the fit begins with random ones.")
        return found
    watch.say(f"{len(points):,} points triangulated.")
    return dataclasses.replace(found, points=points, colors=colors)


def _again(folder: Path) -> str:
    return f"Go on with: semsplat train -o {folder} --resume"


def _save(folder: Path, progress: Progress) -> None:
    scene.save_checkpoint(folder, progress.state)
    scene.write_gaussians(folder, progress.gaussians)


def _finish(folder: Path, training: list[Frame], held_out: list[Frame], device: torch.device, console: Console) -> None:
    """Score the held-out photos, write metrics and pictures, and say where everything is."""
    state = scene.load_checkpoint(folder)
    assert state is not None  # the loop saved it
    gaussians = state.gaussians.to(device)
    scores = evaluate.evaluate(gaussians, held_out, counter(console, "scoring"))
    step = int(state.numbers["step"])
    _, loss, psnr = state.curve[-1] if state.curve else (0, float("nan"), float("nan"))
    facts = {"step": step, "loss": loss, "psnr": psnr, "seconds": state.numbers.get("seconds")}
    metrics = {**evaluate.summary(scores), "gaussians": len(gaussians), "training": facts}
    scene.write_json(folder / scene.METRICS, metrics)
    pictures.curves(folder / scene.CURVES, state.curve)
    shown = (held_out or training)[0]
    pictures.save(folder / scene.PREVIEW, pictures.to_bytes(Session(gaussians).picture(shown.camera, Rgb())))
    if scores:
        mean = f"PSNR {metrics['psnr']:.2f} dB, SSIM {metrics['ssim']:.4f}"
        say(console, f"Held out: {mean} (mean of {len(scores)} photos).")
    evaluate.contact_sheet(folder / evaluate.SHEET, gaussians, held_out or training, scores)
    ours = scene.read_json(folder / scene.CONFIG).get(scene.POSES)  # else others may count on the numbers
    if ours and not (folder / scene.WORLD).exists():
        world, said = upright.stand(
            gaussians, [frame.camera for frame in (*training, *held_out)], report=counter(console, "finding the floor")
        )
        scene.write_json(folder / scene.WORLD, world.as_json)
        say(console, said)
    seconds = clock(state.numbers.get("seconds") or 0.0)
    say(console, f"{len(gaussians):,} Gaussians after {step} steps, {seconds}.")
    say(console, f"Scene: {folder}   look at it with: semsplat view {folder}")


def _intention(plan: Plan, found: Capture, training: list[Frame], held_out: list[Frame]) -> str:
    camera = training[0].camera
    length = f"{plan.config.minutes:g} minutes" if plan.config.minutes else f"{plan.config.steps} steps"
    if plan.config.batch > 1:
        length += f" of {plan.config.batch} photos"
    many = f" {processes.count()} processes share the photos." if processes.count() > 1 else ""
    return (
        f"Fitting {len(training)} photos of {camera.width} x {camera.height} ({len(held_out)} held out), "
        f"{len(found.points):,} points, {length}, at most {plan.config.cap:,} Gaussians.{many}"
    )
