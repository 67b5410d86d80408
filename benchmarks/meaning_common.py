"""What the acceptance runs of meaning share: scenes in a working folder, commands as people give them, scores."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from semsplat.app.scene import Scene
from semsplat.app.truth import visible
from semsplat.distill.metrics import boundary, boundary_width
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.gaussians import Gaussians

FOUND = 0.5  # IoU from which a thing counts as found
BLOCK = 8  # pixels: wrong labels come in squares
STEPS = 5000  # of a fit, where there is none in the working folder: no clock, so that others find the same


def command(*arguments: object) -> float:
    """``semsplat ...`` in a process of its own; seconds. What it says goes to stderr."""
    began = time.perf_counter()
    words = [sys.executable, "-m", "semsplat.app.cli", *map(str, arguments)]
    print("$ semsplat", *arguments, file=sys.stderr, flush=True)
    subprocess.run(words, check=True, stdout=sys.stderr)
    return round(time.perf_counter() - began, 1)


def fitted(folder: Path, source: Path, *options: object) -> Path:
    """A fitted scene in ``folder``, fitted now if there is none."""
    if not (folder / "metrics.json").is_file():
        command("train", source, "-o", folder, "--steps", STEPS, "--overwrite", *options)
    return folder


def captures() -> Path | None:
    """The folder of real captures, which is not part of the project."""
    return Path(os.environ["SEMSPLAT_CAPTURES"]) if os.environ.get("SEMSPLAT_CAPTURES") else None


def facts_of(scene: Path, teacher: str) -> dict[str, Any]:
    """What a field says about how it was made."""
    from semsplat.distill import field

    return field.load(scene / field.FIELDS / f"{teacher}.safetensors").facts


def metrics_of(scene: Path) -> dict[str, Any]:
    """metrics.json."""
    return json.loads((scene / "metrics.json").read_text())


def pooled(
    gaussians: Gaussians,
    selection: torch.Tensor,
    frames: Sequence[Frame],
    mask_of: Callable[[Frame], torch.Tensor],
) -> dict[str, float]:
    """IoU and boundary IoU with all pixels of all frames counted together, so that small views do not shout."""
    sums = np.zeros(4)
    for frame in frames:
        truth, seen = mask_of(frame), visible(gaussians, selection, frame.camera)
        edges = [boundary(mask, boundary_width(*truth.shape)) for mask in (truth, seen)]
        pairs = ((truth, seen), edges)
        sums += [float(x) for a, b in pairs for x in ((a & b).sum(), (a | b).sum())]
    return {
        "iou": round(float(sums[0] / max(sums[1], 1.0)), 4),
        "boundary_iou": round(float(sums[2] / max(sums[3], 1.0)), 4),
    }


def deepest(mask: torch.Tensor) -> tuple[float, float]:
    """(x, y) of the pixel farthest from the mask's outline: where a person would click."""
    inside = distance_transform_edt(np.pad(mask.numpy(), 1))[1:-1, 1:-1]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return float(x) + 0.5, float(y) + 0.5


def best_frame(frames: Sequence[Frame], mask_of: Callable[[Frame], torch.Tensor]) -> Frame:
    """The frame in which the mask is largest."""
    return max(frames, key=lambda frame: int(mask_of(frame).sum()))


def opened(folder: Path) -> tuple[Scene, Gaussians, dict[str, Any]]:
    """(scene, Gaussians with codes, fields)."""
    scene = Scene.open(folder)
    gaussians, fields = scene.meaning
    return scene, gaussians, fields


def spoilt(labels: np.ndarray, rng: np.random.Generator, wrong: float, classes: int, left_out: list[int]) -> np.ndarray:
    """Labels (h, w) with a share of wrong ones, in blocks, and with some classes unlabelled."""
    rows, columns = -(-labels.shape[0] // BLOCK), -(-labels.shape[1] // BLOCK)
    where = np.kron(rng.random((rows, columns)) < wrong, np.ones((BLOCK, BLOCK), bool))
    other = np.kron(rng.integers(1, classes, (rows, columns)), np.ones((BLOCK, BLOCK), int))
    cut = slice(labels.shape[0]), slice(labels.shape[1])
    found = np.where(where[cut], other[cut], labels)
    return np.where(np.isin(found, left_out), 0, found).astype(np.uint8)


def summary(scores: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Means, how many were found, and the worst."""
    ious = {name: score["iou"] for name, score in scores.items()}
    worst = sorted(ious.items(), key=lambda item: item[1])[:8]
    return {
        "asked": len(ious),
        "found": sum(1 for iou in ious.values() if iou > FOUND),
        "over_0.85": sum(1 for iou in ious.values() if iou > 0.85),
        "mean_iou": round(float(np.mean(list(ious.values()))), 4),
        "median_iou": round(float(np.median(list(ious.values()))), 4),
        "mean_boundary_iou": round(float(np.mean([score["boundary_iou"] for score in scores.values()])), 4),
        "worst": dict(worst),
    }
