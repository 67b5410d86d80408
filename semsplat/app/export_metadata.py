"""What is told beside an exported file, as JSON: what it is, how large, where it was in its scene, who made it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .. import __version__
from ..distill import teachers
from ..splatting.similarity import Similarity
from .export_parts import Part
from .scene import write_json

if TYPE_CHECKING:
    from .export import Work


def write(work: "Work", turned: tuple[float, float, float]) -> list[Path]:
    """Write FILE.json beside each file of the work.

    Args:
        turned: factors from our axes to those of the files.
    """
    written = []
    for part, path in work.files():
        beside = path.with_name(f"{path.name}.json")
        write_json(beside, described(work, part, path, turned))
        written.append(beside)
    return written


def described(work: "Work", part: Part, path: Path, turned: tuple[float, float, float]) -> dict[str, Any]:
    """The content: see docs/export.md."""
    axes = torch.tensor(turned, dtype=torch.float64)
    to_file = torch.diag(torch.cat([axes, axes.new_ones(1)])) @ part.placement.matrix
    placed = part.placed.means.double() * axes
    low, high = placed.amin(0), placed.amax(0)
    opacities = part.gaussians.opacities.double()
    center = (opacities[:, None] * placed).sum(0) / opacities.sum().clamp_min(1e-300)
    scene = work.source
    return {
        "name": part.name,
        "file": path.name,
        "kind": work.kind,
        "made with": f"semsplat {__version__}",
        "gaussians": len(part.gaussians),
        "selected": len(part.ids),
        "cleaned": part.cleaned,
        "bounds": {"low": _plain(low), "high": _plain(high)},  # of the centres, in the file's numbers
        "center": _plain(center),  # of opacity, in the file's numbers
        "up": _direction(part.placement, axes, scene.up),
        "scene_to_file": _plain(to_file),
        "file_to_scene": _plain(torch.linalg.inv(to_file)),
        "units_per_scene_unit": part.placement.scale,
        "unit": work.unit if work.request.scale == 1.0 else f"1 / {work.request.scale:g} {work.unit}",
        "scene": scene.title,
        "edits": len(scene.session.now.history.entries) if scene.session else 0,
        "selection": part.facts,
        "teachers": _teachers(part.facts),
    }


def _direction(placement: Similarity, axes: torch.Tensor, up: torch.Tensor) -> list[float]:
    """The scene's up in the file's numbers."""
    return _plain((placement.matrix[:3, :3] @ up.double().cpu()) / placement.scale * axes)


def _plain(values: torch.Tensor) -> list[Any]:
    """Numbers with 9 digits behind the point, none of them -0."""
    return ((values * 1e9).round() / 1e9 + 0.0).tolist()


def _teachers(facts: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Whose features decided, with the licences of their code and weights."""
    names = {facts.get("teacher"), *(one.get("teacher") for one in facts.get("objects", ()))}
    names |= {name for name in facts.get("evidence", ()) if name in teachers.NAMES}
    known = (teachers.card(name) for name in sorted(name for name in names if name in teachers.NAMES))
    return {card.name: {"what": card.what, "licence": card.licence} for card in known}
