"""Gaussians as a point cloud: their centres with colours and normals, as .ply, .pcd or .xyz."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from ..files import replacing
from ..gaussians import Gaussians
from ..plyio import write_vertices
from ..project import rotations
from ..sh import C0

OPACITY = 0.1  # fainter Gaussians are no points


@dataclass(frozen=True)
class Points:
    """Points with a colour and a normal each."""

    positions: np.ndarray  # (n, 3) float32, world units
    normals: np.ndarray  # (n, 3) float32, unit
    colors: np.ndarray  # (n, 3) uint8, sRGB


def points(gaussians: Gaussians, opacity: float = OPACITY, seen: Float[Tensor, "n 3"] | None = None) -> Points:
    """The centres of the Gaussians that are at least so opaque, coloured as their first spherical harmonic says.

    Args:
        gaussians: rows that are not finite are left out. opacity: in [0, 1].
        seen: directions from which each was seen, to which normals turn (see :func:`.look.seen_from`); else they turn
            away from the middle. A normal is the Gaussian's shortest axis.

    Raises:
        InputError: no Gaussian is left, or the opacity is not possible.
    """
    if not 0.0 <= opacity <= 1.0:
        raise InputError(f"An opacity of {opacity:g} is not possible: give --opacity a number from 0 to 1.")
    rows = gaussians.is_finite() & (gaussians.opacities >= opacity)
    if not rows.any():
        raise InputError(f"No Gaussian is as opaque as {opacity:g}: give a smaller --opacity, or select more.")
    kept = gaussians[rows].detach()
    shortest = kept.log_scales.argmin(-1)
    normals = rotations(kept.quats)[torch.arange(len(kept)), :, shortest]
    outward = kept.means - kept.means.median(0).values if seen is None else seen[rows].to(normals)
    normals = torch.where((normals * outward).sum(-1, keepdim=True) < 0, -normals, normals)
    colors = (0.5 + C0 * kept.sh[:, 0]).clamp(0.0, 1.0)
    return Points(
        kept.means.float().cpu().numpy(),
        normals.float().cpu().numpy(),
        (255.0 * colors).round().to(torch.uint8).cpu().numpy(),
    )


def write(path: str | Path, cloud: Points) -> None:
    """Write a point cloud as the suffix says; an existing file is replaced in one step.

    .xyz is text, x y z, normal, and colour from 0 to 255 in each line.

    Raises:
        InputError: another suffix, or the place cannot be written.
    """
    path = Path(path)
    check(path)
    WRITERS[path.suffix.lower()](path, cloud)


def check(path: Path) -> None:
    """Say no early: raises InputError when no point cloud can be written so."""
    if path.suffix.lower() not in WRITERS:
        known = ", ".join(WRITERS)
        raise InputError(f"{path} ends in '{path.suffix}', which is no known format of point clouds; use {known}.")


def _columns(cloud: Points) -> dict[str, np.ndarray]:
    names = ("x", "y", "z"), ("nx", "ny", "nz"), ("red", "green", "blue")
    arrays = cloud.positions, cloud.normals, cloud.colors
    return {name: array[:, k] for group, array in zip(names, arrays, strict=True) for k, name in enumerate(group)}


def _write_ply(path: Path, cloud: Points) -> None:
    write_vertices(path, _columns(cloud))


def _write_pcd(path: Path, cloud: Points) -> None:
    """Point Cloud Library's format 0.7, binary; a colour is the bytes b, g, r, 0 of a float."""
    red, green, blue = (cloud.colors[:, k].astype(np.uint32) for k in range(3))
    table = np.empty(len(cloud.positions), [("places", "<f4", 3), ("normals", "<f4", 3), ("rgb", "<u4")])
    table["places"], table["normals"], table["rgb"] = cloud.positions, cloud.normals, red << 16 | green << 8 | blue
    count = len(table)
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\n"
        "FIELDS x y z normal_x normal_y normal_z rgb\nSIZE 4 4 4 4 4 4 4\nTYPE F F F F F F F\nCOUNT 1 1 1 1 1 1 1\n"
        f"WIDTH {count}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\nDATA binary\n"
    )
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.write(header.encode("ascii"))
        stream.write(table.tobytes())


def _write_xyz(path: Path, cloud: Points) -> None:
    rows = np.concatenate([cloud.positions, cloud.normals, cloud.colors], axis=1)
    with replacing(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as stream:
        np.savetxt(stream, rows, fmt=["%.7g"] * 3 + ["%.5g"] * 3 + ["%d"] * 3)


WRITERS: dict[str, Callable[[Path, Points], None]] = {".ply": _write_ply, ".pcd": _write_pcd, ".xyz": _write_xyz}
