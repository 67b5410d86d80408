"""Colours of points on a surface, from the looks that see them."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .look import Look

OWN, OTHER = 1.0, 1e-3  # weights of looks from a photo's place, and from anywhere else


def colors_of(points: np.ndarray, faces: np.ndarray, looks: Sequence[Look], near: float) -> np.ndarray:
    """uint8 (v, 3): of each corner of a mesh; what no look shows takes the colour of the nearest that one does.

    Args:
        near: how far behind a look's depth a point may be and still be what is seen, world units.
    """
    return colors_at(torch.from_numpy(points), torch.from_numpy(normals_of(points, faces)), looks, near)


def colors_at(
    points: Float[Tensor, "v 3"], normals: Float[Tensor, "v 3"], looks: Sequence[Look], near: float
) -> np.ndarray:
    """The same for points with normals."""
    total, weight = torch.zeros(len(points), 3, dtype=torch.float64), torch.zeros(len(points), 1, dtype=torch.float64)
    for look in looks:
        colors, share = _seen(points, normals, look, near)
        total += share * colors
        weight += share
    found = (weight[:, 0] > 0).numpy()
    colors = (total / weight.clamp_min(1e-12)).numpy()
    if found.any() and not found.all():
        from scipy.spatial import KDTree

        _, nearest = KDTree(points.numpy()[found]).query(points.numpy()[~found])
        colors[~found] = colors[found][nearest]
    return np.clip(np.round(255 * colors), 0, 255).astype(np.uint8)


def _seen(points: Tensor, normals: Tensor, look: Look, near: float) -> tuple[Tensor, Tensor]:
    """Colours (v, 3) of the points in a look, and how well it sees them (v, 1)."""
    camera = look.camera.to(torch.float64)
    local = camera.local(points)
    z = local[:, 2].clamp_min(1e-9)
    pixels = local[:, :2] / z[:, None] * camera.intrinsics.diagonal()[:2] + camera.intrinsics[:2, 2]
    size = torch.tensor([camera.width, camera.height])
    inside = (local[:, 2] > 1e-6) & (pixels >= 0).all(-1) & (pixels < size).all(-1)
    x, y = pixels.nan_to_num().clamp(torch.zeros(2), size - 1).long().unbind(-1)
    depth = look.depth[y, x]
    away = torch.nn.functional.normalize(camera.center - points, dim=-1)
    facing = (away * normals).sum(-1).clamp_min(0.0)
    visible = inside & depth.isfinite() & ((depth - z).abs() < near)
    weight = torch.where(visible, facing**2, 0.0) * (OWN if look.photo else OTHER)
    return look.color[y, x].double() / 255.0, weight[:, None]


def normals_of(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (v, 3) of corners, weighted by the area of their triangles."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    per_face = np.cross(b - a, c - a)
    total = np.stack([np.bincount(faces.ravel(), np.repeat(per_face[:, k], 3), len(points)) for k in range(3)], axis=1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)
