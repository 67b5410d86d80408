"""Edits in words on a scene: which Gaussians they reach, where things go, and what is said when it is not possible."""

import math

import pytest
import torch
from furniture import front, furniture
from small_scenes import three_balls

from semsplat.app.carrying import axes, called, carry_out, find, foot
from semsplat.app.commands import parse
from semsplat.app.meaning import Meaning
from semsplat.app.session import Session
from semsplat.distill.objects import Thing
from semsplat.splatting.edit import Delete, Keep, pivot
from semsplat.splatting.errors import InputError

GAUSSIANS, FIELD, NUMBERS = furniture(0.08)
RED_MUG, BLUE_MUG, SMALL_CHAIR, LARGE_CHAIR = 3, 4, 12, 13
Z = torch.tensor([0.0, 0.0, 1.0])


class Room(Session):
    up = Z


@pytest.fixture
def room():
    return Room(GAUSSIANS, title="room", meaning=Meaning({"labels": FIELD}))


def said(room, text, picked=None):
    edit, label = carry_out(room, parse(text), torch.zeros(0).long() if picked is None else picked, front().camera)
    room.do(edit, label)
    return label


def part(*numbers):
    return GAUSSIANS.ids[torch.isin(NUMBERS, torch.tensor(numbers))]


def test_a_question_says_what_is_deleted_and_undo_brings_it_back(room):
    assert said(room, "delete the red mug") == "Delete red mug"
    assert set(GAUSSIANS.ids.tolist()) - set(room.gaussians.ids.tolist()) == set(part(RED_MUG).tolist())
    room.undo()
    assert torch.equal(room.gaussians.ids, GAUSSIANS.ids)


def test_several_things_and_all_but_one(room):
    said(room, "delete the mug and the chair")
    gone = set(GAUSSIANS.ids.tolist()) - set(room.gaussians.ids.tolist())
    assert gone == set(part(RED_MUG, BLUE_MUG, SMALL_CHAIR, LARGE_CHAIR).tolist())
    room.undo()
    assert said(room, "delete everything but the small chair") == "Delete all but small chair"
    assert room.gaussians.ids.tolist() == part(SMALL_CHAIR).tolist()


def test_an_object_of_the_scene_wins_over_the_field(room):
    room.change_things(lambda _: [Thing("Mug", part(BLUE_MUG))], "")
    assert find(room, "the mug").tolist() == part(BLUE_MUG).tolist()
    assert called(room, part(BLUE_MUG)) == "Mug"
    room.do(Delete(part(BLUE_MUG)), "")
    with pytest.raises(InputError, match="'Mug' is not there any more"):
        find(room, "mug")


def test_it_is_what_is_picked(room):
    assert said(room, "keep it", part(RED_MUG)) == f"Keep only {len(part(RED_MUG))} Gaussians"
    assert room.gaussians.ids.tolist() == part(RED_MUG).tolist()
    with pytest.raises(InputError, match="Nothing is picked"):
        said(room, "delete it")


@pytest.mark.parametrize(
    ("way", "by"),
    [
        ("left", (-0.3, 0, 0)),
        ("right", (0.3, 0, 0)),
        ("up", (0, 0, 0.3)),
        ("away", (0, 0.3, 0)),
        ("back", (0, -0.3, 0)),
    ],
)
def test_directions_are_those_of_who_looks(room, way, by):
    ids = part(5, 6, 7, 8, 9)  # the bowl is straight ahead
    before = torch.tensor(pivot(room.gaussians, ids))
    said(room, f"move the bowl 0.3 {way}")
    after = torch.tensor(pivot(room.gaussians, part(5, 6, 7, 8)))
    moved = (
        room.gaussians.means[torch.isin(room.gaussians.ids, part(5))]
        - GAUSSIANS.means[torch.isin(GAUSSIANS.ids, part(5))]
    )
    torch.testing.assert_close(moved, torch.tensor(by).float().expand_as(moved), atol=0.03, rtol=0)
    assert before.isfinite().all() and after.isfinite().all()


def test_left_is_level_however_one_looks_and_there_without_a_camera(room):
    for camera in (front().camera, None):
        rows = axes(room, part(RED_MUG), camera)
        torch.testing.assert_close(rows @ rows.T, torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)
        torch.testing.assert_close(rows[2], Z.double())


def test_scaled_things_stay_on_their_ground(room):
    ids = part(LARGE_CHAIR)
    assert said(room, "make the large chair twice as big") == "Scale large chair × 2"
    means = room.gaussians.means[torch.isin(room.gaussians.ids, ids)]
    heights = (means[:, 2].min().item(), means[:, 2].max().item())
    assert heights == pytest.approx((0.0, 2.0), abs=0.05)
    assert foot(room, ids)[2] == pytest.approx(0.0, abs=0.03)


def test_turned_about_up(room):
    ids = part(LARGE_CHAIR)
    middle = torch.tensor(pivot(room.gaussians, ids)).float()
    before = GAUSSIANS.means[torch.isin(GAUSSIANS.ids, ids)] - middle
    assert said(room, "rotate the large chair 90 degrees") == "Turn large chair 90°"
    after = room.gaussians.means[torch.isin(room.gaussians.ids, ids)] - middle
    expected = torch.stack([-before[:, 1], before[:, 0], before[:, 2]], dim=1)  # counter-clockwise from above
    torch.testing.assert_close(after, expected, atol=1e-4, rtol=0)


def test_a_copy_stands_beside_the_thing_or_where_it_is_said(room):
    said(room, "duplicate the red mug")
    copy = room.gaussians.means[len(GAUSSIANS) :]
    original = GAUSSIANS.means[torch.isin(GAUSSIANS.ids, part(RED_MUG))]
    assert len(copy) == len(original)
    assert copy[:, 0].min() > original[:, 0].max() - 0.03  # to the right
    torch.testing.assert_close(copy[:, 2], original[:, 2], atol=1e-5, rtol=0)


def test_paint_and_fade(room):
    assert said(room, "paint the red mug blue") == "Paint red mug blue"
    rows = torch.isin(room.gaussians.ids, part(RED_MUG))
    red, green, blue = room.gaussians.colors(front().camera)[rows].mean(0).tolist()
    assert blue > 0.9 and red < 0.1 and green < 0.1
    assert said(room, "make the picture 75% transparent") == "Make picture 75% transparent"
    picture = torch.isin(room.gaussians.ids, part(16))
    expected = 0.25 / (1 + math.exp(-3.0))
    assert room.gaussians.opacities[picture].mean().item() == pytest.approx(expected, abs=1e-4)


def test_what_is_not_there_is_said_in_one_sentence(room):
    with pytest.raises(InputError, match=r"'unicorn' is not found\. (?!Score)"):
        said(room, "delete the unicorn")
    with pytest.raises(InputError, match="Nothing here is called 'flugelhorn'"):
        said(room, "delete the flugelhorn")
    bare = Session(three_balls(5))
    with pytest.raises(InputError, match="no object of this scene; pick the thing and say it"):
        find(bare, "mug")
    bare.change_things(lambda _: [Thing("ball", torch.arange(3))], "")
    with pytest.raises(InputError, match="name one of 'ball'"):
        find(bare, "mug")
    assert isinstance(carry_out(bare, parse("keep the ball"))[0], Keep)
