"""Layers made of layers: over the scene, beside it, with parts faded, with parts picked out."""

from dataclasses import dataclass

import pytest
import torch
from small_scenes import BLUE, GREEN, front, pixel_of, three_balls

from semsplat.app.layers import HIGHLIGHT, Coverage, Depth, Layer, Rgb
from semsplat.app.layers_combined import GHOST, Faded, Over, Split, Tint, compose, outline, tinted
from semsplat.app.layers_meaning import Heat, Things
from semsplat.app.layers_shapes import Ellipsoids, Normals, Points
from semsplat.splatting.splat import splat

GAUSSIANS, CAMERA = three_balls(), front()
MIDDLE = (GAUSSIANS.ids >= 200) & (GAUSSIANS.ids < 400)
LAYERS = (
    Rgb(),
    Depth(3.0, 9.0),
    Coverage(),
    Normals(),
    Ellipsoids(),
    Points(0.05),
    Heat.of(GAUSSIANS, torch.linspace(0, 1, 600)),
    Things.of([MIDDLE], [(1.0, 0.5, 0.0)], 600),
)
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.title)


@every_layer
def test_over_is_the_scene_at_0_and_the_layer_at_1(layer: Layer) -> None:
    for way in (lambda one: one.picture(GAUSSIANS, CAMERA), lambda one: one.colors(GAUSSIANS, CAMERA)):
        torch.testing.assert_close(way(Over(layer, 0.0)), way(Rgb()).clamp(0, 1), atol=2e-3, rtol=0)
        torch.testing.assert_close(way(Over(layer, 1.0)), way(layer), atol=2e-3, rtol=0)


@every_layer
def test_half_over_is_half_of_each(layer: Layer) -> None:
    if layer.form is None:
        half = 0.5 * (Rgb().picture(GAUSSIANS, CAMERA) + layer.picture(GAUSSIANS, CAMERA))
        torch.testing.assert_close(Over(layer, 0.5).picture(GAUSSIANS, CAMERA), half, atol=1e-3, rtol=0)
    shape = Over(layer, 0.5).shape(GAUSSIANS).log_scales
    torch.testing.assert_close(shape, 0.5 * (GAUSSIANS.log_scales + layer.shape(GAUSSIANS).log_scales))


@every_layer
@pytest.mark.parametrize("at", [0.0, 0.31, 0.5, 1.0])
def test_split_is_exact_per_pixel(layer: Layer, at: float) -> None:
    picture = Split(Rgb(), layer, at).picture(GAUSSIANS, CAMERA)
    left, right = Rgb().picture(GAUSSIANS, CAMERA), layer.picture(GAUSSIANS, CAMERA)
    columns = int((torch.arange(CAMERA.width) + 0.5 < at * CAMERA.width).sum())
    torch.testing.assert_close(picture[:, :columns], left[:, :columns], atol=1e-5, rtol=0)
    torch.testing.assert_close(picture[:, columns:], right[:, columns:], atol=1e-5, rtol=0)


@every_layer
def test_split_colours_gaussians_by_their_centres(layer: Layer) -> None:
    colors = Split(Rgb(), layer, 0.5).colors(GAUSSIANS, CAMERA)
    torch.testing.assert_close(colors[:200], Rgb().colors(GAUSSIANS, CAMERA)[:200])  # the red ball is on the left
    torch.testing.assert_close(colors[400:], layer.colors(GAUSSIANS, CAMERA)[400:])
    behind = GAUSSIANS.means.clone()
    behind[:200, 1] -= 100.0
    assert not Split(Rgb(), layer, 1.0).on_the_left(GAUSSIANS.replace(means=behind), CAMERA)[:200].any()


@dataclass
class Counting:
    """Makes blends and counts them."""

    made: int = 0

    def __call__(self, gaussians, camera):
        self.made += 1
        return splat(gaussians, camera)


def test_a_split_blends_once_unless_its_sides_have_other_forms() -> None:
    for right, expected in ((Depth(), 1), (Heat.of(GAUSSIANS, torch.ones(600)), 1), (Ellipsoids(), 2)):
        counting = Counting()
        Split(Rgb(), right).picture(GAUSSIANS, CAMERA, counting)
        assert counting.made == expected
    assert Split(Rgb(), Ellipsoids()).form is None
    assert Split(Points(0.1), Points(0.1)).form == Points(0.1).form


def test_what_is_faded_hides_nothing() -> None:
    x, y = (int(v) for v in pixel_of(CAMERA, (1.2, 2.0, 0.0)))
    far = GAUSSIANS.ids >= 400
    wall = GAUSSIANS.means.clone()
    wall[:200] = wall[400:] - torch.tensor([0.0, 1.0, 0.0])  # red in front of blue
    scene = GAUSSIANS.replace(means=wall)
    assert Rgb().picture(scene, CAMERA)[y, x, 2] < 0.2
    hidden = Faded.but(Rgb(), far, ghost=0.0).picture(scene, CAMERA)
    torch.testing.assert_close(hidden[y, x], torch.tensor(BLUE), atol=0.03, rtol=0)
    pale = Faded.but(Rgb(), far).picture(scene, CAMERA)
    assert 0.1 < pale[y, x, 0] < 0.5 and pale[y, x, 2] > 0.5
    middle = [int(v) for v in pixel_of(CAMERA, (0.0, 0.0, 0.0))]
    assert hidden[middle[1], middle[0]].max() == 0
    assert Faded(Faded.but(Rgb(), far), 0.5 * torch.ones(600)).alpha(scene, CAMERA)[0] == pytest.approx(0.5 * GHOST)


