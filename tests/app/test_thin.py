"""A scene in fewer Gaussians looks nearly the same, for a moment."""

import torch
from small_scenes import front, three_balls

from semsplat.app.layers import Rgb
from semsplat.app.thin import thinned


def many():
    balls = three_balls()
    rows = torch.arange(6000) % len(balls)
    copy = balls[rows]
    noise = 0.3 * copy.scales * torch.randn(6000, 3, generator=torch.Generator().manual_seed(0))
    return copy.replace(means=copy.means + noise, ids=torch.arange(6000))


def test_few_are_left_as_they_are():
    balls = three_balls()
    assert thinned(balls, torch.ones(len(balls)), most=600) is balls


def test_what_is_seen_most_stays_and_covers_the_rest():
    gaussians, camera = many(), front()
    importance = gaussians.opacities
    thin = thinned(gaussians, importance, most=3000)
    assert len(thin) == 3000 and bool((thin.ids.diff() > 0).all())
    whole, part = (Rgb().picture(g, camera) for g in (gaussians, thin))
    share = importance[thin.ids].sum() / importance.sum()
    torch.testing.assert_close(thin.scales, gaussians.scales[thin.ids] * share**-0.5)
    assert -10 * torch.log10((whole - part).square().mean()) > 20


def test_what_nobody_sees_is_left_out_first():
    gaussians = many()
    importance = torch.zeros(6000)
    importance[::10] = 1.0
    thin = thinned(gaussians, importance, most=600)
    assert torch.equal(thin.ids, torch.arange(0, 6000, 10))
    torch.testing.assert_close(thin.log_scales, gaussians.log_scales[::10])
