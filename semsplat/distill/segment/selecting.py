"""From prompts to a selection, without any knowledge of scenes, windows or files: what a page calls at every click."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ...splatting.camera import Camera
from ...splatting.errors import InputError
from ...splatting.gaussians import Gaussians
from ..field import FeatureField
from ..teachers.base import PromptTeacher
from . import graph as graphs
from . import prompts as pointing
from .choose import Size, by_tree, fitting
from .graph import Graph
from .grow import Grown, by_field
from .prompts import Evidence, MaskPrompt, Prompt
from .refine import Alike
from .sam_votes import by_masks
from .walk import walk

LOOKS = (
    "appearance",
)  # fields that know no things: a tree in whose joints they count does better than growing by them
LOUD = 50.0  # clicks and strokes beside a box or a mask count that much more than its pixels


@dataclass(frozen=True, eq=False)
class Selected:
    """A selection, and what is needed to slide its tolerance: no question is asked again for that."""

    order: Float[Tensor, " n"]  # the tolerance in [0, 1] from which on each Gaussian belongs; inf: never, or past reach
    tolerance: float  # that was used: given, or the natural one
    natural: float  # the tolerance that was found
    way: str  # how it was found: outline, masks, field or tree
    grown: Grown | None = None  # what features decided, and the order beyond its reach; None: they did not

    @property
    def selection(self) -> Bool[Tensor, " n"]:
        """The Gaussians that belong."""
        return self.at(self.tolerance)

    def at(self, tolerance: float) -> Bool[Tensor, " n"]:
        """The Gaussians that belong at another tolerance, 0 to 1; larger ones only add."""
        order = self.order
        if self.grown is not None and tolerance > self.grown.reach:
            order = self.grown.whole
        return order <= tolerance

    def alike(self, tolerance: float | None = None) -> Alike | None:
        """Whether codes are what is meant, where a field decided: for :class:`.refine.Outlines`."""
        return self.grown.kinds.alike(self.tolerance if tolerance is None else tolerance) if self.grown else None


@torch.no_grad()
def select(
    gaussians: Gaussians,
    prompts: Sequence[Prompt],
    graph: Graph | None = None,
    field: FeatureField | None = None,
    tolerance: float | None = None,
    size: Size = "thing",
    teacher: PromptTeacher | None = None,
    cameras: Sequence[Camera] = (),
) -> Selected:
    """The Gaussians that are pointed at, the same in every view.

    Boxes and masks say where the thing ends: their evidence is carried to the Gaussians that the view does not see
    (:mod:`.walk`). Clicks and strokes say where it is: with a field it grows as far as the features are alike
    (:mod:`.grow`), without one, or with one of mere looks, as far as the scene's tree stands out (:mod:`.choose`).

    Args:
        graph: of these Gaussians; made without cameras when not given, which takes seconds and is less sharp.
        field: whose codes are among the Gaussians' features.
        tolerance: in [0, 1]; 0 takes only what is most alike, 1 nearly all; the natural one when not given.
        size: how much is meant by a click or a stroke.
        teacher: of the field, if it answers prompts (SAM): then its masks decide (:mod:`.sam_votes`).
        cameras: in which such a teacher is asked again about what was found.

    Raises:
        InputError: nothing (positive) was pointed at, it is void, or nothing is found.
    """
    if tolerance is not None and not 0.0 <= tolerance <= 1.0:
        raise InputError(f"A tolerance of {tolerance} is not between 0 and 1.")
    evidence = pointing.read(gaussians, prompts)
    graph = graph if graph is not None else graphs.build(gaussians, (), field)
    if len(graph) != len(gaussians):
        raise ValueError(f"The graph is of {len(graph)} Gaussians, not of these {len(gaussians)}.")
    grown = None
    if teacher is not None and field is not None and not any(isinstance(prompt, MaskPrompt) for prompt in prompts):
        way, (order, natural) = "masks", by_masks(gaussians, graph, field, teacher, prompts, size, cameras)
    elif any(one.outlines for one in evidence):
        way, (order, natural) = "outline", _within(graph, evidence)
    elif field is not None and (field.teacher not in LOOKS or size == "group"):
        grown = by_field(gaussians, graph, field, evidence, size)
        way, order, natural = "field", grown.order, grown.natural
    else:
        way, (order, natural) = "tree", by_tree(graph.tree, graph.surface, evidence, size)
        order = _parted(graph, order, natural, evidence)
    selected = Selected(order, natural if tolerance is None else tolerance, natural, way, grown)
    if not selected.selection.any():
        raise InputError("Nothing was found there; raise the tolerance, or point at the thing in another view.")
    return selected


def _within(graph: Graph, evidence: Sequence[Evidence]) -> tuple[Float[Tensor, " n"], float]:
    """(order, tolerance) from boxes and masks, and the clicks and strokes that mend them, carried over the graph.

    What no view of them shows, such as the back of the thing, is decided by the part of the tree that fits them best.
    """
    weights = [1.0 if one.outlines else LOUD for one in evidence]
    inside = torch.stack([weight * one.inside for weight, one in zip(weights, evidence, strict=True)]).sum(0)
    outside = torch.stack([weight * one.outside for weight, one in zip(weights, evidence, strict=True)]).sum(0)
    chance = walk(graph, inside, outside, fitting(graph.tree, inside, outside))
    return torch.where(chance > 1e-3, 1.0 - chance, torch.inf), 0.5


def _parted(
    graph: Graph, order: Float[Tensor, " n"], natural: float, evidence: Sequence[Evidence]
) -> Float[Tensor, " n"]:
    """Without what hangs together more with what is not meant, where that is a part of what was found."""
    rows = torch.nonzero(order <= natural)[:, 0]
    inside = torch.stack([one.inside[rows] for one in evidence]).sum(0)
    outside = torch.stack([one.outside[rows] for one in evidence]).sum(0)
    if not outside.any():
        return order
    part = graph.part(rows)
    order = order.clone()
    order[rows[walk(part, inside, outside) < walk(part, outside, inside)]] = torch.inf
    return order
