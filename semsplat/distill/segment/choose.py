"""Without any field: the part of the scene's tree that a click or a stroke means."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from .prompts import Evidence
from .surface import Surface
from .tree import SIZE, Tree

Size = Literal["part", "thing", "group"]
CRUMB = 8  # Gaussians: fewer are hardly ever what is meant
ALL = 0.6  # share of what is seen: a node with more is the scene, not a thing in it
CENTRAL = 0.85  # share of the middle of all pictures: the smallest node with more is what the photos were taken of
USUAL, SPREAD = {"part": 0.002, "thing": 0.01, "group": 0.05}, 2.0  # share of what is seen, and how far from it (log)


def by_tree(
    tree: Tree, surface: Surface, evidence: Sequence[Evidence], size: Size
) -> tuple[Float[Tensor, " n"], float]:
    """(order, tolerance): when each Gaussian joins as the tolerance grows from 0 to 1, and how far it should.

    What all positive prompts have in common grows together. Order is inf for what never joins: that is what holds what
    is not meant, above the natural size; whether such a thing is part of what is natural, the tree cannot say. The
    tolerance runs evenly in the logarithm of size. What all photos were taken of, if that is one thing in the middle of
    them, is meant as a whole, unless a part is asked for.
    """
    mass = surface.mass
    weight = tree.sums(np.maximum(mass.double().numpy(), 1e-4 * mass.double().mean().item()))
    inside = [one.inside for one in evidence if one.inside.any()]
    barred = _held(tree, [one.outside for one in evidence if one.outside.any()])
    together = _anchor(tree, sum(inside[1:], inside[0]), share=0.9) if len(inside) > 1 else -1
    subject = _subject(tree, weight, surface.central)
    anchors = [together] if together >= 0 else [_anchor(tree, one) for one in inside]
    orders, tolerances = [], []
    for anchor in anchors:
        chain = tree.chain(anchor)
        found = _natural(tree, weight, chain, size, subject)
        at = _places(tree, weight, chain)
        at[found + 1 :][barred[chain[found + 1 :]]] = np.inf
        orders.append(tree.joined(anchor, at))
        tolerances.append(at[found])
    return torch.from_numpy(np.minimum.reduce(orders)).float(), float(np.max(tolerances))


def fitting(tree: Tree, inside: Float[Tensor, " n"], outside: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """The part of the tree that fits evidence for and against best, by IoU of weights."""
    both = tree.sums((inside + outside).double().numpy())
    within = tree.sums(inside.double().numpy())
    return tree.members(int(np.argmax(within / (both + inside.sum().item() - within).clip(1e-30))))


def _anchor(tree: Tree, weights: Float[Tensor, " n"], share: float = 0.5) -> int:
    """The lowest node that has more than a share of the weight; -1 when there is none."""
    sums = tree.sums(weights.double().numpy())
    return (
        int(np.argmax(sums > share * sums[: len(weights)].sum())) if (sums > share * weights.sum().item()).any() else -1
    )


def _held(tree: Tree, outside: Sequence[Float[Tensor, " n"]]) -> np.ndarray:
    """Nodes that hold what some prompt says is something else."""
    barred = np.zeros(len(tree.parent), bool)
    for weights in outside:
        node = _anchor(tree, weights)
        barred[tree.chain(node)] = True
    return barred


def _places(tree: Tree, weight: Float64[np.ndarray, " t"], chain: Int64[np.ndarray, " k"]) -> Float64[np.ndarray, " k"]:
    """Where the nodes are on the way from one Gaussian to everything: even steps in the logarithm of size, 0 to 1."""
    least, most = weight[: len(tree.leaves)].min(), weight[: len(tree.leaves)].sum()
    return np.clip(np.log(weight[chain] / least) / max(np.log(most / least), 1e-9), 0.0, 1.0)


def _subject(tree: Tree, weight: Float64[np.ndarray, " t"], central: Float[Tensor, " n"] | None) -> int:
    """The node that the photos were taken of; -1 when they were taken of no one thing."""
    node = -1 if central is None else _anchor(tree, central, CENTRAL)
    return node if node >= 0 and weight[node] <= ALL * weight[: len(tree.leaves)].sum() else -1


def _natural(
    tree: Tree, weight: Float64[np.ndarray, " t"], chain: Int64[np.ndarray, " k"], size: Size, subject: int
) -> int:
    """Which node of a chain is meant: the subject, or what took little to make and would take much to join to more."""
    if subject in chain and size != "part":
        return int(np.flatnonzero(chain == subject)[0])
    above = tree.parent[chain]
    last = tree.height[chain[-1]] * 2.0 + 1.0 if above[-1] < 0 else tree.height[above[-1]]
    joins = np.concatenate([tree.height[chain[1:]], [last]])
    share = weight[chain] / weight[: len(tree.leaves)].sum()
    persistence = (joins - tree.height[chain]) / share**SIZE
    persistence[share > ALL] *= 1e-6
    persistence[(tree.end - tree.begin)[chain] < CRUMB] *= 1e-3
    usual = np.exp(-0.5 * (np.log(share / USUAL[size]) / SPREAD) ** 2)
    return int(np.argmax(persistence * usual))
