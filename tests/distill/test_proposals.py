"""Things that a scene proposes: one for each that is there, parts under wholes, names, a slider that only cuts."""

import numpy as np
import pytest
import torch
from blobs import EACH, THINGS, blobs, iou, ring, seen_labels

from semsplat.distill import field as fields
from semsplat.distill.evidence import FieldEvidence, MaskEvidence
from semsplat.distill.field import StoredField
from semsplat.distill.lifted import lift_masks, masks_of
from semsplat.distill.proposals import Proposal, propose
from semsplat.distill.regions import cut, merge_regions, superpoints
from semsplat.distill.segment.graph import Graph, build
from semsplat.distill.segment.surface import Surface
from semsplat.distill.teachers import reopen
from semsplat.distill.vocabulary import everyday_names, name_things, words_for
from semsplat.splatting.splat import splat

NAMES = [["bowl", "dish"], ["mug"], ["vase"], ["clock"], ["teapot"]]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return build(blobs()[0], ring())


def taught(noise: float = 0.0):
    """The scene with a field of names, and its teacher; the last ball is not known."""
    scene, truth, _ = blobs()
    teacher = reopen("labels", {"names": NAMES}, torch.device("cpu"))
    codes = teacher.read([given[0] for given in NAMES])[truth]
    codes += noise * torch.randn(codes.shape, generator=torch.Generator().manual_seed(0))
    trust = (truth < THINGS - 1).float() * 0.9
    stored = StoredField("labels", scene.ids, codes, trust, torch.eye(codes.shape[1]), teacher.memory())
    scene, found = fields.attach(scene, [stored])
    return scene, found["labels"], teacher


def chosen(proposal: Proposal) -> torch.Tensor:
    mask = torch.zeros(THINGS * EACH, dtype=torch.bool)
    mask[torch.from_numpy(proposal.rows)] = True
    return mask


def best(proposals: list[Proposal]) -> list[float]:
    truth = blobs()[1]
    return [max(iou(chosen(one), truth == k) for one in proposals) for k in range(THINGS)]


def test_every_ball_is_proposed_with_and_without_a_field(graph: Graph) -> None:
    scene, field, _ = taught(noise=0.2)
    for proposals in (propose(graph), propose(graph, scene, [field])):
        things = proposals.things(0.5)
        assert min(best(things)) > 0.9 and all(0 <= one.score <= 1 for one in things)


def test_parts_lie_in_their_wholes_and_sizes_are_those_of_the_slider(graph: Graph) -> None:
    proposals = propose(graph)
    things = proposals.things(0.0)
    for one in things:
        if one.parent >= 0:
            assert np.isin(one.rows, things[one.parent].rows).all() and len(one.rows) < len(things[one.parent].rows)
    counts = []
    for size in np.linspace(0, 1, 9).tolist():
        numbers, nodes = proposals.parts(size)
        counts.append(len(nodes))
        assert set(numbers.tolist()) - {-1} == set(range(len(nodes)))
        for number, node in enumerate(nodes.tolist()):
            low, high = proposals.sizes(node)
            assert low <= size < high
            assert (numbers == number).sum() == proposals.tree.end[node] - proposals.tree.begin[node]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    assert proposals.size(proposals.height(0.3)) == pytest.approx(0.3) and proposals.size(
        proposals.height(0.8)
    ) == pytest.approx(0.8)


def test_masks_tell_apart_what_colours_do_not() -> None:
    scene, truth, half = blobs()
    graph = build(scene, ring())
    views = [(splat(scene, c).detach(), masks_of(seen_labels(scene, c, 2 * truth + half))) for c in ring()]
    lifted = lift_masks(views)
    plain, told = propose(graph).things(0.5), propose(graph, masks=lifted).things(0.25)
    halves = [(truth == k) & (half == side) for k in range(THINGS) for side in (0, 1)]
    found = [[max(iou(chosen(one), want) for one in things) for want in halves] for things in (plain, told)]
    assert np.mean(found[0]) < 0.65 and np.mean(found[1]) > 0.75


