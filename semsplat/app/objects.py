"""``semsplat objects``: list, propose and forget the named objects of a scene."""

import time
from collections.abc import Iterator, Sequence

import torch
from rich.cells import cell_len
from rich.console import Console

from ..distill import naming, objects
from ..distill.objects import Thing
from ..distill.segment import kept
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from . import objects_find as finding
from . import overlays
from .cli_meaning import Objects
from .plan import pick_device
from .progress import say
from .scene import Scene
from .views import pick_views
from .world import World

ANSWERS, PICTURE = "answers", "objects.png"  # folder in a scene folder, file in it
NO_RESULT = 2  # exit status
LISTED, DRAWN = 200, 60  # objects that are printed, and that are drawn: the first, and those of most Gaussians
STRAYS = 0.03  # of an object's Gaussians at each end of its extent do not count


def run(request: Objects, console: Console) -> int:
    """Forget, propose, list and draw; returns the exit status, 2 when nothing was found to propose.

    Raises:
        SemsplatError: anything that the person at the keyboard can mend.
    """
    if not 0.0 <= request.size <= 1.0:
        raise InputError(f"--size {request.size:g} is not possible: 0 is for small parts, 1 for large wholes.")
    if request.masks is not None and not request.find:
        raise InputError("--masks is for proposing objects: add --find.")
    opened = Scene.open(request.scene)
    edits = opened.history.edits
    if request.remove:
        left = naming.change(opened.folder, edits, lambda before: objects.without(before, request.remove))
        say(console, f"Forgotten: {', '.join(request.remove)}; {len(left)} left.")
    if request.find and not _find(request, opened, console):
        say(console, "Nothing was found to propose: no part of the scene is large enough to be seen.")
        return NO_RESULT
    things = naming.read(opened.folder, edits)
    for line in listed(things, opened.edited, opened.world):
        say(console, line)
    if things and (request.find or request.out is not None):
        _draw(request, opened, things, console)
    return 0


def _find(request: Objects, opened: Scene, console: Console) -> int:
    """Propose, and save in place of earlier proposals; returns how many there are."""
    began = time.monotonic()
    device = pick_device(request.device)
    gaussians, fields = opened.meaning
    gaussians = opened.after_edits(gaussians)
    gaussians = gaussians[gaussians.is_finite()].to(device)
    chosen = finding.pick(fields, request.field, opened.folder)
    cameras = [view.camera for view in opened.views if not view.held_out]
    masks = None
    if request.masks is not None:
        masks = finding.masks_of_photos(opened, gaussians, request.masks, console)
    elif chosen is not None and chosen.teacher == finding.PROMPTED:
        masks = finding.masks_of_views(opened, gaussians, chosen, console)
    graph = kept(opened.graphs, gaussians, cameras)
    found = finding.candidates(graph, gaussians, chosen, masks, request.size)
    words = finding.namer(fields, chosen, device, console)
    names = finding.named(found, gaussians, graph, words)
    told = [name for name, there in (("masks", masks), (chosen.teacher if chosen else "", chosen)) if there is not None]
    facts = {"evidence": ["colour and shape", *told], "size": request.size}
    weights = graph.surface.mass.double().numpy()
    naming.change(
        opened.folder, opened.history.edits,
        lambda before: finding.replaced(before, found, names, gaussians, weights, facts),
    )  # fmt: skip
    by = f"Proposed by {', '.join(facts['evidence'])}; named by {words[0].teacher if words else 'nobody'}"
    say(console, f"{by}: {len(found)} objects at size {request.size:g} in {time.monotonic() - began:.1f} s.")
    return len(found)


def listed(things: Sequence[Thing], gaussians: Gaussians, world: World) -> list[str]:
    """A line for each object, parts below their wholes: name, Gaussians, size, score, how it was made."""
    if not things:
        return ["No objects yet; propose some with --find, or name one with semsplat ask or semsplat select."]
    rows = [("  " * depth + thing.name, thing) for depth, thing in in_order(things)][:LISTED]
    width = max(cell_len(name) for name, _ in rows)
    title = "size, m" if world.metric else "   size"
    lines = ["name" + " " * max(width - 4, 0) + f"  Gaussians  {title}  score  made by"]
    for name, thing in rows:
        size, score = diagonal(gaussians, thing), thing.facts.get("score")
        shown = f"{score:5.2f}" if isinstance(score, int | float) else "    -"
        gap = " " * (width - cell_len(name))
        extent = f"{size * world.metres:8.3g}" if size is not None else "    gone"
        lines.append(f"{name}{gap}  {len(thing.ids):9,} {extent}  {shown}  {_made_by(thing)}")
    if len(things) > LISTED:
        lines.append(f"... and {len(things) - LISTED} more in {objects.OBJECTS}")
    return lines


def in_order(things: Sequence[Thing]) -> Iterator[tuple[int, Thing]]:
    """(depth, thing), each whole followed by its parts."""
    parts: dict[str | None, list[Thing]] = {}
    for thing in things:
        parts.setdefault(thing.parent, []).append(thing)
    waiting = [(0, thing) for thing in reversed(parts.get(None, []))]
    while waiting:
        depth, thing = waiting.pop()
        yield depth, thing
        waiting += [(depth + 1, part) for part in reversed(parts.get(thing.name, []))]


def diagonal(gaussians: Gaussians, thing: Thing) -> float | None:
    """Of the box around an object's centres, world units, without 3 % of strays at each end; None when it is gone."""
    means = gaussians.means[thing.selection(gaussians)]
    means = means[means.isfinite().all(-1)]
    if not len(means):
        return None
    ordered, strays = means.sort(0).values, int(STRAYS * len(means))
    return (ordered[len(means) - 1 - strays] - ordered[strays]).norm().item()


def _made_by(thing: Thing) -> str:
    made = str(thing.facts.get("made by", "?"))
    evidence = thing.facts.get("evidence")
    teacher = thing.facts.get("teacher") or thing.facts.get("field")
    if isinstance(evidence, list) and evidence:
        return f"{made} ({', '.join(map(str, evidence))})"
    return f"{made} ({teacher})" if teacher else made


def _draw(request: Objects, opened: Scene, things: Sequence[Thing], console: Console) -> None:
    path = (request.out or opened.folder / ANSWERS) / PICTURE
    gaussians = opened.edited[opened.edited.is_finite()]
    views = pick_views(opened, ())
    drawn = without_parts(things, gaussians)
    title = f"Objects of {_title(opened)}"
    if len(drawn) > DRAWN:
        title += f": the largest {DRAWN} of {len(drawn)}"
        least = sorted((int(selection.sum()) for _, selection, _ in drawn), reverse=True)[DRAWN - 1]
        drawn = [one for one in drawn if int(one[1].sum()) >= least][:DRAWN]
    overlays.things_sheet(path, gaussians, views, drawn, title)
    say(console, f"Pictures: {path}")


def without_parts(things: Sequence[Thing], gaussians: Gaussians) -> list[tuple[str, torch.Tensor, objects.Color]]:
    """Each object's name, what of it is in none of its parts, and its colour; what is all parts is left out."""
    selections = {thing.name: thing.selection(gaussians) for thing in things}
    rest = {name: selection.clone() for name, selection in selections.items()}
    for thing in things:
        if thing.parent is not None:
            rest[thing.parent] &= ~selections[thing.name]
    return [
        (thing.name, rest[thing.name], thing.color or objects.color_of(number))
        for number, thing in enumerate(things)
        if rest[thing.name].any()
    ]


def _title(opened: Scene) -> str:
    return opened.folder.resolve().name or str(opened.folder)
