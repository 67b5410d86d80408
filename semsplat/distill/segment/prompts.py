"""What people point with, in pictures: clicks, boxes, strokes, masks; and what that says about the Gaussians.

A prompt becomes weights over Gaussians by W.T: how much of each is in the pixels that were meant. What lies behind is
covered there, so W itself keeps it out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...splatting.blend import Blend
from ...splatting.camera import Camera
from ...splatting.errors import InputError
from ...splatting.gaussians import Gaussians
from ...splatting.pixel import row
from ...splatting.splat import splat

SEEN = 0.1  # coverage below this is void: there is nothing to point at
AGAINST_BOX = 0.02  # what is in a box belongs to it that much more weakly than what is outside does not


class NothingThere(InputError):
    """A click on nothing."""


@dataclass(frozen=True)
class Click:
    """A point of a picture: on the thing, or (``positive=False``) on something else."""

    camera: Camera
    x: float  # pixels, (0, 0) is the upper left corner, (0.5, 0.5) the centre of the first pixel
    y: float
    positive: bool = True


@dataclass(frozen=True)
class Box:
    """A rectangle of a picture with the thing in it, as a whole."""

    camera: Camera
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Stroke:
    """A line drawn over the thing, or (``positive=False``) over something else."""

    camera: Camera
    points: Float[Tensor, "p 2"]  # x, y in pixels; one point is a dot
    radius: float = 4.0  # pixels
    positive: bool = True


@dataclass(frozen=True, eq=False)
class Scribble:
    """Pixels painted over the thing, or (``positive=False``) over something else; unlike a mask it says no border."""

    camera: Camera
    painted: Bool[Tensor, "h w"]  # of the camera's size
    positive: bool = True


@dataclass(frozen=True, eq=False)
class MaskPrompt:
    """The thing's outline in one picture."""

    camera: Camera
    mask: Bool[Tensor, "h w"]  # of the camera's size


Prompt = Click | Box | Stroke | Scribble | MaskPrompt


@dataclass(frozen=True, eq=False)
class Brushed:
    """What was painted in a picture: the middle of a brush is meant, its rim is where hands slip over a border."""

    blend: Blend  # of that picture
    weights: Float[Tensor, "h w"]  # from 0 outside to 1 in the middle, with the square of the distance from the rim

    @classmethod
    def of(cls, gaussians: Gaussians, camera: Camera, painted: Bool[Tensor, "h w"]) -> Self:
        """The brush over what a camera sees."""
        from scipy.ndimage import distance_transform_edt

        depth = torch.from_numpy(distance_transform_edt(painted.cpu().numpy())) if not painted.all() else painted
        return cls(splat(gaussians, camera).detach(), (depth / depth.max()).square().float())


@dataclass(frozen=True)
class Evidence:
    """Weights over Gaussians, from 0: rows of W, summed over the pixels that were meant."""

    inside: Float[Tensor, " n"]
    outside: Float[Tensor, " n"]
    outlines: bool  # boxes and masks say where the thing ends; clicks and strokes only where it is
    point: bool = False  # one point is one thing: what its pixel shows as a whole says what it is
    brushed: "Brushed | None" = None  # of strokes


@torch.no_grad()
def read(gaussians: Gaussians, prompts: Sequence[Prompt]) -> list[Evidence]:
    """What each prompt says about the Gaussians.

    Raises:
        InputError: no prompt, none that is positive, a click or stroke on nothing, outside the picture, or empty.
    """
    if not prompts:
        raise InputError("Nothing was pointed at; give a click, a box, a stroke or a mask.")
    if not any(getattr(prompt, "positive", True) for prompt in prompts):
        raise InputError("All clicks and strokes are on other things; give at least one on the thing itself.")
    return [_read(gaussians.detach(), prompt) for prompt in prompts]


def _read(gaussians: Gaussians, prompt: Prompt) -> Evidence:
    if isinstance(prompt, Click):
        return _signed(_clicked(gaussians, prompt), prompt.positive, point=True)
    if isinstance(prompt, Stroke):
        return _brushed(Brushed.of(gaussians, prompt.camera, brush(prompt)), prompt.positive, "stroke")
    if isinstance(prompt, Scribble):
        painted = _fitting(prompt.camera, prompt.painted, "scribble")
        return _brushed(Brushed.of(gaussians, prompt.camera, painted), prompt.positive, "scribble")
    if isinstance(prompt, Box):
        found = outline(gaussians, prompt.camera, _boxed(prompt), "box")
        return Evidence(AGAINST_BOX * found.inside, found.outside, True)
    return outline(gaussians, prompt.camera, _fitting(prompt.camera, prompt.mask, "mask"), "mask")


def _fitting(camera: Camera, mask: Bool[Tensor, "_h _w"], what: str) -> Bool[Tensor, "_h _w"]:
    """The mask, if it is of the camera's size and not empty."""
    if tuple(mask.shape) != (camera.height, camera.width):
        size = f"{mask.shape[1]} x {mask.shape[0]} pixels"
        raise InputError(f"A {what} of {size} does not fit a picture of {camera.width} x {camera.height}.")
    if not mask.any():
        raise InputError(f"The {what} is empty: no pixel of it is set.")
    return mask


