"""Everything in a picture, by clicks of a grid: what is good is kept, once, and cleaned."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from semsplat.distill.teachers import sam, sam_automatic
from semsplat.distill.teachers.base import Options
from semsplat.distill.teachers.sam_automatic import Everything, find, suppress
from semsplat.distill.teachers.sam_network import Frame

SIZE, COARSE = (60, 80), (48, 64)
FRAME = Frame((12, 16), SIZE, 16)


def disc(x: float, y: float, radius: float) -> Tensor:
    """Logits of a disc in the coarse grid, given in pixels of the picture, steep at its border."""
    down, across = torch.meshgrid(torch.arange(COARSE[0]) + 0.5, torch.arange(COARSE[1]) + 0.5, indexing="ij")
    return 10 * (radius - torch.hypot(across / 0.8 - x, down / 0.8 - y))


def scene(clicks: Tensor) -> tuple[Tensor, Tensor]:
    """Two discs; a click on either gives it, its nervous twin (unstable) and a poor one; elsewhere nothing good."""
    masks, quality = [], []
    for x, y in clicks[:, 0].tolist():
        big = (x - 55) ** 2 + (y - 30) ** 2 < 20**2
        small = (x - 15) ** 2 + (y - 30) ** 2 < 8**2
        one = disc(55, 30, 20) if big else disc(15, 30, 8)
        masks.append(torch.stack([one, one / 100, one + 30]))
        quality.append([0.9 + 0.01 * big, 0.99, 0.5] if big or small else [0.1, 0.1, 0.1])
    return torch.stack(masks), torch.tensor(quality)


def test_each_good_thing_is_found_once_the_largest_first() -> None:
    seen = []
    found = find(scene, FRAME, Everything(points_per_side=12, batch=50), lambda done, all: seen.append((done, all)))
    assert seen == [(50, 144), (100, 144), (144, 144)]
    assert found.masks.shape == (2, *SIZE) and found.masks.dtype == torch.half
    areas = (found.masks > 0).sum((1, 2)).float()
    assert torch.allclose(areas, torch.tensor([torch.pi * 400, torch.pi * 64]), rtol=0.04)
    assert torch.allclose(found.quality, torch.tensor([0.91, 0.90]))
    assert found.masks[0, 30, 55] > 0 and found.masks[1, 30, 15] > 0


def test_nothing_good_is_no_masks() -> None:
    found = find(scene, FRAME, Everything(points_per_side=4, quality=1.1))
    assert found.masks.shape == (0, *SIZE) and found.quality.shape == (0,)


def test_small_islands_and_holes_go() -> None:
    mask = disc(40, 30, 15)
    mask[23:25, 31:33] = -5.0  # a hole
    mask[2:4, 2:4] = 5.0  # an island
    once = (mask[None, None].expand(1, 3, -1, -1), torch.full((1, 3), 0.9))
    ask = Everything(points_per_side=1, smallest=20 / (SIZE[0] * SIZE[1]), stability=0.0)
    raw, clean = (find(lambda _: once, FRAME, one).masks for one in (Everything(1, 0, 0, smallest=0.0), ask))
    assert len(raw) == len(clean) == 1
    assert raw[0, 30, 40] < 0 < clean[0, 30, 40]
    assert raw[0, 3, 3] > 0 > clean[0, 3, 3]


def test_a_mask_as_small_as_an_island_stays() -> None:
    once = (disc(40, 30, 2)[None, None].expand(1, 3, -1, -1), torch.full((1, 3), 0.9))
    found = find(lambda _: once, FRAME, Everything(1, 0.5, 0.0, smallest=0.1))
    assert len(found.masks) == 1 and (found.masks > 0).sum() > 5


def iou(one: Tensor, other: Tensor) -> Tensor:
    common = (torch.minimum(one[2:], other[2:]) - torch.maximum(one[:2], other[:2])).clamp_min(0).prod()
    return common / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - common)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 25), st.floats(0.1, 0.9), st.integers(0, 1000))
def test_suppression_keeps_the_best_and_covers_the_rest(count: int, overlap: float, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    corner, extent = torch.rand(count, 2, generator=random) * 10, torch.rand(count, 2, generator=random) * 8 + 1
    boxes, scores = torch.cat([corner, corner + extent], 1), torch.rand(count, generator=random)
    kept = suppress(boxes, scores, overlap).tolist()
    assert scores[kept].tolist() == sorted(scores[kept].tolist(), reverse=True)
    for k in kept:
        assert all(iou(boxes[k], boxes[j]) <= overlap + 1e-5 for j in kept if j != k)
    for k in set(range(count)) - set(kept):
        assert any(scores[j] >= scores[k] and iou(boxes[k], boxes[j]) > overlap - 1e-5 for j in kept)


def test_boxes_and_stability_of_empty_masks() -> None:
    masks = torch.zeros(2, 5, 7, dtype=torch.bool)
    masks[1, 1:3, 2:6] = True
    assert sam_automatic.boxes(masks).tolist() == [[0, 0, 0, 0], [2, 1, 6, 3]]
    assert sam_automatic.stability(torch.full((1, 4, 4), -9.0)).item() == 0.0


def test_sam_answers_with_everything(tiny_sam: Path) -> None:
    teacher = sam.open(Options(weights=tiny_sam))
    features = teacher.look(torch.rand(40, 60, 3, generator=torch.Generator().manual_seed(1)))
    ask = Everything(points_per_side=3, quality=-9.0, stability=0.0, overlap=1.0)
    found = teacher.everything(features, (40, 60), ask)
    areas = (found.masks > 0).sum((1, 2))
    assert len(found.masks) > 1 and found.masks.shape[1:] == (40, 60)
    assert (areas.diff() <= 0).all() and areas.min() > 0
