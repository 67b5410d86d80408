"""The Gaussians inside a glTF document: its nodes with their transforms, its accessors as arrays."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..edit_place import transformed
from ..errors import InputError
from ..gaussians import Gaussians
from . import reading

EXTENSION = "KHR_gaussian_splatting"
_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
_TURN = np.diag([-1.0, -1.0, 1.0])  # from glTF's axes to those of a 3DGS .ply and back
_DEEPEST = 64  # nodes
_BYTES = 56  # of a Gaussian of degree 0 in memory


def sh_names(degree: int) -> list[str]:
    """Names of the coefficients up to a degree, in their order."""
    return [f"SH_DEGREE_{i}_COEF_{k}" for i in range(degree + 1) for k in range(2 * i + 1)]


def collect(
    path: str | Path, document: dict[str, Any], buffers: list[bytes], held: int
) -> tuple[list[Gaussians], tuple[str, ...]]:
    """The Gaussians of each primitive in the scene, and notes on what is not used."""
    found, notes, total = [], [], 0
    for primitive, matrix in _primitives(path, document):
        extension = primitive.get("extensions", {}).get(EXTENSION)
        if extension is None:
            continue
        if extension.get("extensions"):
            raise InputError(f"{path} needs {next(iter(extension['extensions']))}, which cannot be read.")
        if extension.get("kernel", "ellipse") != "ellipse":
            raise InputError(
                f"{path} has Gaussians of kernel {str(extension['kernel'])[:40]!r}; only 'ellipse' can be drawn."
            )
        if extension.get("colorSpace") == "lin_rec709_display":
            notes.append(f"{path}: its colours are linear and are drawn as if they were sRGB: it looks darker.")
        total += document["accessors"][primitive["attributes"]["POSITION"]]["count"]
        reading.check_expansion(path, total * _BYTES, held)
        found.append(_placed(path, _gaussians(path, document, buffers, primitive["attributes"]), matrix))
    degree = max((gaussians.sh_degree for gaussians in found), default=0)
    return [_padded(gaussians, degree) for gaussians in found], tuple(dict.fromkeys(notes))


def _primitives(path: str | Path, document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Each primitive of the scene with the matrix from its node to the world."""
    nodes, scenes = document.get("nodes", []), document.get("scenes", [])
    roots = scenes[document.get("scene", 0)].get("nodes", []) if scenes else range(len(nodes))
    waiting = [(root, np.eye(4), 0) for root in roots]
    visited = 0
    while waiting:
        index, above, depth = waiting.pop()
        visited += 1
        if depth > _DEEPEST or visited > len(nodes) or index < 0:
            raise InputError(f"{path} is broken: its nodes form a circle or are nested more than {_DEEPEST} deep.")
        node = nodes[index]
        matrix = above @ _matrix(node)
        waiting += [(child, matrix, depth + 1) for child in node.get("children", [])]
        if "mesh" in node:
            yield from ((primitive, matrix) for primitive in document["meshes"][node["mesh"]]["primitives"])


def _matrix(node: dict[str, Any]) -> np.ndarray:
    """A node's own transform."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", [0, 0, 0, 1]), np.float64)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= np.array(node.get("scale", [1, 1, 1]), np.float64).reshape(1, 3)
    matrix[:3, 3] = np.array(node.get("translation", [0, 0, 0]), np.float64).reshape(3)
    return matrix


def _placed(path: str | Path, gaussians: Gaussians, matrix: np.ndarray) -> Gaussians:
    """Moved to where the node is, in the axes of a .ply; untouched where that changes nothing."""
    from scipy.spatial.transform import Rotation

    linear, by = _TURN @ matrix[:3, :3], _TURN @ matrix[:3, 3]
    if np.array_equal(linear, np.eye(3)) and not by.any():
        return gaussians
    factor = math.copysign(abs(np.linalg.det(linear)) ** (1 / 3), np.linalg.det(linear))
    if (
        not factor > 0
        or not np.isfinite(by).all()
        or not np.allclose(linear @ linear.T, factor**2 * np.eye(3), atol=1e-4 * factor**2)
    ):
        raise InputError(f"{path} stretches or mirrors its Gaussians in a node; apply the transforms before exporting.")
    x, y, z, w = Rotation.from_matrix(linear / factor).as_quat().tolist()
    return transformed(gaussians, (w, x, y, z), float(factor), tuple(by.tolist()))


def _gaussians(
    path: str | Path, document: dict[str, Any], buffers: list[bytes], attributes: dict[str, int]
) -> Gaussians:
    def column(name: str, width: int) -> np.ndarray:
        index = attributes.get(name)
        if index is None:
            raise InputError(f"{path} is broken: its Gaussians have no attribute {name}.")
        return _accessor(path, document, buffers, document["accessors"][index], width)

    means = column("POSITION", 3)
    scales, turns = column(f"{EXTENSION}:SCALE", 3), column(f"{EXTENSION}:ROTATION", 4)
    opacities = column(f"{EXTENSION}:OPACITY", 1)[:, 0]
    degree = 0
    while degree < 3 and f"{EXTENSION}:SH_DEGREE_{degree + 1}_COEF_0" in attributes:
        degree += 1
    sh = [column(f"{EXTENSION}:{name}", 3) for name in sh_names(degree)]
    if {len(array) for array in (means, scales, turns, opacities, *sh)} != {len(means)}:
        raise InputError(f"{path} is broken: the attributes of its Gaussians differ in length.")
    quats = np.roll(turns, 1, axis=1)
    return reading.build(means, quats, reading.logs_of(scales), reading.logits_of(opacities), np.stack(sh, axis=1))[0]


def _accessor(
    path: str | Path, document: dict[str, Any], buffers: list[bytes], accessor: dict[str, Any], width: int
) -> np.ndarray:
    """Its numbers as (count, width), normalised integers as the specification has it."""
    if _WIDTHS.get(accessor["type"]) != width or "sparse" in accessor or "bufferView" not in accessor:
        raise InputError(f"{path} has a {accessor['type']} or sparse accessor where {width} numbers are needed.")
    dtype = np.dtype(_TYPES[accessor["componentType"]])
    view = document["bufferViews"][accessor["bufferView"]]
    start, size, count = view.get("byteOffset", 0), view["byteLength"], accessor["count"]
    stride, inner = view.get("byteStride", dtype.itemsize * width), accessor.get("byteOffset", 0)
    buffer = buffers[view["buffer"]]
    last = inner + max(count - 1, 0) * stride + (dtype.itemsize * width if count else 0)
    if (
        min(start, size, count, inner) < 0
        or stride < dtype.itemsize * width
        or last > size
        or start + size > len(buffer)
    ):
        raise InputError(f"{path} is broken: an accessor of {count:,} rows reaches beyond its bytes.")
    table = (
        np.ndarray((count, width), dtype, buffer, start + inner, (stride, dtype.itemsize))
        if count
        else np.empty((0, width))
    )
    values = table.astype(np.float32)
    if accessor.get("normalized") and dtype.kind in "iu":
        values = np.maximum(values / np.iinfo(dtype).max, -1.0)
    return values


def _padded(gaussians: Gaussians, degree: int) -> Gaussians:
    """With spherical harmonics of this degree, new coefficients being 0."""
    missing = (degree + 1) ** 2 - gaussians.sh.shape[1]
    zeros = gaussians.sh.new_zeros(len(gaussians), missing, 3)
    return gaussians.replace(sh=torch.cat([gaussians.sh, zeros], dim=1)) if missing else gaussians
