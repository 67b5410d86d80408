"""A selection decided again by the views: what was missed comes in, the other of its kind stays out."""

import torch
from table_scene import BLUE, RED, TABLE, cameras, iou, scene

from semsplat.distill.field import FeatureField
from semsplat.distill.segment import Outlines
from semsplat.splatting.splat import splat
from semsplat.splatting.stacked import stacked


def labelled():
    """Balls of one class on a table of another; (Gaussians, what each is, what views show, what is a ball)."""
    gaussians, what = scene()
    codes = torch.eye(2)[(what != TABLE).long()]
    gaussians = gaussians.replace(features=torch.cat([codes, torch.ones(len(what), 1)], dim=1))
    field = FeatureField("dino", slice(0, 2), torch.eye(2))
    return gaussians, what, Outlines.of(gaussians, field, cameras()), lambda codes: codes[..., 1] > codes[..., 0]


def test_a_spoilt_selection_is_mended_and_the_other_ball_stays_out() -> None:
    """Mended is what is seen; what is inside the ball no view can tell."""
    _, what, outlines, is_ball = labelled()
    spoilt = (what == RED) ^ (torch.rand(len(what), generator=torch.Generator().manual_seed(0)) < 0.15) & (what != BLUE)
    mended = outlines.agreed(spoilt, is_ball)
    assert iou(mended, what == RED) > max(0.75, iou(spoilt, what == RED))
    assert not mended[what == BLUE].any()


def test_nothing_stays_nothing_and_without_cameras_all_stays() -> None:
    gaussians, what, outlines, is_ball = labelled()
    nothing = torch.zeros(len(what), dtype=torch.bool)
    assert not outlines.agreed(nothing, is_ball).any()
    blind = Outlines.of(gaussians, FeatureField("dino", slice(0, 2), torch.eye(2)), ())
    assert torch.equal(blind.agreed(what == RED, is_ball), what == RED)


def test_where_others_are_gone_the_rest_is_decided_the_same() -> None:
    _, what, outlines, is_ball = labelled()
    rows = torch.nonzero(what != BLUE)[:, 0]
    part = outlines.part(rows)
    assert torch.equal(part.agreed((what == RED)[rows], is_ball), outlines.agreed(what == RED, is_ball)[rows])


def test_the_stacked_matrix_is_w_of_each_camera() -> None:
    gaussians, _, _, _ = labelled()
    views, values = cameras(3), torch.rand(len(gaussians), 1, generator=torch.Generator().manual_seed(1))
    drawn = torch.cat([(splat(gaussians, view).detach() @ values).flatten() for view in views])
    torch.testing.assert_close(torch.from_numpy(stacked(gaussians, views) @ values[:, 0].numpy()), drawn)
    rough = stacked(gaussians, views, 1 / 64)
    assert rough.nnz < 0.8 * stacked(gaussians, views).nnz and (torch.from_numpy(rough.data) >= 1 / 64).all()
    assert (torch.from_numpy(rough @ values[:, 0].numpy()) - drawn).abs().mean() < 0.01
