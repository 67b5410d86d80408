"""What a page is sent: new colours alone, against all splats again, which is what the library underneath would do."""

import base64
import zlib
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ...splatting.gaussians import Gaussians
from ..splats import node, squeezed
from .clock import Spread
from .rows import Row

COUNTS, QUICK = (20_000, 200_000), (2_000,)
TINT = torch.tensor([1.0, 0.55, 0.1])


def coloured(count: int) -> tuple[Gaussians, Float[Tensor, "n 3"], dict[str, Float[Tensor, "n 3"]]]:
    """(points in a ball, their colours with noise, how they look when something is picked or asked for)."""
    random = torch.Generator().manual_seed(0)
    points = torch.randn(count, 3, generator=random)
    colors = (0.5 + 0.2 * points + 0.05 * torch.randn(count, 3, generator=random)).clamp(0, 1)
    picked = (points - 0.5).norm(dim=1) < 0.4
    heat = torch.exp(-(points - 0.5).square().sum(1))[:, None]
    looks = {
        "a selection": torch.where(picked[:, None], 0.5 * colors + 0.5 * TINT, colors),
        "a heat map": (1 - heat) * 0.3 * colors.mean(1, keepdim=True) + heat * TINT,
    }
    return Gaussians.from_points(points, colors), colors, looks


def _bytes(colors: Float[Tensor, "n 3"]) -> np.ndarray:
    opacities = torch.full((len(colors), 1), 0.9)
    return (torch.cat([colors, opacities], dim=1) * 255).round().to(torch.uint8).numpy()


def measured(quick: bool) -> Iterator[Row]:
    """A row for each size and each look."""
    for count in QUICK if quick else COUNTS:
        gaussians, plain, looks = coloured(count)
        before = _bytes(plain)
        for name, colors in looks.items():
            ours = len(base64.b64encode(squeezed(_bytes(colors), before)))
            whole = buffer(gaussians, colors)
            theirs = len(zlib.compress(whole, 1))
            facts = {"gaussians": count, "resent_uncompressed_kB": round(len(whole) / 1e3, 1)}
            spreads = (Spread.of([ours / 1e3]), Spread.of([theirs / 1e3]), Spread.of([theirs / ours]))
            what = f"bytes to show {name}, {count:,} Gaussians"
            yield Row("sending", what, "all splats again, as compressed", "kB", *spreads, facts)


def buffer(gaussians: Gaussians, colors: Float[Tensor, "n 3"]) -> bytes:
    """The 32 bytes of each Gaussian that viser's browser page takes: place, covariance in half precision, colour."""
    told = node(gaussians, colors)
    upper = np.ascontiguousarray(told["covariances"].reshape(-1, 9)[:, [0, 1, 2, 4, 5, 8]], np.float16)
    centers, empty = np.ascontiguousarray(told["centers"], np.float32), np.zeros((len(gaussians), 4), np.uint8)
    parts = [centers.view(np.uint8), empty, upper.view(np.uint8), told["rgbs"], told["opacities"]]
    return np.concatenate(parts, axis=1).tobytes()
