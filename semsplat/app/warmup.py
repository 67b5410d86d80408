"""The first step of the first fit on a machine compiles kernels; done here, before any clock runs, and said so."""

import dataclasses
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..splatting import train as fitting
from ..splatting.camera import Camera
from ..splatting.capture import Capture, Frame
from ..splatting.start import start
from ..splatting.train_types import TrainConfig

QUICK = 1.5  # seconds after which it is worth a sentence


def warm_up(device: torch.device, config: TrainConfig, say: Callable[[str], None]) -> None:
    """Run one step of a fit with these settings on a made-up scene of a few Gaussians, so that all is compiled."""
    where = "GPU kernels are compiled (once per machine, up to some minutes) ..."
    if device.type == "cpu":
        where = "CPU kernels are compiled (once per machine, about half a minute) ..."
    sentence = threading.Timer(QUICK, say, [where])
    sentence.daemon = True
    began = time.monotonic()
    sentence.start()
    try:
        with tempfile.TemporaryDirectory(prefix="semsplat-") as folder:
            _one_step(Path(folder), device, config)
    finally:
        sentence.cancel()
    if time.monotonic() - began > QUICK:
        say(f"... done after {time.monotonic() - began:.0f} s.")


def _one_step(folder: Path, device: torch.device, config: TrainConfig) -> None:
    pixels = folder / "frame.npy"
    np.save(pixels, np.full((48, 48, 3), 128, np.uint8))
    eye, target, up = torch.tensor([0.0, 0.0, -3.0]), torch.zeros(3), torch.tensor([0.0, -1.0, 0.0])
    frames = [Frame(f"{i}", Camera.look_at(eye, target, up, 0.9, 48, 48), pixels) for i in range(2)]
    make = torch.Generator().manual_seed(0)
    points = torch.rand(16, 3, generator=make) - 0.5
    capture = Capture((), points, torch.rand(16, 3, generator=make))
    tiny = dataclasses.replace(config, steps=2, minutes=None, cap=32)
    for _ in fitting.train(start(capture, tiny, frames).to(device), frames, tiny):
        pass
