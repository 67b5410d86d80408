"""Files of Gaussians: the suffix picks the format, nothing else does."""

from pathlib import Path
from types import ModuleType

from ..errors import InputError
from ..gaussians import Gaussians
from . import ply

FORMATS: dict[str, ModuleType] = {".ply": ply}


def read(path: str | Path) -> Gaussians:
    """The Gaussians of a file, on the CPU in float32.

    Raises:
        InputError: an unknown suffix, or a file that holds something else, is truncated or cannot be read.
    """
    return _format(path).read(path)


def write(path: str | Path, gaussians: Gaussians) -> None:
    """Write the Gaussians in the format of the suffix; an existing file is replaced in one step.

    Features and ids are not part of these formats and are left out.

    Raises:
        InputError: an unknown suffix, or a place that cannot be written.
    """
    _format(path).write(path, gaussians)


def check(path: str | Path) -> None:
    """Say no early: raises InputError when the suffix is not one of :data:`FORMATS`."""
    _format(path)


def _format(path: str | Path) -> ModuleType:
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise InputError(f"{path} ends in '{suffix}', which is no known format of Gaussians; use {known}.")
    return FORMATS[suffix]
