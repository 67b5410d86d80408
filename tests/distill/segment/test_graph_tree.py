"""The parts that selections are made of: growth over a graph, the tree, the walker, cleaning."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from table_scene import RED, TABLE, cameras, iou, scene

from semsplat.distill import segment
from semsplat.distill.segment import choose, clean, grow
from semsplat.distill.segment.graph import SHARPNESS, Graph
from semsplat.distill.segment.prompts import Evidence
from semsplat.distill.segment.surface import Surface, lab, look
from semsplat.distill.segment.tree import Tree, laid_out
from semsplat.distill.segment.tree import grow as grow_tree
from semsplat.distill.segment.walk import walk
from semsplat.splatting.flood import connected, flood


def random_graph(count: int = 30, joints: int = 70, seed: int = 0) -> Graph:
    make = torch.Generator().manual_seed(seed)
    every = torch.tensor(list(itertools.combinations(range(count), 2)))
    pairs = every[torch.randperm(len(every), generator=make)[:joints].sort().values]
    surface = Surface(torch.zeros(count, 3), torch.zeros(count, 3), torch.rand(count, generator=make) + 0.1)
    return Graph(pairs, torch.rand(joints, generator=make) + 0.1, 3 * torch.rand(joints, generator=make), surface)


def test_flood_is_the_least_highest_step() -> None:
    graph = random_graph()
    entries = torch.rand(30, generator=torch.Generator().manual_seed(5))
    entries[7] = torch.inf
    seeds = torch.tensor([3, 11])
    found = flood(*graph.links, 0.2, entries, seeds)
    cost = torch.full((30, 30), torch.inf)
    for (a, b), step in zip(graph.pairs.tolist(), (0.2 * graph.distance).tolist(), strict=True):
        cost[a, b] = cost[b, a] = step
    expected = torch.full((30,), torch.inf)
    expected[seeds] = entries[seeds]
    for _ in range(30):  # Bellman and Ford, with max for plus
        through = torch.maximum(torch.maximum(expected[:, None], cost), entries[None])
        expected = torch.minimum(expected, through.amin(0))
    torch.testing.assert_close(found, expected)


def test_the_tree_is_average_linkage() -> None:
    graph = random_graph()
    tree = grow_tree(30, graph.pairs, graph.distance, graph.contact, graph.surface.mass, size=0.0)
    parts = {k: {k} for k in range(30)}
    joints = list(zip(graph.pairs.tolist(), graph.distance.tolist(), graph.contact.tolist(), strict=True))

    def apart(one: set, other: set) -> float:
        between = [(d, w) for (a, b), d, w in joints if (a in one and b in other) or (b in one and a in other)]
        return sum(d * w for d, w in between) / sum(w for _, w in between) if between else np.inf

    expected = []
    while True:
        near = {(a, b): apart(parts[a], parts[b]) for a, b in itertools.combinations(parts, 2)}
        best = min(near, key=near.__getitem__, default=None)
        if best is None or near[best] == np.inf:
            break
        expected.append(parts[best[0]] | parts[best[1]])
        parts[max(parts) + 1] = expected[-1]
        del parts[best[0]], parts[best[1]]
    merged = [set(torch.nonzero(tree.members(node))[:, 0].tolist()) for node in range(30, len(tree.parent))]
    assert sorted(map(sorted, merged)) == sorted(map(sorted, expected))
    assert all(tree.height[node] <= tree.height[above] for node, above in enumerate(tree.parent) if above >= 0)
    values = np.random.default_rng(0).random(30)
    sums = tree.sums(values)
    assert np.allclose(sums, [values[tree.members(node).numpy()].sum() for node in range(len(tree.parent))])


def test_a_tree_without_joints() -> None:
    tree = grow_tree(3, torch.zeros(0, 2, dtype=torch.int64), torch.zeros(0), torch.zeros(0), torch.ones(3))
    assert tree.parent.tolist() == [-1, -1, -1] and tree.chain(1).tolist() == [1]


def test_the_walker_solves_its_equation() -> None:
    graph = random_graph()
    graph = dataclasses.replace(graph, distance=graph.distance / SHARPNESS)
    inside, outside = torch.zeros(30), torch.zeros(30)
    inside[:3], outside[20:] = 1.0, 2.0
    chance = walk(graph, inside, outside, trust=0.5)
    steps = torch.zeros(30, 30)
    ease = graph.contact * (-SHARPNESS * graph.distance).exp()
    for (a, b), w in zip(graph.pairs.tolist(), ease.tolist(), strict=True):
        steps[a, b] = steps[b, a] = w
    scale = (inside + outside)[inside + outside > 0].mean()
    pull = 0.5 * (inside + outside) / scale + 1e-5
    exact = torch.linalg.solve(torch.diag(steps.sum(1) + pull) - steps, 0.5 * inside / scale)
    torch.testing.assert_close(chance, exact, atol=0.02, rtol=0.02)


def test_what_is_seen_is_colour_and_normal() -> None:
    gaussians, what = scene()
    seen = look(gaussians, cameras())
    inner = (what == TABLE) & (gaussians.means[:, :2].abs().amax(1) < 0.9) & (gaussians.means[:, 1].abs() > 0.5)
    assert seen.normals[inner, 2].median() > 0.8
    red = (what == RED) & (seen.mass > seen.mass.median())
    expected = lab(torch.tensor([0.8, 0.1, 0.1]))
    assert (seen.colors[red].median(0).values - expected).norm() < 12.0
    torch.testing.assert_close(lab(torch.ones(3)), torch.tensor([100.0, 0.0, 0.0]), atol=0.1, rtol=0)


def test_large_flat_gaussians_touch_what_lies_on_them() -> None:
    gaussians, what = scene()
    ball = gaussians[what == RED]
    slab = gaussians[:1].replace(
        means=torch.zeros(1, 3), log_scales=torch.tensor([[0.8, 0.8, 0.01]]).log(), ids=torch.tensor([1])
    )
    graph = segment.build(type(gaussians).cat([ball, slab]), cameras())
    slabs = graph.pairs[(graph.pairs == len(ball)).any(1)].amin(1)
    assert len(slabs) > 4 and ball.means[slabs, 2].amin() < 0.1


def test_k_means_leaves_accidents_out() -> None:
    features = torch.nn.functional.normalize(torch.eye(3)[torch.tensor([0] * 6 + [1] * 5 + [2])] + 0.01, dim=-1)
    assert len(grow.clusters(features, torch.ones(12), 0.15)) == 2
    assert len(grow.clusters(features, torch.ones(12), 0.05)) == 3
    assert len(grow.clusters(features, torch.ones(12), 0.5)) == 1


@pytest.mark.parametrize("size", ["part", "thing"])
def test_the_natural_tolerance_lies_in_the_gap(size: str) -> None:
    order = torch.cat([0.01 + 0.04 * torch.rand(50), 0.5 + 0.5 * torch.rand(50)])
    assert 0.04 < grow.natural_gap(order, torch.ones(100), torch.ones(100) * (order < 0.1), "thing") < 0.55


def test_floaters_go() -> None:
    gaussians, what = scene()
    graph = segment.build(gaussians, cameras())
    with_floater = what == RED
    with_floater[0] = True  # a corner of the table
    tidied = clean.tidy(graph, with_floater)
    assert not tidied[0] and tidied[what == RED].all()
    assert not clean.tidy(graph, what > 5).any()


def test_what_is_hidden_inside_comes() -> None:
    pairs = torch.tensor([[0, 1], [0, 2], [1, 2], [2, 3], [3, 4], [4, 5], [1, 6]])
    surface = Surface(torch.zeros(7, 3), torch.zeros(7, 3), torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0]))
    contact = torch.tensor([1.0, 1.0, 1.0, 0.5, 0.1, 1.0, 1.0])
    selection = clean.with_hidden(Graph(pairs, contact, torch.ones(7), surface), torch.arange(7) < 2, 0.6)
    assert selection.tolist() == [True, True, True, True, False, False, False]  # 3 by way of 2; 6 is seen


def test_ends_that_stick_out_are_cut_off() -> None:
    gaussians, what = scene()
    selection = what == RED
    row = int(torch.nonzero(selection)[gaussians.means[selection, 2].argmin(), 0])
    log_scales = gaussians.log_scales.clone()
    log_scales[row] = torch.tensor([0.03, 0.03, 0.3]).log()  # through the table, and up into the ball
    long = gaussians.replace(log_scales=log_scales)
    cut = clean.trimmed(long, selection)
    at = int(torch.nonzero(cut.ids == long.ids[row])[0])
    assert cut.scales[at, 2] < 0.25 and cut.means[at, 2] > long.means[row, 2]
    torch.testing.assert_close(cut.scales[at, :2], long.scales[row, :2], rtol=0.6, atol=0)
    assert torch.equal(cut.ids, long.ids[selection]) and cut.is_finite().all()
    everything = torch.ones(len(long), dtype=torch.bool)
    assert torch.equal(clean.trimmed(long, everything).means, long.means)
    assert iou(selection, selection) == 1.0


def test_connected_parts_are_those_of_joints_that_hold() -> None:
    graph = random_graph(joints=40)
    selected = torch.rand(30, generator=torch.Generator().manual_seed(3)) < 0.7
    contacts = graph.contacts
    found = connected(contacts.indptr, contacts.indices, contacts.data, 0.5, selected)
    parts = [{k} for k in selected.nonzero()[:, 0].tolist()]
    for (a, b), contact in zip(graph.pairs.tolist(), graph.contact.tolist(), strict=True):
        if contact >= 0.5 and selected[a] and selected[b]:
            one, other = (next(part for part in parts if node in part) for node in (a, b))
            if one is not other:
                one |= other
                parts.remove(other)
    assert len(parts) > 3
    assert {frozenset((found == k).nonzero()[:, 0].tolist()) for k in range(len(parts))} == set(map(frozenset, parts))
    assert (found[~selected] == -1).all()
    assert found.max() + 1 == len(parts)


def test_what_no_evidence_reaches_follows_what_is_likely() -> None:
    pairs = torch.tensor([[0, 1], [2, 3]])  # 2 and 3 are seen by nobody
    surface = Surface(torch.zeros(4, 3), torch.zeros(4, 3), torch.ones(4))
    graph = Graph(pairs, torch.ones(2), torch.zeros(2), surface)
    inside, outside = torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.zeros(4)
    likely = torch.tensor([False, False, True, True])
    assert (walk(graph, inside, outside) > 0.5).tolist() == [True, True, False, False]
    assert (walk(graph, inside, outside, likely) > 0.5).tolist() == [True, True, True, True]
    assert (walk(graph, outside, inside, likely) > 0.5).tolist() == [False, False, True, True]


def test_what_all_photos_were_taken_of_is_meant_as_a_whole() -> None:
    """Six leaves: (0, 1), (2, 3), (4, 5), of which the first two hang together, and all. ALL allows 0.6."""
    parent = np.array([6, 6, 7, 7, 8, 8, 9, 9, 10, 10, -1])
    height = np.array([0.0] * 6 + [1.0, 1.1, 1.0, 4.0, 9.0])
    leaves, begin, end = laid_out(parent, 6)
    tree = Tree(parent, height, leaves, begin, end)
    weight = tree.sums(np.array([1.0, 1.0, 1.0, 1.0, 2.0, 2.0]))
    middle = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.1, 0.1])
    assert choose._subject(tree, weight, middle) == 9
    assert choose._subject(tree, weight, torch.ones(6)) == -1  # the middle holds everything: of no one thing
    mass = torch.tensor([1.0, 1.0, 1.0, 1.0, 2.0, 2.0])
    pointed = [Evidence(torch.eye(6)[0], torch.zeros(6), False, point=True)]
    nothing = torch.zeros(6, 3)
    for central, meant in ((middle, 4), (None, 2)):
        order, tolerance = choose.by_tree(tree, Surface(nothing, nothing, mass, central), pointed, "thing")
        assert int((order <= tolerance).sum()) == meant
    assert choose._subject(tree, weight, None) == choose._subject(tree, weight, torch.zeros(6)) == -1
