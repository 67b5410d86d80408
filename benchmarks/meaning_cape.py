"""Acceptance on real photos with object masks: pointed at in one photo, scored in all the others."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from meaning_common import best_frame, captures, command, deepest, fitted, metrics_of, opened

from semsplat.app import overlays
from semsplat.app.truth import mean_scores, score_selection
from semsplat.app.truth_files import MaskImages, lenses_of
from semsplat.distill.metrics import MaskScores
from semsplat.distill.segment import graph as graphs
from semsplat.distill.segment.clean import tidy
from semsplat.distill.segment.prompts import Click, MaskPrompt, Prompt, Stroke
from semsplat.distill.segment.selecting import select
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.errors import InputError

CAP = 40_000


def cape(work: Path, out: Path) -> dict[str, Any]:
    """The whole scene is fitted, also what is outside the masks; the field is appearance, or none."""
    folder = captures()
    if folder is None:
        return {"skipped": "SEMSPLAT_CAPTURES is not set"}
    source = folder / "gold_cape"
    scene_folder = fitted(work / "gold_cape", source, "--outside-mask", "kept", "--cap", CAP)
    if not (scene_folder / "fields" / "appearance.safetensors").is_file():
        command("distill", scene_folder, "--teacher", "appearance")
    scene, gaussians, fields = opened(scene_folder)
    masks = MaskImages.open(source / "masks", lenses_of(scene))
    frames = [frame for frame in scene.frames if masks.has(frame)]
    shown = best_frame(frames, masks.read)
    others = [frame for frame in frames if frame.name != shown.name]
    cameras = [frame.camera for frame in scene.frames]
    graphs_of = {name: graphs.build(gaussians, cameras, field) for name, field in (("no field", None), *fields.items())}
    found: dict[str, Any] = {"held_out_psnr": metrics_of(scene_folder).get("psnr"), "pointed_at": shown.name}
    unseen = {view.name for view in scene.views if view.held_out}
    for what, prompts in pointed(shown, masks.read(shown)).items():
        for name, graph in graphs_of.items():
            if what == "mask" and name != "no field":
                continue  # a mask says where the thing ends: no field is asked
            title = f"{what}, {name}"
            try:
                raw = select(gaussians, prompts, graph, fields.get(name)).selection
            except InputError as error:
                found[title] = {"failed": str(error)}
                continue
            selection = tidy(graph, raw)
            scores = score_selection(gaussians, selection, others, masks.read)
            found[title] = means(scores, unseen)
            views = [shown, *others[:: max(1, math.ceil(len(others) / 3))]]
            text = f"{title}: IoU {found[title]['iou']:.3f}"
            overlays.truth_sheet(out / f"cape {title}.png", gaussians, views, selection, masks.read, text)
    return found


def means(scores: dict[str, MaskScores], unseen: set[str]) -> dict[str, Any]:
    """Over all other photos; apart, over those that the scene was fitted to, as it may be wrong in the others."""
    fitted_to = {name: score for name, score in scores.items() if name not in unseen}
    every, known = mean_scores(scores), mean_scores(fitted_to)
    order = sorted(scores, key=lambda name: scores[name].iou)
    return {
        "iou": round(every.iou, 4),
        "boundary_iou": round(every.boundary_iou, 4),
        "precision": round(every.precision, 4),
        "recall": round(every.recall, 4),
        "photos": len(scores),
        "fitted_photos": {
            "iou": round(known.iou, 4),
            "boundary_iou": round(known.boundary_iou, 4),
            "photos": len(fitted_to),
        },
        "worst": {name: round(scores[name].iou, 4) for name in order[:3]},
    }


def pointed(frame: Frame, mask: torch.Tensor) -> dict[str, Sequence[Prompt]]:
    """A click, a stroke, the stroke with one on what is not meant, and the mask; all in one photo."""
    camera = frame.camera
    x, y = deepest(mask)
    along = _stroke(mask, x, y)
    strokes = [Stroke(camera, along), Stroke(camera, _beside(mask), positive=False)]
    return {
        "click": [Click(camera, x, y)],
        "stroke": strokes[:1],
        "two strokes": strokes,
        "mask": [MaskPrompt(camera, mask)],
    }


def _beside(mask: torch.Tensor) -> torch.Tensor:
    """The longest straight line along the upper edge that touches nothing of the mask, some pixels away from it."""
    free = ~mask[:12].any(0).numpy()
    ends = np.flatnonzero(np.diff(np.concatenate([[False], free, [False]]).astype(int))).reshape(-1, 2)
    left, right = max(ends.tolist(), key=lambda end: end[1] - end[0])
    return torch.tensor([[left + 8.0, 4.0], [right - 8.0, 4.0]])


def _stroke(mask: torch.Tensor, x: float, y: float) -> torch.Tensor:
    """A straight line through (x, y) along the mask's longer axis, well inside the mask."""
    rows, columns = np.nonzero(mask.numpy())
    axis = np.linalg.svd(np.stack([columns - columns.mean(), rows - rows.mean()]), full_matrices=False)[0][:, 0]
    line = np.array([x, y]) + np.linspace(-1, 1, 201)[:, None] * axis * 0.35 * np.ptp(columns)
    at = line.astype(int)
    inside = (at >= 0).all(1) & (at < mask.shape[::-1]).all(1)
    inside[inside] &= mask.numpy()[at[inside, 1], at[inside, 0]]
    return torch.from_numpy(line[inside]).float()
