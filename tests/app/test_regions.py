"""Regions of a picture: their pixels, what is in them on the surface and behind it, neighbours, sizes."""

import math

import torch
from small_scenes import front, three_balls

from semsplat.app import regions
from semsplat.app.regions import Region
from semsplat.distill import segment
from semsplat.splatting.camera import Camera


def in_line(width=120, height=80):
    """Behind the red ball stands the green one."""
    toward = torch.nn.functional.normalize(torch.tensor([1.2, 1.0, 0.0]), dim=0)
    eye = torch.tensor([-1.2, -1.0, 0.0]) - 4 * toward
    return Camera.look_at(eye, eye + toward, torch.tensor([0.0, 0.0, 1.0]), math.radians(30), width, height)


def balls_of(rows):
    return {int(i) // 200 for i in torch.nonzero(rows)}


def test_a_polygon_is_filled_by_the_even_odd_rule():
    square = torch.tensor([[1.0, 1.0], [5.0, 1.0], [5.0, 4.0], [1.0, 4.0]])
    expected = torch.zeros(6, 8, dtype=torch.bool)
    expected[1:4, 1:5] = True
    assert torch.equal(regions.filled(square, 8, 6), expected)
    assert torch.equal(regions.filled(square.flip(0), 8, 6), expected)  # either way round
    twice = torch.tensor(
        [
            [0.0, 0.0],
            [6.0, 0.0],
            [6.0, 6.0],
            [0.0, 6.0],
            [0.0, 0.0],
            [2.0, 2.0],
            [4.0, 2.0],
            [4.0, 4.0],
            [2.0, 4.0],
            [2.0, 2.0],
        ]
    )
    hole = regions.filled(twice, 6, 6)
    assert not hole[2:4, 2:4].any()
    assert hole.sum() == 36 - 4


def test_a_polygon_agrees_with_the_crossing_number_of_every_pixel():
    random = torch.Generator().manual_seed(3)
    points = 40 * torch.rand(9, 2, generator=random) - 5
    mask = regions.filled(points, 30, 24)
    for y in range(0, 24, 3):
        for x in range(0, 30, 3):
            crossings = 0
            for (x0, y0), (x1, y1) in zip(points.tolist(), points.roll(-1, 0).tolist(), strict=True):
                if (y0 <= y + 0.5) != (y1 <= y + 0.5):
                    crossings += x + 0.5 >= x0 + (x1 - x0) * (y + 0.5 - y0) / (y1 - y0)
            assert mask[y, x] == (crossings % 2 == 1)


def test_a_region_is_the_same_share_of_every_picture():
    region = Region.box((0.25, 0.5), (0.75, 1.0))
    for camera in (front(), front(400, 300)):
        assert region.mask(camera).float().mean() == 0.25
    dot = Region(torch.tensor([[0.5, 0.5]]), radius=0.1)
    assert abs(dot.mask(front(400, 400)).float().mean().item() - math.pi * 0.01) < 1e-3
    assert not Region(torch.tensor([[3.0, 3.0]]), radius=0.1).mask(front()).any()
    assert not Region(torch.zeros(0, 2), radius=0.1).mask(front()).any()
    assert not Region(torch.tensor([[0.1, 0.1], [0.9, 0.9]])).mask(front()).any()  # a line has no area


def test_the_surface_ends_where_something_is_in_front_and_through_goes_on():
    gaussians, middle = three_balls(), Region.box((0.45, 0.0), (0.75, 1.0))
    seen, all_there = regions.surface(gaussians, in_line(), middle), regions.through(gaussians, in_line(), middle)
    assert balls_of(seen) == {0}
    assert balls_of(all_there) == {0, 1}
    assert 20 < seen.sum() < 200  # the near side of the red ball
    assert all_there[:200].sum() > 1.5 * seen.sum()


def test_only_what_is_in_the_region_is_found():
    gaussians = three_balls()
    left = Region.box((0.0, 0.0), (0.4, 1.0))
    assert balls_of(regions.surface(gaussians, front(), left)) == {0}
    assert balls_of(regions.through(gaussians, front(), left)) == {0}
    nothing = Region.box((0.0, 0.0), (0.05, 0.05))
    assert not regions.surface(gaussians, front(), nothing).any()
    assert not regions.through(gaussians, front(), nothing).any()
    assert not regions.through(gaussians, front(), Region.box((-3.0, -3.0), (-2.0, -2.0))).any()
    assert len(regions.surface(gaussians[:0], front(), left)) == 0


def test_what_is_behind_the_camera_is_in_no_region():
    camera = Camera.look_at(
        torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 5.0, 0.0]), torch.tensor([0.0, 0.0, 1.0]), 1.5, 120, 80
    )
    found = regions.through(three_balls(), camera, Region.box((0.0, 0.0), (1.0, 1.0)))
    assert balls_of(found) == {2}


def test_what_is_hidden_is_not_in_the_way():
    gaussians = three_balls()
    visible = torch.ones(600)
    visible[:200] = 0.0
    found = regions.surface(regions.shown(gaussians, visible), in_line(), Region.box((0.45, 0.0), (0.75, 1.0)))
    assert balls_of(found) == {1}
    assert regions.shown(gaussians, None) is gaussians


def test_growing_takes_neighbours_in_and_shrinking_leaves_the_border_out():
    gaussians = three_balls()
    graph = segment.build(gaussians)
    one = torch.zeros(600, dtype=torch.bool)
    one[250] = True
    grown = regions.grown(graph, one)
    assert 2 < grown.sum() < 200
    assert balls_of(grown) == {1}
    assert torch.equal(regions.shrunk(graph, grown) | one, regions.shrunk(graph, grown))
    more = regions.grown(graph, grown)
    assert (more | grown).equal(more)
    ball = torch.zeros(600, dtype=torch.bool)
    ball[:200] = True
    assert torch.equal(regions.shrunk(graph, ball), ball)  # no neighbour is outside
    half = ball & (gaussians.means[:, 2] > 0)
    smaller = regions.shrunk(graph, half)
    assert 0 < smaller.sum() < half.sum()
    assert torch.equal(regions.grown(graph, ~half), ~smaller)  # the two are each other's complement


def test_sizes_are_along_the_axes_of_the_scene():
    points = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([4.0, 2.0, 1.0])
    width, depth, height = regions.sizes(points, torch.tensor([0.0, 0.0, 1.0]))
    for value, expected in ((width, 4.0), (depth, 2.0), (height, 1.0)):
        assert abs(value - expected) < 0.04 * expected
    width, depth, height = regions.sizes(points, torch.tensor([0.0, -1.0, 0.0]))
    assert (round(width), round(depth), round(height)) == (4, 1, 2)
    assert regions.sizes(points, torch.tensor([1.0, 0.0, 0.0]))[2] > 3.8
    assert regions.sizes(points[:1], torch.tensor([0.0, 0.0, 1.0])) == (0.0, 0.0, 0.0)
    assert regions.sizes(points[:0], torch.tensor([0.0, 0.0, 1.0])) == (0.0, 0.0, 0.0)
