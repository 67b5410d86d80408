"""Exports Gaussians as point clouds; see :mod:`semsplat.splatting.surface.points`."""

from typing import TYPE_CHECKING

from ..splatting.ids import rows_of
from ..splatting.surface import points
from .export_mesh import seen_of

if TYPE_CHECKING:
    from .export import Work


def write(work: "Work") -> None:
    """Write each part to its file."""
    seen = seen_of(work.source)[0]
    opacity = work.request.mesh.opacity
    for part, path in work.files():
        own = seen[rows_of(work.source.gaussians.ids, part.gaussians.ids)]
        turn = (part.placement.matrix[:3, :3] / part.placement.scale).to(own)
        cloud = points.points(part.placed, points.OPACITY if opacity is None else opacity, own @ turn.T)
        points.write(path, cloud)
        work.say(f"{part.name}: {len(cloud.positions):,} points written to {path}")
