"""Values without geometry (features, heat, masks, lifting): W @ values and W.T @ image, for each number of channels."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ...splatting.camera import Camera
from ...splatting.gaussians import Gaussians
from ...splatting.splat import splat
from . import rival
from .clock import Limit, in_turns
from .rows import Row
from .scenes import shell

CHANNELS, QUICK = (3, 16, 64, 128, 512), (3, 20)


def measured(device: torch.device, quick: bool, limit: Limit) -> Iterator[Row]:
    """Two rows for each number of channels: W made on the way, and W kept from before."""
    views = (shell(600, 96, 64, views=1) if quick else shell(views=1)).to(device)
    gaussians, camera = views.gaussians.detach(), views.cameras[0]
    kept, stored = splat(gaussians, camera).detach(), rival.matrix(gaussians, camera)
    for channels in QUICK if quick else CHANNELS:
        if limit.over:  # on a busy machine the widest ones are left out
            return
        random = torch.Generator().manual_seed(0)
        values = torch.rand(len(gaussians), channels, generator=random).to(device)
        slope = torch.rand(camera.height, camera.width, channels, generator=random).to(device)
        flat = slope.flatten(0, 1)
        facts: dict[str, Any] = {"channels": channels}
        rounds = 2 if quick else 3 if channels > 128 else 5
        for name, draws in rival.rivals(device).items():
            made = in_turns(
                lambda v=values, s=slope: ours(gaussians, camera, v, s),
                lambda v=values, s=slope, d=draws: theirs(d, gaussians, camera, v, s),
                device, rounds, 2, limit,
            )  # fmt: skip
            yield Row("values", f"{channels} channels, there and back, W made", name, "ms", *made, facts)
        again = in_turns(
            lambda v=values, s=slope: (kept @ v, kept.T @ s),
            lambda v=values, f=flat: (stored[0] @ v, stored[1] @ f),
            device, rounds, 2, limit,
        )  # fmt: skip
        yield Row("values", f"{channels} channels, there and back, W kept", "torch sparse CSR", "ms", *again, facts)


def ours(gaussians: Gaussians, camera: Camera, values: Tensor, slope: Tensor) -> None:
    """Project, draw, and the gradient of the values."""
    leaf = values.requires_grad_()
    torch.autograd.grad(splat(gaussians, camera).detach() @ leaf, leaf, slope)


def theirs(draws: rival.Draw, gaussians: Gaussians, camera: Camera, values: Tensor, slope: Tensor) -> None:
    """The same by a rival."""
    leaf = values.requires_grad_()
    torch.autograd.grad(draws(gaussians, camera, leaf), leaf, slope)
