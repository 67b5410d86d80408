"""What words mean in a session: which Gaussians, what they are called, where a thing stands, what is left of it."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ..distill.ask import Viewpoint
from ..splatting.camera import Camera
from ..splatting.edit import Insert, Vector, pivot
from ..splatting.edit_base import counted
from ..splatting.errors import InputError
from ..splatting.ids import rows_of, union
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


def things(
    session: Session, phrases: tuple[str, ...], picked: Ids = NOTHING, camera: Camera | None = None
) -> tuple[Ids, str]:
    """The Gaussians that some phrases mean together, and what they are called. Raises InputError as :func:`find`."""
    ids, named = NOTHING, []
    for phrase in phrases:
        found = find(session, phrase, picked, camera)
        ids = union(ids, found)
        named.append(short(bare(phrase)) if bare(phrase) not in PICKED else called(session, found))
    return ids, " and ".join(named)


def find(session: Session, phrase: str, picked: Ids = NOTHING, camera: Camera | None = None) -> Ids:
    """The Gaussians that words mean: what is picked, a named object, or what a question finds.

    Raises:
        InputError: there are none.
    """
    now, words = session.now, bare(phrase)
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
    ids = inserted(session, words)
    if len(ids):
        return ids
    if not session.meaning.readers:
        known = ", ".join(f"'{thing.name}'" for thing in now.things[:6])
        remedy = f"name one of {known}" if known else "give the scene words: semsplat distill SCENE --teacher labels"
        raise InputError(f"'{short(words)}' is no object of this scene; pick the thing and say it, or {remedy}.")
    answer = session.ask(phrase, camera, gaussians=now.gaussians)
    if not answer.found:
        raise InputError(f"'{short(words)}' is not found. {answer.reason}")
    return now.gaussians.ids[answer.selection].cpu().sort().values


def called(session: Session, ids: Ids, asked: Asked | None = None) -> str:
    """What people call some Gaussians: the object that they are, the question that found them, else how many."""
    if asked is not None and torch.equal(asked.ids[asked.answer.selection].cpu().sort().values, ids):
        return short(asked.answer.question)
    some = ids[:: max(1, len(ids) // 64)]
    for thing in session.now.things:
        if len(thing.ids) < len(ids) or not bool(torch.isin(some, thing.ids).all()):
            continue
        gone = thing.ids[~torch.isin(thing.ids, ids)]
        if len(thing.ids) - len(gone) == len(ids) and not len(rows_of(session.gaussians.ids, gone)):
            return short(thing.name)
    return counted(len(ids))


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


def inserts(session: Session) -> list[Insert]:
    """What was inserted, the latest first; each as the list of edits numbers it."""
    return [edit for edit in reversed(session.now.history.edits) if isinstance(edit, Insert)]


def inserted(session: Session, words: str) -> Ids:
    """The Gaussians of an inserted file or thing of that name that are there; none when nothing is called so."""
    for edit in inserts(session):
        name = edit.name.casefold()
        if words in (name, name.rsplit(".", 1)[0], name.split(".", 1)[0]):
            ids = edit.minted
            return ids[torch.isin(ids, session.gaussians.ids.cpu())]
    return NOTHING


def bare(phrase: str) -> str:
    """A phrase without articles, in small letters."""
    words = phrase.casefold().split()
    while len(words) > 1 and words[0] in ("the", "a", "an", "all", "my", "our"):
        words = words[1:]
    return " ".join(words)


def short(name: str) -> str:
    """A name for the list of edits."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
