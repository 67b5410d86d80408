"""``semsplat ask``: find things by words."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Bool
from rich.console import Console
from torch import Tensor

from ..distill import naming, objects
from ..distill.ask import Answer, Viewpoint, ask, segment
from ..distill.field import FeatureField
from ..distill.objects import Thing
from ..distill.segment import Outlines
from ..distill.teachers import card, reopen
from ..distill.teachers.base import Teacher
from ..splatting import formats
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from . import overlays
from .cli_meaning import Ask
from .layers import HIGHLIGHT
from .plan import pick_device
from .progress import say
from .scene import Scene, View
from .session import Session
from .views import find_view, pick_views

ANSWERS = "answers"  # folder in a scene folder
NO_RESULT = 2  # exit status
_LISTED = 8  # things that are printed
_SIDES = re.compile(r"\b(left of|right of|in front of|behind|(left|right)most|(near|clos|farth|furth)est)\b")


def run(request: Ask, console: Console) -> int:
    """Answer, save the object, draw it; returns the exit status, 2 when nothing was found.

    Raises:
        SemsplatError: anything that the person at the keyboard can mend.
    """
    words = list(request.words)
    if not words:
        raise InputError('Nothing was asked; say what to look for: semsplat ask SCENE "red mug"')
    for path in request.export:
        formats.check(path, to_write=True)
    device = pick_device(request.device)
    opened = Scene.open(request.scene)
    for name in request.views:
        find_view(opened.views, name)  # says no before anything is written
    gaussians, fields = opened.meaning
    gaussians = opened.after_edits(gaussians)
    gaussians = gaussians[gaussians.is_finite()].to(device)
    field = pick_field(fields, request.teacher, opened.folder)
    teacher = reopen(field.teacher, field.memory, device)
    session = Session(gaussians, opened.views, world=opened.world)
    if len(words) > 1:
        return _share_out(request, console, opened, gaussians, field, teacher)
    here = _standpoint(request, opened.views)
    viewpoint = Viewpoint(session.up, here.camera if here else None)
    mass = session.importance()
    answer = ask(gaussians, field, teacher, words[0], viewpoint, mass, request.negative, _threshold(request.threshold))
    if request.refine and answer.alike is not None:
        cameras = [view.camera for view in opened.views if not view.held_out]
        outlines = Outlines.of(gaussians, field, cameras)
        answer = replace(answer, selection=outlines.agreed(answer.selection, answer.alike))
    _report(answer, field.teacher, here, console)
    if answer.found:
        facts = facts_of(answer, field.teacher)
        thing = Thing.of(request.name or answer.question, gaussians, answer.selection, **facts)
        naming.change(opened.folder, opened.history.edits, lambda before: objects.with_new(before, [thing]))
        say(console, f"Object '{thing.name}': {len(thing.ids):,} Gaussians, saved in {opened.folder / objects.OBJECTS}")
    path = _picture(request, opened, answer.question)
    views = pick_views(opened, request.views, _known(opened, gaussians, answer.selection))
    title = f'"{answer.question}"  ({field.teacher})'
    overlays.heat_sheet(
        path, gaussians, views, answer.scores, answer.kind, answer.threshold, answer.selection, title
    )  # fmt: skip
    say(console, f"Pictures: {path}")
    _export(request.export, gaussians, answer.selection, console)
    return 0 if answer.found else NO_RESULT


def pick_field(fields: dict[str, FeatureField], wanted: str | None, folder: Path) -> FeatureField:
    """The field that is asked: the named one, else the first that knows words (colours count as words last).

    Raises:
        InputError: there is no such field, or none that knows words.
    """
    if wanted is not None:
        if wanted not in fields:
            known = ", ".join(fields) or "none yet"
            raise InputError(
                f"{folder} has no field of '{wanted}' (fields: {known}); make it with: "
                f"semsplat distill {folder} --teacher {wanted}"
            )
        return fields[wanted]
    readers = [name for name in fields if card(name).words]
    readers.sort(key=lambda name: name == "appearance")
    if readers:
        return fields[readers[0]]
    if fields:
        raise InputError(
            f"The fields of {folder} ({', '.join(fields)}) cannot be asked in words; distil a teacher that reads "
            "(labels, lseg, tipsv2, clip), or point at things with: semsplat select"
        )
    raise InputError(
        f"{folder} has no fields yet; make one with: semsplat distill {folder} --teacher labels|tipsv2|..."
    )


def facts_of(answer: Answer, teacher: str) -> dict[str, object]:
    """What is saved with the object that an answer is."""
    best = answer.objects[0] if answer.objects else None
    return {
        "made by": "ask",
        "question": answer.question,
        "understood": answer.understood,
        "teacher": teacher,
        "kind": answer.kind,
        "threshold": answer.threshold,
        "score": best.score if best else None,
        "reasons": best.reasons if best else {},
    }


def _share_out(
    request: Ask, console: Console, opened: Scene, gaussians: Gaussians, field: FeatureField, teacher: Teacher
) -> int:
    """Several names share the scene out; each becomes an object."""
    if request.threshold is not None or request.name is not None:
        raise InputError("Several names share the scene out: --threshold and --name belong to a single question.")
    shared = segment(gaussians, field, teacher, request.words, request.negative)
    for note in dict.fromkeys(shared.notes):
        say(console, note)
    say(console, f"Score, probability: of each name among the {len(shared.names)} and something else.")
    things = []
    for number, name in enumerate(shared.names):
        selection = shared.labels == number
        count = int(selection.sum())
        mean = shared.probabilities[selection, number].mean().item() if count else 0.0
        say(console, f"  {name}: {count:,} Gaussians, mean probability {mean:.2f}")
        if count:
            facts = {"made by": "ask", "names": list(shared.names), "teacher": field.teacher, "kind": "probability"}
            things.append(Thing.of(name, gaussians, selection, **facts, score=mean))
    say(console, f"  something else: {int((shared.labels < 0).sum()):,} Gaussians")
    if not things:
        say(console, "None of the names was found.")
        return NO_RESULT
    put = naming.change(opened.folder, opened.history.edits, lambda before: objects.with_new(before, things))
    saved = {thing.name: thing for thing in put}
    drawn = [(t.name, t.selection(gaussians), saved[t.name].color or HIGHLIGHT) for t in things]
    path = _picture(request, opened, " ".join(shared.names))
    everything = shared.labels >= 0
    views = pick_views(opened, request.views, _known(opened, gaussians, everything))
    overlays.things_sheet(path, gaussians, views, drawn, f"{', '.join(shared.names)}  ({field.teacher})")
    say(console, f"Pictures: {path}")
    _export(request.export, gaussians, everything, console)
    return 0


def _report(answer: Answer, teacher: str, here: View | None, console: Console) -> None:
    say(console, f"Asked {teacher} for: {answer.understood}")
    for note in answer.notes:
        say(console, note)
    if here is not None and _SIDES.search(answer.understood):
        say(console, f"Left, right, front and back are those of photo {here.name} (--viewpoint).")
    if answer.threshold is not None:
        kind, count = answer.kind.removesuffix(" x fit"), int(answer.selection.sum())
        say(
            console,
            f"Threshold: {kind} {answer.threshold:.2f}; selected: {count:,} of {len(answer.selection):,} Gaussians.",
        )
    for thing in answer.objects[:_LISTED]:
        reasons = "".join(f"; {reason} {fit:.2f}" for reason, fit in thing.reasons.items())
        kind = answer.kind.removesuffix(" x fit")
        taken = "+" if bool(answer.selection[thing.rows].any()) else "-"
        say(console, f"  {taken} {thing.name}: {kind} {thing.score:.2f}{reasons}; {len(thing.rows):,} Gaussians")


def _standpoint(request: Ask, views: Sequence[View]) -> View | None:
    """The photo that left and right are meant from: the named one, else the first that was trained on."""
    if request.viewpoint is not None:
        return find_view(views, request.viewpoint)
    return next((view for view in views if not view.held_out), views[0] if views else None)


def _threshold(threshold: float | None) -> float | None:
    if threshold is not None and not -1.0 <= threshold <= 1.0:
        raise InputError(f"A threshold of {threshold:g} is not possible: scores lie between -1 and 1.")
    return threshold


def _picture(request: Ask, opened: Scene, words: str) -> Path:
    """Where the pictures go: letters and digits of the words, in any script."""
    slug = "-".join(re.findall(r"[^\W_]+", words))[:60] or "answer"
    return (request.out or opened.folder / ANSWERS) / f"{slug}.png"


def _known(opened: Scene, gaussians: Gaussians, selection: Bool[Tensor, " n"]) -> Bool[Tensor, " m"]:
    """The selection over the scene's own rows, those that are not finite among them."""
    return torch.isin(opened.edited.ids, gaussians.ids[selection].cpu())


def _export(paths: Sequence[Path], gaussians: Gaussians, selection: Bool[Tensor, " n"], console: Console) -> None:
    if not selection.any():
        return
    for path in paths:
        formats.write(path, gaussians[selection].to("cpu"))
        say(console, f"{int(selection.sum()):,} Gaussians written to {path}")
