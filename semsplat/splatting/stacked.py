"""W of several cameras as one sparse matrix, for many products of few channels of which most touch only a part of it.

Where a selection is changed at a few Gaussians only, its picture changes by their columns, and where a few pixels are
wrong, their rows say by whom: parts of W that a rasterizer cannot give alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from ._cpu import cpu_blend
from ._kernels import weights
from .blend import Limits
from .camera import Camera
from .errors import InputError
from .gaussians import Gaussians

if TYPE_CHECKING:
    from scipy.sparse import csc_array, csr_array


def stacked(gaussians: Gaussians, cameras: Sequence[Camera], least: float = 0.0) -> "csr_array":
    """W of all cameras, one below the other: (pixels of all of them, N), rows in the order of the pictures.

    Args:
        gaussians: anywhere; W is made on the CPU.
        least: smaller weights are left out, and the others of a pixel raised so that they sum to the same.

    Raises:
        InputError: a picture is too large to keep its W.
    """
    from scipy.sparse import csr_array, vstack

    gaussians = gaussians.detach().to("cpu").float()
    parts = []
    for camera in cameras:
        sparse = cpu_blend(gaussians, camera, Limits()).raster.sparse
        if sparse is None:
            raise InputError(f"A picture of {camera.width} x {camera.height} pixels of these Gaussians is too large.")
        starts, columns, data = sparse.by_pixel
        pixels = camera.width * camera.height
        part = csr_array((data, columns, starts), shape=(pixels, len(gaussians)))
        parts.append(_without_weak(part, pixels, least) if least > 0 else part)
    if not parts:
        return csr_array((0, len(gaussians)), dtype=np.float32)
    return csr_array(vstack(parts, format="csr"))


def lines_sum(
    matrix: "csr_array | csc_array",
    lines: Int64[np.ndarray, " k"],
    factors: Float32[np.ndarray, " k"] | None = None,
    out: Float32[np.ndarray, " m"] | None = None,
) -> Float32[np.ndarray, " m"]:
    """The sum of some rows of a CSR matrix, or columns of a CSC one, each times its factor; others cost nothing.

    Args:
        out: what they are added to, in place.
    """
    factors = np.ones(len(lines), np.float32) if factors is None else factors
    size = matrix.shape[1 if matrix.format == "csr" else 0]  # type: ignore[index]  # every matrix has a shape
    out = np.zeros(size, np.float32) if out is None else out
    weights.add_lines(lines, factors, matrix.indptr, matrix.indices, matrix.data, out)
    return out


def _without_weak(blend: "csr_array", pixels: int, least: float) -> "csr_array":
    from scipy.sparse import csr_array

    kept = blend.data >= least
    rows = np.repeat(np.arange(pixels), np.diff(blend.indptr))
    before = np.bincount(rows, blend.data, pixels)
    rows, columns, data = rows[kept], blend.indices[kept], blend.data[kept]
    after = np.bincount(rows, data, pixels)
    factor = (before / np.maximum(after, 1e-9)).astype(np.float32)
    starts = np.concatenate([[0], np.bincount(rows, minlength=pixels).cumsum()])
    return csr_array((data * factor[rows], columns, starts), shape=blend.shape)
