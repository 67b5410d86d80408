"""Which views people mean, and which show a thing best."""

import difflib
from collections.abc import Sequence
from pathlib import PurePosixPath

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.splat import splat
from .scene import Scene, View

SMALL, MOST = 96, 40  # pixels, longest side, and number of the views that are tried


def find_view(views: Sequence[View], name: str) -> View:
    """The view that ``name`` means: its name, its file name, its stem, or its number counted from 0.

    Raises:
        InputError: there is none, or several photos are called so.
    """
    if not views:
        raise InputError(f"There is no view '{name}': the scene has no views.")
    for key in (str, lambda full: PurePosixPath(full).name, lambda full: PurePosixPath(full).stem):
        found = [view for view in views if key(view.name) == name]
        if len(found) > 1:
            raise InputError(f"'{name}' is {' and '.join(view.name for view in found[:3])}; give the whole name.")
        if found:
            return found[0]
    if name.isdecimal() and int(name) < len(views):
        return views[int(name)]
    known = [view.name for view in views] + [PurePosixPath(view.name).stem for view in views]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"they go from {views[0].name} to {views[-1].name}."
    raise InputError(f"There is no view '{name}' among the {len(views)}: {hint}")


def pick_views(
    scene: Scene, names: Sequence[str], selection: Bool[Tensor, " n"] | None = None, count: int = 4
) -> list[View]:
    """The named views; without names, ``count`` in which the selection is best seen, else spread evenly.

    Args:
        names: see :func:`find_view`. selection: rows of the scene's Gaussians after its edits.

    Raises:
        InputError: a name that there is not.
    """
    if names:
        return [find_view(scene.views, name) for name in names]
    views = list(scene.views)
    if selection is not None and selection.any():
        tried = _spread(views, MOST)
        seen = _visible(scene.edited.to(selection.device), selection, tried)
        if max(seen, default=0.0) > 0:
            return _best(tried, seen, count)
    return _spread(views, count)


def _spread(views: list[View], count: int) -> list[View]:
    """At most ``count`` of the views, evenly."""
    if len(views) <= count:
        return views
    return [views[i * len(views) // count] for i in range(count)]


@torch.no_grad()
def _visible(gaussians: Gaussians, selection: Bool[Tensor, " n"], views: Sequence[View]) -> list[float]:
    """How much of each view the selection fills, in [0, 1]; what is nearer to the border than to the middle less."""
    values = selection.to(gaussians.means)[:, None]
    seen = []
    for view in views:
        camera = view.camera.scaled(min(1.0, SMALL / max(view.camera.width, view.camera.height)))
        image = splat(gaussians, camera).detach() @ values
        window = torch.hann_window(camera.height, periodic=False)[:, None] * torch.hann_window(camera.width)
        seen.append(float((image[..., 0] * window.to(image)).mean()))
    return seen


def _best(views: Sequence[View], seen: list[float], count: int) -> list[View]:
    """The view that sees most, then those that see much from elsewhere; in the order of the scene."""
    directions = torch.stack([view.camera.world_to_camera[2, :3] for view in views])
    centers = torch.stack([view.camera.center for view in views])
    apart = 1.0 - (directions @ directions.T).clamp(-1.0, 1.0) + _relative(torch.cdist(centers, centers))
    chosen = [max(range(len(views)), key=lambda i: seen[i])]
    while len(chosen) < min(count, len(views)):
        rest = [i for i in range(len(views)) if i not in chosen and seen[i] > 0]
        if not rest:
            break
        chosen.append(max(rest, key=lambda i: seen[i] * float(apart[i, chosen].min())))
    return [views[i] for i in sorted(chosen)]


def _relative(distances: Float[Tensor, "k k"]) -> Float[Tensor, "k k"]:
    return distances / distances.max().clamp_min(1e-12)
