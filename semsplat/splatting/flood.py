"""Growth over a graph: how high the water must rise at the seeds to reach each node, and what hangs together."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int32, Int64
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


def connected(
    starts: Int32[np.ndarray, " n_and_one"],
    neighbours: Int32[np.ndarray, " m"],
    strengths: Float32[np.ndarray, " m"],
    least: float,
    selected: Bool[Tensor, " n"],
) -> Int64[Tensor, " n"]:
    """The number of the connected part of each selected node, from 0; -1 for others.

    Args:
        starts, neighbours, strengths: joints of each node, both ways (CSR). least: strength of a joint that holds.
    """
    labels = np.empty(len(selected), np.int64)
    waiting = np.empty(len(selected), np.int32)
    paths.connected(starts, neighbours, strengths, np.float32(least), selected.contiguous().numpy(), waiting, labels)
    return torch.from_numpy(labels)
