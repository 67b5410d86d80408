"""Proposing objects for a whole scene: what is looked at, what the proposals are called, what they replace."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from rich.console import Console

from ..distill import vocabulary
from ..distill.field import FeatureField
from ..distill.lifted import Lifted, View, lift_masks
from ..distill.mask_files import MaskFiles
from ..distill.masks import things_of
from ..distill.nesting import TWICE, overlaps_of
from ..distill.objects import Thing, free_name
from ..distill.proposals import Proposal, propose
from ..distill.segment.graph import Graph
from ..distill.segment.sam_votes import everything
from ..distill.teachers import card, reopen
from ..distill.teachers.base import TextTeacher
from ..distill.teachers.sam_prompts import MaskTeacher
from ..splatting import capture as captures
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.splat import splat
from .progress import counter, say
from .scene import Scene
from .views import pick_views

PREFERRED = ("labels", "sam", "dino", "lseg", "tipsv2", "clip", "folder")  # whose features tell things apart best
COVERED = 0.3  # of a part lies in things that masks agree about: it is no news
PROMPTED = "sam"  # its distilled features can be asked for everything in a view
VIEWS, LONGEST = 12, 512  # views in which that is asked, at most, and pixels of their longer side: twice SAM's masks


@dataclass(frozen=True)
class Candidate:
    """A thing that will be proposed."""

    rows: Int64[np.ndarray, "_k"]  # of its Gaussians
    parent: int  # place in the list; -1 where there is none
    facts: dict[str, Any] = field(default_factory=dict)


def pick(fields: dict[str, FeatureField], wanted: str | None, folder: Path) -> FeatureField | None:
    """The field whose features decide: the named one, none when that is asked for, else the best that is there.

    Raises:
        InputError: there is no field of that name.
    """
    if wanted == "none":
        return None
    if wanted is not None and wanted not in fields:
        known = ", ".join([*fields, "none"])
        raise InputError(
            f"{folder} has no field of '{wanted}' (there is: {known}); make it with: "
            f"semsplat distill {folder} --teacher {wanted}"
        )
    best = next((name for name in PREFERRED if name in fields), None)
    return fields[wanted] if wanted is not None else fields[best] if best is not None else None


def masks_of_photos(opened: Scene, gaussians: Gaussians, folder: Path, console: Console) -> Lifted:
    """The masks of a folder, lifted to the Gaussians.

    Raises:
        InputError: no masks for any training photo, or a file that cannot be used.
    """
    source, lenses = opened.source, {}
    if source.exists():
        lenses = {photo.name: photo.lens for photo in captures.load(source).photos}
    else:
        say(console, f"Note: {source} is gone, so {folder} is taken to be without lens distortion.")
    files = MaskFiles(folder, lenses)
    views = [view for view in opened.views if not view.held_out and files.has(view.name)]
    report = counter(console, "lifting masks")

    def lifted() -> Iterator[View]:
        for done, view in enumerate(views, 1):
            masks = files.read(view.name, (view.camera.height, view.camera.width))
            yield splat(gaussians, view.camera).detach(), masks
            report(done, len(views))

    return lift_masks(lifted())


def masks_of_views(opened: Scene, gaussians: Gaussians, chosen: FeatureField, console: Console) -> Lifted | None:
    """What the field's teacher finds on its features as they are drawn in some views; None where it finds nothing.

    Raises:
        InputError: the teacher's weights are no longer there.
    """
    teacher = reopen(chosen.teacher, chosen.memory, gaussians.means.device)
    if not isinstance(teacher, MaskTeacher):
        return None
    cameras = [view.camera for view in pick_views(opened, (), count=VIEWS)]
    cameras = [camera.scaled(min(1.0, LONGEST / max(camera.width, camera.height))) for camera in cameras]
    report = counter(console, f"asking {chosen.teacher} for everything, clicks")

    def found() -> Iterator[View]:
        for number, camera in enumerate(cameras):

            def progress(done: int, clicks: int, before: int = number) -> None:
                report(before * clicks + done, len(cameras) * clicks)

            masks = everything(gaussians, chosen, teacher, camera, progress)
            if len(masks):
                yield splat(gaussians, camera).detach(), masks

    views = found()
    first = next(views, None)
    if first is None:
        say(console, f"{chosen.teacher} is sure of no mask in any of {len(cameras)} views; only its features decide.")
        return None
    return lift_masks(chain([first], views))


def candidates(
    graph: Graph, gaussians: Gaussians, chosen: FeatureField | None, masks: Lifted | None, size: float
) -> list[Candidate]:
    """What masks agree about, and the parts of the chosen size that no mask tells of; else only such parts."""
    parts = propose(graph, gaussians, [chosen] if chosen else [], masks).things(size)
    found: list[Candidate] = []
    if masks is not None:
        for thing in things_of(masks):
            found.append(
                Candidate(thing.rows, thing.parent, {"from": "masks", "score": thing.score, "views": thing.views})
            )
    covered = np.zeros(len(graph), bool)
    for one in found:
        covered[one.rows] = True
    news = [number for number, part in enumerate(parts) if covered[part.rows].mean() <= COVERED]
    place = {number: len(found) + at for at, number in enumerate(news)}
    for number in news:
        above = parts[number].parent
        while above >= 0 and above not in place:
            above = parts[above].parent
        found.append(candidate(parts[number], place.get(above, -1)))
    return found


def candidate(part: Proposal, parent: int) -> Candidate:
    """A part of the scene as a thing that will be proposed."""
    slider = [round(min(max(end, 0.0), 1.0), 3) for end in part.sizes]
    return Candidate(part.rows, parent, {"from": "parts", "score": part.score, "sizes": slider})


def namer(
    fields: dict[str, FeatureField], chosen: FeatureField | None, device: torch.device, console: Console
) -> tuple[FeatureField, TextTeacher] | None:
    """The field that names things, and its teacher: the one that decides if it knows words, else the first one."""
    order = sorted(fields, key=lambda name: (chosen is None or name != chosen.teacher, name))
    for name in order:
        if name == "appearance" or not card(name).words:
            continue
        try:
            teacher = reopen(name, fields[name].memory, device)
        except InputError as error:
            say(console, f"No names from {name}: {error}")
            continue
        if isinstance(teacher, TextTeacher):
            return fields[name], teacher
    return None


def named(
    found: Sequence[Candidate],
    gaussians: Gaussians,
    graph: Graph,
    words: tuple[FeatureField, TextTeacher] | None,
) -> list[tuple[str, dict[str, Any]]]:
    """(name, facts about it) for each candidate; 'thing' where no word fits. Names may be the same."""
    rows = [torch.from_numpy(one.rows) for one in found]
    if words is None:
        return [("thing", {})] * len(found)
    best = vocabulary.name_things(gaussians, words[0], words[1], rows, graph.surface.mass.to(gaussians.means))
    return [
        (fit[0], {"named by": words[0].teacher, "cosine": round(fit[1], 4)}) if fit else ("thing", {}) for fit in best
    ]


def replaced(
    before: Sequence[Thing],
    found: Sequence[Candidate],
    names: Sequence[tuple[str, dict[str, Any]]],
    gaussians: Gaussians,
    weights: np.ndarray,
    facts: dict[str, Any],
) -> list[Thing]:
    """The objects after a proposal: people's own stay as they are, earlier proposals go, new ones come.

    A proposal that is one of people's own again is left out; what lies in it becomes a part of theirs.
    """
    kept = [thing for thing in before if not thing.facts.get("proposed")]
    known = {int(number): row for row, number in enumerate(gaussians.ids.tolist())}
    own = [np.array([known[i] for i in thing.ids.tolist() if i in known], np.int64) for thing in kept]
    again = _again(own, [one.rows for one in found], weights)
    taken = {thing.name for thing in kept}
    titles: list[str] = []
    for number, (name, _) in enumerate(names):
        titles.append(kept[again[number]].name if number in again else free_name(name, taken))
        taken.add(titles[-1])
    ids = gaussians.ids.cpu()
    new = [
        Thing(
            titles[number],
            ids[torch.from_numpy(one.rows)],
            {"made by": "objects --find", "proposed": True, **facts, **one.facts, **names[number][1]},
            titles[one.parent] if one.parent >= 0 else None,
        )
        for number, one in enumerate(found)
        if number not in again
    ]
    return [*kept, *new]


def _again(own: Sequence[np.ndarray], found: Sequence[np.ndarray], weights: np.ndarray) -> dict[int, int]:
    """For each found one that is nearly the same as one of people's own, which."""
    overlaps = overlaps_of([*own, *found], weights)
    sizes = np.array([weights[rows].sum() for rows in [*own, *found]])
    first, second, shared = overlaps.row, overlaps.col, overlaps.data
    same = (first < len(own)) & (second >= len(own)) & (shared > TWICE * (sizes[first] + sizes[second] - shared))
    return {int(b) - len(own): int(a) for a, b in zip(first[same], second[same], strict=True)}
