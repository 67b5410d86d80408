"""Acceptance on the bundled capture: exact labels decide about fields, words and clicks."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from meaning_common import best_frame, command, deepest, facts_of, fitted, metrics_of, opened, pooled, spoilt, summary
from PIL import Image

from semsplat import assets
from semsplat.app import overlays
from semsplat.app.session import Session
from semsplat.distill.ask.answer import ask
from semsplat.distill.ask.bodies import Viewpoint
from semsplat.distill.segment import graph as graphs
from semsplat.distill.segment.clean import tidy
from semsplat.distill.segment.prompts import Click
from semsplat.distill.segment.refine import Outlines
from semsplat.distill.segment.selecting import select
from semsplat.distill.teachers import reopen
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.errors import InputError

LABELS, NOISY, NAMES = (assets.ROOM / name for name in ("labels", "labels_noisy", "names.json"))
WRONG = 0.1  # share of wrong pixels
TWO = 4  # the class of both curtains, which hang apart: one click on each of them
MISSING = 17  # the class that half of the annotators forgot: the mug


def room(work: Path, out: Path) -> dict[str, Any]:
    """Fields from the noisy training labels: mIoU, every name, one click per thing."""
    scene = fitted(work / "room", assets.ROOM, "--cap", 20_000)
    return trial(scene, NOISY, out / "room")


def noisy(work: Path, out: Path) -> dict[str, Any]:
    """The same after 10 % of the pixels were made wrong and one class was left out in half of the photos."""
    clean = fitted(work / "room", assets.ROOM, "--cap", 20_000)
    scene = work / "room_spoilt"
    shutil.rmtree(scene, ignore_errors=True)
    shutil.copytree(clean, scene)
    shutil.rmtree(scene / "fields", ignore_errors=True)
    spoilt = spoil(work / "labels_spoilt")
    return trial(scene, spoilt, out / "noisy")


def spoil(folder: Path) -> Path:
    """The noisy training labels with more wrong in them; missing things are unlabelled."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, path in enumerate(sorted(NOISY.glob("*.png"))):
        labels = spoilt(np.array(Image.open(path)), rng, WRONG, 28, [MISSING] if number % 2 else [])
        Image.fromarray(labels).save(folder / path.name)
    return folder


def trial(folder: Path, labels: Path, out: Path) -> dict[str, Any]:
    """Distil, score, ask every name, click every thing."""
    found: dict[str, Any] = {
        "distil_seconds": command("distill", folder, "--teacher", "labels", "--labels", labels, "--names", NAMES)
    }
    command("eval", folder, "--labels", LABELS, "--names", NAMES)
    scores = metrics_of(folder)["labels"]["labels"]
    found |= {key: scores[key] for key in ("miou", "accuracy", "boundary_iou", "localisation")}
    found["worst_classes"] = dict(list(scores["classes"].items())[:4])
    facts = facts_of(folder, "labels")
    found |= {key: facts.get(key) for key in ("fit_seconds", "megabytes", "reliability_mean")}
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "truth-labels.png", out / "labels.png")
    shutil.copy(folder / "fields" / "labels.png", out / "features.png")
    found["words"] = words(folder, out)
    found["clicks"] = clicks(folder, out)
    return found


def exact(frame: Frame) -> torch.Tensor:
    """The exact labels of a photo, which has the size of its labels."""
    return torch.from_numpy(np.array(Image.open(LABELS / f"{Path(frame.name).stem}.png")).astype(np.int64))


def meant() -> dict[str, list[int]]:
    """Which things each name means."""
    names = {int(number): given for number, given in json.loads(NAMES.read_text()).items()}
    every = dict.fromkeys(name for given in names.values() for name in given)
    return {name: [number for number, given in names.items() if name in given] for name in every}


