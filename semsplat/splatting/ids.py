"""Ids of Gaussians as sets, and where they are in a table. Ids say who a Gaussian is for life; row numbers change."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def places(known: Int64[Tensor, " n"], wanted: Int64[Tensor, " k"]) -> Int64[Tensor, " k"]:
    """Where each wanted id is among the known ones (each there once); -1 where it is not."""
    wanted = wanted.to(known.device)
    if not len(known):
        return torch.full_like(wanted, -1)
    if bool((known.diff() > 0).all()):
        at = torch.searchsorted(known, wanted).clamp_max_(len(known) - 1)
        return torch.where(known[at] == wanted, at, -1)
    ordered, order = known.sort()
    at = torch.searchsorted(ordered, wanted).clamp_max_(len(known) - 1)
    return torch.where(ordered[at] == wanted, order[at], -1)


def rows_of(known: Int64[Tensor, " n"], wanted: Int64[Tensor, " k"]) -> Int64[Tensor, " m"]:
    """Rows of those wanted ids that are there, in their order."""
    at = places(known, wanted)
    return at[at >= 0]


def carried(
    values: Float[Tensor, " n"], ids: Int64[Tensor, " n"], to: Int64[Tensor, " m"], missing: float = 0.0
) -> Float[Tensor, " m"]:
    """Values of some Gaussians, for another table of Gaussians; ``missing`` for those that had none."""
    at = places(ids, to)
    if not len(ids):
        return values.new_full((len(to),), missing)
    return torch.where(at >= 0, values.to(at.device)[at.clamp_min(0)], missing)


def union(one: Int64[Tensor, " n"], other: Int64[Tensor, " m"]) -> Int64[Tensor, " k"]:
    """In either, ascending."""
    return torch.cat([one, other.to(one.device)]).unique()


def without(one: Int64[Tensor, " n"], other: Int64[Tensor, " m"]) -> Int64[Tensor, " k"]:
    """In the first and not in the second."""
    return one[~torch.isin(one, other.to(one.device))]
