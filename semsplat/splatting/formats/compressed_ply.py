"""Compressed .ply of PlayCanvas: 16 bytes a Gaussian, in chunks of 256 that have their own ranges.

Source: developer.playcanvas.com, "The compressed PLY format"; the header says what it is, the suffix is .ply too.

| property | bits | quantisation |
|---|---|---|
| packed_position | 11 10 11 | steps of the chunk's box: extent / 2047, 1023, 2047 |
| packed_scale | 11 10 11 | the same for log scales, cut off at +-20 |
| packed_rotation | 2 10 10 10 | the smallest three of wxyz, sqrt(2) / 1023 a step |
| packed_color | 8 8 8 8 | steps of the chunk's range of colours: extent / 255; opacity 1/255 |
| f_rest_* in element ``sh`` | 8 | 1/32 a step, within +-4; channel-major like the plain .ply |

Neighbours share a chunk, so rows are written along a Morton curve: what is read back is ``gaussians[order]``.
"""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from .. import plyio
from .. import sh as spherical_harmonics
from ..errors import InputError
from ..gaussians import Gaussians
from . import reading
from .reading import Reading, Tolerance

PACKED = "packed_position"  # the property that gives it away
CHUNK = 256
LARGEST_LOG_SCALE, LARGEST_SH = 20.0, 4.0
_BOX = tuple(f"{end}_{axis}" for end in ("min", "max") for axis in "xyz")
_SCALE_BOX = tuple(f"{end}_scale_{axis}" for end in ("min", "max") for axis in "xyz")
_COLOR_BOX = tuple(f"{end}_{channel}" for end in ("min", "max") for channel in "rgb")
_WORDS = (PACKED, "packed_rotation", "packed_scale", "packed_color")
_THREE = ((21, 11), (11, 10), (0, 11))  # shift and bits of x y z
_BYTES = ((24, 8), (16, 8), (8, 8), (0, 8))


def read(path: str | Path) -> Gaussians:
    """The Gaussians of a compressed .ply, float32; see :func:`read_with_notes`."""
    return read_with_notes(path).gaussians


