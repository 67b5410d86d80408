"""A whole training step (projection, SH of degree 3, raster, L1 + SSIM, all gradients, Adam) against the rival's."""

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ...splatting.camera import Camera
from ...splatting.errors import SemsplatError
from ...splatting.gaussians import Gaussians
from ...splatting.losses import photometric
from ...splatting.optimizer import adam
from ...splatting.splat import splat
from ...splatting.train import one_torch_thread
from .clock import Limit, in_turns
from .rival import RATES, Draw, Rival, render, rivals
from .rows import Row
from .scenes import Views, shell

DIFFERENT, MANY = 1e-4, 1e-3  # a pixel that differs by more is another one; so many may (an alpha lies at a limit)


class Ours:
    """Whole training steps with the package's public pieces, as its trainer puts them together."""

    def __init__(self, views: Views) -> None:
        self.columns = {name: getattr(views.gaussians, name).detach().clone().requires_grad_() for name in RATES}
        self.gaussians = views.gaussians.replace(**self.columns)
        self.moments = {name: (torch.zeros_like(c), torch.zeros_like(c)) for name, c in self.columns.items()}
        self.count = 0

    def step(self, camera: Camera, photo: Tensor) -> Tensor:
        """Draw, compare, go back, move; gives the picture."""
        with one_torch_thread(photo.device):
            blend = splat(self.gaussians, camera)
            image, _ = blend.composite(self.gaussians.colors(camera))
            photometric(image, photo).backward()
            self.move()
        return image.detach()

    def move(self) -> None:
        """Adam, and gradients back to nothing."""
        self.count += 1
        for name, column in self.columns.items():
            with torch.no_grad():
                rest = RATES[name] / 20 if name == "sh" else None
                adam(column, column.grad, *self.moments[name], RATES[name], self.count, rest)
            column.grad = None


def agreement(gaussians: Gaussians, camera: Camera, draws: Draw | None = None) -> dict[str, float]:
    """How far the rival's picture is from ours.

    Raises:
        SemsplatError: so far that their times cannot be compared.
    """
    with torch.no_grad():
        theirs, _ = render(gaussians, camera, draws)
        ours, _ = splat(gaussians, camera).composite(gaussians.colors(camera))
    away = (theirs - ours).abs().amax(-1)
    share = (away > DIFFERENT).double().mean().item()
    if share > MANY:
        raise SemsplatError(f"The rival draws another picture: {share:.1%} of the pixels differ by more than 1e-4.")
    return {"largest_difference": away.max().item(), "pixels_over_1e-4": share}


def measured(device: torch.device, quick: bool, limit: Limit) -> Iterator[Row]:
    """A row for each rival."""
    views = (shell(600, 96, 64, views=3) if quick else shell()).to(device)
    camera, rounds, each = views.cameras[0], *((2, 2) if quick else (7, 9))
    what = f"training step, {len(views.gaussians):,} Gaussians, {camera.width} x {camera.height}"
    for name, draws in rivals(device).items():
        same = agreement(views.gaussians, camera, draws)
        ours, theirs = Turn(Ours(views).step, views), Turn(Rival(views.gaussians, draws).step, views)
        yield Row("step", what, name, "ms", *in_turns(ours, theirs, device, rounds, each, limit), same)


class Turn:
    """A step on one view after another."""

    def __init__(self, step: Callable[[Camera, Tensor], Tensor], views: Views) -> None:
        self.step, self.views = step, itertools.cycle(zip(views.cameras, views.photos, strict=True))

    def __call__(self) -> None:
        self.step(*next(self.views))