def test_evidence_is_about_one_between_strangers_and_nothing_between_equals() -> None:
    scene, truth, _ = blobs()
    masked = lift_masks([(splat(scene, c).detach(), masks_of(seen_labels(scene, c, truth))) for c in ring()])
    regions, mass = (2 * truth + torch.arange(len(truth)) % 2).numpy(), np.ones(len(truth))
    for evidence in (FieldEvidence(*taught()[:2], regions, mass), MaskEvidence(masked, regions, mass)):
        same, other = evidence.apart(0, np.array([1, 2])).tolist()
        assert same < 0.1 and 0.6 < other < 1.5
        evidence.join(0, 1)
        assert evidence.apart(2 * THINGS, np.array([2]))[0] == pytest.approx(other, abs=0.1)
    unknown = FieldEvidence(*taught()[:2], regions, mass).apart(0, np.array([2 * THINGS - 1]))
    assert unknown[0] == 0.0  # nothing is known about it


def test_things_get_the_names_of_their_features() -> None:
    scene, field, teacher = taught(noise=0.1)
    truth = blobs()[1]
    rows = [(truth == k).nonzero()[:, 0] for k in range(THINGS)]
    named = name_things(scene, field, teacher, rows, torch.ones(len(truth)))
    assert [fit[0] if fit else None for fit in named] == ["bowl", "mug", "vase", "clock", None]
    assert all(0.9 < fit[1] <= 1.001 for fit in named if fit)


def test_labels_offer_their_own_names_and_others_everyday_ones() -> None:
    assert words_for(taught()[2]) == ("bowl", "mug", "vase", "clock", "teapot")
    names = everyday_names()
    assert len(names) > 400 and len(set(names)) == len(names) and "teddy bear" in names and "" not in names


def test_superpoints_are_no_more_than_wanted(graph: Graph) -> None:
    assert superpoints(graph.tree, 0.0, 50).max() + 1 <= 50
    assert superpoints(graph.tree, 1e9, 50).max() + 1 == (graph.tree.parent < 0).sum()
    parts, nodes = cut(graph.tree, 0.0)
    assert len(nodes) == len(graph) and np.array_equal(np.sort(parts), np.arange(len(graph)))


def test_a_scene_of_nothing_proposes_nothing() -> None:
    pairs = torch.zeros(0, 2, dtype=torch.int64)
    for count in (0, 3):
        surface = Surface(torch.zeros(count, 3), torch.zeros(count, 3), torch.zeros(count))
        graph = Graph(pairs, torch.zeros(0), torch.zeros(0), surface)
        assert propose(graph).things(0.5) == []


@pytest.mark.slow
def test_sliding_over_a_hundred_thousand_gaussians_gives_fewer_parts() -> None:
    count, make = 100_000, torch.Generator().manual_seed(0)
    means = torch.rand(count, 3, generator=make) * torch.tensor([10.0, 10.0, 0.05])
    from scipy.spatial import KDTree

    near = torch.from_numpy(KDTree(means.numpy()).query(means.numpy(), k=7)[1])
    pairs = (
        torch.stack([torch.arange(count).repeat_interleave(6), near[:, 1:].reshape(-1)], 1).sort(1).values.unique(dim=0)
    )
    surface = Surface(torch.zeros(count, 3), torch.zeros(count, 3), torch.ones(count))
    distance = 1.0 + 2.0 * torch.rand(len(pairs), generator=make)
    graph = Graph(pairs, torch.ones(len(pairs)), distance, surface)
    tree = merge_regions(graph)
    assert len(tree.leaves) == count
    proposals = propose(graph)
    counts = [len(proposals.parts(size)[1]) for size in (0.1, 0.5, 0.9)]
    assert counts[0] > counts[1] > counts[2] > 0
