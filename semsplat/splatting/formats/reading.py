"""What the files of all formats share: bounded reading, the result with its notes, numbers in bytes, stated errors."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from .. import sh as spherical_harmonics
from ..errors import InputError
from ..files import reason
from ..gaussians import Gaussians

LARGEST_LOGIT = 20.0  # infinite opacity logits become this: an opacity of 1 - 2e-9
SMALLEST_SCALE = 1e-30  # world units; formats with linear scales can hold a zero, whose logarithm is infinite
MOST_EXPANSION = 32  # a compressed file may hold at most this many times its own size ...
FREE_BYTES = 64 << 20  # ... or this much: nothing that was ever a scene is near either


@dataclass(frozen=True)
class Reading:
    """A file of Gaussians with what reading it has to tell."""

    gaussians: Gaussians
    notes: tuple[str, ...] = ()  # a sentence for each thing that was changed or left out
    extra: dict[str, Tensor] = field(default_factory=dict)  # other properties by name, (n,) each, in float64 or int64


@dataclass(frozen=True)
class Tolerance:
    """How far what is read back may be from what was written (``representable``), each difference at most."""

    means: Tensor  # world units; broadcasts to (n, 3)
    log_scales: Tensor  # broadcasts to (n, 3)
    sh: Tensor  # broadcasts to (n, k, 3)
    opacities: float
    rotations: float  # of a component of the unit quaternion, up to the sign of all four


def contents(path: str | Path) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {reason(error)}.") from error


def check_expansion(path: str | Path, needed: int, held: int) -> None:
    """Refuse, before anything is allocated, a file that claims far more than its bytes can hold.

    Args:
        needed: bytes after decompression. held: bytes of the file.

    Raises:
        InputError: it claims more than ``MOST_EXPANSION`` times its size and more than ``FREE_BYTES``.
    """
    if needed > max(MOST_EXPANSION * held, FREE_BYTES):
        raise InputError(f"{path} claims {needed:,} bytes of Gaussians in a file of {held:,}: it is broken or a trap.")


def build(
    means: np.ndarray, quats: np.ndarray, log_scales: np.ndarray, logits: np.ndarray, sh: np.ndarray
) -> tuple[Gaussians, int]:
    """Gaussians in float32 of (n, 3), (n, 4) wxyz, (n, 3), (n,), (n, k, 3); how many logits were infinite."""
    infinite = int(np.isinf(logits).sum())
    logits = np.where(np.isinf(logits), np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT), logits)
    columns = (torch.from_numpy(np.array(c, np.float32, order="C")) for c in (means, quats, log_scales, logits, sh))
    return Gaussians(*columns), infinite


def finished(path: str | Path, gaussians: Gaussians, notes: tuple[str, ...] = ()) -> Reading:
    """The rows that can be drawn; a note tells how many were not finite or had no rotation."""
    good = gaussians.is_finite()
    if bool(good.all()):
        return Reading(gaussians, notes)
    return Reading(gaussians[good], (*notes, dropped(path, int((~good).sum()), len(good))))


def dropped(path: str | Path, count: int, total: int) -> str:
    """The note on rows that were left out."""
    return f"{path}: {count} of {total} Gaussians are not finite or have a zero rotation and were left out."


def for_writing(path: str | Path, gaussians: Gaussians) -> Gaussians:
    """On the CPU, in float32, with finite logits and unit quaternions.

    Raises:
        InputError: a number is not finite, which formats that quantise cannot hold.
    """
    table = gaussians.detach().to("cpu").float()
    logits = table.logit_opacities
    table = table.replace(
        logit_opacities=torch.where(logits.isinf(), logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT), logits)
    )
    good = table.is_finite()
    if not bool(good.all()):
        raise InputError(
            f"Cannot write {path}: {int((~good).sum())} of {len(good)} Gaussians are not finite; delete them first."
        )
    return table.replace(quats=torch.nn.functional.normalize(table.quats, dim=-1))


def logits_of(opacities: np.ndarray) -> np.ndarray:
    """Opacity logits of opacities in [0, 1]; 0 and 1 become -+LARGEST_LOGIT."""
    wide = np.clip(opacities.astype(np.float64), 0.0, 1.0)
    with np.errstate(divide="ignore"):
        logits = np.log(wide) - np.log1p(-wide)
    return np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT)


def logs_of(scales: np.ndarray) -> np.ndarray:
    """Natural logarithms of linear scales; a scale of 0 is taken for SMALLEST_SCALE, a negative one becomes NaN."""
    with np.errstate(invalid="ignore"):
        return np.log(np.where(scales == 0, SMALLEST_SCALE, scales.astype(np.float64)))


def to_bytes(values: np.ndarray) -> np.ndarray:
    """The nearest of 0..255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def colors_of(gaussians: Gaussians) -> np.ndarray:
    """Colours of degree 0, (n, 3); [0, 1] are displayable."""
    return gaussians.sh[:, 0].numpy() * spherical_harmonics.C0 + 0.5


def sh0_of(colors: np.ndarray) -> np.ndarray:
    """Degree-0 coefficients of colours, (n, 1, 3): the inverse of :func:`colors_of`."""
    return ((colors - 0.5) / spherical_harmonics.C0)[:, None, :]


def smallest_three(quats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out the largest component of unit quaternions, made positive.

    Source: Glenn Fiedler, "Snapshot Compression" (2015).

    Returns: (n, 3) the others in order, within +-sqrt(1/2); (n,) index of the largest.
    """
    largest = np.abs(quats).argmax(1)
    rows = np.arange(len(quats))
    signed = quats * np.where(quats[rows, largest] < 0, -1.0, 1.0)[:, None]
    keep = np.arange(4)[None, :] != largest[:, None]
    return signed[keep].reshape(-1, 3), largest


def fourth(three: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Unit quaternions, the inverse of :func:`smallest_three`."""
    quats = np.empty((len(three), 4), np.float64)
    keep = np.arange(4)[None, :] != largest[:, None]
    quats[keep] = three.reshape(-1)
    quats[np.arange(len(three)), largest] = np.sqrt(np.clip(1.0 - (three.astype(np.float64) ** 2).sum(1), 0.0, None))
    return quats / np.linalg.norm(quats, axis=1, keepdims=True).clip(1e-12)


def along_a_curve(gaussians: Gaussians) -> Int64[Tensor, " n"]:
    """Rows along a Morton curve of 1024 steps an axis: neighbours in it are neighbours in space."""
    means = gaussians.means.detach().cpu().double().numpy()
    if not len(means):
        return torch.arange(0)
    low, extent = means.min(0), np.ptp(means, axis=0)
    steps = np.clip((means - low) / np.where(extent > 0, extent, 1.0) * 1023, 0, 1023).astype(np.int64)
    code = np.zeros(len(means), np.int64)
    for bit in range(10):
        for axis in range(3):
            code |= ((steps[:, axis] >> bit) & 1) << (3 * bit + axis)
    return torch.from_numpy(np.argsort(code, kind="stable"))
