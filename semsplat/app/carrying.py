"""Edits of a session: from commands in words, or from what is picked, to an edit and what the list calls it."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ..distill.ask import Viewpoint
from ..splatting.camera import Camera
from ..splatting.edit import Delete, Duplicate, Edit, Keep, Move, Opacity, Rotate, Scale, Tint, Vector, pivot, turn
from ..splatting.edit_base import counted
from ..splatting.errors import InputError
from ..splatting.ids import rows_of, union
from .commands import Command
from .look import NOTHING, Asked
from .session import Session

Ids = Int64[Tensor, " _k"]
PICKED = {
    "it", "this", "that", "them", "these", "those", "selection", "selected", "picked", "what is picked",
    "what is selected", "this thing", "this one", "these things",
}  # fmt: skip
ALL = {"everything", "all", "scene", "whole scene", "all of it"}
BESIDE = 1.1  # of its width that a copy stands beside a thing
LONGEST_NAME = 40  # letters of a name in the list of edits


def carry_out(
    session: Session, command: Command, picked: Ids = NOTHING, camera: Camera | None = None
) -> tuple[Edit, str]:
    """The edit that a command asks for, and what it is called.

    Args:
        picked: what "it" and "the selection" mean. camera: from where left and right are meant.

    Raises:
        InputError: the things are not found, nothing is picked, or the command is undo or redo, which are no edits.
    """
    if not command.things:
        raise InputError(f'"{command.verb}" is no edit of its own; it goes back or forth in the list of edits.')
    ids, named = NOTHING, []
    for phrase in command.things:
        found = find(session, phrase, picked, camera)
        ids = union(ids, found)
        named.append(_short(_bare(phrase)) if _bare(phrase) not in PICKED else called(session, found))
    name = " and ".join(named)
    if command.verb == "delete":
        return removed(ids, name, command.all_but)
    if command.verb == "keep":
        return Keep(ids), f"Keep only {name}"
    if command.verb == "tint":
        assert command.color is not None  # the grammar gives it one
        share = "" if command.amount == 1.0 else f" {command.amount:.0%}"
        return Tint(ids, command.color, command.amount), f"Paint {name} {command.color_name}{share}"
    if command.verb == "fade":
        return Opacity(ids, command.amount), f"Make {name} {1.0 - command.amount:.0%} transparent"
    return _placed(session, command, ids, name, camera)


def find(session: Session, phrase: str, picked: Ids = NOTHING, camera: Camera | None = None) -> Ids:
    """The Gaussians that words mean: what is picked, a named object, or what a question finds.

    Raises:
        InputError: there are none.
    """
    now, words = session.now, _bare(phrase)
    if words in PICKED:
        if not len(picked):
            raise InputError(f'Nothing is picked, so "{phrase}" means nothing; pick something first, or name it.')
        return picked
    if words in ALL:
        return now.gaussians.ids.cpu().sort().values
    for thing in now.things:
        if thing.name.casefold() in (words, phrase):
            ids = now.gaussians.ids[thing.selection(now.gaussians)].cpu().sort().values
            if not len(ids):
                raise InputError(f"'{thing.name}' is not there any more: an edit took it away; undo brings it back.")
            return ids
    if not session.meaning.readers:
        known = ", ".join(f"'{thing.name}'" for thing in now.things[:6])
        remedy = f"name one of {known}" if known else "give the scene words: semsplat distill SCENE --teacher labels"
        raise InputError(f"'{_short(words)}' is no object of this scene; pick the thing and say it, or {remedy}.")
    answer = session.ask(phrase, camera, gaussians=now.gaussians)
    if not answer.found:
        raise InputError(" ".join((f"'{_short(words)}' is not found.", *answer.notes[-1:])))
    return now.gaussians.ids[answer.selection].cpu().sort().values


def called(session: Session, ids: Ids, asked: Asked | None = None) -> str:
    """What people call some Gaussians: the object that they are, the question that found them, else how many."""
    if asked is not None and torch.equal(asked.ids[asked.answer.selection].cpu().sort().values, ids):
        return _short(asked.answer.question)
    some = ids[:: max(1, len(ids) // 64)]
    for thing in session.now.things:
        if len(thing.ids) < len(ids) or not bool(torch.isin(some, thing.ids).all()):
            continue
        gone = thing.ids[~torch.isin(thing.ids, ids)]
        if len(thing.ids) - len(gone) == len(ids) and not len(rows_of(session.gaussians.ids, gone)):
            return _short(thing.name)
    return counted(len(ids))


def removed(ids: Ids, name: str, all_but: bool = False) -> tuple[Edit, str]:
    """Without some Gaussians, or with nothing else."""
    return (Keep(ids), f"Delete all but {name}") if all_but else (Delete(ids), f"Delete {name}")


def foot(session: Session, ids: Ids) -> Vector:
    """Under the middle of a thing, where it stands: scaled from there it stays on its ground."""
    gaussians, up = session.gaussians, session.up.double()
    middle = torch.tensor(pivot(gaussians, ids), dtype=torch.float64)
    heights = (gaussians.means[rows_of(gaussians.ids, ids)].cpu().double() @ up).sort().values
    low = heights[len(heights) // 50] if len(heights) else middle @ up
    x, y, z = (middle + (low - middle @ up) * up).tolist()
    return x, y, z


def axes(session: Session, ids: Ids, camera: Camera | None) -> Float[Tensor, "3 3"]:
    """Rows: right, away, up, unit vectors, of somebody who looks at a thing; right and away are level."""
    target = torch.tensor(pivot(session.gaussians, ids))
    return Viewpoint(session.up, camera).axes(target).cpu().double()


def beside(session: Session, ids: Ids, camera: Camera | None) -> Vector:
    """The way to the right of a thing, just next to it."""
    right = axes(session, ids, camera)[0]
    along = session.gaussians.means[rows_of(session.gaussians.ids, ids)].cpu().double() @ right
    ordered = along.sort().values
    cut = len(ordered) // 50
    width = (ordered[len(ordered) - 1 - cut] - ordered[cut]).item() if len(ordered) else 0.0
    x, y, z = (BESIDE * width * right).tolist()
    return x, y, z


def _placed(session: Session, command: Command, ids: Ids, name: str, camera: Camera | None) -> tuple[Edit, str]:
    if command.verb == "turn":
        axis = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)}.get(command.axis) or session.up.tolist()
        edit: Edit = Rotate(ids, turn(axis, command.amount), pivot(session.gaussians, ids))
        return edit, f"Turn {name} {command.amount:g}°" + (f" about {command.axis}" if command.axis else "")
    if command.verb == "scale":
        return Scale(ids, command.amount, foot(session, ids)), f"Scale {name} × {command.amount:.3g}"
    if command.way is None:
        return Duplicate(ids, beside(session, ids, camera)), f"Duplicate {name}"
    way = torch.tensor(command.way, dtype=torch.float64) @ axes(session, ids, camera)
    x, y, z = way.tolist()
    if command.verb == "duplicate":
        return Duplicate(ids, (x, y, z)), f"Duplicate {name}, {command.way_name}"
    return Move(ids, (x, y, z)), f"Move {name} {command.way_name}"


def _bare(phrase: str) -> str:
    words = phrase.casefold().split()
    while len(words) > 1 and words[0] in ("the", "a", "an", "all", "my", "our"):
        words = words[1:]
    return " ".join(words)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
