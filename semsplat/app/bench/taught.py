"""Lifting against joint training on the bundled capture: how long each takes to the same error in held-out photos."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ... import assets
from ...distill import fit, maps
from ...distill.fit_joint import Together
from ...distill.teachers import open_teacher
from ...distill.teachers.base import Options
from ...splatting import capture
from ...splatting.capture.types import Frame
from ...splatting.gaussians import Gaussians
from ...splatting.splat import splat
from ...splatting.start import start
from ...splatting.train import train
from ...splatting.train_types import TrainConfig
from .clock import Limit, Spread, taken
from .rows import Row

LIFTS = {  # (sweeps, robust rounds)
    "mean": (0, 0),
    "mean, CG": (fit.SWEEPS, 0),
    "mean, CG, robust": (fit.SWEEPS, fit.ROUNDS),
}
RATES = (2.5e-3, 2.5e-2)  # learning rates of the joint fit: Feature 3DGS's, and ten times that; the better one counts
CHECK = 10  # steps between looks at the error, which cost no time of the fit's
DIMENSION = 64

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Case:
    """Fitted Gaussians and the maps of the photos."""

    gaussians: Gaussians
    training: Sequence[Frame]
    held_out: Sequence[Frame]
    made: maps.Maps
    truth: maps.Maps  # exact ones of the held-out photos

    def error(self, codes: Tensor) -> float:
        """Relative error of features in the held-out photos, against the exact annotations."""
        features = codes @ self.made.basis.rows.to(codes)
        return fit.held_out(self.gaussians, features @ self.truth.basis.rows.to(codes).T, self.held_out, self.truth)[0]


def prepared(folder: Path, device: torch.device, quick: bool, report: Report) -> Case:
    """The bundled capture, fitted a little, and its annotations as maps."""
    found = capture.load(assets.ROOM)
    frames = capture.prepare(found, folder / "photos", 80 if quick else 160)
    apart = {photo.name for photo in found.photos if photo.held_out}
    training, held_out = ([f for f in frames if (f.name in apart) == wanted] for wanted in (False, True))
    config = TrainConfig(steps=40 if quick else 600, cap=10_000)
    for progress in train(start(found, config, training).to(device), training, config):
        report(progress.step, progress.steps)
    names = assets.ROOM / "names.json"
    noisy, exact = (open_teacher("labels", Options(source=assets.ROOM / n, names=names, device=device))
                    for n in ("labels_noisy", "labels"))  # fmt: skip
    seen = [frame for frame in training if noisy.has(frame.name)][: 10 if quick else None]
    made = maps.make(seen, noisy, folder / "noisy", DIMENSION)
    truth = maps.make(held_out, exact, folder / "exact", exact.channels)
    gaussians = progress.gaussians
    return Case(gaussians[gaussians.is_finite()].detach(), seen, held_out, made, truth)


def measured(device: torch.device, quick: bool, limit: Limit, report: Report) -> Iterator[Row]:
    """A row for each way to lift: the seconds that joint training takes to be as good.

    None where joint training, on a busy machine, had less time than lifting took: that would say nothing.
    """
    with tempfile.TemporaryDirectory(prefix="semsplat-bench-") as folder:
        case = prepared(Path(folder), device, quick, report)
        fit.lift(case.gaussians, case.training[:1], case.made)  # code that is compiled or loaded once does not count
        lifts = {name: lifted(case, device, *how) for name, how in LIFTS.items()}
        joint = raced(case, device, *((0.2, 0.5) if quick else (4.0, 30.0)), limit, report)
    for name, (seconds, error) in lifts.items():
        arrived = next((spent for spent, reached in joint.curve if reached <= error), None)
        needed = arrived or joint.spent
        if arrived is None and needed < seconds and not quick:
            continue
        facts = {"held_out_error": round(error, 4), "joint_best_error": round(min(e for _, e in joint.curve), 4)}
        facts |= {"joint_rate": joint.rate, "views": len(case.training), "gaussians": len(case.gaussians)}
        facts["channels"] = case.made.dimension
        spreads = (Spread.of([seconds]), Spread.of([needed]), Spread.of([needed / seconds]))
        what = f"lifting ({name}) to an error of {error:.3f}"
        yield Row("lifting", what, "joint feature training", "s", *spreads, facts, at_least=arrived is None)


def lifted(case: Case, device: torch.device, sweeps: int, rounds: int) -> tuple[float, float]:
    """(seconds, error in held-out photos)."""
    found: list[fit.Lifted] = []
    seconds = taken(lambda: found.append(fit.lift(case.gaussians, case.training, case.made, sweeps, rounds)), device)
    return seconds, case.error(found[0].codes)


class Joint:
    """Feature 3DGS's feature loss, a step on one photo after another, and its error as time goes by.

    Only what features add to a step counts; the Gaussians stand still, so that both ways start from the same.
    """

    def __init__(self, case: Case, device: torch.device, rate: float) -> None:
        self.case, self.device, self.rate = case, device, rate
        self.spent, self.curve = 0.0, list[tuple[float, float]]()  # seconds; (seconds, error in held-out photos)
        self._loss = Together(case.made, "joint", case.made.dimension, device)
        self._codes = torch.zeros(len(case.gaussians), case.made.dimension, device=device, requires_grad=True)
        self._adam = torch.optim.Adam([self._codes], lr=rate)
        self._drawn = {frame.name: splat(case.gaussians, frame.camera) for frame in case.training}  # for its colours
        self._order = torch.Generator().manual_seed(0)

    def go_on(self, until: float, limit: Limit, report: Report) -> "Joint":
        """Steps until so many seconds are spent, or the time is over."""
        while not self.curve or (self.spent < until and not limit.over):
            self.spent += sum(taken(self._step, self.device) for _ in range(CHECK))
            self.curve.append((self.spent, self.case.error(self._codes.detach() * self._loss.unit)))
            report(round(1e3 * min(self.spent, until)), round(1e3 * until))
        return self

    def _step(self) -> None:
        frame = self.case.training[int(torch.randint(len(self.case.training), (1,), generator=self._order))]
        loss = self._loss.loss(self._drawn[frame.name], frame, self._codes)
        assert loss is not None  # every photo here has a map
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()


def raced(case: Case, device: torch.device, first: float, whole: float, limit: Limit, report: Report) -> Joint:
    """A joint fit at the better of the RATES: after ``first`` seconds of each, the one ahead goes on to ``whole``."""
    fits = [Joint(case, device, rate).go_on(first, limit, report) for rate in RATES]
    return min(fits, key=lambda one: one.curve[-1][1]).go_on(whole, limit, report)
