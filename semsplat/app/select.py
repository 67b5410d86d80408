"""``semsplat select``: prompts in photos become a named object of the scene, with pictures to look at."""

import time
from collections.abc import Mapping

import torch
from jaxtyping import Bool
from rich.console import Console
from torch import Tensor

from ..distill import naming, objects, segment
from ..distill.field import FeatureField
from ..distill.objects import Thing
from ..distill.segment.clean import tidy
from ..distill.teachers import reopen
from ..distill.teachers.base import PromptTeacher
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from . import plan as plans
from .cli_meaning import Select
from .meaning import POINTING
from .overlays import selection_sheet
from .pointing import prompts_of
from .progress import say
from .regions import sizes
from .scene import Scene
from .views import pick_views
from .world import World

ANSWERS = "answers"  # folder for the pictures in the scene folder


def run(request: Select, console: Console) -> int:
    """Select, save, draw; returns the exit status.

    Raises:
        SemsplatError: anything that the person at the keyboard can mend.
    """
    opened = Scene.open(request.scene)
    prompts = prompts_of(request, opened.views)
    if not prompts:
        raise InputError("Nothing was pointed at; give --click VIEW:X,Y, --box, --stroke or --mask.")
    gaussians, fields = opened.meaning
    field = pick_field(fields, request.field)
    gaussians = opened.after_edits(gaussians.detach()).to(plans.pick_device(request.device))
    teacher = _prompted(field, gaussians.means.device)
    cameras = [view.camera for view in opened.views if not view.held_out] or [view.camera for view in opened.views]
    began = time.monotonic()
    graph = segment.kept(opened.graphs, gaussians, cameras, field)
    built = time.monotonic()
    found = segment.select(
        gaussians, prompts, graph, field, request.tolerance, request.size, teacher, cameras if teacher else ()
    )
    selection = tidy(graph, found.selection) if request.clean else found.selection
    if request.refine and field is not None and (alike := found.alike()) is not None:
        selection = segment.Outlines.of(gaussians, field, cameras).agreed(selection, alike)
    seconds = time.monotonic() - built
    thing = _save(request, opened, gaussians, selection, found, field)
    by = field.teacher if field is not None else "no field: position, normal, colour, size"
    size = _extent(gaussians, selection, opened.world)
    say(console, f"{thing.name}: {int(selection.sum()):,} of {len(gaussians):,} Gaussians, {size}")
    say(console, f"By {found.way} ({by}), tolerance {found.tolerance:.2f}; natural {found.natural:.2f}.")
    say(console, f"Selected in {seconds:.2f} s; the neighbourhood graph took {built - began:.1f} s.")
    sheet = (request.out or opened.folder / ANSWERS) / f"{_file_name(thing.name)}.png"
    views = pick_views(opened, request.views, selection)
    selection_sheet(sheet, gaussians, views, selection, thing.name)
    say(console, f"Pictures: {sheet}")
    return 0


def pick_field(fields: Mapping[str, FeatureField], wanted: str | None) -> FeatureField | None:
    """The field of this name; none for 'none'; without a name the best that is there, if any.

    Raises:
        InputError: the scene has no such field.
    """
    if wanted is None:
        return next((fields[name] for name in POINTING if name in fields), None)
    if wanted == "none":
        return None
    if wanted not in fields:
        known = ", ".join(fields) or "no fields yet; make one with semsplat distill"
        raise InputError(f"The scene has no field '{wanted}'; it has {known}. 'none' selects without any.")
    return fields[wanted]


def _prompted(field: FeatureField | None, device: torch.device) -> PromptTeacher | None:
    """The field's teacher if it answers prompts; its weights must be there then."""
    if field is None or field.teacher not in ("sam",):
        return None
    teacher = reopen(field.teacher, field.memory, device)
    return teacher if isinstance(teacher, PromptTeacher) else None


def _save(
    request: Select,
    opened: Scene,
    gaussians: Gaussians,
    selection: Bool[Tensor, " n"],
    found: segment.Selected,
    field: FeatureField | None,
) -> Thing:
    """Put the object into the scene folder, under the name asked for, or a free one."""
    taken = [thing.name for thing in naming.read(opened.folder, opened.history.edits)]
    name = request.name or objects.free_name("selection", taken)
    facts = {
        "made by": "select",
        "field": field.teacher if field is not None else None,
        "way": found.way,
        "size": request.size,
        "tolerance": round(found.tolerance, 4),
        "clicks": [*request.click, *(f"not {text}" for text in request.not_click)],
        "boxes": list(request.box),
        "strokes": list(request.stroke),
        "masks": list(request.mask),
    }
    thing = Thing.of(name, gaussians, selection, **facts)
    naming.change(opened.folder, opened.history.edits, lambda before: objects.with_new(before, [thing]))
    return thing


def _file_name(name: str) -> str:
    """The name with everything but letters, digits, - and _ as -; never empty, not too long for a file."""
    kept = "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-").encode()[:80]
    return kept.decode(errors="ignore") or "selection"


def _extent(gaussians: Gaussians, selection: Bool[Tensor, " n"], world: World) -> str:
    """Width, depth and height, without the outermost 1 % at each end."""
    lengths = sizes(gaussians.means[selection].cpu(), world.up)
    return " x ".join(f"{length * world.metres:.3g}" for length in lengths) + f" {world.unit}"
