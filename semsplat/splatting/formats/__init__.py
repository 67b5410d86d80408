"""Files of Gaussians: the suffix picks the format, nothing else does (a compressed .ply is known by its header)."""

from pathlib import Path
from types import ModuleType

from ..errors import InputError
from ..gaussians import Gaussians
from . import compressed_ply, gltf, ksplat, ply, sog, sog_folder, splat, spz
from .reading import Reading

FORMATS: dict[str, ModuleType] = {
    ".ply": ply,
    ".compressed.ply": compressed_ply,
    ".glb": gltf,
    ".gltf": gltf,
    ".ksplat": ksplat,
    ".sog": sog,
    ".splat": splat,
    ".spz": spz,
    "meta.json": sog_folder,
}


def read(path: str | Path) -> Gaussians:
    """The Gaussians of a file, on the CPU in float32.

    Raises:
        InputError: an unknown suffix, or a file that holds something else, is truncated or cannot be read.
    """
    return read_with_notes(path).gaussians


def read_with_notes(path: str | Path) -> Reading:
    """The same, with a sentence for each thing that was changed or left out."""
    return _format(path, FORMATS).read_with_notes(path)


def write(path: str | Path, gaussians: Gaussians) -> None:
    """Write the Gaussians in the format of the suffix; an existing file is replaced in one step.

    Features and ids are not part of these formats and are left out.

    Raises:
        InputError: a suffix that cannot be written, numbers that the format cannot hold, or no place to write.
    """
    _format(path, writable()).write(path, gaussians)


def check(path: str | Path, to_write: bool = False) -> None:
    """Say no early: raises InputError when a file of this suffix cannot be read (or written)."""
    _format(path, writable() if to_write else FORMATS)


def writable() -> dict[str, ModuleType]:
    """Those of :data:`FORMATS` that can be written."""
    return {suffix: module for suffix, module in FORMATS.items() if hasattr(module, "write")}


def _format(path: str | Path, formats: dict[str, ModuleType]) -> ModuleType:
    name = Path(path).name.lower()
    fitting = [suffix for suffix in formats if name.endswith(suffix)]
    if fitting:
        return formats[max(fitting, key=len)]
    known, suffix = ", ".join(sorted(formats)), Path(name).suffix
    if suffix in FORMATS:
        raise InputError(f"{path} cannot be written: Gaussians in '{suffix}' can only be read; use {known}.")
    raise InputError(f"{path} ends in '{suffix}', which is no known format of Gaussians; use {known}.")
