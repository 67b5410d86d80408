"""Fitting Gaussians to frames. The loop yields; whoever calls it watches, draws, saves."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from . import density, distortion, exposure, processes
from .blend import Blend
from .camera import Camera
from .capture.types import Frame
from .errors import InputError
from .gaussians import Gaussians
from .losses import photometric
from .optimizer import BETAS, adam, moment_type
from .splat import splat
from .train_types import Progress, TrainConfig, TrainState, device_of

FeatureLoss = Callable[[Blend, Frame, Tensor], Tensor | None]  # (blend, frame, features (n, d)) -> loss

MEAN_RATE, MEAN_RATE_END = 1.6e-4, 1.6e-6  # times the extent; as Kerbl et al. 2023 for 30,000 steps
RATES = {"quats": 1e-3, "log_scales": 5e-3, "logit_opacities": 5e-2, "sh": 2.5e-3, "features": 2.5e-3}
SH_REST = 1.0 / 20.0  # of the rate of the first coefficient
SHORT = 30_000  # photos looked at for which the rates are meant; a shorter fit moves means faster, up to FASTER times
FASTER = 6.0
SH_UNTIL = 0.4  # of the fit: all degrees of the spherical harmonics are in use from here on
COARSE = ((0.08, 4), (0.25, 2))  # until these shares of the fit, pictures are so many times smaller
ROUNDS = 100  # refinements in a whole fit
LEAST_STEPS = 10  # between two refinements: a slow machine in a short time grows fewer Gaussians, not blurred ones
REFINE_FROM, REFINE_UNTIL = 0.02, 0.8
CLASSIC_UNTIL, CLASSIC_RESETS = 0.55, (0.15, 0.35)
REGULARISE = 0.002  # weight of mean opacity and mean scale (Kheradmand et al. 2024, eq. 10; theirs is 0.01)


def begin(gaussians: Gaussians, config: TrainConfig) -> TrainState:
    """A training state before its first step."""
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in gaussians.tensors()}
    for name in ("means", *RATES):
        for moment in ("adam_first", "adam_second"):
            kind = moment_type(name, tensors[name])
            tensors[f"{moment}.{name}"] = torch.zeros_like(tensors[name], dtype=kind)
    next_id = int(gaussians.ids.max()) + 1 if len(gaussians) else 0
    numbers = {"step": 0, "views": 0, "seconds": 0.0, "rounds": 0, "refined_at": 0, "next_id": next_id}
    numbers["psnr"] = math.nan
    state = TrainState(tensors, numbers)
    density.ready(state, config)
    return state


def train(
    gaussians: Gaussians,
    frames: Sequence[Frame],
    config: TrainConfig,
    feature_loss: FeatureLoss | None = None,
    state: TrainState | None = None,
    stop: Callable[[], bool] | None = None,
    feature_geometry: bool = False,
) -> Iterator[Progress]:
    """Fit ``gaussians`` to ``frames``, ``config.batch`` views a step, and yield the facts after each.

    The device of the Gaussians decides where it runs. Given ``state`` (of an earlier run), ``gaussians`` is not looked
    at and the fit goes on there: bit for bit on the CPU when steps, and not minutes, are the limit. Several processes
    (see :mod:`.processes`) that are given the same share the views of each step and all have its whole result: as one
    process does with the same batch, but for the rounding of sums.

    Args:
        feature_loss: added to the loss; sees the blend without its geometry, so meaning never moves the shape.
        stop: asked after each step; True, in any process, ends the fit.
        feature_geometry: let the feature loss see the geometry, so that it moves the shape, too.

    Raises:
        InputError: fewer than two frames, or no Gaussians.
        Lost: another process is gone; the state is that after the last step that was yielded.
    """
    if len(frames) < 2:
        raise InputError(f"Fitting needs at least 2 views, {len(frames)} given.")
    state = state or begin(gaussians, config)
    if len(state.tensors["means"]) == 0:
        raise InputError("Fitting needs at least one Gaussian to begin with.")
    density.ready(state, config)
    exposure.ready(state, len(frames), config)
    extent = density.scene_extent(torch.stack([f.camera.center for f in frames]))
    fit = _Fit(frames, config, extent, time.perf_counter() - state.numbers["seconds"], feature_loss, feature_geometry)
    while (share := _share(state, config)) < 1.0:
        with one_torch_thread(device_of(state)):
            loss, error = _step(state, fit, share)
        _record(state, loss, error)
        yield _progress(state, config, loss)
        if stop is not None and processes.any_of(stop()):
            return


@dataclass(frozen=True)
class _Fit:
    """What stays the same from step to step."""

    frames: Sequence[Frame]
    config: TrainConfig
    extent: float  # of the scene, world units
    began: float  # by the clock of time.perf_counter, as if it had never been broken off
    feature_loss: FeatureLoss | None
    feature_geometry: bool


@contextmanager
def one_torch_thread(device: torch.device) -> Iterator[None]:
    """On the CPU our kernels have the cores: torch's, which spin between small operations, take them away.

    Measured on two cores: a step takes a third of the time.
    """
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if device.type == "cpu":
            torch.set_num_threads(before)


def _share(state: TrainState, config: TrainConfig) -> float:
    """How much of the fit is done, in [0, 1]: by steps, or by the clock where there is a time budget."""
    if config.minutes is not None:
        return min(1.0, state.numbers["seconds"] / (60.0 * config.minutes))
    return min(1.0, state.numbers["step"] / config.steps)


def _step(state: TrainState, fit: _Fit, share: float) -> tuple[float, float]:
    """Draw, compare, go back, move the parameters, control the density. Gives (loss, squared error).

    Nothing is changed before all processes have given what they found.
    """
    config, step = fit.config, int(state.numbers["step"])
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    backdrops = torch.rand(config.batch, 3, generator=generator)
    leaves = {name: state.tensors[name].requires_grad_() for name in ("means", *RATES)}
    scene = Gaussians(**leaves, ids=state.tensors["ids"])
    facts = torch.zeros(3 + len(leaves), dtype=torch.float64)  # loss, error, seconds; whether there is a gradient
    pulls, maps = density.nothing_seen(state, config), exposure.leaf(state, config)
    first = int(state.numbers.get("views", step))
    chosen = [_choose(len(fit.frames), first + k, config.seed) for k in range(config.batch)]
    for k in processes.share(range(config.batch)):
        frame, own = fit.frames[chosen[k]], [each[chosen[k]] for each in maps]
        pull = config.depth_distortion * distortion.EVERY if distortion.due(share, first + k) else 0.0
        loss, error, blend = _compare(scene, frame, share, config, backdrops[k], own, pull)
        if (feature_loss := fit.feature_loss) is not None:
            extra = feature_loss(blend if fit.feature_geometry else blend.detach(), frame, scene.features)
            loss = loss if extra is None else loss + extra
        loss = loss / config.batch
        loss.backward()
        facts[:2] += torch.tensor([loss.item(), error / config.batch], dtype=torch.float64)
        density.watch(pulls, blend, config)
    facts[2] = (time.perf_counter() - fit.began) * processes.is_first()
    facts[3:] = torch.tensor([parameter.grad is not None for parameter in leaves.values()])
    processes.add([facts])
    loss, error, state.numbers["seconds"], *moved = facts.tolist()
    gradients = {name: _gradient(p) for (name, p), moves in zip(leaves.items(), moved, strict=True) if moves}
    of_maps = [_gradient(each) for each in maps]
    processes.add([*gradients.values(), *of_maps, *pulls])
    with torch.no_grad():
        rate = _mean_rate(share, config, state) * fit.extent
        for gradient in of_maps:
            epoch = first // len(fit.frames) + 1
            exposure.move(state, gradient, chosen, share, epoch, config.batch)
        for name, parameter in leaves.items():
            state.tensors[name], parameter.grad = parameter.detach(), None
            if name in gradients:
                _move(state, name, gradients.pop(name), rate, step + 1, config.batch)
        _control(state, pulls, fit, share, rate, generator)
    state.numbers |= {"step": step + 1, "views": first + config.batch}
    return loss, error


def _gradient(parameter: Tensor) -> Tensor:
    """Of this process; zero where only others have one."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _choose(count: int, place: int, seed: int) -> int:
    """Each epoch goes through all of ``count`` frames in an order of its own."""
    epoch, place = divmod(place, count)
    shuffled = torch.randperm(count, generator=torch.Generator().manual_seed(seed + 7919 * epoch))
    return int(shuffled[place])


