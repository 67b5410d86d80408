"""Exposure and white balance: gains multiply what is seen, and a change of light is found and taken back."""

import pytest
import torch
from scenes import camera, cloud

from semsplat.splatting.edit import Gain
from semsplat.splatting.errors import InputError
from semsplat.splatting.light import GAMMA, MOST, light_of, matched, stops
from semsplat.splatting.splat import splat

GAINS = (1.3, 1.0, 0.7)


def bright(count: int = 300):
    """Colours well above 0 in every direction."""
    scene = cloud(count)
    sh = scene.sh * 0.1
    sh[:, 0] += 0.5
    return scene.replace(sh=sh)


def test_gains_multiply_the_picture_from_everywhere() -> None:
    scene = bright()
    after = Gain(scene.ids, GAINS)(scene)
    for distance in (3.0, -2.0):
        view = camera(distance=distance)
        before_it, after_it = (splat(g, view) @ g.colors(view) for g in (scene, after))
        torch.testing.assert_close(after_it, before_it * torch.tensor(GAINS, dtype=before_it.dtype))


def test_gains_one_after_another_are_their_product_and_their_inverse_takes_them_back() -> None:
    scene = bright()
    inverse = tuple(1 / gain for gain in GAINS)
    torch.testing.assert_close(Gain(scene.ids, inverse)(Gain(scene.ids, GAINS)(scene)).sh, scene.sh)
    twice = Gain(scene.ids, GAINS)(Gain(scene.ids, GAINS)(scene)).sh
    torch.testing.assert_close(Gain(scene.ids, tuple(gain**2 for gain in GAINS))(scene).sh, twice)


@pytest.mark.parametrize("gains", [(1, 1, float("nan")), (0, 1, 1), (1, 1, 1000)])
def test_what_is_no_gain(gains: tuple[float, ...]) -> None:
    with pytest.raises(InputError):
        Gain(torch.arange(3), gains)


def test_a_change_of_light_is_found_and_taken_back() -> None:
    """Between other things of the same colours, and with floaters that are hardly seen."""
    scene, other = bright(3000), bright(3000)
    changed = Gain(scene.ids, GAINS)(other)
    floaters = changed.replace(sh=changed.sh + 9.0, logit_opacities=changed.logit_opacities * 0 - 12.0)
    changed = type(changed).cat([changed, floaters.replace(ids=floaters.ids + len(changed))])
    found = matched(light_of(changed), light_of(scene))
    torch.testing.assert_close(torch.tensor(found), 1 / torch.tensor(GAINS), rtol=0.01, atol=0)
    assert matched(light_of(scene), light_of(scene)) == (1.0, 1.0, 1.0)


def test_weights_say_what_is_seen() -> None:
    scene = bright()
    changed = Gain(scene.ids[:150], (3.0, 3.0, 3.0))(scene)
    seen = (torch.arange(300) >= 150).double()
    assert light_of(changed, seen) == light_of(scene, seen) != light_of(changed)


def test_gains_have_limits_and_stops() -> None:
    assert matched((0.1, 0.5, 0.5), (0.5, 0.5, 0.1)) == (MOST, 1.0, 1 / MOST)
    assert stops((2.0 ** (1 / GAMMA),) * 3) == pytest.approx(1.0, abs=1e-3)


def test_no_light_is_said() -> None:
    scene = bright(5)
    with pytest.raises(InputError, match="Nothing is seen"):
        light_of(scene[:0])
    with pytest.raises(InputError, match="Nothing is seen"):
        light_of(scene, torch.full((5,), float("nan")))
    with pytest.raises(InputError, match="too dark"):
        light_of(scene.replace(sh=scene.sh - 9.0))
