"""With a field: grown from what the prompt's features are like, over the graph, as ISRF does (Goel et al. 2023).

K-means gives a stroke's features, and a click's is what its pixel shows; every Gaussian's nearest one says how unlike
it is (NNFM); what is most alike under the prompt is the seed, and the region grows over the neighbourhood graph as far
as a tolerance allows. It grows for all tolerances at once: a Gaussian's order is the highest step on the easiest way
from the seeds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...splatting.errors import InputError
from ...splatting.flood import flood
from ...splatting.gaussians import Gaussians
from ..field import FeatureField, Nearest
from ..teachers.codes import class_codes
from .choose import Size
from .graph import Graph
from .prompts import Brushed, Evidence
from .refine import Alike

CLUSTERS = 5  # at most, of a stroke's features
LEAST = 0.15  # share of the weight below which a kind of feature is an accident: shone through, brushed by
TIGHT = 0.5  # seeds are the half of the prompt that is most like its features
STEP = 0.05  # how much unlikeness of neighbours counts against growing from one to the other
CUTS = 64  # tolerances that are tried for the natural one
HELD = 0.8  # share of what is alike in the prompt that has to be within the natural tolerance
HALFWAY = {"labels": 0.5}  # codes of classes are orthogonal: by its meaning, as for words, and not by a gap


@dataclass(frozen=True, eq=False)
class Kinds:
    """What the prompts' features are like, and which are not meant."""

    turn: Float[Tensor, "d d"]  # from codes to vectors whose products are those of the decoded features
    meant: Float[Tensor, "k d"]  # unit vectors
    others: Float[Tensor, "m d"]
    classes: Float[Tensor, "c d"]  # of annotations, as features; none for other teachers

    @classmethod
    def of(cls, codes: Float[Tensor, "n d"], field: FeatureField, evidence: Sequence[Evidence]) -> Self:
        """K-means of the features that pixels under each prompt show; a click has one pixel.

        W F is much sharper than the features of the Gaussians there, of which the border ones make up for each other.
        """
        turn = turning(field)
        meant, others = [turn[:0]], [turn[:0]]
        for one in evidence:
            for weights, found in ((one.inside, meant), (one.outside, others)):
                if not weights.any():
                    continue
                shown, shares = _shown(codes, weights, one.brushed)
                features = shown @ turn
                some = features.norm(dim=-1) > 0
                if some.any():
                    found.append(clusters(torch.nn.functional.normalize(features[some], dim=-1), shares[some]))
        classes = class_codes(len(field.memory.get("names", ()))) if field.teacher in HALFWAY else torch.zeros(0, 0)
        turned = (torch.linalg.pinv(turn) @ field.decoder.cpu() @ classes.T).T if len(classes) else turn[:0]
        return cls(turn, torch.cat(meant), torch.cat(others), turned)

    def distances(self, codes: Float[Tensor, "*b d"]) -> tuple[Float[Tensor, "*b"], Float[Tensor, "*b"]]:
        """Cosine distance to the nearest feature that is meant, and to the nearest that is not; inf without any.

        Args:
            codes: of features of length 1.
        """
        nothing = codes.new_full(codes.shape[:-1], torch.inf)
        meant, others = (
            (1.0 - (codes @ (self.turn @ kinds.T)).amax(-1)).clamp_min(0.0) if len(kinds) else nothing
            for kinds in (self.meant, self.others)
        )
        return meant, others

    def alike(self, tolerance: float) -> Alike:
        """Whether codes are as near to what is meant, and nearer than to what is not.

        Annotations say what else there is: at their own tolerance it is the nearest class that counts.
        """
        if len(self.classes) and tolerance in HALFWAY.values():
            own = (self.meant @ self.classes.T).argmax(-1)
            return Nearest((self.turn @ self.classes.T).T, own)

        def decide(codes: Float[Tensor, "*b d"]) -> Bool[Tensor, "*b"]:
            distance, other = self.distances(codes)
            return (distance <= tolerance) & (distance <= other)

        return decide


def _shown(
    codes: Float[Tensor, "n d"], weights: Float[Tensor, " n"], brushed: Brushed | None
) -> tuple[Float[Tensor, "p d"], Float[Tensor, " p"]]:
    """(codes that the pixels under a prompt show, how much each counts)."""
    if brushed is None:
        return (weights @ codes)[None], torch.ones(1)
    under = brushed.weights > 0
    drawn = brushed.blend @ codes.to(brushed.blend.gaussians.means)
    return drawn.cpu()[under], brushed.weights[under]


@dataclass(frozen=True, eq=False)
class Grown:
    """When each Gaussian joins as the tolerance grows."""

    order_to: Callable[[float], Float[Tensor, " n"]]  # up to a tolerance; inf for later ones and those that never do
    order: Float[Tensor, " n"]  # up to ``reach``
    reach: float
    natural: float  # tolerance in the widest gap
    kinds: Kinds  # what was meant

    @cached_property
    def whole(self) -> Float[Tensor, " n"]:
        """The order for all tolerances: most of the work, and seldom asked for."""
        return self.order_to(torch.inf)


