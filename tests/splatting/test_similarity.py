"""Placing things: the same picture from the placed camera, and the way back."""

import math

import pytest
import torch
from scenes import camera, cloud

from semsplat.splatting.similarity import Similarity, upright
from semsplat.splatting.splat import splat


def some() -> Similarity:
    w, x, y, z = torch.nn.functional.normalize(torch.tensor([0.7, -0.2, 0.5, 0.3], dtype=torch.float64), dim=0).tolist()
    return Similarity((w, x, y, z), 2.5, (0.3, -1.0, 4.0))


def test_matrix_points_and_the_way_back() -> None:
    points = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    placed = some().points(points)
    by_matrix = points @ some().matrix[:3, :3].T + some().matrix[:3, 3]
    assert torch.allclose(placed, by_matrix)
    assert torch.allclose(some().inverse.points(placed), points)
    assert torch.allclose(some().inverse.matrix @ some().matrix, torch.eye(4, dtype=torch.float64))
    assert Similarity().is_identity and not some().is_identity


def test_a_placed_scene_looks_the_same_from_the_placed_camera() -> None:
    gaussians, here = cloud(40), camera()
    before = splat(gaussians, here) @ gaussians.colors(here)
    placed, there = some().gaussians(gaussians), some().camera(here)
    after = splat(placed, there) @ placed.colors(there)
    assert torch.allclose(before, after, atol=1e-4)
    assert Similarity().gaussians(gaussians) is gaussians


@pytest.mark.parametrize("up", [(0.0, 0.0, 1.0), (0.1, -0.9, 0.3), (0.0, -1.0, 0.0), (1.0, 0.0, 0.0)])
@pytest.mark.parametrize("axis", [(0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (-1.0, 0.0, 0.0)])
def test_up_goes_where_it_should(up: tuple[float, float, float], axis: tuple[float, float, float]) -> None:
    rotation = upright(torch.tensor(up), torch.tensor(axis))
    assert math.isclose(math.hypot(*rotation), 1.0, rel_tol=1e-9)
    placed = Similarity(rotation).points(torch.nn.functional.normalize(torch.tensor([up]), dim=1))
    assert torch.allclose(placed, torch.tensor([axis]), atol=1e-6)