def outline(gaussians: Gaussians, camera: Camera, mask: Bool[Tensor, "h w"], what: str) -> Evidence:
    """Evidence of a mask: what is in it belongs to the thing, what is outside does not.

    Raises:
        InputError: there is nothing in it.
    """
    image = torch.stack([mask, ~mask], dim=-1).to(gaussians.means)
    inside, outside = (splat(gaussians, camera).detach().T @ image).cpu().unbind(1)
    if inside.sum().item() < SEEN * mask.sum().item():
        raise InputError(f"There is nothing in the {what}: the scene is empty there.")
    return Evidence(inside, outside, True)


def brush(stroke: Stroke) -> Bool[Tensor, "h w"]:
    """Pixels within the radius of the line.

    Raises:
        InputError: the line has no points, a point is not a number, or all of it is outside the picture.
    """
    points, camera = stroke.points.double(), stroke.camera
    if not len(points):
        raise InputError("A stroke has no points; draw it again.")
    bad = points[~points.isfinite().all(1)]
    if len(bad):
        raise InputError(f"A stroke needs points that are numbers, not ({bad[0, 0]:g}, {bad[0, 1]:g}).")
    if not stroke.radius > 0 or not math.isfinite(stroke.radius):
        raise InputError(f"A stroke needs a radius above 0, not {stroke.radius:g}.")
    radius = max(stroke.radius, 0.71)
    y = torch.arange(camera.height, dtype=torch.float64)[:, None] + 0.5
    x = torch.arange(camera.width, dtype=torch.float64)[None] + 0.5
    drawn = torch.zeros(camera.height, camera.width, dtype=torch.bool)
    ends = points[1:] if len(points) > 1 else points
    for (ax, ay), (bx, by) in zip(points[: len(ends)].tolist(), ends.tolist(), strict=True):
        rows = _window(ay, by, radius, camera.height)
        columns = _window(ax, bx, radius, camera.width)
        px, py, dx, dy = x[:, columns] - ax, y[rows] - ay, bx - ax, by - ay
        along = ((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-12)).clamp(0.0, 1.0)
        drawn[rows, columns] |= (px - along * dx) ** 2 + (py - along * dy) ** 2 <= radius**2
    if not drawn.any():
        raise InputError(f"A stroke lies outside the picture of {camera.width} x {camera.height} pixels.")
    return drawn


def _window(start: float, end: float, radius: float, size: int) -> slice:
    """The pixels of one axis that a line with this radius can reach."""
    low, high = min(start, end) - radius, max(start, end) + radius
    return slice(math.floor(min(max(low, 0), size)), math.ceil(min(max(high, 0), size)))


def _clicked(gaussians: Gaussians, click: Click) -> Float[Tensor, " n"]:
    column, line = (math.floor(v) if math.isfinite(v) else -1 for v in (click.x, click.y))
    rows, weights = row(_numbered(gaussians), click.camera, column, line)
    if weights.sum().item() < SEEN:
        raise NothingThere(f"There is nothing at pixel ({column}, {line}): the scene is empty there; click on a thing.")
    result = gaussians.means.new_zeros(len(gaussians))
    result[rows] = weights
    return result.cpu()


def _brushed(brushed: Brushed, positive: bool, what: str) -> Evidence:
    image = brushed.weights.to(brushed.blend.gaussians.means)[..., None]
    found = (brushed.blend.T @ image)[:, 0].cpu()
    if found.sum().item() < SEEN * image.sum().item():
        raise InputError(f"There is nothing under the {what}: the scene is empty there.")
    return replace(_signed(found, positive), brushed=brushed)


def _boxed(box: Box) -> Bool[Tensor, "h w"]:
    width, height = box.camera.width, box.camera.height
    numbers = (box.x0, box.y0, box.x1, box.y1)
    if not all(math.isfinite(v) for v in numbers):
        raise InputError(f"A box needs four numbers, not {numbers}.")
    (x0, x1), (y0, y1) = sorted((box.x0, box.x1)), sorted((box.y0, box.y1))
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[max(round(y0), 0) : max(round(y1), 0), max(round(x0), 0) : max(round(x1), 0)] = True
    if not mask.any():
        raise InputError(f"The box {numbers} has no pixel of the picture of {width} x {height} in it.")
    return mask


def _signed(weights: Float[Tensor, " n"], positive: bool, point: bool = False) -> Evidence:
    nothing = torch.zeros_like(weights)
    return Evidence(weights if positive else nothing, nothing if positive else weights, False, point)


def _numbered(gaussians: Gaussians) -> Gaussians:
    """The same with row numbers as ids."""
    return gaussians.replace(ids=torch.arange(len(gaussians), device=gaussians.ids.device))