@np.errstate(all="ignore")
def read_with_notes(path: str | Path) -> Reading:
    """Read a compressed .ply, with or without ranges of colour and spherical harmonics.

    Raises:
        InputError: no PLY or another kind of it, truncated, or its elements do not fit together.
    """
    elements = plyio.read_elements(path, ("chunk", "vertex", "sh"))
    words, chunks = elements.get("vertex", {}), elements.get("chunk", {})
    missing = [name for name in _WORDS if name not in words or words[name].dtype != np.uint32]
    missing += [name for name in (*_BOX, *_SCALE_BOX) if name not in chunks]
    if missing:
        raise InputError(f"{path} is no compressed PLY: it has no property {', '.join(missing[:3])} of the right type.")
    n = len(words[PACKED])
    if len(chunks["min_x"]) != -(-n // CHUNK):
        raise InputError(f"{path} is broken: {len(chunks['min_x'])} chunks of {CHUNK} for {n} Gaussians.")
    colors = _unpack(words["packed_color"], _BYTES)
    if all(name in chunks for name in _COLOR_BOX):
        colors[:, :3] = _within(colors[:, :3], chunks, _COLOR_BOX)
    gaussians, _ = reading.build(
        _within(_unpack(words[PACKED], _THREE), chunks, _BOX),
        _rotations(words["packed_rotation"]),
        _within(_unpack(words["packed_scale"], _THREE), chunks, _SCALE_BOX),
        reading.logits_of(colors[:, 3]),
        np.concatenate([reading.sh0_of(colors[:, :3]), _rest(path, elements.get("sh", {}), n)], axis=1),
    )
    return reading.finished(path, gaussians)


def write(path: str | Path, gaussians: Gaussians) -> None:
    """Write a compressed .ply, rows in :func:`order`; features are left out.

    Raises:
        InputError: a number is not finite, or the place cannot be written.
    """
    table = reading.for_writing(path, gaussians)
    table = representable(table)
    colors = reading.colors_of(table)
    boxes = {
        **_ranges(table.means.numpy(), _BOX), **_ranges(table.log_scales.numpy(), _SCALE_BOX),
        **_ranges(colors, _COLOR_BOX),
    }  # fmt: skip
    opacity = table.opacities.numpy()[:, None]
    three, largest = reading.smallest_three(table.quats.numpy().astype(np.float64))
    rotation = _pack(three * math.sqrt(0.5) + 0.5, ((20, 10), (10, 10), (0, 10))) | largest.astype(np.uint32) << 30
    words = {
        PACKED: _pack(_share(table.means.numpy(), boxes, _BOX), _THREE),
        "packed_rotation": rotation,
        "packed_scale": _pack(_share(table.log_scales.numpy(), boxes, _SCALE_BOX), _THREE),
        "packed_color": _pack(np.concatenate([_share(colors, boxes, _COLOR_BOX), opacity], axis=1), _BYTES),
    }
    elements = {"chunk": boxes, "vertex": words}
    if table.sh_degree:
        flat = table.sh[:, 1:].transpose(1, 2).flatten(1).numpy()
        steps = np.clip(np.floor((flat / (2.0 * LARGEST_SH) + 0.5) * 256.0), 0, 255).astype(np.uint8)
        elements["sh"] = {f"f_rest_{i}": steps[:, i] for i in range(steps.shape[1])}
    plyio.write_elements(path, elements)


def order(gaussians: Gaussians) -> Int64[Tensor, " n"]:
    """The rows in which they are written: along a Morton curve."""
    return reading.along_a_curve(gaussians)


def representable(gaussians: Gaussians) -> Gaussians:
    """What of these Gaussians fits into the format, in :func:`order`, before its quantisation."""
    table = gaussians[order(gaussians)]
    rest = table.sh[:, 1:].clamp(-LARGEST_SH, LARGEST_SH)
    log_scales = table.log_scales.clamp(-LARGEST_LOG_SCALE, LARGEST_LOG_SCALE)
    return table.replace(log_scales=log_scales, sh=torch.cat([table.sh[:, :1], rest], dim=1))


def tolerance(gaussians: Gaussians) -> Tolerance:
    """Largest error of a round trip of ``representable`` Gaussians."""

    def half_a_step(values: np.ndarray, names: tuple[str, ...], steps: tuple[int, int, int]) -> Tensor:
        box = _ranges(values, names)
        span = np.stack([box[high] - box[low] for low, high in zip(names[:3], names[3:], strict=True)], axis=1)
        far = 3e-7 * np.abs(values).max(initial=0.0)
        return torch.from_numpy((0.501 * span / np.array(steps) + far).repeat(CHUNK, 0)[: len(values)])

    sh = torch.full((len(gaussians), gaussians.sh.shape[1], 3), 1.001 / 32.0)
    colors = half_a_step(reading.colors_of(gaussians), _COLOR_BOX, (255, 255, 255))
    sh[:, 0] = (colors / spherical_harmonics.C0).float()
    return Tolerance(
        half_a_step(gaussians.means.numpy(), _BOX, (2047, 1023, 2047)),
        half_a_step(gaussians.log_scales.numpy(), _SCALE_BOX, (2047, 1023, 2047)),
        sh, 0.501 / 255.0, 0.003,
    )  # fmt: skip


def _unpack(words: np.ndarray, parts: tuple[tuple[int, int], ...]) -> np.ndarray:
    """(n, parts) in [0, 1]."""
    columns = [((words >> np.uint32(shift)) & np.uint32(2**bits - 1)) / (2**bits - 1) for shift, bits in parts]
    return np.stack(columns, axis=1)


def _pack(shares: np.ndarray, parts: tuple[tuple[int, int], ...]) -> np.ndarray:
    """The inverse of :func:`_unpack`, to the nearest step."""
    words = np.zeros(len(shares), np.uint32)
    for i, (shift, bits) in enumerate(parts):
        steps = np.clip(np.rint(shares[:, i].astype(np.float64) * (2**bits - 1)), 0, 2**bits - 1)
        words |= steps.astype(np.uint32) << np.uint32(shift)
    return words


def _ends(boxes: dict[str, np.ndarray], names: tuple[str, ...], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end for each Gaussian, (count, 3) each."""
    chunk = np.arange(count) // CHUNK
    low, high = (np.stack([boxes[name] for name in part], axis=1)[chunk] for part in (names[:3], names[3:]))
    return low.astype(np.float64), high.astype(np.float64)


def _within(shares: np.ndarray, boxes: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    low, high = _ends(boxes, names, len(shares))
    return low * (1.0 - shares) + high * shares


def _share(values: np.ndarray, boxes: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    low, high = _ends(boxes, names, len(values))
    return (values - low) / np.where(high > low, high - low, 1.0)


def _ranges(values: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The ends of each chunk by property name, float32."""
    starts = np.arange(0, len(values), CHUNK)
    low, high = (f.reduceat(values, starts, axis=0) if len(values) else values for f in (np.minimum, np.maximum))
    table = np.concatenate([low, high], axis=1).astype(np.float32)
    return {name: table[:, i] for i, name in enumerate(names)}


def _rotations(words: np.ndarray) -> np.ndarray:
    three = (_unpack(words, ((20, 10), (10, 10), (0, 10))) - 0.5) * math.sqrt(2.0)
    return reading.fourth(three, (words >> np.uint32(30)).astype(np.int64))


def _rest(path: str | Path, columns: dict[str, np.ndarray], n: int) -> np.ndarray:
    """Coefficients above degree 0, (n, k - 1, 3)."""
    names = [f"f_rest_{i}" for i in range(len(columns))]
    if len(names) not in (0, 9, 24, 45) or any(name not in columns for name in names):
        raise InputError(f"{path} has {len(names)} properties in its element 'sh'; degree 1-3 have 9, 24 or 45.")
    if any(columns[name].dtype != np.uint8 or len(columns[name]) != n for name in names):
        raise InputError(f"{path} is broken: its element 'sh' holds no {n} rows of bytes.")
    flat = np.empty((n, len(names)), np.float32)
    for i, name in enumerate(names):
        steps = columns[name].astype(np.float32)
        flat[:, i] = np.where(steps == 0, 0.0, np.where(steps == 255, 1.0, (steps + 0.5) / 256.0))
    return ((flat - 0.5) * 2.0 * LARGEST_SH).reshape(n, 3, len(names) // 3).transpose(0, 2, 1)
