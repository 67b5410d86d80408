"""Masks of a promptable teacher on the drawn embedding: exact ones from a double, the shapes of a random SAM."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from exact_masks import ExactMasks
from table_scene import BLUE, RED, TABLE, camera, cameras, iou, pixel, scene, shown
from torch import Tensor

from semsplat.distill import segment
from semsplat.distill.field import FeatureField
from semsplat.distill.segment import sam_votes
from semsplat.distill.teachers.base import Card, Masks, Prompts, PromptTeacher
from semsplat.distill.teachers.sam_automatic import Everything
from semsplat.distill.teachers.sam_prompts import MaskTeacher
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

FRONT = camera(0.0)


class Exact(PromptTeacher):
    """Answers with where the map is most like the class at the prompt's first point: that, all, and a corner of it."""

    card = Card("sam", "", "", 3, False)
    channels = 3

    def __init__(self) -> None:
        self.asked = 0

    def look(self, image: Tensor, name: str = "") -> Tensor:
        raise AssertionError("no photo is needed")

    def memory(self) -> dict[str, Any]:
        return {}

    def masks(self, features: Tensor, prompts: Prompts, size: tuple[int, int]) -> Masks:
        self.asked += 1
        fine = torch.nn.functional.interpolate(features.movedim(-1, 0)[None], size, mode="bilinear")[0]
        kind = torch.where(fine.sum(0) > 0.3, fine.argmax(0), -1)
        x, y = prompts.points[0].long().tolist() if len(prompts.points) else (prompts.box[:2] + prompts.box[2:]) // 2
        thing = (kind == kind[int(y), int(x)]) & (kind >= 0)
        part = thing & (torch.arange(size[0])[:, None] < y)
        masks = torch.stack([part, thing, kind >= 0]).float() * 8 - 4
        return Masks(masks, torch.tensor([0.7, 0.9, 0.8]))


def known():
    gaussians, what = scene()
    features = torch.cat([torch.eye(3)[what], torch.ones(len(what), 1)], dim=1)
    field = FeatureField("sam", slice(0, 3), torch.eye(3))
    return gaussians.replace(features=features), what, field, segment.build(gaussians, cameras())


def test_a_click_votes_in_several_views() -> None:
    gaussians, what, field, graph = known()
    teacher = Exact()
    click = segment.Click(FRONT, *pixel(FRONT, (-0.45, -0.2, 0.4)))
    found = segment.select(gaussians, [click], graph, field, teacher=teacher, cameras=cameras())
    assert found.way == "masks" and iou(found.selection, what == RED) > 0.95
    assert teacher.asked == 1 + sam_votes.AROUND
    sizes = [segment.select(gaussians, [click], graph, field, None, size, teacher) for size in ("part", "group")]
    part, group = (found.selection for found in sizes)
    assert (part & ~(what == RED)).sum() < 10 and part.sum() < 0.8 * (what == RED).sum()
    assert group[what == TABLE].float().mean() > 0.8


def test_boxes_and_strokes_are_asked_too() -> None:
    gaussians, what, field, graph = known()
    x, y = pixel(FRONT, (0.45, -0.2, 0.4))
    box = segment.Box(FRONT, x + 8, y + 8, x - 8, y - 8)
    assert iou(segment.select(gaussians, [box], graph, field, teacher=Exact()).selection, what == BLUE) > 0.9
    line = torch.stack([torch.linspace(x - 3, x + 3, 20), torch.full((20,), y)], dim=1)
    asked = sam_votes.asking([segment.Stroke(FRONT, line), segment.Click(FRONT, 1.0, 2.0, False), box])
    assert len(asked.points) == sam_votes.POINTS + 1 and asked.positive.tolist() == [True] * 6 + [False]
    assert asked.box.tolist() == pytest.approx([x - 8, y - 8, x + 8, y + 8])


def test_masks_that_are_all_empty() -> None:
    with pytest.raises(InputError, match="finds nothing"):
        sam_votes.chosen(Masks(torch.full((3, 4, 5), -1.0), torch.ones(3)), "thing")


