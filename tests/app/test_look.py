"""What one page looks at, without a page: kept layers, what is hidden, legends, and how photos lie over the scene."""

import math

import numpy as np
import pytest
import torch
from small_scenes import GREEN, RED, front, labelled_balls, pixel_of, three_balls, views

from semsplat.app.engines import coats, distances
from semsplat.app.layers import Depth, Rgb
from semsplat.app.layers_combined import Split, compose
from semsplat.app.layers_shapes import Ellipsoids, Normals, Points, Solid
from semsplat.app.look import COLOUR, FEATURES, OBJECTS, Look, teacher_of
from semsplat.app.meaning import Meaning
from semsplat.app.panels.legend import innermost, legend
from semsplat.app.photo_compare import Placed, as_address, compare
from semsplat.app.pictures import to_bytes
from semsplat.app.scene_layers import Last
from semsplat.app.session import Session
from semsplat.distill.objects import Thing
from semsplat.splatting.camera import Camera
from semsplat.splatting.edit import Delete
from semsplat.splatting.errors import InputError

IDS = torch.arange(600)
RED_BALL, GREEN_BALL = (Thing(name, ids, {}) for name, ids in (("red", IDS[:200]), ("green", IDS[200:400])))


@pytest.fixture
def session():
    gaussians, fields = labelled_balls()
    return Session(gaussians, meaning=Meaning(fields))


def named(session):
    session.change_things(lambda _: [RED_BALL, GREEN_BALL], "named")
    return session.now


def test_features_keep_their_colours_when_the_scene_is_edited(session):
    look = Look(shown=FEATURES)
    before = innermost(look.drawn(session, session.now, front()))
    session.do(Delete(IDS[:200]), "delete")
    assert innermost(look.drawn(session, session.now, front())) is before
    look.components = (1, 1, 1)
    grey = look.drawn(session, session.now, front()).colors(session.gaussians, front())
    torch.testing.assert_close(grey[:, 0], grey[:, 2])
    session.renew(three_balls().replace(features=labelled_balls()[0].features + 1.0))
    look.components = None
    assert innermost(look.drawn(session, session.now, front())) is not before


def test_a_component_that_is_not_there_is_said(session):
    with pytest.raises(InputError, match="no component 9"):
        Look(shown=FEATURES, components=(0, 1, 8)).drawn(session, session.now, front())


def test_a_teacher_that_is_gone_gives_way_to_the_one_that_points_best(session):
    assert teacher_of(session, "dino") == "labels"
    with pytest.raises(InputError, match="no features"):
        teacher_of(Session(three_balls()), None)


def test_points_and_objects_are_made_once(session):
    now, look = named(session), Look(shown=OBJECTS)
    first = innermost(look.drawn(session, now, front()))
    assert innermost(look.drawn(session, now, front())) is first
    look.hidden = frozenset({"red"})
    assert not innermost(look.drawn(session, now, front())).tints[:200].any()
    assert session.layers.points(session.original) is session.layers.points(session.original)


def test_last_is_made_again_only_of_other_parts():
    last, one, other = Last(), object(), object()
    made = [last.of((part,), lambda: object()) for part in (one, one, other, one)]
    assert made[0] is made[1]
    assert len({id(value) for value in made}) == 3


def test_what_is_hidden_is_not_among_what_is_drawn(session):
    now, look = named(session), Look()
    assert look.drawn_gaussians(now) is now.gaussians
    look.hidden = frozenset({"red"})
    assert look.drawn_gaussians(now).ids.tolist() == list(range(200, 600))
    look.alone = "green"
    assert look.drawn_gaussians(now).ids.tolist() == list(range(200, 400))


def test_a_browser_gets_shapes_only_from_layers_that_have_them(session):
    gaussians, camera = session.gaussians, front()
    plain, shaped = coats(compose(Depth(), 0.5), gaussians, camera)
    assert shaped is None and torch.equal(plain.opacities, gaussians.opacities)
    plain, shaped = coats(Ellipsoids(), gaussians, camera)
    assert plain is None and shaped[0] == Solid(Ellipsoids().factor)
    assert (shaped[1].opacities > 0.99).all()
    hidden = torch.ones(600)
    hidden[:200] = 0.0
    _, (_, coat) = coats(compose(Points(0.1), visible=hidden), gaussians, camera)
    assert (coat.opacities[:200] == 0).all() and (coat.opacities[200:] > 0.99).all()


def test_beside_each_other_each_gaussian_is_drawn_on_its_side_in_its_shape(session):
    gaussians, camera = session.gaussians, front()
    plain, (form, shaped) = coats(compose(Points(0.1), compare_at=0.5), gaussians, camera)
    assert form == Points(0.1).form
    assert (plain.opacities[:200] > 0.8).all() and not plain.opacities[400:].any()
    assert not shaped.opacities[:200].any() and (shaped.opacities[400:] > 0.99).all()
    assert ((plain.opacities > 0) ^ (shaped.opacities > 0)).all()


def test_distances_are_those_of_surfaces_and_zero_where_nothing_is(session):
    depth = distances(session.gaussians, front())
    x, y = (round(v) for v in pixel_of(front(), (0.0, 0.0, 0.0)))
    assert depth[y, x] == pytest.approx(4.8, abs=0.3)
    assert depth[0, 0] == 0


def test_legends_say_what_colours_mean(session):
    fitted = Split(Rgb(), Depth(2.0, 7.5))
    assert "2" in legend(fitted) and "7.5" in legend(fitted) and "linear-gradient" in legend(fitted)
    assert "towards" not in legend(Rgb()) and legend(Rgb()) == ""
    assert "up" in legend(Normals())
    shown = legend(Rgb(), [("<img src=x>", RED), *(("ball", GREEN) for _ in range(30))])
    assert "<img" not in shown and "&lt;img src=x&gt;" in shown and "and 7 more" in shown
    assert Look().shown == COLOUR


def test_a_photo_lies_where_the_page_shows_the_same_points():
    up = torch.tensor([0.3, 0.0, 1.0])
    photo = Camera.look_at(torch.tensor([0.0, -5.0, 0.0]), torch.zeros(3), up, 0.7, 90, 120)
    photo.intrinsics[0, 2] += 7.0
    page, placed = front(300, 200), Placed.of(photo, front(300, 200))
    for point in ((0.3, 0.1, 0.2), (-0.4, 0.0, 0.5)):
        x, y = pixel_of(photo, point)
        across = placed.width * x / photo.width - placed.across
        down = placed.height * y / photo.height - placed.down
        angle = math.radians(placed.turned)
        left = placed.left + placed.across + math.cos(angle) * across - math.sin(angle) * down
        top = placed.top + placed.down + math.sin(angle) * across + math.cos(angle) * down
        seen = pixel_of(page, point)
        assert (150 + 200 * left, 100 + 200 * top) == pytest.approx(seen, abs=0.05)


def test_a_photo_is_compared_with_the_scene_as_it_is_now(session, tmp_path):
    view = views(tmp_path)[0]
    np.save(view.pixels, to_bytes(session.picture(view.camera, Rgb())))
    same = compare(session, view)
    assert same.psnr > 50 and same.photo.shape == same.drawn.shape == (80, 120, 3)
    assert as_address(view).startswith("data:image/jpeg;base64,")
    session.do(Delete(IDS[:200]), "delete")
    other = compare(session, view)
    assert other.psnr < 25 and other.difference.max() > same.difference.max()
    assert compare(session, view, 60).photo.shape == (40, 60, 3)
