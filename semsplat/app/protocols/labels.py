"""Replica as Feature 3DGS scores it (agreement with the teacher), beside the truth."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from jaxtyping import Int64
from rich.console import Console
from torch import Tensor

from ...distill import maps
from ...distill.field import FeatureField
from ...distill.protocols import replica as files
from ...splatting.capture.types import Frame
from ...splatting.errors import InputError
from .. import scene
from ..distilling import MAPS
from ..progress import counter
from ..truth import COMMONEST, Agreement, FieldTruth, Texts, agreement, score_field
from ..truth_files import LabelImages
from ..truth_report import words_for
from .bench import Bench
from .report import Group, Report

NONE = float("nan")


def replica(bench: Bench, data: Path, console: Console) -> Report:
    """mIoU and accuracy of labels, against the teacher and against the truth (Zhou et al. 2024, Zhi et al. 2021).

    Raises:
        InputError: the label images are not of this scene, none is of a held-out photo, or no field knows words.
    """
    folder, names = files.find(data, bench.names)
    truth = LabelImages.open(folder, names, bench.lenses)
    views = [view for view in bench.opened.views if truth.has(view.frame)]
    held_out = [view.frame for view in views if view.held_out]
    if not held_out:
        raise InputError(f"None of the photos that {folder} has labels of was held out; fit it again with --eval 8.")
    groups = []
    for name, field in bench.readers.items():
        texts = words_for(field, truth.names, bench.device)
        if texts is not None:
            rows = _rows(bench, field, texts, truth, held_out, [view.frame for view in views], console)
            groups.append(Group(name, rows))
    return Report(tuple(groups), (
        "'agreement with the teacher' is what Feature 3DGS publishes: how near the field is to what it was taught, "
        "right or wrong, over the teacher's seven commonest labels in maps of 159 cells; – where the maps are gone.",
        "'known to be there' lets the field answer only with what the photos have; 'all' with every class of Replica.",
        "The last row has photos that the scene was fitted from; the others do not.",
    ))  # fmt: skip


def _rows(
    bench: Bench,
    field: FeatureField,
    texts: Texts,
    truth: LabelImages,
    held_out: Sequence[Frame],
    every: Sequence[Frame],
    console: Console,
) -> dict[str, dict[str, float]]:
    sizes = torch.zeros(len(texts.names), dtype=torch.int64)
    for frame in held_out:
        labels = truth.read(frame)
        sizes += torch.bincount(labels[labels >= 0], minlength=len(sizes))
    order = sizes.argsort(descending=True)
    there = order[sizes[order] > 0].tolist()
    report = counter(console, f"{field.teacher} against the truth")

    def scored(kept: Sequence[int], frames: Sequence[Frame]) -> dict[str, float]:
        some, read = _only(texts, truth.read, kept)
        return _numbers(score_field(bench.gaussians, field, some, frames, read, report))

    whole, seven = list(range(len(texts.names))), there[:COMMONEST]
    return {
        f"agreement with the teacher, {len(held_out)} held out": _agreed(_agreement(bench, field, texts, held_out)),
        f"truth, the {len(seven)} commonest labels": scored(seven, held_out),
        f"truth, the {len(there)} labels known to be there": scored(there, held_out),
        f"truth, all {len(whole)} labels": scored(whole, held_out),
        f"truth, all labels, all {len(every)} photos": scored(whole, every),
    }


def _only(
    texts: Texts, truth_of: Callable[[Frame], Tensor], kept: Sequence[int]
) -> tuple[Texts, Callable[[Frame], Int64[Tensor, "_h _w"]]]:
    """Some of the words, and the truth about them; the others are void."""
    places = torch.full((len(texts.names) + 1,), -1)  # the last is void's
    places[list(kept)] = torch.arange(len(kept))
    some = Texts(tuple(texts.names[k] for k in kept), texts.vectors[list(kept)])
    return some, lambda frame: places[truth_of(frame)]


def _agreement(bench: Bench, field: FeatureField, texts: Texts, frames: Sequence[Frame]) -> Agreement | None:
    place = bench.opened.folder / scene.CACHE / MAPS / field.teacher
    seen = {frame.name: maps.features(place, frame.name) for frame in frames}
    known = [frame for frame in frames if seen[frame.name] is not None]
    taught = {name: features for name, features in seen.items() if features is not None}
    return agreement(bench.gaussians, field, texts, known, lambda frame: taught[frame.name]) if known else None


def _numbers(found: FieldTruth) -> dict[str, float]:
    return {
        "mIoU": found.labels.mean_iou,
        "accuracy": found.labels.accuracy,
        "class accuracy": found.labels.class_accuracy,
        "boundary IoU": float(found.boundary.nanmean()),
    }


def _agreed(found: Agreement | None) -> dict[str, float]:
    numbers = (found.miou, found.accuracy) if found else (NONE, NONE)
    return {"mIoU": numbers[0], "accuracy": numbers[1], "class accuracy": NONE, "boundary IoU": NONE}
