"""Averaging over a coarser grid: exact by area, with its transpose; weighted least squares through it."""

import pytest
import torch
from scenes import camera, cloud

from semsplat.splatting.average import Averaged, average, shares, spread_back
from semsplat.splatting.lift import solve
from semsplat.splatting.splat import splat


@pytest.mark.parametrize(("fine", "coarse"), [(12, 4), (37, 10), (52, 52), (7, 1)])
def test_shares_of_a_cell_make_a_whole(fine: int, coarse: int) -> None:
    table = shares(fine, coarse)
    torch.testing.assert_close(table.sum(1), torch.ones(coarse, dtype=torch.float64))
    torch.testing.assert_close(table.sum(0), torch.full((fine,), coarse / fine, dtype=torch.float64))


@pytest.mark.parametrize("grid", [(37, 52), (10, 13), (9, 11)])
def test_the_transpose_is_the_transpose(grid: tuple[int, int]) -> None:
    image, cells = torch.rand(37, 52, 3, dtype=torch.float64), torch.rand(*grid, 3, dtype=torch.float64)
    averaged = average(image, *grid)
    torch.testing.assert_close(averaged.mean((0, 1)), image.mean((0, 1)))
    torch.testing.assert_close((averaged * cells).sum(), (image * spread_back(cells, 37, 52)).sum())
    weighted = Averaged(splat(cloud(50), camera()), torch.rand(*grid, 1, dtype=torch.float64))
    values = torch.rand(50, 3, dtype=torch.float64)
    torch.testing.assert_close(((weighted @ values) * cells).sum(), (values * (weighted.T @ cells)).sum())


def test_whole_factors_are_means_of_blocks() -> None:
    image = torch.rand(12, 8, 2)
    down, across = shares(12, 3).float(), shares(8, 4).float()
    torch.testing.assert_close(average(image, 3, 4), torch.einsum("uh,vw,hwc->uvc", down, across, image))


@pytest.mark.slow
def test_weights_decide_between_views_that_disagree() -> None:
    scene = cloud(40)
    blend = splat(scene, camera())
    shape = (18, 26, 1)
    views = []
    for value, weight in ((1.0, 3.0), (0.0, 1.0)):
        scaled = Averaged(blend, torch.full(shape, weight, dtype=torch.float64).sqrt())
        views.append((scaled, scaled.scale * average(blend.alpha, *shape[:2]) * value))
    found = solve(views, torch.zeros(40, 1, dtype=torch.float64), 60)
    seen = (blend.T @ torch.ones(37, 52, 1, dtype=torch.float64))[:, 0] > 20
    assert seen.sum() > 5
    torch.testing.assert_close(found[seen], torch.full_like(found[seen], 0.75), atol=1e-2, rtol=0)
