"""Depths of surfaces one knows: a tilted plane, a Gaussian at a slant, something in front of something."""

import math

import pytest
import torch

from semsplat.splatting import sh
from semsplat.splatting.camera import Camera, pinhole
from semsplat.splatting.depth import mean_depth, median_depth, slopes
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.project import DILATION
from semsplat.splatting.splat import splat

CAMERA = Camera(torch.eye(4), pinhole(60.0, 64.0, 31.0, 25.0), 64, 48)


def discs(means: torch.Tensor, turn: float, width: float = 0.25) -> Gaussians:
    """Opaque flat discs, turned about the camera's y axis."""
    count = len(means)
    return Gaussians(
        means=means.float(),
        quats=torch.tensor([math.cos(turn / 2), 0.0, math.sin(turn / 2), 0.0]).expand(count, 4).contiguous(),
        log_scales=torch.tensor([width, width, 1e-4]).log().expand(count, 3).contiguous(),
        logit_opacities=torch.full((count,), 0.95).logit(),
        sh=sh.from_color(torch.ones(3)).expand(count, 1, 3).contiguous(),
    )


def plane(turn: float, depth: float = 4.0, seed: int = 0) -> Gaussians:
    """A plane through (0, 0, depth) of discs, turned about y."""
    places = (torch.rand(1500, 2, generator=torch.Generator().manual_seed(seed)) - 0.5) * 8
    across, down = places.unbind(-1)
    return discs(
        torch.stack([across * math.cos(turn), down, depth - across * math.sin(turn)], dim=-1), turn, width=0.15
    )


def expected(turn: float, depth: float = 4.0) -> torch.Tensor:
    """Where the rays of the pixels meet that plane."""
    x = (torch.arange(CAMERA.width) + 0.5 - 31.0) / 60.0
    return (depth * math.cos(turn) / (math.cos(turn) + x * math.sin(turn))).expand(CAMERA.height, -1)


@pytest.mark.parametrize("turn", [0.0, 0.6, -1.0])
@pytest.mark.parametrize("measure", [mean_depth, median_depth])
def test_a_tilted_plane(turn, measure):
    blend = splat(plane(turn), CAMERA).detach()
    covered = blend.alpha[..., 0] > 0.9
    depth = measure(blend)[..., 0]
    assert covered.float().mean() > 0.4
    error = (depth / expected(turn) - 1).abs()[covered]
    assert error.mean() < 0.01 and error.max() < 0.06
    centers = (blend.depth()[..., 0] / expected(turn) - 1).abs()[covered]
    assert turn == 0.0 or error.mean() < 0.5 * centers.mean()  # better than depths of centres


def test_slopes_are_those_of_the_plane():
    turn = 0.7
    blend = splat(discs(torch.tensor([[0.0, 0.0, 4.0], [0.0, 0.0, -4.0]]), turn), CAMERA)
    slope, none = slopes(blend)
    variance = (0.25 * math.cos(turn) * 60.0 / 4.0) ** 2  # pixels^2, before dilation
    dilated = variance / (variance + DILATION)
    assert slope[0].item() == pytest.approx(-4.0 * math.tan(turn) / 60.0 * dilated, rel=1e-3)
    assert abs(slope[1].item()) < 1e-6 and none.tolist() == [0.0, 0.0]
    assert blend.gaussians.means.shape == (2, 3)


def test_the_median_is_sharp_at_borders():
    front = plane(0.0, 2.0, seed=1)
    front = front[(front.means[:, 0] < -0.2)]
    both = Gaussians.cat([front, plane(0.0, 4.0)])
    both = both.replace(ids=torch.arange(len(both)))
    blend = splat(both, CAMERA).detach()
    mean, median = mean_depth(blend)[..., 0], median_depth(blend)[..., 0]

    def between(depth: torch.Tensor) -> float:
        return ((depth > 2.2) & (depth < 3.8)).float().mean().item()

    assert between(mean) > 0.01 > between(median)
    assert median[24, 5].item() == pytest.approx(2.0, abs=0.02) and median[24, 60].item() == pytest.approx(
        4.0, abs=0.02
    )


@pytest.mark.parametrize("measure", [mean_depth, median_depth])
def test_nothing_is_at_no_depth(measure):
    assert measure(splat(plane(0.0)[:0], CAMERA)).abs().max() == 0
    behind = discs(torch.tensor([[0.0, 0.0, -3.0]]), 0.0)
    assert measure(splat(behind, CAMERA)).abs().max() == 0
    lonely = measure(splat(discs(torch.tensor([[0.0, 0.0, 3.0]]), 0.0, 0.02), CAMERA).detach())
    assert lonely[25, 31].item() == pytest.approx(3.0, rel=1e-3) and lonely[0, 0] == 0
