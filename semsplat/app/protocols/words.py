"""Protocols that ask in words and look at pictures: LERF-OVS and 3D-OVS."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from rich.console import Console
from torch import Tensor

from ...distill.metrics import LabelScores, confusion
from ...distill.protocols import Annotated, Scores
from ...distill.protocols import lerf_ovs as lerf_files
from ...distill.protocols import threed_ovs as threed_files
from ...distill.protocols.types import mean, mean_iou, mean_iou_everywhere, share_above
from ..progress import counter
from ..truth import best
from .bench import Bench
from .relevance import PUBLISHED_CUT, Relevance, highest, own_cut, peak, published_cut
from .report import Group, Report

OWN, PUBLISHED = "relevancy above 0.5", f"{PUBLISHED_CUT:.0%} of the way to the picture's own peak"
COUNTED = "as many pixels as are annotated"
CUTS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    PUBLISHED: lambda heat, _: published_cut(heat),
    OWN: lambda heat, _: own_cut(heat),
    COUNTED: lambda heat, truth: highest(heat, int(truth.sum())),
}
ASKED = (
    "'known to be there' asks a photo only for what is annotated in it, as is published; 'asked in all' asks every "
    "annotated photo for every phrase, and any answer where it is not annotated counts against it (too strictly: not "
    "all that is there was annotated)."
)
FITTED = (
    "Published numbers are of photos that the scene was fitted from, too; the rows 'held out' are only of those that "
    "it was not (fit with --eval N to have some)."
)
Peaks = list[tuple[str, float, float]]  # (photo, whether the peak is in a box, whether it is in the mask)


def lerf_ovs(bench: Bench, data: Path, console: Console) -> Report:
    """IoU and localisation of relevancy maps, in the annotated photos (Qin et al. 2024).

    Raises:
        InputError: the annotations are not of this scene, or no field knows words.
    """
    photos = lerf_files.read(data, bench.names, bench.photos)
    groups, unread = [], set[str]()
    for name in bench.readers:
        relevance = Relevance.of(bench, name)
        scores, peaks = _asked(bench, name, relevance, photos, console)
        unread |= relevance.unread
        rows = {}
        for rule, found in scores.items():
            for title, some in photo_sets(bench, photos):
                rows[f"{rule}, {title}"] = {
                    **numbers([score for score in found if score.photo in some]),
                    "peak in box": mean([box for photo, box, _ in peaks if photo in some]),
                    "peak in mask": mean([mask for photo, _, mask in peaks if photo in some]),
                }
        groups.append(Group(name, rows))
    return Report(tuple(groups), (
        f"'{PUBLISHED}' is LangSplat's cut: it always answers something, which suits only what is known to be there; "
        f"'{OWN}' is fixed and may answer nothing. '{COUNTED}' takes its threshold from the truth, as some do: it is "
        "no result, only what that hint is worth.",
        ASKED,
        "'peak in box' is the published localisation, and boxes hold more than things; 'peak in mask' is on the thing.",
        FITTED, *not_read(unread),
    ))  # fmt: skip


def threed_ovs(bench: Bench, data: Path, console: Console) -> Report:
    """IoU and accuracy of classes whose full list is given (Liu et al. 2023).

    Raises:
        InputError: as :func:`lerf_ovs`.
    """
    photos = threed_files.read(data, bench.names, bench.photos)
    given, groups, unread = f"best of the {len(photos[0].phrases)} listed", [], set[str]()
    for name in bench.readers:
        relevance = Relevance.of(bench, name)
        scores: dict[str, list[Scores]] = {given: [], OWN: []}
        counts: dict[tuple[str, str], Tensor] = {}
        report = counter(console, f"{name} against the classes")
        for done, photo in enumerate(photos, 1):
            found, tables = _labelled(bench, name, relevance, photo)
            for rule, own, table in zip((given, OWN), found, tables, strict=True):
                scores[rule] += own
                counts[rule, photo.photo] = table
            report(done, len(photos))
        unread |= relevance.unread
        rows = {}
        for rule, found in scores.items():
            for title, some in photo_sets(bench, photos):
                tables = [counts[rule, photo] for photo in some]
                accuracy = LabelScores.of(torch.stack(tables).sum(0)).accuracy if tables else float("nan")
                own = [score for score in found if score.photo in some]
                rows[f"{rule}, {title}"] = {"mIoU": mean_iou(own), "pixel accuracy": accuracy, **_rest(own)}
        groups.append(Group(name, rows))
    return Report(tuple(groups), (
        "'best of the listed' is published: the list names all that is in the photos, background included, so that "
        f"every pixel has its answer among them; '{OWN}' asks for each class alone, without the list.",
        FITTED, *not_read(unread),
    ))  # fmt: skip


def numbers(scores: Sequence[Scores]) -> dict[str, float]:
    """The columns of LERF-OVS, in pictures and in space."""
    asked = {"mIoU, known to be there": mean_iou(scores), "mIoU, asked in all": mean_iou_everywhere(scores)}
    return asked | _rest(scores)


def photo_sets(bench: Bench, photos: Sequence[Annotated]) -> list[tuple[str, list[str]]]:
    """(what they are, names) of the annotated photos: all, and those that were held out."""
    names = [photo.photo for photo in photos]
    held_out = bench.held_out(names)
    return [(f"all {len(names)} photos", names), (f"{len(held_out)} held out", held_out)]


def phrases_of(photos: Sequence[Annotated]) -> list[str]:
    """All phrases of the scene, each once."""
    return list(dict.fromkeys(phrase for photo in photos for phrase in photo.phrases))


def truth_of(
    bench: Bench, photo: Annotated, masks: Mapping[str, Bool[np.ndarray, "_h _w"]], phrase: str
) -> Bool[Tensor, "h w"]:
    """Where the phrase is in the prepared photo; nowhere when it is not annotated."""
    camera = bench.views[photo.photo].camera
    if phrase not in masks:
        return torch.zeros(camera.height, camera.width, dtype=torch.bool)
    return bench.on_photo(masks[phrase], photo.photo, photo.where)


def not_read(phrases: set[str]) -> list[str]:
    """A sentence about words that a teacher does not know."""
    return [f"Not read by some field, so that they score 0 there: {', '.join(sorted(phrases))}."] if phrases else []


def _asked(
    bench: Bench, name: str, relevance: Relevance, photos: Sequence[Annotated], console: Console
) -> tuple[dict[str, list[Scores]], Peaks]:
    """Every phrase in every annotated photo, cut in all ways; the peaks where it is annotated."""
    phrases, report = phrases_of(photos), counter(console, f"{name} asked in {len(photos)} photos")
    scores: dict[str, list[Scores]] = {rule: [] for rule in CUTS}
    peaks: Peaks = []
    for done, photo in enumerate(photos, 1):
        masks, view = photo.masks(), bench.views[photo.photo]
        seen = relevance.seen(bench.gaussians, bench.readers[name], view.camera)
        for phrase in phrases:
            heat, truth = seen.heat(phrase), truth_of(bench, photo, masks, phrase)
            for rule, cut in CUTS.items():
                scores[rule].append(Scores.of(phrase, photo.photo, view.held_out, truth, cut(heat, truth)))
            if phrase in masks:
                place = peak(heat)
                boxed = bench.on_photo(_boxed(photo, phrase, masks[phrase].shape), photo.photo, photo.where)
                answered = bool((heat > 0).any())
                peaks.append((photo.photo, float(answered and boxed[place]), float(answered and truth[place])))
        report(done, len(photos))
    return scores, peaks


def _labelled(
    bench: Bench, name: str, relevance: Relevance, photo: Annotated
) -> tuple[list[list[Scores]], list[Tensor]]:
    """(scores of every class, confusion of the labels), each with the list of classes and without."""
    view, masks = bench.views[photo.photo], photo.masks()
    seen = relevance.seen(bench.gaussians, bench.readers[name], view.camera)
    truths = torch.stack([truth_of(bench, photo, masks, phrase) for phrase in photo.phrases], dim=-1)
    heats = torch.stack([seen.heat(phrase) for phrase in photo.phrases], dim=-1)
    listed = seen.best(list(photo.phrases))
    alone = best(heats.masked_fill(~own_cut(heats), -torch.inf))
    label = torch.where(truths.any(-1), truths.long().argmax(-1), -1)

    def scored(phrase: str, k: int, answer: Tensor) -> Scores:
        return Scores.of(phrase, photo.photo, view.held_out, truths[..., k], answer)

    scores = [
        [scored(phrase, k, listed == k) for k, phrase in enumerate(photo.phrases)],
        [scored(phrase, k, own_cut(heats[..., k])) for k, phrase in enumerate(photo.phrases)],
    ]
    return scores, [confusion(label, answer, len(photo.phrases)) for answer in (listed, alone)]


def _rest(scores: Sequence[Scores]) -> dict[str, float]:
    edges = mean([score.boundary_iou for score in scores if score.present])
    return {"Acc@.25": share_above(scores), "boundary IoU": edges}


def _boxed(photo: Annotated, phrase: str, shape: tuple[int, ...]) -> Bool[np.ndarray, "h w"]:
    inside = np.zeros(shape, bool)
    for x0, y0, x1, y1 in photo.boxes[phrase]:
        inside[max(0, int(y0)) : max(0, int(y1) + 1), max(0, int(x0)) : max(0, int(x1) + 1)] = True
    return inside