def _compare(
    scene: Gaussians,
    frame: Frame,
    share: float,
    config: TrainConfig,
    backdrop: Float[Tensor, "3"],
    maps: Sequence[Float[Tensor, "3 4"]],
    pull: float,
) -> tuple[Tensor, float, Blend]:
    factor = next((times for until, times in COARSE if share < until), 1)
    camera = frame.camera.scaled(1.0 / factor)
    photo, weight = frame.shown_to(camera, scene.means.device)
    blend, values = splat(scene, camera), _colors(scene, camera, share)
    if pull:
        values = torch.cat([values, distortion.moments(scene, camera)], dim=1)
    image, alpha = blend.composite(values)
    rendered = image[..., :3]
    for own in maps:
        rendered = exposure.shown(rendered, alpha, own)
    if weight is not None and frame.background:
        backdrop = backdrop.to(photo)
        rendered, photo = rendered + (1 - alpha) * backdrop, photo * weight + (1 - weight) * backdrop
    elif weight is not None:
        rendered = photo + weight * (rendered - photo)  # what is masked out is right already
    loss = photometric(rendered, photo)
    error = torch.mean((rendered.detach() - photo) ** 2).item()
    if config.density == "mcmc":
        loss = loss + REGULARISE * (scene.opacities.mean() + scene.scales.mean())
    if pull:
        loss = loss + pull * distortion.spread(image[..., 3:], alpha)
    for own in maps:
        loss = loss + exposure.distance(own)
    return loss, error, blend


