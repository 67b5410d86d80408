"""LERF-OVS in space: each phrase selects Gaussians once, for all photos."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from rich.console import Console
from torch import Tensor

from ...distill.protocols import Annotated, Scores
from ...distill.protocols import lerf_ovs as files
from ...splatting.errors import InputError
from ...splatting.splat import splat
from ..overlays import INSIDE
from ..progress import counter
from ..truth import visible
from .bench import Bench
from .report import Group, Report
from .words import ASKED, COUNTED, FITTED, not_read, numbers, photo_sets, phrases_of, truth_of

OWN = "threshold of its own"
LEVELS = 48  # thresholds that are tried to cover as many pixels as are annotated
Truths = Sequence[tuple[Annotated, Bool[Tensor, "_h _w"]]]


def lerf_ovs_3d(bench: Bench, data: Path, console: Console) -> Report:
    """IoU of what is selected in space, as each annotated photo sees it (Wu et al. 2024, OpenGaussian).

    Raises:
        InputError: the annotations are not of this scene, or no field knows words.
    """
    photos = files.read(data, bench.names, bench.photos)
    phrases, masks, groups, unread = phrases_of(photos), [photo.masks() for photo in photos], [], set[str]()
    for name in bench.readers:
        report = counter(console, f"{name} asked for {len(phrases)} phrases")
        scores: dict[str, list[Scores]] = {OWN: [], COUNTED: []}
        for done, phrase in enumerate(phrases, 1):
            truths = [(photo, truth_of(bench, photo, own, phrase)) for photo, own in zip(photos, masks, strict=True)]
            chosen = _selected(bench, name, phrase, truths, unread)
            for (rule, selection), (photo, truth) in itertools.product(chosen.items(), truths):
                view = bench.views[photo.photo]
                found = visible(bench.gaussians, selection, view.camera)
                scores[rule].append(Scores.of(phrase, photo.photo, view.held_out, truth, found))
            report(done, len(phrases))
        groups.append(Group(name, {
            f"{rule}, {title}": numbers([score for score in found if score.photo in some])
            for rule, found in scores.items() for title, some in photo_sets(bench, photos)
        }))  # fmt: skip
    return Report(tuple(groups), (
        f"Each phrase is asked once, as semsplat ask does. '{OWN}' comes from the scores alone. '{COUNTED}' takes its "
        "threshold from the truth, as some published methods choose how much to select: it is no result, only what "
        "that hint is worth.",
        ASKED, FITTED, *not_read(unread),
    ))  # fmt: skip


def _selected(bench: Bench, name: str, phrase: str, truths: Truths, unread: set[str]) -> dict[str, Bool[Tensor, " n"]]:
    """What the phrase selects by each rule; nothing, which is noted, when the teacher cannot read it."""
    try:
        answer = bench.session.ask(phrase, field=name)
    except InputError:
        unread.add(phrase)
        return dict.fromkeys((OWN, COUNTED), torch.zeros(len(bench.gaussians), dtype=torch.bool, device=bench.device))
    return {OWN: answer.selection.to(bench.device), COUNTED: _counted(bench, answer.scores, truths)}


def _counted(bench: Bench, scores: Float[Tensor, " n"], truths: Truths) -> Bool[Tensor, " n"]:
    """The best scores: as many as cover, over the photos where it is annotated, the pixels that are annotated."""
    scores = scores.nan_to_num(nan=-torch.inf).to(bench.device)
    places = torch.logspace(-math.log10(len(scores)), 0, LEVELS, dtype=torch.float64) * len(scores) - 1
    levels = scores.sort(descending=True).values[places.long().clamp(0, len(scores) - 1).to(scores.device)]
    columns = (scores[:, None] >= levels).to(bench.gaussians.means)
    short = torch.zeros(LEVELS)  # pixels that are too few or too many
    for photo, truth in truths:
        if truth.any():
            image = splat(bench.gaussians, bench.views[photo.photo].camera).detach() @ columns
            short += (image > INSIDE).sum((0, 1)).cpu() - truth.sum()
    return columns[:, int(short.abs().argmin())] > 0
