"""``semsplat eval --labels / --masks``: tables, pictures and metrics.json of how near to the truth meaning is."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..distill import maps, naming
from ..distill.field import FeatureField
from ..distill.metrics import MaskScores
from ..distill.objects import Thing
from ..distill.palette import color_of
from ..distill.teachers import card, reopen
from ..distill.teachers.base import TextTeacher
from ..splatting.capture.types import Frame
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from . import evaluate, overlays, scene
from . import plan as plans
from .distilling import MAPS
from .progress import counter, say
from .scene import Scene
from .truth import (
    Agreement,
    FieldTruth,
    Texts,
    agreement,
    answer,
    mean_scores,
    rounded,
    score_field,
    score_selection,
)
from .truth_files import LabelImages, MaskImages, lenses_of

MOST_ROWS, MOST_PICTURES = 12, 4
FIELDS, OBJECTS, AGREEMENT = "labels", "objects", "agreement_with_teacher"  # in metrics.json


@dataclass(frozen=True)
class Wanted:
    """What is to be compared with the truth, checked before any work."""

    opened: Scene
    labels: LabelImages | None
    masks: MaskImages | None
    things: tuple[Thing, ...]
    device: torch.device

    @classmethod
    def of(
        cls,
        folder: Path,
        labels: Path | None,
        names: Path | None,
        masks: Path | None,
        object_name: str | None,
        device: str,
    ) -> "Wanted":
        """Open what the options name.

        Raises:
            InputError: an option that makes no sense, or names what is not there.
        """
        opened = Scene.open(folder)
        if names is not None and labels is None:
            raise InputError("--names says what label images are called; give their folder, too: --labels FOLDER.")
        if (masks is None) != (object_name is None):
            raise InputError("--masks and --object belong together: masks of which object?")
        lenses = lenses_of(opened) if labels or masks else {}
        truth = LabelImages.open(labels, names, lenses) if labels else None
        if truth is not None and not opened.meaning[1]:
            raise InputError(
                f"{folder} has no field to score; make one with: semsplat distill {folder} --teacher labels"
            )
        things = (_thing(opened, object_name),) if object_name is not None else ()
        chosen = plans.pick_device(device)
        return cls(opened, truth, MaskImages.open(masks, lenses) if masks else None, things, chosen)

    @cached_property
    def scene(self) -> tuple[Gaussians, dict[str, FeatureField]]:
        """The Gaussians on the device, without rows that are not finite, and the fields."""
        gaussians, fields = self.opened.meaning
        return gaussians[gaussians.is_finite()].to(self.device), fields


def run(wanted: Wanted, console: Console) -> None:
    """Score fields against labels and objects against masks, on the held-out photos; show, draw and save it.

    Raises:
        InputError: no held-out photo has labels or masks.
    """
    if wanted.labels is None and wanted.masks is None:
        return
    frames = evaluate.held_out_frames(wanted.opened, counter(console, "preparing photos"))
    found: dict[str, Any] = {}
    if wanted.labels is not None:
        found |= _labels(wanted, wanted.labels, _having(frames, wanted.labels, "a label image"), console)
    if wanted.masks is not None:
        found |= _masks(wanted, wanted.masks, _having(frames, wanted.masks, "a mask"), console)
    path = wanted.opened.folder / scene.METRICS
    before = scene.read_json(path) if path.exists() else {}
    merged = {key: before.get(key, {}) | value for key, value in found.items()}
    scene.write_json(path, {**before, **merged})


def words_for(field: FeatureField, names: Sequence[str], device: torch.device) -> Texts | None:
    """The names as the field's teacher reads them; None for a teacher that has no words.

    Raises:
        InputError: the teacher's weights are gone.
    """
    if not card(field.teacher).words:
        return None
    teacher = reopen(field.teacher, field.memory, device)
    if not isinstance(teacher, TextTeacher):
        return None
    vectors = torch.zeros(len(names), field.decoder.shape[1])
    for row, name in enumerate(names):
        try:
            vectors[row] = teacher.read([name])[0].float().cpu()
        except InputError:
            continue  # it does not know the word, which is said
    return Texts(tuple(names), vectors)


def draw_labels(
    path: Path,
    gaussians: Gaussians,
    field: FeatureField,
    texts: Texts,
    frames: Sequence[Frame],
    truth: LabelImages,
    title: str,
) -> None:
    """Photo | truth | answer | where they differ, of up to four of the frames, as a picture."""
    rows = []
    for frame in frames[:: max(1, math.ceil(len(frames) / MOST_PICTURES))]:
        photo = np.ascontiguousarray(frame.read().numpy()[..., :3])
        answered, _ = answer(gaussians, field, frame.camera, texts)
        text = f"{frame.name}   photo | truth | {field.teacher} | where they differ"
        rows.append((text, photo, truth.read(frame), answered.cpu()))
    colors = [color_of(number) for number in range(len(texts.names))]
    overlays.labels_sheet(path, rows, texts.names, colors, title)


def _labels(wanted: Wanted, truth: LabelImages, frames: list[Frame], console: Console) -> dict[str, Any]:
    gaussians, fields = wanted.scene
    folder = wanted.opened.folder
    found: dict[str, Any] = {FIELDS: {}, AGREEMENT: {}}
    for name, field in fields.items():
        texts = words_for(field, truth.names, wanted.device)
        if texts is None:
            say(console, f"{name} has no words, so it is not compared with labels.")
            continue
        if len(texts.unknown) == len(texts.names):
            say(console, f"{name} knows none of the labels' names ({', '.join(texts.names[:3])} ...): not compared.")
            continue
        result = score_field(gaussians, field, texts, frames, truth.read, counter(console, f"{name} against labels"))
        found[FIELDS][name] = result.facts()
        taught = _agreement(wanted, field, texts, frames)
        found[AGREEMENT] |= {name: taught.facts()} if taught else {}
        picture = folder / f"truth-{name}.png"
        title = f"{name}: mIoU {result.labels.mean_iou:.3f}, boundary IoU {float(result.boundary.nanmean()):.3f}"
        draw_labels(picture, gaussians, field, texts, frames, truth, title)
        console.print(_field_table(name, result))
        _say_field(name, result, taught, console)
        say(console, f"Look at it: {picture}")
    if not found[FIELDS]:
        known = ", ".join(fields)
        raise InputError(f"No field of {folder} knows the labels' names ({known}); distil labels or a text teacher.")
    return found


def _say_field(name: str, result: FieldTruth, taught: Agreement | None, console: Console) -> None:
    if result.unknown:
        say(console, f"{name} does not know: {', '.join(result.unknown)}.")
    if taught:
        numbers = f"accuracy {taught.accuracy:.3f}, mIoU {taught.miou:.3f}"
        what = f"the {len(taught.labels)} labels that it sees most ({', '.join(taught.labels)})"
        say(console, f"Agreement of {name} with its own teacher, not truth: {numbers}; {what}, maps of 119 x 159.")


def _agreement(wanted: Wanted, field: FeatureField, texts: Texts, frames: Sequence[Frame]) -> Agreement | None:
    """Agreement with the teacher's own maps of those photos of which they are still in the cache."""
    place = wanted.opened.folder / scene.CACHE / MAPS / field.teacher
    seen = {frame.name: maps.features(place, frame.name) for frame in frames}
    taught = {name: features for name, features in seen.items() if features is not None}
    known = [frame for frame in frames if frame.name in taught]
    gaussians, _ = wanted.scene
    return agreement(gaussians, field, texts, known, lambda frame: taught[frame.name]) if known else None


