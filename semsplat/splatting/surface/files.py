"""Meshes as files, through trimesh; the suffix picks the format."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import replacing
from .mesh import Mesh

SUFFIXES = (".glb", ".obj", ".ply", ".stl")
_MATERIAL = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}}


def write(path: str | Path, mesh: Mesh) -> None:
    """Write a mesh: .glb, .obj and .ply with its colours, .stl without; an existing file is replaced in one step.

    glTF wants colours of corners in linear light, so in .glb they are; the others hold them as they are seen (sRGB).

    Raises:
        InputError: another suffix, trimesh is missing, or the place cannot be written.
    """
    path = Path(path)
    check(path)
    library = trimesh()
    colors = _linear(mesh.colors) if path.suffix.lower() == ".glb" else mesh.colors
    model = library.Trimesh(mesh.points, mesh.faces, vertex_colors=colors, process=False, validate=False)
    options: dict[str, Any] = {"tree_postprocessor": _dress} if path.suffix.lower() == ".glb" else {}
    with replacing(path) as temporary:
        content = model.export(file_type=path.suffix.lower()[1:], **options)
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def check(path: Path) -> None:
    """Say no early: raises InputError when no mesh can be written so."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path} ends in '{path.suffix}', which is no known format of meshes; use {', '.join(SUFFIXES)}."
        )


def trimesh() -> ModuleType:
    """trimesh.

    Raises:
        InputError: it is not installed.
    """
    try:
        import trimesh as library
    except ImportError as error:
        raise InputError("Meshes need Open3D and trimesh; install them with: pip install 'semsplat[mesh]'") from error
    return library


def _linear(colors: np.ndarray) -> np.ndarray:
    """sRGB as linear light, both uint8."""
    light = colors / 255.0
    light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    return np.round(255.0 * light).astype(np.uint8)


def _dress(tree: dict[str, Any]) -> None:
    """A plain material: without one, glTF means polished metal."""
    tree["materials"] = [_MATERIAL]
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["material"] = 0