def by_field(
    gaussians: Gaussians, graph: Graph, field: FeatureField, evidence: Sequence[Evidence], size: Size
) -> Grown:
    """Grow over the graph from what the prompts' features are like.

    A ``group`` is all that is alike, wherever it is; a ``thing`` hangs together; a ``part`` is what is most alike.
    Order is the cosine distance, for things and parts the highest on the way, with steps between unlike neighbours
    counted in, at most 1; inf where no way leads or something that is not meant is more alike.

    Raises:
        InputError: the field knows nothing about what was pointed at.
    """
    codes, known = field.codes(gaussians).detach().cpu().float(), (field.reliability(gaussians).cpu() > 0).float()
    evidence = [replace(one, inside=one.inside * known, outside=one.outside * known) for one in evidence]
    meant = sum((one.inside for one in evidence), torch.zeros(len(graph)))
    if not meant.any():
        raise InputError(f"The field of '{field.teacher}' knows nothing about what was pointed at; point elsewhere.")
    kinds = Kinds.of(codes, field, evidence)
    distance, other = kinds.distances(codes / field.norms(codes).clamp_min(1e-12))
    entries = torch.where((known > 0) & (distance <= other), distance, torch.inf)
    seeds = torch.stack([_seeds(distance, one.inside) for one in evidence if one.inside.any()]).any(0)  # of each prompt
    entries[seeds] = distance[seeds]

    def order_to(most: float) -> Float[Tensor, " n"]:
        cost = torch.where(entries <= most, entries, torch.inf)
        if size != "group":
            cost = flood(*graph.links, STEP, cost, torch.nonzero(seeds)[:, 0])
        return torch.where(cost.isfinite(), cost.clamp_max(1.0), torch.inf)

    if field.teacher in HALFWAY and size != "part":
        natural = HALFWAY[field.teacher]
        return Grown(order_to, order_to(natural), natural, natural, kinds)
    whole = order_to(torch.inf)
    found = natural_gap(whole, graph.surface.mass, meant * (1.0 - distance).clamp_min(0.0), size)
    most = HALFWAY.get(field.teacher, 1.0)  # a part of a class is no more than the class
    return Grown(order_to, whole, 1.0, min(found, most), kinds)


def turned(gaussians: Gaussians, field: FeatureField) -> Float[Tensor, "n d"]:
    """Vectors whose products are those of the decoded features, in as few numbers as the codes have."""
    return field.codes(gaussians).detach().cpu().float() @ turning(field)


def turning(field: FeatureField) -> Float[Tensor, "d d"]:
    """From codes to such vectors."""
    decoder = field.decoder.cpu().float()
    values, vectors = torch.linalg.eigh(decoder @ decoder.T)
    return vectors * values.clamp_min(0.0).sqrt()


def clusters(
    features: Float[Tensor, "m d"], weights: Float[Tensor, " m"], least: float = LEAST
) -> Float[Tensor, "k d"]:
    """Mean directions of unit features, by spherical k-means from farthest points.

    Args:
        least: share of the weight below which a cluster is left out; the heaviest always stays.
    """
    centers = features[weights.argmax()][None]
    while len(centers) < min(CLUSTERS, len(features)):
        far = (1.0 - (features @ centers.T).amax(1)) * (weights > 0.2 * weights.mean())
        if far.max() < 0.05:
            break
        centers = torch.cat([centers, features[far.argmax()][None]])
    for _ in range(10):
        nearest = (
            torch.nn.functional.one_hot((features @ centers.T).argmax(1), len(centers)).to(weights) * weights[:, None]
        )
        moved = nearest.T @ features
        centers = torch.where((nearest.sum(0) > 0)[:, None], torch.nn.functional.normalize(moved, dim=-1), centers)
    shares = nearest.sum(0) / nearest.sum()
    return centers[shares >= min(least, shares.max().item())]


def _seeds(distance: Float[Tensor, " n"], weights: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """The part of the prompt that is most like its features: half of its weight."""
    rows = torch.nonzero(weights > 0)[:, 0]
    rows = rows[distance[rows].argsort(stable=True)]
    running = weights[rows].cumsum(0)
    seeds = torch.zeros(len(weights), dtype=torch.bool)
    seeds[rows[: int((running < TIGHT * running[-1]).sum()) + 1]] = True
    return seeds


def natural_gap(order: Float[Tensor, " n"], mass: Float[Tensor, " n"], meant: Float[Tensor, " n"], size: Size) -> float:
    """The tolerance in the widest gap, over which what is selected grows least (in logarithms of both).

    Only tolerances are asked that hold most of the prompt itself. A part is the widest gap below that one, if any.
    """
    weights = mass + 1e-3 * mass.mean()
    cuts = np.geomspace(0.01, 1.0, CUTS)
    own, total = _grown(order, meant, cuts), meant.sum().item()
    cuts = cuts[own >= HELD * min(own[-1], total)]
    gaps = _gaps(cuts, np.log(np.maximum(_grown(order, weights, cuts), 1e-30)))
    best = max(gaps, key=lambda gap: gap[1])
    below = [gap for gap in gaps if gap[0] < best[0]] if size == "part" else []
    return max(below or [best], key=lambda gap: gap[1])[0]


def _grown(order: Float[Tensor, " n"], weights: Float[Tensor, " n"], cuts: Float[np.ndarray, " k"]) -> np.ndarray:
    """The weight that each cut holds."""
    ordered, rank = order.sort()
    running = torch.cat([torch.zeros(1), weights[rank].cumsum(0)])
    return running[torch.searchsorted(ordered, torch.as_tensor(cuts).to(ordered), right=True)].double().numpy()


def _gaps(cuts: np.ndarray, logs: np.ndarray, still: float = 0.1) -> list[tuple[float, float]]:
    """(middle, width) of the runs of tolerances over which the logarithm of the mass grows less than ``still``."""
    gaps, begin = [], 0
    for k in range(1, len(cuts) + 1):
        if k == len(cuts) or logs[k] - logs[begin] > still:
            width = float(np.log(cuts[k - 1] / cuts[begin]))
            gaps.append((float(np.sqrt(cuts[k - 1] * cuts[begin])), width))
            begin = k
    return gaps