def _colors(scene: Gaussians, camera: Camera, share: float) -> Tensor:
    """Colours with the degrees of spherical harmonics in use so far: one more every quarter of SH_UNTIL."""
    degree = min(scene.sh_degree, int(share / SH_UNTIL * (scene.sh_degree + 1)))
    return scene.colors(camera, degree)


def _mean_rate(share: float, config: TrainConfig, state: TrainState) -> float:
    """Learning rate of the means over the extent: falls exponentially; higher when the fit is a short one."""
    views = config.steps * config.batch
    if config.minutes is not None and share > 0:
        views = state.numbers["step"] * config.batch / share
    faster = min(FASTER, max(1.0, math.sqrt(SHORT / max(views, 1.0))))
    falling = math.exp((1 - share) * math.log(MEAN_RATE) + share * math.log(MEAN_RATE_END))
    return math.sqrt(config.batch) * faster * falling


def _move(state: TrainState, name: str, gradient: Tensor, mean_rate: float, step: int, batch: int) -> None:
    """Rates and momenta of a step that stands for ``batch`` small ones (Zhao et al. 2025, Grendel-GS, sec. 4.2)."""
    first, second = state.tensors[f"adam_first.{name}"], state.tensors[f"adam_second.{name}"]
    rate = mean_rate if name == "means" else math.sqrt(batch) * RATES[name]
    betas = BETAS[0] ** batch, BETAS[1] ** batch
    adam(state.tensors[name], gradient, first, second, rate, step, rate * SH_REST if name == "sh" else None, betas)


def _control(
    state: TrainState,
    pulls: Sequence[Tensor],
    fit: _Fit,
    share: float,
    rate: float,
    generator: torch.Generator,
) -> None:
    """Density control: what is due at this share of the fit."""
    config, step = fit.config, state.numbers["step"]
    density.note(state, pulls, config)
    due = int(share * ROUNDS) > state.numbers["rounds"] and step - state.numbers["refined_at"] >= LEAST_STEPS
    if due:
        state.numbers["rounds"], state.numbers["refined_at"] = int(share * ROUNDS), step
    if config.density == "mcmc":
        density.add_noise(state, rate, generator)
        first = int(state.numbers.get("views", step))
        if first // len(fit.frames) < (first + config.batch) // len(fit.frames):
            density.hide_unseen(state)
        if due and REFINE_FROM <= share < REFINE_UNTIL:
            rounds_left = int((density.MCMC_FULL_AT - share) * ROUNDS)
            density.refine_mcmc(state, config, rounds_left, generator)
        return
    if due and REFINE_FROM <= share < CLASSIC_UNTIL:
        density.refine_classic(state, config, fit.extent, generator)
        resets = state.numbers.get("resets", 0)
        if resets < len(CLASSIC_RESETS) and share >= CLASSIC_RESETS[int(resets)]:
            density.reset_opacities(state)


def _record(state: TrainState, loss: float, error: float) -> None:
    psnr = -10.0 * math.log10(max(error, 1e-10))
    before = state.numbers["psnr"]
    state.numbers["psnr"] = psnr if math.isnan(before) else 0.95 * before + 0.05 * psnr
    step = int(state.numbers["step"])
    if step % 10 == 0 or step == 1:
        state.curve.append((step, loss, state.numbers["psnr"]))


def _progress(state: TrainState, config: TrainConfig, loss: float) -> Progress:
    step, seconds, share = int(state.numbers["step"]), state.numbers["seconds"], _share(state, config)
    planned = config.steps if config.minutes is None else round(step / max(share, 1e-6))
    left = seconds * (1 - share) / max(share, 1e-6)
    return Progress(step, planned, loss, state.numbers["psnr"], len(state.tensors["means"]), seconds, left, state)
