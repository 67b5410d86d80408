"""LERF-OVS in space: each phrase selects Gaussians once, for all photos."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from rich.console import Console
from torch import Tensor

from ...distill.ask import Answer
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
NOTHING = torch.zeros(0, dtype=torch.bool)


def lerf_ovs_3d(bench: Bench, data: Path, console: Console) -> Report:
    """IoU of what is selected in space, as each annotated photo sees it (Wu et al. 2024, OpenGaussian).

    Raises:
        InputError: the annotations are not of this scene, or no field knows words.
    """
    photos = files.read(data, bench.names, bench.photos)
    phrases, groups, unread = phrases_of(photos), [], set[str]()
    for name in bench.readers:
        report = counter(console, f"{name} asked for {len(phrases)} phrases")
        scores: dict[str, list[Scores]] = {OWN: [], COUNTED: []}
        for done, phrase in enumerate(phrases, 1):
            truths = [(photo, truth_of(bench, photo, photo.masks(), phrase)) for photo in photos]
            answer = _answered(bench, name, phrase, unread)
            chosen = {OWN: NOTHING, COUNTED: NOTHING} if answer is None else {
                OWN: answer.selection, COUNTED: _counted(bench, answer.scores, truths)
            }  # fmt: skip
            for (rule, selection), (photo, truth) in itertools.product(chosen.items(), truths):
                view, found = bench.views[photo.photo], torch.zeros_like(truth)
                if len(selection):
                    found = visible(bench.gaussians, selection.to(bench.device), view.camera)
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


def _answered(bench: Bench, name: str, phrase: str, unread: set[str]) -> Answer | None:
    """What the phrase finds; None, which is noted, when the teacher cannot read it."""
    try:
        return bench.session.ask(phrase, field=name)
    except InputError:
        unread.add(phrase)
        return None


def _counted(
    bench: Bench, scores: Float[Tensor, " n"], truths: Sequence[tuple[Annotated, Bool[Tensor, "_h _w"]]]
) -> Bool[Tensor, " n"]:
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