def test_nothing_is_copied_where_nothing_is_changed() -> None:
    assert Rgb().drawn(GAUSSIANS, CAMERA) is GAUSSIANS
    assert compose(Depth(), 0.5, MIDDLE.float(), None, 0.3).drawn(GAUSSIANS, CAMERA) is GAUSSIANS
    assert Faded(Rgb(), torch.ones(600)).drawn(GAUSSIANS, CAMERA).opacities.allclose(GAUSSIANS.opacities, atol=1e-5)


@every_layer
def test_compose_puts_everything_together(layer: Layer) -> None:
    visible = torch.where(GAUSSIANS.ids < 400, 1.0, 0.0)
    whole = compose(layer, 0.7, 0.75 * MIDDLE, visible, 0.25).fit(GAUSSIANS, CAMERA)
    assert whole.title == layer.title and whole.hint == layer.hint
    picture = whole.picture(GAUSSIANS, CAMERA)
    assert picture.shape == (80, 120, 3) and picture.min() >= 0 and picture.max() <= 1
    assert picture[0, 0].max() == 0
    x, y = (int(v) for v in pixel_of(CAMERA, (1.2, 2.0, 0.0)))
    assert picture[y, x].max() < 0.03, "hidden on both sides"
    colors = whole.colors(GAUSSIANS, CAMERA)
    assert colors.shape == (600, 3) and colors.min() >= 0 and colors.max() <= 1
    assert whole.values(GAUSSIANS, CAMERA).shape == (600, whole.channels)
    bright = whole.on((0.3, 0.6, 0.9)).picture(GAUSSIANS, CAMERA)
    assert bright[0, 0].tolist() == bright[0, -1].tolist() == pytest.approx([0.3, 0.6, 0.9], abs=1e-5)


def test_compose_adds_nothing_that_is_not_asked_for() -> None:
    assert compose(Depth()) == Depth()
    assert compose(Rgb(), 0.5, compare_at=0.5) == Rgb()
    assert isinstance(compose(Rgb(), strengths=MIDDLE.float()), Tint)
    assert compose(Depth(), compare_at=7.0).at == 1.0


@every_layer
def test_light_and_dark_stay_visible_under_the_highlight(layer: Layer) -> None:
    strengths = 0.75 * torch.ones(600)
    before, after = layer.colors(GAUSSIANS, CAMERA), Tint(layer, strengths).colors(GAUSSIANS, CAMERA)
    weights = torch.tensor([0.2126, 0.7152, 0.0722])
    order = (before @ weights).argsort()
    lights = (after @ weights)[order]
    assert (lights.diff() >= -1e-3).float().mean() > 0.9 or lights.std() < 1e-3
    highlight = torch.tensor(HIGHLIGHT).expand(600, 3)
    assert torch.nn.functional.cosine_similarity(after, highlight).min() > 0.8


def test_the_highlight_is_seen_on_black_and_on_white() -> None:
    color, strength = torch.tensor(HIGHLIGHT), torch.tensor([[0.75], [0.75]])
    ground = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    seen = tinted(ground, color, strength)
    assert ((seen - ground).norm(dim=-1) > 0.35).all()
    assert (seen[:, 0] - seen[:, 1] > 0.2).all(), "both are pink"
    torch.testing.assert_close(tinted(ground, color, torch.zeros(2, 1)), ground)


def test_what_is_picked_is_outlined_in_pictures() -> None:
    layer = Coverage()
    plain, picked = layer.picture(GAUSSIANS, CAMERA), Tint(layer, 0.75 * MIDDLE).picture(GAUSSIANS, CAMERA)
    changed = (picked - plain).abs().amax(-1)
    row = changed[int(pixel_of(CAMERA, (0.0, 0.0, 0.0))[1])]
    assert row.max() > 0.3 and row[:30].max() == 0
    inside = torch.zeros(5, 6, dtype=torch.bool)
    inside[2, 2:4] = True
    expected = ["......", "..##..", ".#..#.", "..##..", "......"]
    assert ["".join(".#"[pixel] for pixel in line) for line in outline(inside, 1).int().tolist()] == expected
    assert not outline(torch.ones(4, 0, dtype=torch.bool), 1).any()


def test_the_green_ball_stays_green_where_it_is_not_picked() -> None:
    x, y = (int(v) for v in pixel_of(CAMERA, (0.0, 0.0, 0.0)))
    picture = Tint(Rgb(), 0.75 * (GAUSSIANS.ids < 200)).picture(GAUSSIANS, CAMERA)
    torch.testing.assert_close(picture[y, x], torch.tensor(GREEN), atol=0.02, rtol=0)
