"""Parts of gpu.py that train: steps a second and memory with and without features, and the bundled capture."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_machine import Machine, generated, note, view

from semsplat.distill.fit_joint import Together
from semsplat.distill.maps import make
from semsplat.distill.teachers.base import Card, Teacher
from semsplat.splatting import capture as captures
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.losses import psnr, ssim
from semsplat.splatting.splat import splat
from semsplat.splatting.start import start
from semsplat.splatting.train import begin, train
from semsplat.splatting.train_types import TrainConfig

PHOTOS = 4


class Noise(Teacher):
    """Smooth random maps: what a teacher gives, without one."""

    card = Card("noise", "random maps for timing", "none", None, words=False)

    def __init__(self, channels: int, grid: tuple[int, int]) -> None:
        self.channels, self.grid = channels, grid

    def look(self, image: torch.Tensor, name: str = "") -> torch.Tensor:
        make_ = torch.Generator().manual_seed(len(name) + ord(name[0]))
        basis = torch.randn(8, self.channels, generator=make_)
        return torch.rand(*self.grid, 8, generator=make_) @ basis

    def memory(self) -> dict[str, Any]:
        return {}


def photos(folder: Path, size: tuple[int, int]) -> list[Frame]:
    """Pictures of noise around the box: what is in them makes no difference to the time."""
    made = []
    for k in range(PHOTOS):
        camera = view(*size, 6.28 * k / PHOTOS)
        np.save(folder / f"{k}.npy", np.random.default_rng(k).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8))
        made.append(Frame(f"{k}.jpg", camera, folder / f"{k}.npy"))
    return made


def run(machine: Machine, features: int, folder: Path) -> dict[str, Any]:
    """Steps a second in the middle of a fit, where pictures have their full size; the most memory."""
    frames = photos(folder, machine.sizes[0])
    config = TrainConfig(steps=100_000, cap=machine.count)
    loss = None
    if features:
        maps = make(frames, Noise(features, machine.grid), folder / f"maps{features}", features)
        loss = Together(maps, "joint", maps.dimension, torch.device(machine.device)).loss
        features = maps.dimension
    if machine.device == "cuda":
        torch.cuda.empty_cache()
    machine.peak_gb()
    state = begin(generated(machine.count, features=features).to(machine.device), config)
    state.numbers |= {"step": 50_000, "rounds": 50, "refined_at": 50_000}
    times = []
    for _ in train(generated(1), frames, config, loss, state):  # not looked at: there is a state
        machine.wait()
        times.append(time.perf_counter())
        if len(times) > machine.steps:
            break
    steps = np.diff(times)[len(times) // 3 :]
    kinds = {name: str(t.dtype).removeprefix("torch.") for name, t in state.tensors.items() if "features" in name}
    return {
        "features": features,
        "steps_per_second": round(1.0 / float(np.median(steps)), 2),
        "peak_gb": machine.peak_gb(),
        "kinds": kinds,
    }


def training_speed(machine: Machine, notes: Path) -> dict[str, Any]:
    """Without features, with 128 and with 512 for each Gaussian; what they cost in memory. Goal: under 8 GB."""
    found: dict[str, Any] = {"gaussians": machine.count, "size": machine.sizes[0]}
    with tempfile.TemporaryDirectory(prefix="semsplat-") as folder:
        for features in (0, machine.widest // 4, machine.widest):
            found[str(features)] = run(machine, features, Path(folder))
            note(notes, found)
    without, most = found["0"]["peak_gb"], found[str(machine.widest)]["peak_gb"]
    if without is not None:
        found |= {"extra_gb": round(most - without, 3), "goal_extra_gb": 8}
    return found


def memory(machine: Machine, notes: Path) -> dict[str, Any]:
    """What a wide product and its gradient hold beyond values and gradient: at a map's cells, and at all pixels."""
    gaussians, found = generated(machine.count).to(machine.device), {}
    blend = splat(gaussians, view(*machine.sizes[-1])).detach()
    values = machine.random(machine.count, machine.widest).requires_grad_()
    for name, draw in (
        ("cells", lambda: blend.means(values, *machine.grid)),
        ("pixels_half", lambda: blend @ values.to(torch.bfloat16)),
    ):
        machine.peak_gb()
        before = torch.cuda.memory_allocated() / 1e9 if machine.device == "cuda" else None
        draw().float().square().mean().backward() if name == "cells" else draw().square().mean().backward()
        values.grad = None
        most = machine.peak_gb()
        found[name] = {"extra_gb": None if most is None or before is None else round(most - before, 3)}
        note(notes, found)
    return found


def training(machine: Machine, notes: Path) -> dict[str, Any]:
    """The bundled capture, for a stated time, by both kinds of density control; quality on held-out photos."""
    from semsplat import assets

    found = captures.load(Path(assets.__file__).parent / "room")
    with tempfile.TemporaryDirectory(prefix="semsplat-") as folder:
        frames = captures.prepare(found, Path(folder), 32 if machine.dry else None)
        held_out = {photo.name for photo in found.photos if photo.held_out}
        scores: dict[str, Any] = {}
        for density in ("mcmc", "classic"):
            if machine.dry:
                config = TrainConfig(steps=2, cap=200, density=density, sh_degree=0)
            else:
                config = TrainConfig(minutes=machine.minutes, cap=200_000, density=density)
            scores[density] = fitted(machine, found, frames, held_out, config)
            note(notes, scores)
    return scores


def fitted(
    machine: Machine, found: Any, frames: list[Frame], held_out: set[str], config: TrainConfig
) -> dict[str, Any]:
    learn = [frame for frame in frames if frame.name not in held_out]
    machine.peak_gb()
    first = start(found, config, learn).to(machine.device)
    first = first[:60] if machine.dry else first
    *_, last = train(first, learn, config)
    gaussians: Gaussians = last.gaussians
    scores = []
    for frame in [frame for frame in frames if frame.name in held_out][: 1 if machine.dry else None]:
        with torch.no_grad():
            drawn = (splat(gaussians, frame.camera) @ gaussians.colors(frame.camera)).clamp(0, 1)
        photo, _ = frame.shown_to(frame.camera, torch.device(machine.device))
        scores.append((psnr(drawn, photo), float(ssim(drawn, photo))))
    return {
        "minutes": config.minutes,
        "steps": last.step,
        "steps_per_second": round(last.step / last.seconds, 2),
        "gaussians": last.count,
        "held_out_views": len(scores),
        "held_out_psnr_db": round(statistics.mean(score[0] for score in scores), 3),
        "held_out_ssim": round(statistics.mean(score[1] for score in scores), 4),
        "peak_gb": machine.peak_gb(),
    }
