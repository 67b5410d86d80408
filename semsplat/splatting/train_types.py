"""What goes into a fit and what comes out of each step; :mod:`.train` runs it."""

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from .gaussians import Gaussians


@dataclass(frozen=True)
class TrainConfig:
    """How to fit. Defaults suit a small capture on a CPU; the command line fills them in from the capture."""

    steps: int = 3000  # optimizer steps; ``batch`` views each
    minutes: float | None = None  # time budget: schedules follow the clock and fitting ends within a few per cent of it
    cap: int = 30_000  # never more Gaussians than this
    density: Literal["mcmc", "classic"] = "mcmc"  # Kheradmand et al. 2024, or Kerbl et al. 2023
    sh_degree: int = 3
    seed: int = 0
    batch: int = 1  # views of each step, all processes together
    depth_distortion: float = 0.0  # weight of what draws together along rays: see :mod:`.distortion`; 0: nothing does
    exposure: bool = False  # photos have affine colour maps of their own: see :mod:`.exposure`


@dataclass
class TrainState:
    """All that the next step depends on: saved and loaded whole, a fit goes on bit for bit on the CPU."""

    tensors: dict[str, Tensor]  # parameters, Adam moments, density statistics, random state; flat names
    numbers: dict[str, float] = field(default_factory=dict)  # step, seconds spent, ...
    curve: list[tuple[int, float, float]] = field(default_factory=list)  # (step, loss, PSNR in dB) of training views

    @property
    def gaussians(self) -> Gaussians:
        """The scene as it is now: a detached copy that later steps do not change."""
        columns = {name: self.tensors[name] for name in Gaussians.names()}
        return Gaussians(**columns).map(lambda tensor: tensor.detach().clone())


@dataclass(frozen=True)
class Progress:
    """Facts after one step."""

    step: int  # finished steps
    steps: int  # planned steps; an estimate while a time budget runs
    loss: float
    psnr: float  # dB, running mean over recent training views
    count: int  # Gaussians
    seconds: float  # spent so far, earlier runs included
    seconds_left: float
    state: TrainState  # live: read it between steps only

    @property
    def gaussians(self) -> Gaussians:
        """A copy of the scene now."""
        return self.state.gaussians


def device_of(state: TrainState) -> torch.device:
    """Where the fit runs."""
    return state.tensors["means"].device
