"""Writing .sog, version 2; :mod:`.sog` says what is in one and reads it.

Rows are written along a Morton curve, which lossless WebP likes. Spherical harmonics above degree 0 go through a
palette: up to 65,536 Gaussians (or different rows) keep their own, of larger scenes k-means makes one.
"""

import io
import json
import math
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..files import replacing
from ..gaussians import Gaussians
from . import reading
from .clusters import codebook, nearest, palette
from .reading import Tolerance

ACROSS = 64  # palette rows side by side in shN_centroids
LARGEST_PALETTE = 1 << 16
STEPS = 65535  # of a mean, between the ends
EFFORT = 50  # of the WebP encoder, 0 to 100: more takes 25 times as long for a thousandth
SIDE = 4  # pixels: widths and heights are multiples of it
_LIKE = (1980, 1, 1, 0, 0, 0)  # the date of everything in the zip: the same scene gives the same bytes


def write(path: str | Path, gaussians: Gaussians) -> None:
    """Write a .sog; features are left out.

    Raises:
        InputError: a number is not finite, or the place cannot be written.
    """
    table = reading.for_writing(path, gaussians)[reading.along_a_curve(gaussians)]
    meta: dict[str, Any] = {
        "version": 2,
        "asset": {"generator": f"semsplat {version('semsplat')}"},
        "count": len(table),
        "antialias": False,
    }
    files: dict[str, bytes] = {}
    for part, (section, pictures) in _parts(table).items():
        meta[part] = section | {"files": list(pictures)}
        files |= {name: _webp(pixels) for name, pixels in pictures.items()}
    content = {"meta.json": json.dumps(meta).encode()} | files
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name, _LIKE), data)


def representable(gaussians: Gaussians) -> Gaussians:
    """What of these Gaussians fits into the format, in the order it is written, before its quantisation."""
    table = gaussians[reading.along_a_curve(gaussians)]
    if not table.sh_degree:
        return table
    rows, label = _palette(table)
    rest = rows[label].reshape(len(table), -1, 3)
    return table.replace(sh=torch.cat([table.sh[:, :1], rest], dim=1))


def tolerance(gaussians: Gaussians) -> Tolerance:
    """Largest error of a round trip of ``representable`` Gaussians: half the steps of what is in the file."""
    logs = _logs(gaussians)
    step = np.ptp(logs, axis=0) / STEPS if len(logs) else np.zeros(3)
    means = (0.505 * step * np.exp(np.abs(logs) + step) + 1e-6 * (1.0 + np.abs(np.expm1(np.abs(logs))))).astype(
        np.float32
    )
    sh = torch.empty(1, gaussians.sh.shape[1], 1)
    sh[:, 0] = _half_a_step(gaussians.sh[:, 0].numpy())
    sh[:, 1:] = _half_a_step(gaussians.sh[:, 1:].numpy())
    scales = torch.tensor(_half_a_step(gaussians.log_scales.numpy()))
    return Tolerance(torch.from_numpy(means), scales, sh, 0.501 / 255.0, 0.01)


def _half_a_step(values: np.ndarray) -> float:
    book = codebook(values)
    return 0.501 * float(np.diff(book).max(initial=0.0)) + 1e-6 * (1.0 + float(np.abs(book).max()))


def _parts(table: Gaussians) -> dict[str, tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """Each part of meta.json, and its pictures by their names."""
    logs = _logs(table)
    low, high = (logs.min(0), logs.max(0)) if len(logs) else (np.zeros(3), np.zeros(3))
    steps = np.rint((logs - low) / np.where(high > low, high - low, 1.0) * STEPS).astype(np.uint16)
    three, largest = reading.smallest_three(table.quats.double().numpy())
    turns = reading.to_bytes((three / math.sqrt(2.0) + 0.5) * 255.0)
    scales, colors = table.log_scales.numpy(), table.sh[:, 0].numpy()
    books = codebook(scales), codebook(colors)
    opacity = reading.to_bytes(table.opacities.numpy() * 255.0)
    means = {"means_l.webp": _picture(steps & 255), "means_u.webp": _picture(steps >> 8)}
    parts: dict[str, tuple[dict[str, Any], dict[str, np.ndarray]]] = {
        "means": ({"mins": low.tolist(), "maxs": high.tolist()}, means),
        "scales": ({"codebook": _filled(books[0])}, {"scales.webp": _picture(nearest(scales, books[0]))}),
        "quats": ({}, {"quats.webp": _picture(turns, 252 + largest)}),
        "sh0": ({"codebook": _filled(books[1])}, {"sh0.webp": _picture(nearest(colors, books[1]), opacity)}),
    }
    if table.sh_degree:
        parts["shN"] = _rest(table)
    return parts


def _rest(table: Gaussians) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Spherical harmonics above degree 0: a palette, and the row of it for each Gaussian."""
    rows, label = _palette(table)
    count, coefficients = len(rows), rows.shape[1] // 3
    book = codebook(rows.numpy())
    grid = np.zeros((-(-count // ACROSS) * ACROSS, coefficients, 4), np.uint8)
    grid[..., 3] = 255
    grid[:count, :, :3] = nearest(rows.numpy(), book).reshape(count, coefficients, 3)
    labels = label.numpy()
    section = {"count": count, "bands": table.sh_degree, "codebook": _filled(book)}
    pictures = {
        "shN_centroids.webp": grid.reshape(-1, ACROSS * coefficients, 4),
        "shN_labels.webp": _picture(np.stack([labels & 255, labels >> 8, np.zeros_like(labels)], axis=1)),
    }
    return section, pictures


def _palette(table: Gaussians) -> tuple[torch.Tensor, torch.Tensor]:
    return palette(table.sh[:, 1:].flatten(1).contiguous(), LARGEST_PALETTE)


def _logs(table: Gaussians) -> np.ndarray:
    means = table.means.double().numpy()
    return np.sign(means) * np.log1p(np.abs(means))


def _filled(book: np.ndarray) -> list[float]:
    """Of 256 entries, as readers expect; the last is there more than once when there are fewer."""
    return np.concatenate([book, np.full(256 - len(book), book[-1])]).tolist()


def _picture(colors: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """Bytes of each Gaussian, (n, 3) and (n,), row by row in a picture about as high as wide."""
    count = len(colors)
    width = max(SIDE, math.ceil(math.sqrt(count) / SIDE) * SIDE)
    height = max(SIDE, math.ceil(count / width / SIDE) * SIDE)
    pixels = np.zeros((width * height, 4), np.uint8)
    pixels[:, 3] = 255
    pixels[:count, :3] = colors
    if alpha is not None:
        pixels[:count, 3] = alpha
    return pixels.reshape(height, width, 4)


def _webp(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", lossless=True, exact=True, quality=EFFORT, method=4)
    return stream.getvalue()