def _masks(wanted: Wanted, masks: MaskImages, frames: list[Frame], console: Console) -> dict[str, Any]:
    gaussians, _ = wanted.scene
    found = {}
    for thing in wanted.things:
        selection = thing.selection(gaussians)
        scores = score_selection(gaussians, selection, frames, masks.read, counter(console, thing.name))
        mean = mean_scores(scores)
        views = {name: _numbers(score) for name, score in scores.items()}
        found[thing.name] = {**_numbers(mean), "photos": len(scores), "views": views}
        console.print(_mask_table(thing.name, scores, mean))
        picture = wanted.opened.folder / "truth-object.png"
        shown = frames[:: max(1, math.ceil(len(frames) / MOST_PICTURES))]
        overlays.truth_sheet(picture, gaussians, shown, selection, masks.read, f"{thing.name}: IoU {mean.iou:.3f}")
        say(console, f"Look at it: {picture}")
    return {OBJECTS: found}


def _numbers(score: MaskScores) -> dict[str, float | None]:
    return {name: rounded(value) for name, value in asdict(score).items()}


def _thing(opened: Scene, name: str) -> Thing:
    things = {thing.name: thing for thing in naming.read(opened.folder, opened.history.edits)}
    if name not in things:
        known = f"it has {', '.join(list(things)[:8])}" if things else "it has none"
        raise InputError(f"{opened.folder} has no object '{name}': {known}; make one with semsplat select or ask.")
    return things[name]


def _having(frames: Iterable[Frame], truth: LabelImages | MaskImages, what: str) -> list[Frame]:
    frames = list(frames)
    found = [frame for frame in frames if truth.has(frame)]
    if not found:
        raise InputError(f"None of the {len(frames)} held-out photos (such as {frames[0].name}) has {what}.")
    return found


def _field_table(name: str, result: FieldTruth) -> Table:
    table = Table(f"{name}: worst classes", show_footer=True)
    rows = result.rows()
    table.columns[0].footer = f"mean of {len(rows)}; accuracy {result.labels.accuracy:.3f}"
    edge = float(result.boundary.nanmean())
    means = (result.labels.mean_iou, edge, result.labels.class_accuracy)
    for title, mean in zip(("IoU", "boundary IoU", "recall"), means, strict=True):
        table.add_column(title, f"{mean:.3f}", justify="right")
    for row in rows[:MOST_ROWS]:
        table.add_row(Text(row[0]), *(f"{number:.3f}" for number in row[1:]))
    return table


def _mask_table(name: str, scores: dict[str, MaskScores], mean: MaskScores) -> Table:
    table = Table(f"{name} in held-out photo", show_footer=True)
    table.columns[0].footer = f"mean of {len(scores)}"
    columns = {"IoU": "iou", "boundary IoU": "boundary_iou", "precision": "precision", "recall": "recall"}
    for title, field in columns.items():
        table.add_column(title, f"{getattr(mean, field):.3f}", justify="right")
    for view, score in scores.items():
        table.add_row(Text(view), *(f"{getattr(score, field):.3f}" for field in columns.values()))
    return table
