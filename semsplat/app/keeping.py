"""The named things of a scene: keep, rename, forget, copy; and those that the scene proposes. Knows no browser."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ..distill.field import FeatureField
from ..distill.naming import check_new
from ..distill.objects import Color, Thing, clean_name, color_of, free_name
from ..distill.proposals import Proposals
from ..distill.segment.graph import Graph
from ..distill.teachers.base import TextTeacher
from ..splatting.camera import Camera
from ..splatting.edit import Duplicate, Rename
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.ids import rows_of
from . import objects_find as finding
from .objects import in_order
from .session import Session
from .shared import Now

BESIDE = 1.4  # of the width of its centres that a copy stands from what it is a copy of
MADE_HERE = "page"
NODE_COLORS = 20  # colours of proposals are behind those by hand: a part keeps its own at every size


@dataclass(frozen=True)
class Row:
    """A thing that is still there."""

    thing: Thing
    depth: int  # how many wholes it is in
    ids: Int64[Tensor, " k"]  # those that are there


def there(now: Now) -> list[Row]:
    """The things of which something is left, each whole followed by its parts."""
    ordered = now.gaussians.ids.cpu().sort().values
    found = []
    for depth, thing in in_order(now.things):
        at = torch.searchsorted(ordered, thing.ids).clamp_max(max(len(ordered) - 1, 0))
        ids = thing.ids[ordered[at] == thing.ids] if len(ordered) else thing.ids[:0]
        if len(ids):
            found.append(Row(thing, depth, ids))
    return found


def keep(
    session: Session, ids: Int64[Tensor, " k"], name: str, by: object = None, color: Color | None = None, **facts: Any
) -> str:
    """Make an object of some Gaussians; returns its name, which gets a number when there is one of that name.

    Raises:
        InputError: nothing is picked, or it cannot be saved.
    """
    if not len(ids):
        raise InputError("Nothing is picked: click a thing first, then keep it.")
    kept: list[str] = []

    def add(things: list[Thing]) -> list[Thing]:
        kept.append(free_name(name, (thing.name for thing in things)))
        return [*things, Thing(kept[-1], ids.cpu(), {"made by": MADE_HERE, **facts}, None, color)]

    session.change_things(add, f"New object: {clean_name(name)}", by)
    return kept[-1]


def rename(session: Session, name: str, wanted: str, by: object = None) -> str:
    """Give a thing another name, as an edit that undo takes back; returns it as it is saved.

    Raises:
        InputError: it is no name, another thing has it, there is no such thing, or editing is off at the moment.
    """
    things = session.now.things
    thing = next((thing for thing in things if thing.name == name), None)
    if thing is None:
        raise InputError(f"There is no object '{name}' any more.")
    new = clean_name(wanted)
    if new != name:
        session.do(Rename(thing.ids, check_new(new, things), name), f"Rename {name} to {new}", by)
    return new


def recolor(session: Session, name: str, color: Color, by: object = None) -> None:
    """Give a thing another colour in lists and layers; its Gaussians keep theirs."""

    def edit(things: list[Thing]) -> list[Thing]:
        return [replace(thing, color=color) if thing.name == name else thing for thing in things]

    session.change_things(edit, f"'{name}' has another colour", by)


def forget(session: Session, name: str, by: object = None) -> None:
    """Take a name away; its Gaussians stay, and its parts become parts of what it was a part of."""

    def edit(things: list[Thing]) -> list[Thing]:
        parent = next((thing.parent for thing in things if thing.name == name), None)
        left = [thing for thing in things if thing.name != name]
        return [replace(thing, parent=parent) if thing.parent == name else thing for thing in left]

    session.change_things(edit, f"The name '{name}' was taken away", by)


def duplicate(session: Session, row: Row, camera: Camera | None = None, by: object = None) -> str:
    """Put a copy of a thing beside it, as seen from the camera; returns the name of the copy.

    Raises:
        InputError: editing is off at the moment, or the thing is gone.
    """
    gaussians = session.gaussians
    means = gaussians.means[rows_of(gaussians.ids, row.ids)].cpu()
    if not len(means):
        raise InputError(f"'{row.thing.name}' is gone; undo brings it back.")
    aside = camera.world_to_camera[0, :3].cpu() if camera else torch.tensor([1.0, 0.0, 0.0])
    along = (means @ aside.to(means)).sort().values
    width = (along[-1 - len(along) // 50] - along[len(along) // 50]).item()
    x, y, z = (BESIDE * max(width, 1e-3) * aside).tolist()
    edit = Duplicate(row.ids, (x, y, z))
    session.do(edit, f"Duplicate {row.thing.name}", by)
    copy = next(
        entry.edit
        for entry in reversed(session.now.history.entries)
        if isinstance(entry.edit, Duplicate) and entry.edit.by == edit.by and torch.equal(entry.edit.ids, edit.ids)
    )
    made = copy.minted[torch.isin(copy.minted, session.gaussians.ids.cpu())]
    return keep(session, made, row.thing.name, by, copied=row.thing.name)


@dataclass(frozen=True, eq=False)
class Maybe:
    """Things of one size that may be; not kept yet."""

    found: list[finding.Candidate]
    nodes: list[int]  # of the tree of the scene's parts: one stands for the same part at every size
    names: list[tuple[str, dict[str, Any]]]
    ids: list[Int64[Tensor, " k"]]

    @property
    def colors(self) -> list[Color]:
        """A colour for each; the same part has the same at every size."""
        return [color_of(NODE_COLORS + node) for node in self.nodes]

    def things(self) -> tuple[Thing, ...]:
        """As they are drawn, the largest first, names numbered where they would be the same."""
        taken: list[str] = []
        for name, _ in self.names:
            taken.append(free_name(name, taken))
        parents = [taken[one.parent] if one.parent >= 0 else None for one in self.found]
        return tuple(
            Thing(name, ids, {}, parent, color)
            for name, ids, parent, color in zip(taken, self.ids, parents, self.colors, strict=True)
        )


@dataclass(frozen=True, eq=False)
class Proposed:
    """What a scene falls into by itself, at every size."""

    gaussians: Gaussians
    proposals: Proposals
    graph: Graph
    words: tuple[FeatureField, TextTeacher] | None  # what names things
    field: str | None  # whose features tell things apart

    @classmethod
    def of(cls, session: Session) -> Self:
        """Look at a scene as it is now; seconds when nobody pointed at anything yet.

        Raises:
            InputError: there are no Gaussians, or a field's teacher is not there any more.
        """
        if not len(session.gaussians):
            raise InputError("There are no Gaussians left to look at.")
        meaning = session.meaning
        gaussians, proposals = session.proposals()
        reader = next((name for name in meaning.readers if name != "appearance"), None)
        words = meaning.reader(reader, gaussians.means.device) if reader else None
        return cls(gaussians, proposals, meaning.graph(gaussians, meaning.pointing), words, meaning.pointing)

    def at(self, size: float) -> Maybe:
        """The things of a size in [0, 1], without names: milliseconds."""
        parts = self.proposals.things(size)
        found = [finding.candidate(part, part.parent) for part in parts]
        ids = self.gaussians.ids.cpu()
        return Maybe(
            found,
            [part.node for part in parts],
            [("thing", {})] * len(parts),
            [ids[torch.from_numpy(one.rows)].sort().values for one in found],
        )

    def named(self, maybe: Maybe) -> Maybe:
        """With names, where a field knows words."""
        return replace(maybe, names=finding.named(maybe.found, self.gaussians, self.graph, self.words))

    def keep_all(self, session: Session, maybe: Maybe, size: float, by: object = None) -> int:
        """Make objects of all in place of earlier proposals; people's own stay as they are. Returns how many."""
        facts = {"evidence": ["colour and shape", *([self.field] if self.field else [])], "size": size}
        weights = self.graph.surface.mass.double().numpy()
        shown = {_key(ids): color for ids, color in zip(maybe.ids, maybe.colors, strict=True)}

        def edit(things: list[Thing]) -> list[Thing]:
            after = finding.replaced(things, maybe.found, maybe.names, self.gaussians, weights, facts)
            return [
                thing if thing.color else replace(thing, color=shown.get(_key(thing.ids.sort().values)))
                for thing in after
            ]

        session.change_things(edit, f"{len(maybe.found)} objects were found", by)
        return len(maybe.found)


def likest(maybe: Sequence[Int64[Tensor, " k"]], picked: Int64[Tensor, " m"]) -> int | None:
    """Which of some sets of ids (ascending) is most like the picked ones (IoU); None when none has any of them."""
    overlaps = [int(torch.isin(ids, picked, assume_unique=True).sum()) for ids in maybe]
    ratios = [
        shared / (len(ids) + len(picked) - shared) if shared else 0.0
        for shared, ids in zip(overlaps, maybe, strict=True)
    ]
    best = int(np.argmax(ratios)) if ratios else 0
    return best if ratios and ratios[best] > 0 else None


def _key(ids: Int64[Tensor, " k"]) -> tuple[int, int, int]:
    return len(ids), int(ids[0]), int(ids.sum())
