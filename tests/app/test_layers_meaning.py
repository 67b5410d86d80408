"""Layers of meaning: features, heat and things are linear before the blend, and look the same from everywhere."""

import pytest
import torch
from small_scenes import RED, front, pixel_of, three_balls

from semsplat.app.layers import ramp
from semsplat.app.layers_meaning import LOW_TO_HIGH, SAMPLE, Features, Heat, Principal, Things, quantiles
from semsplat.distill.field import FeatureField
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

PLACES = ((-1.2, -1.0, 0.0), (0.0, 0.0, 0.0), (1.2, 2.0, 0.0))


def at(picture, camera, place):
    x, y = pixel_of(camera, place)
    return picture[int(y), int(x)]


def with_classes(dimension: int = 3, seed: int = 0) -> tuple[Gaussians, FeatureField]:
    """The three balls, each with a code of its own in a skew basis."""
    gaussians = three_balls()
    random = torch.Generator().manual_seed(seed)
    decoder = torch.randn(dimension, 8, generator=random)
    codes = torch.eye(3, dimension).repeat_interleave(200, dim=0)
    features = torch.cat([codes, torch.ones(600, 1)], dim=1)
    return gaussians.replace(features=features), FeatureField("made", slice(0, dimension), decoder)


def test_unlike_features_have_unlike_colours_from_everywhere() -> None:
    gaussians, field = with_classes()
    layer = Features.of(gaussians, field)
    camera = front()
    picture = layer.picture(gaussians, camera)
    colors = [at(picture, camera, place) for place in PLACES]
    for i in range(3):
        assert (colors[i] - colors[i - 1]).norm() > 0.5
    small = layer.picture(gaussians, front(60, 40))
    torch.testing.assert_close(at(small, front(60, 40), PLACES[1]), colors[1], atol=0.05, rtol=0)
    assert picture[0, 0].tolist() == [0.0, 0.0, 0.0]


def test_colours_are_of_features_and_not_of_codes() -> None:
    gaussians, field = with_classes()
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))[0] @ torch.diag(
        torch.tensor([0.1, 1.0, 5.0])
    )
    codes = field.codes(gaussians) @ turn
    other = gaussians.replace(features=torch.cat([codes, torch.ones(600, 1)], dim=1))
    same = FeatureField("made", field.columns, torch.linalg.inv(turn) @ field.decoder)
    pictures = [Features.of(g, f).picture(g, front()) for g, f in ((gaussians, field), (other, same))]
    torch.testing.assert_close(pictures[0], pictures[1], atol=0.01, rtol=0)


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_features_of_any_dimension(dimension: int) -> None:
    gaussians, field = with_classes(dimension)
    picture = Features.of(gaussians, field).picture(gaussians, front())
    assert picture.isfinite().all()
    nothing = FeatureField("made", field.columns, torch.zeros_like(field.decoder))
    assert Features.of(gaussians, nothing).picture(gaussians, front()).isfinite().all()
    assert Features.of(gaussians[:0], field).low.tolist() == [0.0, 0.0, 0.0]


