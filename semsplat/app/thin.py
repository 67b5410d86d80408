"""Fewer Gaussians, for pictures that are seen for a moment: while the camera moves on a computer without a GPU."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting.gaussians import Gaussians

MOST = 40_000  # Gaussians of a picture while the camera moves, on a CPU
LARGEST = 1.5  # times as wide a Gaussian gets, at most


@torch.no_grad()
def thinned(gaussians: Gaussians, importance: Float[Tensor, " n"], most: int = MOST) -> Gaussians:
    """Those that are seen most, widened so that together they cover what all of them do.

    Coverage goes with the area, so widths grow by the root of the share that is left of the importance.

    Args:
        importance: how much each is seen, from 0.
    """
    if len(gaussians) <= most:
        return gaussians
    rows = importance.topk(most).indices.sort().values.to(gaussians.means.device)
    share = float(importance[rows.to(importance.device)].sum() / importance.sum().clamp_min(1e-30))
    wider = math.log(min(LARGEST, max(share, 1e-6) ** -0.5))
    part = gaussians[rows]
    return part.replace(log_scales=part.log_scales + wider)
