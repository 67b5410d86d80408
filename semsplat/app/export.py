"""``semsplat export``: a scene as a file that other programs open; the suffix picks the format."""

from pathlib import Path

from ..splatting import formats
from ..splatting.gaussians import Gaussians
from .scene import Scene


def read(source: Path) -> Gaussians:
    """The Gaussians of a scene folder, after its edits, or of a file of Gaussians."""
    return formats.read(source) if source.is_file() else Scene.open(source).edited


def export(source: Path, target: Path) -> int:
    """Write the Gaussians of ``source`` to ``target``; returns how many.

    Raises:
        InputError: an unknown suffix, no scene there, or a place that cannot be written.
    """
    formats.check(target, to_write=True)
    gaussians = read(source)
    formats.write(target, gaussians)
    return len(gaussians)