def varying(shares: list[float], count: int = 600) -> tuple[Gaussians, FeatureField]:
    """Features that vary along given directions by given shares of the variance, in a turned and stretched basis."""
    random = torch.Generator().manual_seed(2)
    k = len(shares)
    components = torch.linalg.qr(torch.randn(count, k, generator=random))[0]
    components = torch.linalg.qr(components - components.mean(0))[0] * torch.tensor(shares).sqrt()
    directions = torch.linalg.qr(torch.randn(8, k, generator=random))[0].T
    stretch = torch.randn(k, k, generator=random) + 2 * torch.eye(k)
    gaussians = three_balls(count // 3)
    gaussians = gaussians.replace(logit_opacities=torch.zeros(count))
    features = torch.cat([components @ torch.linalg.inv(stretch) + 3.0, torch.ones(count, 1)], dim=1)
    return gaussians.replace(features=features), FeatureField("made", slice(0, k), stretch @ directions)


def test_components_are_told_by_how_much_they_explain() -> None:
    shares = [0.6, 0.3, 0.08, 0.0195, 0.0005]
    gaussians, field = varying(shares)
    found = Principal.of(gaussians, field)
    torch.testing.assert_close(found.shares, torch.tensor(shares), atol=1e-3, rtol=0)
    assert found.count == 4
    components = field.codes(gaussians) @ found.basis
    together = torch.corrcoef(components[:, :4].T)
    torch.testing.assert_close(together, torch.eye(4), atol=1e-3, rtol=0)
    assert Principal.of(gaussians[:0], field).count == 0


def test_chosen_components_are_red_green_and_blue() -> None:
    gaussians, field = varying([0.5, 0.25, 0.15, 0.1])
    found, camera = Principal.of(gaussians, field), front()
    components = field.codes(gaussians) @ found.basis
    for chosen in ((0, 1, 2), (3, 0, 1), (2, 2, 2)):
        layer = found.layer(chosen)
        torch.testing.assert_close(layer.values(gaussians, camera), components[:, list(chosen)])
        colors = layer.colors(gaussians, camera)
        for channel in range(3):
            shown = colors[:, channel]
            assert (shown.min(), shown.max()) == (0, 1) and 0.01 < (shown == 0).float().mean() < 0.04
    grey = found.layer((2, 2, 2)).picture(gaussians, camera)
    torch.testing.assert_close(grey[..., 0], grey[..., 2])
    assert not found.layer().basis.allclose(found.layer((0, 1, 2)).basis), "the others are added"
    with pytest.raises(InputError, match="no component 5; the field has 4"):
        found.layer((0, 1, 4))
    with pytest.raises(InputError, match="no component 0"):
        found.layer((0, -1, 2))


def test_the_components_of_a_large_scene_are_those_of_a_sample() -> None:
    gaussians, field = varying([0.5, 0.3, 0.2], 3 * SAMPLE)
    found = Principal.of(gaussians, field)
    assert len(found.sample) == SAMPLE
    torch.testing.assert_close(found.shares, torch.tensor([0.5, 0.3, 0.2]), atol=0.01, rtol=0)


def test_heat_is_the_mean_score_and_grey_where_nothing_is() -> None:
    gaussians, camera = three_balls(), front()
    scores = torch.tensor([0.2, 0.9, 0.5]).repeat_interleave(200)
    layer = Heat.of(gaussians, scores)
    assert layer.low == pytest.approx(0.2) and layer.high == pytest.approx(0.9)
    picture = layer.picture(gaussians, camera)
    low, high, middle = (at(picture, camera, place).mean() for place in PLACES)
    assert low < middle < high
    assert picture[0, 0].tolist() == [0.0, 0.0, 0.0]
    faint = layer.shade(torch.tensor([[[0.02, 0.02, 0.02, 0.05]]]), torch.tensor([[[0.05]]]))
    assert faint[0, 0].std() == 0, "too little is there to say anything"
    same = Heat.of(gaussians, torch.ones(600))
    assert same.picture(gaussians, camera).isfinite().all()


def test_heat_is_the_cosine_of_the_blend_times_how_much_its_features_agree() -> None:
    """What is drawn is the mean of cosines, what is scored the cosine of W F: equal where a pixel sees one thing."""
    gaussians, field = with_classes()
    text = torch.randn(1, 8, generator=torch.Generator().manual_seed(5))
    codes = field.codes(gaussians) / field.norms(field.codes(gaussians))  # features of length 1
    blend = splat(gaussians, front())
    mean = (blend @ field.scores(codes, text)) / blend.alpha.clamp_min(1e-6)
    drawn = blend @ codes
    agree = field.norms(drawn) / blend.alpha.clamp_min(1e-6)
    seen = blend.alpha > 0.1
    torch.testing.assert_close(mean[seen], (agree * field.scores(drawn, text))[seen], atol=1e-4, rtol=0)
    assert agree[seen].max() < 1.0001 and agree[seen].median() > 0.999


def test_the_ramp_gets_lighter_in_even_steps() -> None:
    colors = ramp(torch.linspace(0, 1, 33), LOW_TO_HIGH)
    linear = torch.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    luminance = linear @ torch.tensor([0.2126, 0.7152, 0.0722])
    lightness = 116 * luminance.clamp_min(0.008856) ** (1 / 3) - 16  # CIE L*
    steps = lightness.diff()
    assert steps.min() > 0 and lightness[-1] - lightness[0] > 80
    assert steps.max() < 3 * steps.mean()


def test_things_mix_where_they_overlap() -> None:
    gaussians, camera = three_balls(), front()
    first, second = torch.arange(600) < 200, torch.arange(600) < 400
    layer = Things.of([first, second], [(1.0, 0.0, 0.0), (0.0, 0.0, 1.0)], 600, strength=1.0)
    picture = layer.picture(gaussians, camera)
    near, middle, far = (at(picture, camera, place) for place in PLACES)
    torch.testing.assert_close(near, torch.tensor([0.5, 0.0, 0.5]), atol=0.02, rtol=0)
    torch.testing.assert_close(middle, torch.tensor([0.0, 0.0, 1.0]), atol=0.02, rtol=0)
    assert far[2] > 0.8 and far[0] < 0.15, "no thing: its own colour"
    plain = Things.of([], [], 600).picture(gaussians, camera)
    torch.testing.assert_close(at(plain, camera, PLACES[0]), torch.tensor(RED), atol=0.02, rtol=0)


def test_one_thing_stands_out() -> None:
    gaussians, camera = three_balls(), front()
    selections = [gaussians.ids < 200, (gaussians.ids >= 200) & (gaussians.ids < 400)]
    white = [(1.0, 1.0, 1.0), (1.0, 1.0, 1.0)]
    plain = Things.of(selections, white, 600).colors(gaussians, camera)
    first = Things.of(selections, white, 600, highlight=0).colors(gaussians, camera)
    torch.testing.assert_close(first[:200], plain[:200])
    torch.testing.assert_close(first[400:], plain[400:])
    assert (first[200:400].amin(-1) < plain[200:400].amin(-1) - 0.3).all()


def test_labels_are_things_that_do_not_overlap() -> None:
    gaussians, camera = three_balls(), front()
    colors = [(1.0, 0.0, 0.0), (0.0, 0.0, 1.0)]
    labels = torch.tensor([1, 0, -1]).repeat_interleave(200)
    selections = [labels == 0, labels == 1]
    one, other = Things.labelled(labels, colors), Things.of(selections, colors, 600)
    torch.testing.assert_close(one.values(gaussians, camera), other.values(gaussians, camera))
    assert Things.labelled(torch.full((3,), -1), []).tints.tolist() == [[0.0] * 4] * 3


def test_quantiles_are_by_weight() -> None:
    values, weights = torch.tensor([3.0, 1.0, 2.0, torch.nan]), torch.tensor([1.0, 1.0, 8.0, 5.0])
    assert quantiles(values, weights, (0.0, 0.05, 0.5, 0.95, 1.0)).tolist() == [1.0, 1.0, 2.0, 3.0, 3.0]
    assert quantiles(values, torch.zeros(4), (0.5,)).tolist() == [0.0]
