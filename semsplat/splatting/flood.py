"""Growth over a graph: how high the water must rise at the seeds to reach each node."""

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32, Int64
from torch import Tensor

from ._kernels import paths


def flood(
    starts: Int64[np.ndarray, " n_and_one"],
    neighbours: Int32[np.ndarray, " m"],
    lengths: Float32[np.ndarray, " m"],
    step: float,
    entries: Float[Tensor, " n"],
    seeds: Int64[Tensor, " k"],
) -> Float[Tensor, " n"]:
    """For each node, over all ways from the seeds, the least highest step or entry; inf where no way leads.

    Args:
        starts, neighbours, lengths: joints of each node, both ways (CSR). step: cost of a joint, for its length.
        entries: cost of entering each node; inf: never entered.
    """
    costs = np.empty(len(entries), np.float32)
    room = len(neighbours) + len(seeds) + 1
    high = entries.float().contiguous().numpy()
    begun = seeds.contiguous().numpy()
    heap = np.empty(room, np.float32), np.empty(room, np.int32)
    paths.flood(
        starts, neighbours, lengths, np.float32(step), high, begun, *heap, np.empty(len(high) + 1, np.int32), costs
    )
    return torch.from_numpy(costs)