def words(folder: Path, out: Path) -> dict[str, Any]:
    """Ask every name of every thing; IoU over the held-out photos."""
    scene, gaussians, fields = opened(folder)
    teacher = reopen("labels", fields["labels"].memory, torch.device("cpu"))
    up = Viewpoint(Session.of(scene).up)
    held_out, ious, lost = scene.frames_of(True), {}, []
    outlines = Outlines.of(gaussians, fields["labels"], [frame.camera for frame in scene.frames_of(False)])
    for name, numbers in meant().items():
        try:
            answer = ask(gaussians, fields["labels"], teacher, name, up)
        except InputError as error:
            lost.append(f"{name}: {error}")
            continue
        selection = answer.selection if answer.alike is None else outlines.agreed(answer.selection, answer.alike)
        ious[name] = pooled(gaussians, selection, held_out, lambda f, n=numbers: torch.isin(exact(f), torch.tensor(n)))
        if name in ("red mug", "teddy bear", "chair"):
            views = overlays.pick_views(scene, (), selection, 3)
            path = out / f"word {name}.png"
            facts = (answer.scores, answer.kind, answer.threshold, selection, name)
            overlays.heat_sheet(path, gaussians, views, *facts)
    return summary(ious) | {"not_answered": lost}


def clicks(folder: Path, out: Path) -> dict[str, Any]:
    """One click on every body where it is largest in a training photo; with the field, and with no field at all."""
    scene, gaussians, fields = opened(folder)
    training, held_out = scene.frames_of(False), scene.frames_of(True)
    cameras = [frame.camera for frame in training]
    graph, bare = graphs.build(gaussians, cameras, fields["labels"]), graphs.build(gaussians, cameras)
    outlines = Outlines.of(gaussians, fields["labels"], cameras)
    names = {int(number): given[0] for number, given in json.loads(NAMES.read_text()).items() if given}
    by_field, without = {}, {}
    for number, name in names.items():
        pointed = [_click(training, bodies) for bodies in _bodies(number)]
        for results, its_graph, field in ((by_field, graph, fields["labels"]), (without, bare, None)):
            answer = select(gaussians, pointed, its_graph, field)
            selection, alike = tidy(its_graph, answer.selection), answer.alike()
            selection = selection if alike is None else outlines.agreed(selection, alike)
            key = name if name not in results else f"{name} {number}"
            results[key] = pooled(gaussians, selection, held_out, lambda f, n=number: exact(f) == n)
        if name in ("teapot", "chair", "books"):
            views = overlays.pick_views(scene, (), selection, 3)
            overlays.selection_sheet(
                out / f"click {name}.png", gaussians, views, selection, f"one click, no field: {name}"
            )
    return {"field": summary(by_field), "no field": summary(without)}


def _bodies(number: int) -> list[Callable[[Frame], torch.Tensor]]:
    """The masks of the bodies that a label stands for; the curtains are told apart left and right of their middle."""
    if number != TWO:
        return [lambda frame: exact(frame) == number]
    return [lambda frame, place=place: _curtain(frame, place) for place in (0, 1)]


def _curtain(frame: Frame, place: int) -> torch.Tensor:
    """The left or the right one of the two curtains without their rod; nothing where a photo does not show both."""
    from scipy.ndimage import binary_opening, center_of_mass, label

    opened_mask = binary_opening((exact(frame) == TWO).numpy(), np.ones((5, 5)))
    parts, count = label(opened_mask)
    largest = np.argsort(np.bincount(parts.ravel())[1:])[::-1][:2] + 1
    if count < 2:
        return torch.zeros(parts.shape, dtype=torch.bool)
    centers = center_of_mass(opened_mask, parts, largest)
    return torch.from_numpy(parts == largest[int(np.argsort([x for _, x in centers])[place])])


def _click(training: Sequence[Frame], mask_of: Callable[[Frame], torch.Tensor]) -> Click:
    """Where a person would click: deepest inside, where it is largest."""
    frame = best_frame(training, mask_of)
    return Click(frame.camera, *deepest(mask_of(frame)))
