"""A thing in real photos taken out of its scene by masks of the fitted photos: its silhouette in the others."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from meaning_common import metrics_of
from PIL import Image

from semsplat.app.scene import Scene
from semsplat.app.truth_files import MaskImages, lenses_of
from semsplat.distill.segment.alone import isolated
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

SOLID = 0.5  # coverage


@torch.no_grad()
def cape(folder: Path, masks: Path, pictures_to: Path | None) -> dict[str, Any]:
    """IoU of the silhouette of what was taken out, alone, with the masks of held-out photos; raw and as exported."""
    scene = Scene.open(folder)
    truth = MaskImages.open(masks, lenses_of(scene))
    gaussians = scene.gaussians
    fitted, held_out = (
        [frame for frame in scene.frames_of(held_out=held) if truth.has(frame)] for held in (False, True)
    )
    total = torch.zeros(len(gaussians), 2)
    for frame in fitted:
        mask = truth.read(frame).float()[..., None]
        total += splat(gaussians, frame.camera).T @ torch.cat([mask, torch.ones_like(mask)], dim=-1)
    selection = total[:, 0] > 0.5 * total[:, 1]
    cameras = [view.camera for view in scene.views if not view.held_out]
    parts = {"raw": gaussians[selection], "exported": isolated(gaussians, selection, cameras)}
    found: dict[str, Any] = {"held_out_psnr": metrics_of(folder).get("psnr"), "photos": len(held_out)}
    found["in the scene"] = _iou([((splat(gaussians, f.camera) @ selection.float()[:, None])[..., 0], truth.read(f))
                                  for f in held_out])  # fmt: skip
    for name, part in parts.items():
        pairs = [(splat(part, frame.camera).alpha[..., 0], truth.read(frame)) for frame in held_out]
        found[name] = {"gaussians": len(part), "iou": _iou(pairs), "outside": _outside(pairs)}
    if pictures_to is not None:
        chosen = held_out[:: max(1, len(held_out) // 3)][:3]
        rows = [np.concatenate([_picture(part, frame.camera) for part in parts.values()]) for frame in chosen]
        Image.fromarray((255 * np.concatenate(rows, axis=1)).round().astype(np.uint8)).save(pictures_to)
    return found


def _iou(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    both = sum(int(((alpha > SOLID) & mask).sum()) for alpha, mask in pairs)
    either = sum(int(((alpha > SOLID) | mask).sum()) for alpha, mask in pairs)
    return round(both / max(either, 1), 4)


def _outside(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Coverage outside the masks, as a share of the masks."""
    return round(sum(float(a[~m].sum()) for a, m in pairs) / max(sum(int(m.sum()) for _, m in pairs), 1), 4)


def _picture(part: Gaussians, camera) -> np.ndarray:
    colors, alpha = splat(part, camera).composite(part.colors(camera))
    return (colors + torch.tensor([0.8, 0.1, 0.7]) * (1.0 - alpha)).clamp(0.0, 1.0).numpy()
