"""Layers of the Gaussians themselves: where they face, how they lie, where they are."""

import math

import pytest
import torch
from small_scenes import GREEN, RED, ball, front, pixel_of, three_balls

from semsplat.app.layers import Rgb
from semsplat.app.layers_shapes import FAINT, Between, Dots, Ellipsoids, Normals, Points, Solid, normals, spacing
from semsplat.splatting.camera import Camera
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.project import rotations

SHAPES = (Ellipsoids(), Points(0.02))


def wall(seed: int = 0) -> Gaussians:
    """Flat Gaussians that fill the plane y = 0, turned at random within it and in the order of their axes."""
    random = torch.Generator().manual_seed(seed)
    side = torch.linspace(-1.5, 1.5, 40)
    x, z = torch.meshgrid(side, side, indexing="ij")
    n = x.numel()
    turn = math.pi * torch.rand(n, generator=random) / 2
    zero = torch.zeros(n)
    return Gaussians(
        means=torch.stack([x.flatten(), zero, z.flatten()], dim=1),
        quats=torch.stack([turn.cos(), zero, turn.sin(), zero], dim=1),  # about y
        log_scales=torch.tensor([0.08, 0.002, 0.05]).log().expand(n, 3).contiguous(),
        logit_opacities=torch.full((n,), 3.0),
        sh=torch.zeros(n, 1, 3),
    )


def test_a_wall_that_faces_the_camera_is_blue_from_both_sides_and_green_from_above() -> None:
    up = torch.tensor([0.0, 0.0, 1.0])
    faces_us = torch.tensor([0.5, 0.5, 1.0])
    for place in ([0.0, -5.0, 0.0], [0.0, 5.0, 0.0]):
        camera = Camera.look_at(torch.tensor(place), torch.zeros(3), up, 0.5, 60, 40)
        picture = Normals().picture(wall(), camera)
        torch.testing.assert_close(picture[20, 30], faces_us, atol=0.02, rtol=0)
    slanted = Camera.look_at(torch.tensor([0.0, -4.0, 4.0]), torch.zeros(3), up, 0.5, 60, 40)
    right, upward, towards = Normals().picture(wall(), slanted)[20, 30].tolist()
    assert right == pytest.approx(0.5, abs=0.02)
    assert upward < 0.2 and towards > 0.8, "seen from above, a standing wall faces down the picture and towards us"


def test_normals_are_the_shortest_axes_turned_to_the_camera() -> None:
    gaussians, camera = three_balls(), front()
    found = normals(gaussians, camera)
    axes = rotations(gaussians.quats)[torch.arange(600), :, gaussians.log_scales.argmin(-1)]
    to_picture = camera.world_to_camera[:3, :3] * torch.tensor([[1.0], [-1.0], [-1.0]])
    torch.testing.assert_close((found * (axes @ to_picture.T)).sum(-1).abs(), torch.ones(600))
    rays = torch.nn.functional.normalize(gaussians.means - camera.center, dim=-1) @ to_picture.T
    assert ((found * rays).sum(-1) <= 1e-6).all()


def test_round_gaussians_count_little_for_normals() -> None:
    gaussians = wall()
    thick = gaussians.replace(log_scales=torch.full_like(gaussians.log_scales, -3.0))
    assert Normals().values(thick, front()).norm(dim=-1).max() < 0.03
    assert Normals().values(gaussians, front()).norm(dim=-1).min() > 0.9
    assert Normals().colors(thick, front()).isfinite().all()


@pytest.mark.parametrize("layer", SHAPES, ids=lambda layer: layer.title)
def test_shapes_keep_rows_places_and_colours(layer) -> None:
    gaussians, camera = three_balls(), front()
    shaped = layer.shape(gaussians)
    assert shaped.ids.equal(gaussians.ids) and shaped.means.equal(gaussians.means)
    assert shaped.opacities.min() > 0.99
    picture = layer.picture(gaussians, camera)
    for place, color in (((-1.2, -1.0, 0.0), RED), ((0.0, 0.0, 0.0), GREEN)):
        x, y = pixel_of(camera, place)
        seen = picture[int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4].mean((0, 1))
        assert torch.nn.functional.cosine_similarity(seen, torch.tensor(color), dim=0) > 0.97
    assert layer.form == type(layer)(*layer.__dict__.values()).form, "equal layers have equal forms"


def test_what_is_hardly_there_does_not_become_a_solid_ellipsoid() -> None:
    gaussians = three_balls(10)
    gaussians = gaussians.replace(logit_opacities=torch.full((30,), 0.5 * FAINT).logit())
    assert Solid(0.6)(gaussians).opacities.max() < FAINT


def test_ellipsoids_are_dark_where_several_share_a_pixel() -> None:
    one = ball((0.0, 0.0, 0.0), GREEN, 1, 0)
    one = one.replace(log_scales=torch.full((1, 3), -0.7), means=torch.zeros(1, 3))
    both = Gaussians.cat([one, one.replace(means=torch.tensor([[0.4, 0.001, 0.0]]), ids=torch.tensor([1]))])
    camera = front()
    picture, colors = Ellipsoids().picture(both, camera), Rgb()
    middle, between = ([int(v) for v in pixel_of(camera, place)] for place in ((0.0, 0.0, 0.0), (0.3, 0.0, 0.0)))
    plain = colors.picture(Ellipsoids().shape(both), camera)
    light = [(picture / plain.clamp_min(1e-3))[y, x, 1].item() for x, y in (middle, between)]
    assert light[0] > 1.15 * light[1]


def test_points_are_as_large_as_the_scene_is_sparse() -> None:
    grid = torch.cartesian_prod(torch.arange(150.0), torch.arange(150.0), torch.zeros(1))
    gaussians = Gaussians.from_points(0.3 * grid, torch.zeros(len(grid), 3), sh_degree=0, largest_scale=0.1)
    assert spacing(gaussians[:9000]) == pytest.approx(0.3, rel=1e-4)
    assert spacing(gaussians) == pytest.approx(0.3, rel=0.5), "of a sample"
    assert Points.of(gaussians).size == pytest.approx(0.5 * spacing(gaussians))
    assert spacing(gaussians[:1]) == spacing(gaussians[:0]) == 0.01
    assert Points().form is None
    assert Points().fit(gaussians, front()) == Points.of(gaussians)
    assert Points(0.1).fit(gaussians, front()) == Points(0.1)


def test_between_goes_from_the_gaussians_to_the_form() -> None:
    gaussians = three_balls(5)
    for form in (Solid(0.5), Dots(0.1)):
        whole = form(gaussians)
        for share, end in ((0.0, gaussians), (1.0, whole)):
            torch.testing.assert_close(Between(form, share)(gaussians).log_scales, end.log_scales)
            torch.testing.assert_close(Between(form, share)(gaussians).opacities, end.opacities)


@pytest.mark.parametrize("layer", [Normals(), *SHAPES], ids=lambda layer: layer.title)
def test_empty_scenes_and_other_backgrounds(layer) -> None:
    nothing, camera = three_balls(1)[:0], front(12, 8)
    assert layer.on((0.2, 0.4, 0.6)).picture(nothing, camera)[0, 0].tolist() == pytest.approx([0.2, 0.4, 0.6])
    assert layer.colors(nothing, camera).shape == (0, 3)
    assert layer.values(three_balls(1), camera).shape == (3, layer.channels)
