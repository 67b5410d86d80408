"""What all ways of distilling share: the photos, the maps with a sentence about them, the saved field, its picture."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from rich.console import Console
from torch import Tensor

from ..distill import field as fields
from ..distill import fit, maps
from ..distill.field import StoredField
from ..distill.teachers.base import Teacher
from ..splatting import processes
from ..splatting.capture.types import Frame
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from . import evaluate, pictures
from . import scene as scenes
from .distill_file import render_again
from .layers import Layer, Rgb
from .layers_meaning import Features
from .live import Live
from .progress import clock, counter, say
from .scene import Scene
from .session import Session

DIMENSION = 64  # numbers kept of each feature, when nothing is said
MAPS = "maps"  # folder in the cache
SHEET_VIEWS = 4


def photos(opened: Scene, teacher: Teacher, console: Console) -> tuple[list[Frame], list[Frame]]:
    """(training, held out) photos that the teacher has something for; prepared again where the cache was deleted."""
    if opened.config.get(scenes.OWN_CAMERAS):
        if not teacher.uses_pixels:
            raise InputError(f"{teacher.name} goes by the names of photos, and {opened.folder} has none of its own.")
        processes.first(render_again, opened, torch.device("cpu"))
    elif processes.any_of(any(not view.pixels.is_file() for view in opened.views)):
        evaluate.prepare_again(opened, counter(console, "preparing photos"))
    known = [view for view in opened.views if teacher.has(view.name)]
    training = [view.frame for view in known if not view.held_out]
    if not training:
        names = ", ".join(view.name for view in opened.views[:3])
        raise InputError(f"{teacher.name} has nothing for any training photo of {opened.folder} ({names} ...).")
    return training, [view.frame for view in known if view.held_out]


def make_maps(
    folder: Path,
    teacher: Teacher,
    training: Sequence[Frame],
    held_out: Sequence[Frame],
    dimension: int | None,
    console: Console,
    told: Live | None = None,
) -> maps.Maps:
    """The maps in the scene's cache, and a sentence about what compressing them costs.

    Raises:
        InputError: the teacher's maps are not for Gaussians.
    """
    if not teacher.distils:
        raise InputError(f"{teacher.name} only answers prompts in photos; distil another, such as sam.")
    place = folder / scenes.CACHE / MAPS / teacher.name
    names = [frame.name for frame in training]
    report = counter(console, f"{teacher.name} looks at photos", told)
    made = maps.make([*training, *held_out], teacher, place, dimension or DIMENSION, names, report)
    facts = made.facts
    height, width = facts["map_grid"]
    loss = "nothing is lost"
    if made.dimension < facts["channels"]:
        loss = f"relative error {facts['compression_error']:.3f}, mean cosine {facts['compression_cosine']:.4f}"
    largest = facts["largest_map_bytes"] / 1e6
    sizes = f"{facts['channels']} channels in {made.dimension} numbers ({loss})"
    say(console, f"Maps: {facts['maps']} of {width} x {height} cells, {sizes}, at most {largest:.2f} MB each.")
    return made


@contextlib.contextmanager
def arriving(folder: Path, teacher: Teacher, made: maps.Maps) -> Iterator[Callable[[Gaussians, fit.Lifted], None]]:
    """Saves what is known so far of a field, for those who watch; where there was one before, that one stays.

    Nothing half-done is left when the work inside ends early.
    """
    path = folder / fields.FIELDS / f"{teacher.name}.safetensors"
    is_new = processes.is_first() and not path.exists()

    def show(gaussians: Gaussians, so_far: fit.Lifted) -> None:
        if is_new:
            ids, codes, reliability = gaussians.ids.cpu(), so_far.codes.cpu(), so_far.reliability.cpu()
            basis, facts = made.basis.rows.cpu(), {"arriving": True}
            fields.save(folder, StoredField(teacher.name, ids, codes, reliability, basis, teacher.memory(), facts))

    try:
        yield show
    except BaseException:
        if is_new:
            path.unlink(missing_ok=True)
        raise


def stored_field(
    gaussians: Gaussians,
    teacher: Teacher,
    made: maps.Maps,
    codes: Float[Tensor, "n d"],
    decoder: Float[Tensor, "d c"],
    reliability: Float[Tensor, " n"],
    facts: dict[str, Any],
    held_out: Sequence[Frame],
) -> StoredField:
    """What is saved, with its scores on the held-out photos among the facts."""
    if held_out:
        in_basis = codes @ (decoder @ made.basis.rows.T).to(codes)
        error, cosine = fit.held_out(gaussians, in_basis, held_out, made)
        facts |= {"held_out_error": round(error, 5), "held_out_cosine": round(cosine, 5), "held_out": len(held_out)}
    seen = reliability > 0
    facts["seen"] = round(float(seen.float().mean()), 5)
    facts["reliability_mean"] = round(float(reliability[seen].mean()), 5) if seen.any() else 0.0
    ids, codes, reliability, decoder = (t.detach().cpu() for t in (gaussians.ids, codes, reliability, decoder))
    return StoredField(teacher.name, ids, codes, reliability, decoder, teacher.memory(), facts)


def finish(opened: Scene, stored: StoredField, console: Console) -> None:
    """Save the field and its picture, and say what it is like."""
    facts = stored.facts
    path = fields.save(opened.folder, stored)
    facts["megabytes"] = round(path.stat().st_size / 1e6, 2)
    fields.save(opened.folder, stored)
    if "held_out_cosine" in facts:
        scores = f"feature error {facts['held_out_error']:.3f}, cosine {facts['held_out_cosine']:.4f}"
        say(console, f"Held out: {scores} (mean of {facts['held_out']} photos).")
    sheet = path.with_suffix(".png")
    draw(sheet, opened, stored)
    many = f"{len(stored.ids):,} Gaussians x {stored.codes.shape[1]} numbers, {facts['megabytes']:.1f} MB"
    mean = f"reliability {facts['reliability_mean']:.2f}, {100 * facts['seen']:.0f} % seen"
    say(console, f"Field: {path}   {many}; {mean}; {clock(facts['seconds'])}.")
    say(console, f"Look at it: {sheet}")


@torch.no_grad()
def draw(path: Path, opened: Scene, stored: StoredField) -> None:
    """Photo | render | features of a few views, as a picture; the colours mean the same in all of them."""
    gaussians, attached = fields.attach(opened.gaussians, [stored])
    session = Session(gaussians)
    layers: tuple[Layer, ...] = (Rgb(), Features.of(session.gaussians, attached[stored.teacher]))
    table, given = [], "own view" if opened.config.get(scenes.OWN_CAMERAS) else "photo"
    for view in opened.views[:: max(1, len(opened.views) // SHEET_VIEWS)][:SHEET_VIEWS]:
        drawn = [session.picture(view.camera, layer) for layer in layers]
        photo = evaluate.compared(view.frame, drawn[0])[0] if view.pixels.is_file() else drawn[0]
        text = f"{view.name}   {given} | render | {stored.teacher}"
        table.append((text, [pictures.to_bytes(image) for image in (photo, *drawn)]))
    pictures.save(path, pictures.contact_sheet(table))
