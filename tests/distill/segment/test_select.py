"""Things pointed at: clicks, strokes, boxes, masks, with a field and without; and what must not be pointed at."""

import dataclasses
import math
from functools import cache

import pytest
import torch
from table_scene import BLUE, RED, TABLE, camera, cameras, iou, pixel, scene, shown

from semsplat.distill import segment
from semsplat.distill.field import FeatureField
from semsplat.distill.segment.grow import by_field
from semsplat.distill.segment.prompts import Evidence, read
from semsplat.distill.segment.selecting import _parted
from semsplat.splatting.errors import InputError

FRONT = camera(0.0)
RED_BALL, BLUE_BALL = pixel(FRONT, (-0.45, -0.2, 0.4)), pixel(FRONT, (0.45, -0.2, 0.4))
ON_TABLE = pixel(FRONT, (0.0, -0.8, 0.0))


@cache
def table_with_balls():
    gaussians, what = scene()
    return gaussians, what, segment.build(gaussians, cameras())


@cache
def with_field():
    """The same, with a field in which the balls are alike and the table is not, known a little wrongly."""
    gaussians, what, _ = table_with_balls()
    noise = 0.2 * torch.randn(len(what), 3, generator=torch.Generator().manual_seed(1))
    codes = torch.eye(3)[torch.where(what == TABLE, 0, 1)] + noise
    features = torch.cat([codes, torch.ones(len(what), 1)], dim=1)
    field = FeatureField("dino", slice(0, 3), torch.eye(3) * 2.0)
    gaussians = gaussians.replace(features=features)
    return gaussians, what, segment.build(gaussians, cameras(), field), field


def click(at: tuple[float, float], positive: bool = True) -> segment.Click:
    return segment.Click(FRONT, *at, positive)


def stroke(*points: tuple[float, float], positive: bool = True, radius: float = 2.0) -> segment.Stroke:
    return segment.Stroke(FRONT, torch.tensor(points), radius, positive)


@pytest.mark.parametrize("which, at", [(RED, RED_BALL), (BLUE, BLUE_BALL)])
def test_a_click_without_a_field_finds_the_ball(which: int, at: tuple[float, float]) -> None:
    gaussians, what, graph = table_with_balls()
    found = segment.select(gaussians, [click(at)], graph, size="group")
    assert found.way == "tree" and iou(found.selection, what == which) > 0.9


def test_the_selection_is_the_same_seen_from_behind() -> None:
    gaussians, what, graph = table_with_balls()
    selection = segment.select(gaussians, [click(RED_BALL)], graph, size="group").selection
    behind = camera(math.pi)
    assert iou(shown(gaussians, selection.long(), behind, 1), shown(gaussians, what, behind, RED)) > 0.9


def test_the_tolerance_only_adds() -> None:
    gaussians, _, graph = table_with_balls()
    for found in (
        segment.select(gaussians, [click(RED_BALL)], graph),
        segment.select(*with_field()[:1], [click(RED_BALL)], with_field()[2], with_field()[3]),
        segment.select(gaussians, [segment.MaskPrompt(FRONT, shown(gaussians, scene()[1], FRONT, RED))], graph),
    ):
        before = found.at(0.0)
        for tolerance in torch.linspace(0.05, 1.0, 20).tolist():
            assert (before <= found.at(tolerance)).all()
            before = found.at(tolerance)
        again = dataclasses.replace(found, tolerance=1.0)
        assert torch.equal(again.selection, before) and before.any()


def test_two_clicks_join_and_a_negative_one_parts() -> None:
    gaussians, what, graph = table_with_balls()
    both = [click(RED_BALL), click(BLUE_BALL)]
    together = segment.select(gaussians, [*both, click(ON_TABLE, False)], graph, size="group").selection
    assert iou(together, what != TABLE) > 0.85
    alone = segment.select(gaussians, [click(RED_BALL), click(BLUE_BALL, False)], graph, tolerance=1.0).selection
    assert not alone[what == BLUE].any() and alone[what == RED].float().mean() > 0.9