def test_the_drawn_map_is_the_mean_over_cells() -> None:
    gaussians, _, field, _ = known()
    even = gaussians.replace(features=torch.ones_like(gaussians.features))
    fine = sam_votes.drawn(even, field, FRONT)
    assert tuple(fine.shape) == (36, 48, 3) or max(fine.shape[:2]) <= sam_votes.GRID
    assert fine.max() <= 1.0 + 1e-5


def test_the_drawn_features_are_as_long_as_the_teachers() -> None:
    gaussians, what, _, _ = known()
    thin = gaussians.replace(logit_opacities=torch.full((len(what),), -1.0))  # sees through everywhere
    lengths = 7.0 * torch.eye(3)
    map_ = sam_votes.drawn(thin, FeatureField("sam", slice(0, 3), lengths, {}, {"map_grid": [36, 48]}), FRONT)
    alpha = splat(thin, FRONT.scaled(0.5)).alpha[..., 0]  # a cell is a pixel there
    covered = alpha > 0.11
    assert alpha[covered].mean() < 0.8 and torch.allclose(map_.sum(-1)[covered], torch.tensor(7.0), atol=1e-3)
    faint = alpha < 0.09
    assert faint.any() and torch.allclose(map_.sum(-1)[faint], 7.0 * alpha[faint], atol=1e-3)


@pytest.mark.slow
def test_everything_in_a_view_is_each_thing_once() -> None:
    gaussians, what = scene()
    gaussians = gaussians.replace(features=torch.cat([torch.eye(3)[what], torch.ones(len(what), 1)], dim=1))
    field = FeatureField("sam", slice(0, 3), torch.eye(3), {}, {"map_grid": [36, 48]})
    clicks = []
    teacher = ExactMasks(3)
    found = sam_votes.everything(gaussians, field, teacher, FRONT, lambda done, total: clicks.append((done, total)))
    assert found.shape == (3, 72, 96) and len(teacher.maps) == 1
    assert clicks[-1] == (sam_votes.CLICKS**2, sam_votes.CLICKS**2)
    for which in (TABLE, RED, BLUE):
        assert max(iou(mask, shown(gaussians, what, FRONT, which)) for mask in found) > 0.75  # cells of 2 pixels
    nothing = gaussians.replace(logit_opacities=torch.full((len(what),), -20.0))
    assert sam_votes.everything(nothing, field, teacher, FRONT).shape == (0, 72, 96)


def random_sam(folder: Path) -> tuple[Gaussians, FeatureField, MaskTeacher]:
    from sam_weights import tiny_state

    from semsplat.distill.teachers import sam
    from semsplat.distill.teachers.base import Options

    path = folder / "tiny.pth"
    torch.save(tiny_state(), path)
    gaussians, _ = scene()
    make = torch.Generator().manual_seed(0)
    features = torch.cat([torch.randn(len(gaussians), 8, generator=make), torch.ones(len(gaussians), 1)], dim=1)
    field = FeatureField("sam", slice(0, 8), torch.randn(8, 256, generator=make))
    return gaussians.replace(features=features), field, sam.open(Options(weights=path))


def test_a_random_sam_answers_in_the_right_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gaussians, field, teacher = random_sam(tmp_path)
    asked = Prompts(torch.tensor([[48.0, 40.0]]), torch.tensor([True]))
    answer = sam_votes.ask(gaussians, field, teacher, FRONT, asked)
    assert answer.masks.shape == (3, 72, 96) and answer.quality.shape == (3,)
    assert answer.masks.isfinite().all()
    monkeypatch.setattr(sam_votes, "CLICKS", 2)
    monkeypatch.setattr(sam_votes, "Everything", partial(Everything, quality=-9.0, stability=0.0))  # whatever it says
    found = sam_votes.everything(gaussians, field, teacher, FRONT)
    assert len(found) > 0 and found.shape[1:] == (72, 96) and found.flatten(1).any(1).all()
