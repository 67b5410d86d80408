"""Layers: linear before the blend, shaded after; the same values colour the splats of a page."""

import pytest
import torch
from small_scenes import BLUE, GREEN, RED, front, pixel_of, three_balls

from semsplat.app.layers import HIGHLIGHT, LAYERS, NEAR_TO_FAR, Coverage, Depth, Rgb, depths, ramp
from semsplat.app.layers_combined import Tint
from semsplat.app.pictures import to_bytes
from semsplat.splatting._dense import dense

PLACES = ((-1.2, -1.0, 0.0), (0.0, 0.0, 0.0), (1.2, 2.0, 0.0))


def at(picture, camera, place):
    x, y = pixel_of(camera, place)
    return picture[int(y), int(x)]


def lightness(colors):
    return colors @ colors.new_tensor([0.2126, 0.7152, 0.0722])


def like_the_highlight(color):
    return torch.nn.functional.cosine_similarity(color, torch.tensor(HIGHLIGHT), dim=0)


def test_rgb_shows_the_colours_where_they_are():
    camera = front()
    picture = Rgb(background=(1.0, 1.0, 1.0)).picture(three_balls(), camera)
    assert picture.shape == (80, 120, 3)
    for place, color in zip(PLACES, (RED, GREEN, BLUE), strict=True):
        torch.testing.assert_close(at(picture, camera, place), torch.tensor(color), atol=0.02, rtol=0)
    torch.testing.assert_close(picture[0, 0], torch.ones(3))


def test_near_is_lighter_than_far():
    camera = front()
    gaussians = three_balls()
    layer = Depth().fit(gaussians, camera)
    picture = layer.picture(gaussians, camera)
    near, middle, far = (lightness(at(picture, camera, place)).item() for place in PLACES)
    assert near > middle + 0.1 > far + 0.2
    assert picture[0, 0].tolist() == [0.0, 0.0, 0.0]  # nothing there: background
    splats = lightness(layer.colors(gaussians, camera)).reshape(3, 200).mean(1)
    assert splats[0] > splats[1] > splats[2]


def test_depth_is_that_of_the_blend():
    camera, gaussians = front(24, 16), three_balls(20)
    layer, blend = Depth(near=3.0, far=9.0), dense(gaussians, camera)
    expected = ramp(((blend.depth() / 3.0).log() / torch.tensor(3.0).log())[..., 0], NEAR_TO_FAR) * blend.alpha
    shown = layer.shade(blend @ layer.values(gaussians, camera), blend.alpha)
    torch.testing.assert_close(shown, expected, atol=1e-4, rtol=0)


def test_depth_range_is_of_what_the_camera_sees():
    camera, gaussians = front(), three_balls()
    layer = Depth().fit(gaussians, camera)
    assert 3.4 < layer.near < 4.0
    assert 6.5 < layer.far < 7.5
    away = gaussians.means.clone()
    away[:200, 1] -= 100.0  # the near ball is now behind the camera
    assert Depth().fit(gaussians.replace(means=away), camera).near > 4.4
    assert Depth().fit(gaussians[:0], camera) == Depth()


def test_coverage_is_the_sum_of_the_row():
    camera = front()
    picture = Coverage(color=(1.0, 1.0, 1.0)).picture(three_balls(), camera)
    assert picture[0, 0].max() == 0
    assert at(picture, camera, PLACES[1]).min() > 0.99


def test_tint_lights_up_what_is_picked_and_nothing_else():
    camera = front()
    gaussians = three_balls()
    strengths = 0.9 * ((gaussians.ids >= 200) & (gaussians.ids < 400))
    for over in LAYERS:
        over = over.fit(gaussians, camera)
        plain, tinted = over.picture(gaussians, camera), Tint(over, strengths).picture(gaussians, camera)
        for number, place in enumerate(PLACES):
            moved = (at(tinted, camera, place) - at(plain, camera, place)).abs().max()
            assert (moved > 0.2) == (number == 1)
        assert like_the_highlight(at(tinted, camera, PLACES[1])) > 0.93


def test_colors_of_splats_are_the_shading_of_one_gaussian_that_fills_a_pixel():
    camera, gaussians = front(), three_balls(10)
    torch.testing.assert_close(Rgb().colors(gaussians, camera), gaussians.colors(camera))
    for layer in LAYERS:
        colors = layer.fit(gaussians, camera).colors(gaussians, camera)
        assert colors.shape == (30, 3)
        assert colors.min() >= 0
        assert colors.max() <= 1
    strengths = torch.zeros(30)
    strengths[4] = 1.0
    tinted = Tint(Coverage(), strengths).colors(gaussians, camera)
    assert like_the_highlight(tinted[4]) > 0.99
    torch.testing.assert_close(tinted[5], torch.tensor(Coverage().color))


def test_values_are_linear_and_the_background_comes_after():
    camera, gaussians = front(24, 16), three_balls(20)
    blend = dense(gaussians, camera)
    for background in ((0.0, 0.0, 0.0), (0.3, 0.6, 0.9)):
        layer = Rgb(background=background)
        image = blend @ layer.values(gaussians, camera)
        expected = image + (1 - blend.alpha) * torch.tensor(background)
        torch.testing.assert_close(layer.shade(image, blend.alpha), expected)


def test_ramp_meets_its_stops_and_darkens_all_the_way():
    stops = torch.tensor(NEAR_TO_FAR)
    torch.testing.assert_close(ramp(torch.linspace(0, 1, len(stops)), NEAR_TO_FAR), stops)
    assert (lightness(ramp(torch.linspace(0, 1, 50), NEAR_TO_FAR)).diff() < 0).all()
    torch.testing.assert_close(ramp(torch.tensor([-1.0, 2.0]), NEAR_TO_FAR), stops[[0, -1]])


def test_depths_are_along_the_axis():
    gaussians = three_balls(1)
    assert depths(gaussians, front()).tolist() == pytest.approx((gaussians.means[:, 1] + 5).tolist(), abs=1e-5)


def test_every_layer_has_a_name_and_a_hint():
    assert len({layer.title for layer in LAYERS}) == len(LAYERS)
    assert all(layer.hint.endswith(".") for layer in LAYERS)


def test_colours_become_the_nearest_byte():
    picture = torch.rand(70, 9, 3, generator=torch.Generator().manual_seed(0))
    picture[0, 0], picture[0, 1], picture[0, 2] = 0.0, 1.0, 1.2
    picture[0, 3], picture[0, 4] = -0.2, float("nan")
    coded = to_bytes(picture)
    assert (coded[1:] == (picture[1:] * 255).round().numpy()).all()
    assert coded[0, :5, 0].tolist() == [0, 255, 255, 0, 0]
