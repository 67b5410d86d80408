"""LERF-OVS in space: each phrase selects Gaussians once, for all photos."""

from pathlib import Path

import torch
from jaxtyping import Bool
from rich.console import Console
from torch import Tensor

from ...distill.protocols import Scores
from ...distill.protocols import lerf_ovs as files
from ...splatting.errors import InputError
from ..progress import counter
from ..truth import visible
from .bench import Bench
from .report import Group, Report
from .words import ASKED, FITTED, not_read, numbers, photo_sets, phrases_of, truth_of


def lerf_ovs_3d(bench: Bench, data: Path, console: Console) -> Report:
    """IoU of what is selected in space, as each annotated photo sees it (Wu et al. 2024, OpenGaussian).

    Raises:
        InputError: the annotations are not of this scene, or no field knows words.
    """
    photos = files.read(data, bench.names, bench.photos)
    phrases, groups, unread = phrases_of(photos), [], set[str]()
    for name in bench.readers:
        report, scores = counter(console, f"{name} asked for {len(phrases)} phrases"), []
        chosen = {phrase: _selected(bench, name, phrase, unread) for phrase in phrases}
        for done, photo in enumerate(photos, 1):
            view, masks = bench.views[photo.photo], photo.masks()
            for phrase, selection in chosen.items():
                truth, answer = truth_of(bench, photo, masks, phrase), visible(bench.gaussians, selection, view.camera)
                scores.append(Scores.of(phrase, photo.photo, view.held_out, truth, answer))
            report(done, len(photos))
        sets = photo_sets(bench, photos)
        groups.append(Group(name, {title: numbers([s for s in scores if s.photo in some]) for title, some in sets}))
    return Report(tuple(groups), (
        "Each phrase is asked once, as semsplat ask does; its threshold comes from the scores, never from the truth "
        "(some published methods choose how much to select by what is annotated).",
        ASKED, FITTED, *not_read(unread),
    ))  # fmt: skip


def _selected(bench: Bench, name: str, phrase: str, unread: set[str]) -> Bool[Tensor, " n"]:
    """What the phrase selects; nothing, which is noted, when the teacher cannot read it."""
    try:
        return bench.session.ask(phrase, field=name).selection.to(bench.device)
    except InputError:
        unread.add(phrase)
        return torch.zeros(len(bench.gaussians), dtype=torch.bool, device=bench.device)
