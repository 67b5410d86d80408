"""``semsplat distill``: a teacher's features for the Gaussians of a scene, or of anybody's file."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from rich.console import Console

from ..distill import fit, maps
from ..distill.field import StoredField
from ..distill.teachers import open_teacher
from ..distill.teachers.base import Options, Teacher
from ..splatting import capture as captures
from ..splatting import processes
from ..splatting.capture.types import Frame, Lens
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.splat import rasterizer
from . import distill_joint
from . import plan as plans
from .cli_meaning import Distill
from .distill_file import as_scene
from .distilling import arriving, finish, make_maps, photos, stored_field
from .live import Live, live
from .progress import counter, say
from .scene import Scene

BY_NAME = ("labels", "folder")  # teachers that have a file for each photo


def run(request: Distill, console: Console) -> int:
    """Make the maps, make the field, save it, show what it is like; returns the exit status.

    Raises:
        SemsplatError: anything that the person at the keyboard can mend.
    """
    check(request)
    began = time.monotonic()
    device = plans.pick_device(request.device)
    if request.scene.is_file():
        _check_teacher_of_file(request)
        processes.first(as_scene, request, device, console)
    opened = Scene.open(request.out if request.out is not None and request.scene.is_file() else request.scene)
    if request.method != "lift":
        return distill_joint.run(request, opened, _options(request, opened, device, console), console)
    teacher = open_teacher(request.teacher, _options(request, opened, device, console))
    training, held_out = photos(opened, teacher, console)
    say(console, f"Teacher: {teacher.name}, {teacher.channels} channels; device: {device.type} ({rasterizer(device)}).")
    with live(opened.folder, f"distilling {teacher.name}", obeys=False) as told:
        made = make_maps(opened.folder, teacher, training, held_out, request.dimension, console, told)
        with arriving(opened.folder, teacher, made) as show:
            gaussians = opened.gaussians.to(device)
            stored = lifted(gaussians, teacher, made, training, held_out, request, console, told, show)
    stored.facts["seconds"] = round(time.monotonic() - began, 1)
    processes.first(finish, opened, stored, console)
    return 0


def check(request: Distill) -> None:
    """Say no to what makes no sense, before any work."""
    least = {"dimension": 1, "sweeps": 0, "views": 4, "steps": 1}
    for name, low in least.items():
        value = getattr(request, name)
        if value is not None and value < low:
            raise InputError(f"--{name} {value} is too small; the least is {low}.")
    if not request.scene.exists():
        raise InputError(f"There is no {request.scene}; give a scene folder or a file of Gaussians.")
    if request.scene.is_dir() and request.method == "lift" and request.out is not None:
        raise InputError("-o is for a file of Gaussians, and for joint and decoder; lift writes into the scene.")


def _check_teacher_of_file(request: Distill) -> None:
    """A teacher that goes by the names of photos is of no use without them: said before any work."""
    if request.teacher in BY_NAME:
        raise InputError(f"The teacher '{request.teacher}' goes by the names of photos, and {request.scene} has none.")


def _options(request: Distill, opened: Scene, device: torch.device, console: Console) -> Options:
    """How the teacher is opened. Annotations bend with the photos' lenses, so those are looked up in the source."""
    source = request.labels or request.maps
    lenses: dict[str, Lens] = {}
    if source is not None:
        taken_from = opened.source
        if taken_from.exists():
            lenses = {photo.name: photo.lens for photo in captures.load(taken_from).photos}
        else:
            say(console, f"Note: {taken_from} is gone, so {source} is taken to be without lens distortion.")
    return Options(
        device=device,
        weights=request.weights,
        source=source,
        names=request.names,
        variant=request.variant,
        lenses=lenses,
        multi_scale=request.multi_scale,
    )


def lifted(
    gaussians: Gaussians,
    teacher: Teacher,
    made: maps.Maps,
    training: Sequence[Frame],
    held_out: Sequence[Frame],
    request: Distill,
    console: Console,
    told: Live | None = None,
    show: Callable[[Gaussians, fit.Lifted], None] | None = None,
) -> StoredField:
    """The field in closed form, and how well it explains the photos that were held out."""
    gaussians = gaussians[gaussians.is_finite()]
    sweeps = fit.SWEEPS if request.sweeps is None else request.sweeps
    began = time.monotonic()
    report = counter(console, "lifting views", told)
    arrived = (lambda so_far: show(gaussians, so_far)) if show else None
    result = fit.lift(gaussians, training, made, sweeps, report=report, arrived=arrived)
    facts: dict[str, Any] = {**made.facts, "method": "lift", "sweeps": sweeps, "views": len(training)}
    facts["fit_seconds"] = round(time.monotonic() - began, 1)
    return stored_field(gaussians, teacher, made, result.codes, made.basis.rows, result.reliability, facts, held_out)
