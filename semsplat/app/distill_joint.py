"""``semsplat distill --method joint`` and ``decoder``: the scene is fitted anew, codes together with colours."""

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from ..distill import fit_joint
from ..distill.fit_joint import Together
from ..distill.teachers import open_teacher
from ..distill.teachers.base import Options
from ..splatting import processes
from ..splatting.capture.types import Frame
from ..splatting.errors import InputError
from . import scene as scenes
from . import train
from .cli_meaning import Distill
from .distilling import finish, make_maps, photos, stored_field
from .plan import Request
from .progress import say
from .scene import Scene


def run(request: Distill, opened: Scene, options: Options, console: Console) -> int:
    """Fit the scene's photos again, as it was fitted, with codes; a new scene folder with the field in it.

    Raises:
        InputError: no new folder is given, or the photos that the scene was fitted from are gone.
    """
    began = time.monotonic()
    wanted = as_fitted(request, opened)
    processes.first(scenes.claim, wanted.folder)
    teacher = open_teacher(request.teacher, options)
    training, held_out = photos(opened, teacher, console)
    say(console, f"Teacher: {teacher.name}, {teacher.channels} channels; device: {options.device.type}.")
    dimension = request.dimension if request.method == "joint" else None
    made = make_maps(opened.folder, teacher, training, held_out, dimension, console)
    made_for: list[Together] = []

    def meaning(frames: Sequence[Frame], _: Sequence[Frame]) -> Together:
        numbers = made.dimension if request.method == "joint" else request.dimension or fit_joint.DECODED
        method = "decoder" if request.method == "decoder" else "joint"
        together = Together(made, method, numbers, options.device, request.feature_geometry)
        made_for.append(together)
        return together

    status = train.run(wanted, console, meaning)
    if status:
        return status
    fitted = Scene.open(wanted.folder)
    state = scenes.load_checkpoint(wanted.folder)
    assert state is not None  # the fit saved it
    gaussians = state.gaussians.to(options.device)
    gaussians = gaussians[gaussians.is_finite()]
    reliability = fit_joint.agreement(gaussians, training, made)
    facts: dict[str, Any] = {**made.facts, "method": request.method, "views": len(training)}
    facts |= {"feature_geometry": request.feature_geometry, "steps": int(state.numbers["step"])}
    facts["fit_seconds"] = round(state.numbers["seconds"], 1)
    decoder, codes = made_for[0].decoder.cpu(), gaussians.features
    if request.method == "joint":  # in the basis of the maps, as lifted codes are
        codes, decoder = codes * made_for[0].unit, made.basis.rows
    stored = stored_field(gaussians, teacher, made, codes, decoder, reliability, facts, held_out)
    stored.facts["seconds"] = round(time.monotonic() - began, 1)
    processes.first(finish, fitted, stored, console)
    return 0


def as_fitted(request: Distill, opened: Scene) -> Request:
    """The fit that made the scene, by steps, into the new folder."""
    if request.out is None:
        raise InputError(f"--method {request.method} fits the scene anew: give a new folder with -o.")
    if request.out.exists() and request.out.resolve() == opened.folder.resolve():
        raise InputError(f"--method {request.method} fits the scene anew: -o must be another folder than the scene's.")
    if scenes.is_scene(request.out):
        raise InputError(f"{request.out} already holds a scene; choose another folder with -o, or remove it.")
    config = opened.config
    source = opened.source
    if not source.exists():
        raise InputError(f"The photos that {opened.folder} was fitted from are gone ({source}); put them back.")
    try:
        fit = dict(config["train"])
        steps = request.steps or opened.metrics.get("training", {}).get("step") or fit["steps"]
        frames = {name: config[name] for name in ("resolution", "eval", "outside_mask")}
    except (KeyError, TypeError) as error:
        raise InputError(f"{opened.folder / scenes.CONFIG} is not whole ({error}); fit the scene again.") from error
    fit |= {"steps": int(steps), "minutes": None, "batch": max(fit.get("batch", 1), processes.count())}
    generated = bool(config.get("generated"))
    return Request(request.out, source, device=request.device, generated=generated, **frames, **fit)
