"""The usual 3DGS .ply (Kerbl et al. 2023): one vertex a Gaussian, properties found by name in any order.

``x y z nx ny nz f_dc_0..2 f_rest_* opacity scale_0..2 rot_0..3``: opacities are logits, scales natural logarithms,
rotations wxyz quaternions, ``f_rest`` runs over the coefficients of red, then green, then blue. The normals are zeros.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .. import plyio
from ..errors import InputError
from ..gaussians import Gaussians
from . import compressed_ply
from .reading import LARGEST_LOGIT, Reading, dropped

_MEANS = ("x", "y", "z")
_NORMALS = ("nx", "ny", "nz")
_COLOR = ("f_dc_0", "f_dc_1", "f_dc_2")
_SCALES = ("scale_0", "scale_1", "scale_2")
_ROTATIONS = ("rot_0", "rot_1", "rot_2", "rot_3")
_NEEDED = (*_MEANS, *_COLOR, "opacity", *_SCALES, *_ROTATIONS)


def read(path: str | Path) -> Gaussians:
    """The Gaussians of a 3DGS .ply, float32; see :func:`read_with_notes`."""
    return read_with_notes(path).gaussians


def read_with_notes(path: str | Path) -> Reading:
    """Read a 3DGS .ply and say in notes what was mended.

    A compressed one (PlayCanvas) is known by its header and read as such. Rows that are not finite or have a zero
    rotation are left out, infinite opacity logits become +-20.
    A property ``id`` of distinct integers becomes the ids. Other unknown properties come back in ``extra``.

    Raises:
        InputError: no PLY, a truncated one, a point cloud or mesh, or a wrong number of coefficients.
    """
    columns = plyio.read_vertices(path)
    if compressed_ply.PACKED in columns:
        return compressed_ply.read_with_notes(path)
    rest = _rest_names(path, columns)
    logits = _column(columns, "opacity")
    gaussians = Gaussians(
        means=_stack(columns, _MEANS),
        quats=_stack(columns, _ROTATIONS),
        log_scales=_stack(columns, _SCALES),
        logit_opacities=torch.where(logits.isinf(), logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT), logits),
        sh=_read_sh(columns, rest),
        ids=_read_ids(columns),
    )
    good = gaussians.is_finite()
    known = {*_NEEDED, *_NORMALS, *rest, "id"}
    extra = {name: torch.from_numpy(_wide(column))[good] for name, column in columns.items() if name not in known}
    notes = _notes(path, int(logits.isinf()[good].sum()), int((~good).sum()), len(good))
    return Reading(gaussians if bool(good.all()) else gaussians[good], notes, extra)


def write(path: str | Path, gaussians: Gaussians, ids: bool = False, extra: dict[str, Tensor] | None = None) -> None:
    """Write a 3DGS .ply, binary little endian, float32; features are left out.

    Args:
        ids: also write a property ``id``, which other programs skip (int, or double where ids need more bits).
        extra: further properties by name, (n,) each.

    Raises:
        InputError: the place cannot be written.
    """
    table = gaussians.detach().to("cpu").float()
    zeros = np.zeros(len(table), np.float32)
    columns = dict(zip(_MEANS, _columns(table.means), strict=True))
    columns |= dict.fromkeys(_NORMALS, zeros)
    columns |= dict(zip(_COLOR, _columns(table.sh[:, 0]), strict=True))
    rest = table.sh[:, 1:].transpose(1, 2).reshape(len(table), 3 * (table.sh.shape[1] - 1))  # channel-major
    columns |= {f"f_rest_{i}": column for i, column in enumerate(_columns(rest))}
    columns["opacity"] = table.logit_opacities.numpy()
    columns |= dict(zip(_SCALES, _columns(table.log_scales), strict=True))
    columns |= dict(zip(_ROTATIONS, _columns(table.quats), strict=True))
    if ids:
        columns["id"] = _narrow(table.ids)
    columns |= {name: _narrow(column.detach().cpu()) for name, column in (extra or {}).items()}
    plyio.write_vertices(path, columns)


def _rest_names(path: str | Path, columns: dict[str, np.ndarray]) -> list[str]:
    """The f_rest properties in the order of their numbers, after a check that this is a table of Gaussians."""
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        kind = "a point cloud or a mesh" if "opacity" in missing and "scale_0" in missing else "incomplete"
        raise InputError(f"{path} is {kind}, not a file of Gaussians: it has no property {', '.join(missing[:4])}.")
    count = sum(name.startswith("f_rest_") for name in columns)
    names = [f"f_rest_{i}" for i in range(count)]
    if count not in (0, 9, 24, 45) or any(name not in columns for name in names):
        raise InputError(
            f"{path} has {count} properties f_rest_*; spherical harmonics of degree 0-3 have 0, 9, 24 or 45."
        )
    return names


def _read_sh(columns: dict[str, np.ndarray], rest: list[str]) -> Tensor:
    first = _stack(columns, _COLOR)[:, None, :]
    if not rest:
        return first
    channel_major = _stack(columns, rest).reshape(-1, 3, len(rest) // 3)
    return torch.cat([first, channel_major.transpose(1, 2)], dim=1)


def _read_ids(columns: dict[str, np.ndarray]) -> Tensor:
    """The file's ids when they are distinct whole numbers; counted anew when its ``id`` means something else."""
    counted = torch.arange(len(columns["x"]))
    if "id" not in columns or not np.isfinite(columns["id"]).all() or (np.abs(columns["id"]) > 2**53).any():
        return counted
    ids = columns["id"].astype(np.int64)
    whole = bool((ids == columns["id"]).all()) and bool((ids >= 0).all())
    return torch.from_numpy(ids) if whole and len(np.unique(ids)) == len(ids) else counted


def _notes(path: str | Path, infinite: int, lost: int, total: int) -> tuple[str, ...]:
    notes = []
    if infinite:
        notes.append(f"{path}: {infinite} infinite opacity logits were set to +-{LARGEST_LOGIT:.0f}.")
    if lost:
        notes.append(dropped(path, lost, total))
    return tuple(notes)


def _column(columns: dict[str, np.ndarray], name: str) -> Tensor:
    return torch.from_numpy(columns[name].astype(np.float32))


def _stack(columns: dict[str, np.ndarray], names: tuple[str, ...] | list[str]) -> Tensor:
    table = np.empty((len(columns[names[0]]), len(names)), np.float32)
    for i, name in enumerate(names):
        table[:, i] = columns[name]
    return torch.from_numpy(table)


def _columns(table: Tensor) -> list[np.ndarray]:
    return [column.numpy() for column in table.unbind(1)]


def _wide(column: np.ndarray) -> np.ndarray:
    return column.astype(np.float64 if column.dtype.kind == "f" else np.int64)


def _narrow(column: Tensor) -> np.ndarray:
    """As PLY can hold it: 64-bit integers become int, or double where they do not fit."""
    if column.dtype == torch.int64:
        fits = len(column) == 0 or bool(column.abs().max() < 2**31)
        return column.to(torch.int32 if fits else torch.float64).numpy()
    return column.numpy()
