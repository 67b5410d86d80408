"""Exports Gaussians, as the suffix says; see :mod:`semsplat.splatting.formats`."""

from ..splatting import formats
from .export import Work


def write(work: Work) -> None:
    """Write each part to its file."""
    for part, path in work.files():
        placed = part.placed
        formats.write(path, placed)
        work.say(f"{part.name}: {len(placed):,} Gaussians written to {path}")