def test_a_negative_stroke_takes_its_own_side_and_no_more() -> None:
    """Even where both balls and the table are one part of the scene, so that no smaller part is the ball."""
    gaussians, what, graph = table_with_balls()
    evidence = read(gaussians, [click(RED_BALL), stroke((2.0, 60.0), (90.0, 60.0), positive=False)])
    everything = torch.zeros(len(what))
    order = _parted(graph, everything, 0.5, evidence)
    assert iou(order <= 0.5, what != TABLE) > 0.9 or iou(order <= 0.5, what == RED) > 0.9
    assert torch.equal(_parted(graph, everything, 0.5, evidence[:1]), everything)


def test_a_field_grows_over_what_is_alike_and_hangs_together() -> None:
    gaussians, what, graph, field = with_field()
    thing = segment.select(gaussians, [click(RED_BALL)], graph, field)
    assert thing.way == "field" and iou(thing.selection, what == RED) > 0.9
    group = segment.select(gaussians, [click(RED_BALL)], graph, field, size="group")
    assert iou(group.selection, what != TABLE) > 0.9
    less = segment.select(gaussians, [click(RED_BALL)], graph, field, size="part")
    assert (less.selection <= thing.at(max(less.tolerance, thing.tolerance))).all()


def test_a_click_means_what_its_pixel_shows_and_not_all_that_shines_through() -> None:
    """Of its weight less than half is on the ball; codes of the others make up for each other in the pixel."""
    gaussians, what, graph, field = with_field()
    x, y = RED_BALL
    inside = read(gaussians, [click((x, y))])[0].inside
    behind = torch.nonzero(what == TABLE)[:2, 0]
    shines = inside * 0.4 / inside.sum()
    shines[behind] = 0.3
    codes = gaussians.features.clone()
    codes[behind, :3] = torch.tensor([[1.0, 0.0, 0.1], [-0.9, 0.0, 0.0]])
    gaussians = gaussians.replace(features=codes)
    grown = by_field(gaussians, graph, field, [Evidence(shines, 0 * shines, False, point=True)], "thing")
    assert iou(grown.order <= grown.natural, what == RED) > 0.9


def test_annotations_are_cut_halfway() -> None:
    """Where codes are those of classes, the natural tolerance is that of words."""
    gaussians, what, graph, field = with_field()
    thing = segment.select(gaussians, [click(RED_BALL)], graph, dataclasses.replace(field, teacher="labels"))
    assert thing.natural == 0.5 and iou(thing.selection, what == RED) > 0.9
    assert (thing.at(1.0) >= thing.selection).all() and thing.at(1.0).sum() > thing.selection.sum()
    assert torch.equal(thing.grown.whole <= 0.5, thing.selection), "only made when it is asked for, and then the same"
    part = segment.select(
        gaussians, [click(RED_BALL)], graph, dataclasses.replace(field, teacher="labels"), size="part"
    )
    assert part.natural <= thing.natural and (part.selection <= thing.selection).all()


def test_mere_looks_decide_by_the_tree_but_for_all_that_is_alike() -> None:
    gaussians, what, graph, field = with_field()
    looks = dataclasses.replace(field, teacher="appearance")
    thing = segment.select(gaussians, [click(RED_BALL)], graph, looks)
    assert thing.way == "tree" and thing.alike() is None and thing.selection[what == RED].any()
    group = segment.select(gaussians, [click(RED_BALL)], graph, looks, size="group")
    assert group.way == "field" and iou(group.selection, what != TABLE) > 0.9


def test_strokes_with_a_field() -> None:
    gaussians, what, graph, field = with_field()
    x, y = RED_BALL
    drawn = [stroke((x - 3, y), (x + 3, y)), stroke((2.0, 60.0), (90.0, 60.0), positive=False)]
    assert iou(segment.select(gaussians, drawn, graph, field).selection, what == RED) > 0.9


def test_a_mask_in_one_view_is_carried_to_the_side_it_does_not_show() -> None:
    gaussians, what, graph = table_with_balls()
    mask = segment.MaskPrompt(FRONT, shown(gaussians, what, FRONT, RED))
    found = segment.select(gaussians, [mask], graph)
    assert found.way == "outline" and iou(found.selection, what == RED) > 0.95


