"""What lies apart along a ray is drawn together, by the variance of its log depth, and pictures stay as they were."""

from pathlib import Path

import pytest
import torch
from scenes import camera, cloud
from test_train import fit, write_frames

from semsplat.splatting import distortion
from semsplat.splatting._dense import dense
from semsplat.splatting.splat import splat
from semsplat.splatting.train_types import TrainConfig


def spread(gaussians, view):
    image, alpha = splat(gaussians, view).composite(distortion.moments(gaussians, view))
    return distortion.spread(image, alpha)


def test_it_is_the_variance_of_what_each_pixel_shows() -> None:
    scene, view = cloud(), camera()
    weights = dense(scene, view).weights
    logs = view.local(scene.means)[:, 2].clamp_min(1e-6).log()
    alpha = weights.sum(1)
    shares = weights / alpha.clamp_min(1e-3)[:, None]
    apart = 0.5 * torch.einsum("pi,pj,ij->p", shares, shares, (logs[:, None] - logs).square())
    seen = alpha > 1e-3  # all of the shares are there
    expected = (alpha * apart / (apart + distortion.WIDE**2))[seen].sum() / len(alpha)
    torch.testing.assert_close(spread(scene, view), expected, atol=1e-6, rtol=1e-6)


def test_a_surface_across_the_view_has_none_and_two_have() -> None:
    view = camera(distance=3.0)
    scene = cloud(40)
    forward = view.world_to_camera[2, :3]
    level = scene.means - (view.local(scene.means)[:, 2:] - 3.0) * forward  # all at one depth
    flat = scene.replace(means=level)
    assert spread(flat, view) < 1e-9
    apart = flat.replace(means=level + 0.3 * forward * (torch.arange(40) % 2)[:, None])
    assert spread(apart, view) > 0.03


def test_going_down_draws_together() -> None:
    view = camera()
    scene = cloud(40).map(lambda t: t.requires_grad_() if t.is_floating_point() else t)
    before = spread(scene, view)
    before.backward()
    assert scene.means.grad is not None and scene.logit_opacities.grad is not None
    moved = scene.detach().replace(means=(scene.means - 0.02 * scene.means.grad).detach())
    assert spread(moved, view) < before.detach()


def test_every_fourth_view_of_the_later_fit_is_drawn_with_depth() -> None:
    assert [distortion.due(0.5, view) for view in range(8)] == [True, False, False, False] * 2
    assert not any(distortion.due(0.1, view) for view in range(8))


@pytest.mark.slow
def test_a_fit_draws_together(tmp_path: Path) -> None:
    frames, found = write_frames(tmp_path), []
    for weight in (0.0, 0.1):  # these balls are meant to be seen through: it takes more than the usual weight
        scene = fit(frames, TrainConfig(steps=240, cap=400, depth_distortion=weight))[-1].gaussians
        found.append(sum(spread(scene, frame.camera).item() for frame in frames))
    assert found[1] < 0.95 * found[0]
