"""Meshes as files, through trimesh; the suffix picks the format."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError
from ..files import replacing
from .types import Mesh

SUFFIXES = (".glb", ".obj", ".ply", ".stl")
_MATERIAL = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}}


def write(path: str | Path, mesh: Mesh) -> None:
    """Write a mesh: .glb, .obj and .ply with its colours, .stl without; an existing file is replaced in one step.

    A texture is inside of .glb; beside .obj are a picture and a .mtl that names it. Without one corners have colours:
    in .glb in linear light, as glTF wants them; the others hold them as they are seen (sRGB).

    Raises:
        InputError: another suffix, one that holds no texture, trimesh is missing, or the place cannot be written.
    """
    path = Path(path)
    check(path, mesh.texture is not None)
    suffix = path.suffix.lower()
    model = trimesh().Trimesh(mesh.points, mesh.faces, process=False, validate=False)
    model.visual = _visual(mesh, suffix, path.stem)
    if suffix == ".obj" and mesh.texture is not None:
        text, others = export_obj(model, path.stem)
        for name, content in others.items():
            _save(path.with_name(name), content)
        _save(path, text)
    else:
        plain = suffix == ".glb" and mesh.texture is None
        _save(path, model.export(file_type=suffix[1:], **({"tree_postprocessor": _dress} if plain else {})))


def export_obj(model: Any, stem: str) -> tuple[str, dict[str, bytes]]:
    """The text of an .obj, and what belongs beside it by name."""
    from trimesh.exchange.obj import export_obj as export

    text, others = export(model, include_texture=True, return_texture=True, mtl_name=f"{stem}.mtl")
    return text, others


def _save(path: Path, content: str | bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def _visual(mesh: Mesh, suffix: str, stem: str) -> Any:
    """The colours of a mesh as trimesh wants them."""
    visual = trimesh().visual
    if mesh.texture is None:
        return visual.ColorVisuals(vertex_colors=_linear(mesh.colors) if suffix == ".glb" else mesh.colors)
    picture = Image.fromarray(mesh.texture)
    if suffix == ".glb":
        material = visual.material.PBRMaterial(baseColorTexture=picture, metallicFactor=0.0, roughnessFactor=1.0)
    else:
        material = visual.material.SimpleMaterial(image=picture, name=stem, diffuse=(255, 255, 255, 255))
    return visual.TextureVisuals(uv=mesh.uv, material=material)


def check(path: Path, texture: bool = False) -> None:
    """Say no early: raises InputError when no mesh, or none with a texture, can be written so."""
    if texture and path.suffix.lower() in (".ply", ".stl"):
        raise InputError(f"A texture cannot be in {path}: use .glb or .obj, or leave --texture out.")
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