def test_a_box_holds_the_ball_and_not_the_table_behind() -> None:
    gaussians, what, graph = table_with_balls()
    rows, columns = torch.nonzero(shown(gaussians, what, FRONT, BLUE)).unbind(1)
    corners = (columns.min() - 1, rows.min() - 1, columns.max() + 2, rows.max() + 2)
    box = segment.Box(FRONT, *(float(v) for v in corners))
    assert iou(segment.select(gaussians, [box], graph).selection, what == BLUE) > 0.8
    x0, y0, x1, y1 = (float(v) for v in corners)
    turned = segment.Box(FRONT, x1, y1, x0, y0)  # drawn from the other corner
    assert torch.equal(segment.select(gaussians, [turned], graph).order, segment.select(gaussians, [box], graph).order)


def test_rows_in_another_order_are_the_same_selection() -> None:
    gaussians, what, _, field = with_field()
    order = torch.randperm(len(gaussians), generator=torch.Generator().manual_seed(2))
    mixed = gaussians[order]
    found = segment.select(mixed, [click(RED_BALL)], segment.build(mixed, cameras(), field), field).selection
    assert iou(found, (what == RED)[order]) > 0.9


def test_broken_and_huge_gaussians_do_no_harm() -> None:
    gaussians, what, _, field = with_field()
    count = len(gaussians)
    means, log_scales = gaussians.means.clone(), gaussians.log_scales.clone()
    logits = gaussians.logit_opacities.clone()
    means[0], means[1], log_scales[2], logits[2] = torch.nan, 1e6, 1.0, -4.0  # nowhere, far away, a haze over all
    bad = gaussians.replace(means=means, log_scales=log_scales, logit_opacities=logits)
    graph = segment.build(bad, cameras(), field)
    assert graph.distance.isfinite().all() and graph.contact.isfinite().all()
    sound = segment.select(bad, [click(RED_BALL)], segment.build(bad, cameras(), field), field).selection
    assert iou(sound[3:], (what == RED)[3:]) > 0.8 and len(sound) == count
    assert segment.select(bad, [click(RED_BALL)], graph).selection.any()


def test_without_cameras_there_is_still_a_graph() -> None:
    gaussians, what, _ = table_with_balls()
    found = segment.select(gaussians, [click(RED_BALL)], size="group")
    assert iou(found.selection, what == RED) > 0.6


BAD = {
    "Nothing was pointed at": [],
    "on other things": [click(RED_BALL, False)],
    "outside the picture": [segment.Click(FRONT, 96.0, 10.0)],
    "nothing at pixel": [segment.Click(FRONT, 1.0, 1.0)],
    "no points": [segment.Stroke(FRONT, torch.zeros(0, 2))],
    "radius above 0": [stroke((1.0, 1.0), radius=0.0)],
    "points that are numbers": [stroke((math.nan, 1.0))],
    "outside the picture of": [stroke((500.0, 1.0), (700.0, 1.0))],
    "nothing under the stroke": [stroke((1.0, 1.0))],
    "no pixel": [segment.Box(FRONT, 5.0, 5.0, 5.0, 9.0)],
    "four numbers": [segment.Box(FRONT, math.inf, 5.0, 5.0, 9.0)],
    "nothing in the box": [segment.Box(FRONT, 0.0, 0.0, 5.0, 5.0)],
    "does not fit": [segment.MaskPrompt(FRONT, torch.ones(5, 5, dtype=torch.bool))],
    "mask is empty": [segment.MaskPrompt(FRONT, torch.zeros(72, 96, dtype=torch.bool))],
    "scribble is empty": [segment.Scribble(FRONT, torch.zeros(72, 96, dtype=torch.bool))],
}


@pytest.mark.parametrize("sentence", BAD)
def test_what_cannot_be_pointed_at(sentence: str) -> None:
    gaussians, _, graph = table_with_balls()
    with pytest.raises(InputError, match=sentence):
        segment.select(gaussians, BAD[sentence], graph)


@pytest.mark.parametrize("tolerance", [-0.1, 1.1, math.nan])
def test_a_tolerance_is_from_0_to_1(tolerance: float) -> None:
    gaussians, _, graph = table_with_balls()
    with pytest.raises(InputError, match="between 0 and 1"):
        segment.select(gaussians, [click(RED_BALL)], graph, tolerance=tolerance)


def test_a_field_that_knows_nothing_there() -> None:
    gaussians, _, graph, field = with_field()
    blank = gaussians.replace(features=torch.zeros(len(gaussians), 4))
    with pytest.raises(InputError, match="knows nothing"):
        segment.select(blank, [click(RED_BALL)], graph, field)
