"""A selection decided again by the views: what was missed comes in, the other of its kind stays out."""

import pytest
import torch
from table_scene import BLUE, RED, TABLE, cameras, iou, scene

from semsplat.distill.field import FeatureField
from semsplat.distill.segment import refine
from semsplat.distill.teachers.base import Teacher
from semsplat.distill.teachers.labels import LabelsTeacher
from semsplat.splatting.errors import InputError


def labelled():
    """Balls of one class on a table of another; (Gaussians, what each is, field, teacher)."""
    gaussians, what = scene()
    codes = torch.eye(2)[(what != TABLE).long()]
    gaussians = gaussians.replace(features=torch.cat([codes, torch.ones(len(what), 1)], dim=1))
    teacher = LabelsTeacher((("table",), ("ball",)), None, "")
    return gaussians, what, FeatureField("labels", slice(0, 2), torch.eye(2)), teacher


def test_a_spoilt_selection_is_mended_and_the_other_ball_stays_out() -> None:
    """Mended is what is seen; what is inside the ball no view can tell."""
    gaussians, what, field, teacher = labelled()
    spoilt = (what == RED) ^ (torch.rand(len(what), generator=torch.Generator().manual_seed(0)) < 0.15) & (what != BLUE)
    mended = refine(gaussians, field, teacher, spoilt, cameras())
    assert iou(mended, what == RED) > max(0.75, iou(spoilt, what == RED))
    assert not mended[what == BLUE].any()


def test_nothing_stays_nothing_and_without_cameras_all_stays() -> None:
    gaussians, what, field, teacher = labelled()
    nothing = torch.zeros(len(what), dtype=torch.bool)
    assert not refine(gaussians, field, teacher, nothing, cameras()).any()
    assert torch.equal(refine(gaussians, field, teacher, what == RED, ()), what == RED)


@pytest.mark.parametrize("known", [True, False])
def test_only_annotations_have_a_nearest_class(known: bool) -> None:
    gaussians, what, field, _ = labelled()
    other: Teacher | None = None
    with pytest.raises(InputError, match="leave --refine out"):
        refine(gaussians, field if known else None, other, what == RED, cameras())
