"""``.splat`` (antimatter15, 2023): 32 bytes a Gaussian and nothing else, little endian, without view-dependent colour.

| bytes | what | quantisation |
|---|---|---|
| 0-11 | mean | float32, exact |
| 12-23 | scale, world units | float32 |
| 24-26 | colour = 0.5 + C0 sh_0 | 1/255, cut off at 0 and 1 |
| 27 | opacity | 1/255 |
| 28-31 | rotation wxyz, (byte - 128) / 128 | 1/128, made a unit quaternion again |

Spherical harmonics above degree 0 do not fit in and are left out.
"""

from pathlib import Path

import numpy as np
import torch

from .. import sh as spherical_harmonics
from ..errors import InputError
from ..files import replacing
from ..gaussians import Gaussians
from . import reading
from .reading import Reading, Tolerance

_ROW = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("color", "u1", 3), ("opacity", "u1"), ("rotation", "u1", 4)])


def read(path: str | Path) -> Gaussians:
    """The Gaussians of a .splat, float32, degree 0; see :func:`read_with_notes`."""
    return read_with_notes(path).gaussians


@np.errstate(all="ignore")
def read_with_notes(path: str | Path) -> Reading:
    """Read a .splat; rows that are not finite, have a negative scale or no rotation are left out, with a note.

    Raises:
        InputError: empty, no whole number of rows, or most rows are nonsense (the format has no magic number).
    """
    data = reading.contents(path)
    if not data or len(data) % _ROW.itemsize:
        raise InputError(f"{path} has {len(data)} bytes, which is no .splat: those have 32 for each Gaussian.")
    rows = np.frombuffer(data, _ROW)
    gaussians, _ = reading.build(
        rows["mean"],
        (rows["rotation"].astype(np.float32) - 128.0) / 128.0,
        reading.logs_of(rows["scale"]),
        reading.logits_of(rows["opacity"] / 255.0),
        reading.sh0_of(rows["color"] / 255.0),
    )
    result = reading.finished(path, gaussians)
    if 2 * len(result.gaussians) < len(rows):
        raise InputError(
            f"{path} is no .splat: {len(rows) - len(result.gaussians)} of its {len(rows)} rows make no sense."
        )
    unit = torch.nn.functional.normalize(result.gaussians.quats, dim=-1)
    return Reading(result.gaussians.replace(quats=unit), result.notes)


def write(path: str | Path, gaussians: Gaussians) -> None:
    """Write a .splat; features and view-dependent colour are left out.

    Raises:
        InputError: there are none, a number is not finite, or the place cannot be written.
    """
    if not len(gaussians):
        raise InputError(f"Cannot write {path}: a .splat without Gaussians would be an empty file.")
    table = reading.for_writing(path, gaussians)
    rows = np.empty(len(table), _ROW)
    rows["mean"] = table.means.numpy()
    rows["scale"] = table.scales.numpy()
    rows["color"] = reading.to_bytes(reading.colors_of(table) * 255.0)
    rows["opacity"] = reading.to_bytes(table.opacities.numpy() * 255.0)
    rows["rotation"] = reading.to_bytes(table.quats.numpy() * 128.0 + 128.0)
    with replacing(path) as temporary:
        temporary.write_bytes(rows.tobytes())


def representable(gaussians: Gaussians) -> Gaussians:
    """What of these Gaussians fits into the format, before its quantisation."""
    half = 0.5 / spherical_harmonics.C0
    return gaussians.replace(sh=gaussians.sh[:, :1].clamp(-half, half))


def tolerance(gaussians: Gaussians) -> Tolerance:
    """Largest error of a round trip of ``representable`` Gaussians."""
    color = torch.tensor(0.5001 / 255.0 / spherical_harmonics.C0)
    return Tolerance(torch.tensor(0.0), torch.tensor(1e-5), color, 0.5001 / 255.0, 2.0 / 128.0)
