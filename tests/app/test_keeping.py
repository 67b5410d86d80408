"""Named things: kept, renamed, copied, forgotten; and those that a scene proposes, as parts of it."""

import dataclasses

import pytest
import torch
from small_scenes import front, three_balls

from semsplat.app import keeping
from semsplat.app.keeping import Proposed, likest, there
from semsplat.app.session import Session
from semsplat.distill import objects
from semsplat.splatting.edit import Delete, Duplicate
from semsplat.splatting.errors import InputError

RED_BALL, GREEN_BALL = torch.arange(200), torch.arange(200, 400)


@pytest.fixture
def session(tmp_path) -> Session:
    return Session(three_balls(), folder=tmp_path)


def names(session: Session) -> list[str]:
    return [thing.name for thing in session.now.things]


def test_what_is_kept_has_a_name_a_colour_and_a_place_in_the_folder(session, tmp_path):
    heard = []
    session.listen(heard.append)
    assert keeping.keep(session, RED_BALL, "mug", self := object()) == "mug"
    assert keeping.keep(session, GREEN_BALL, "mug", self) == "mug 2"
    assert [(thing.name, len(thing.ids)) for thing in objects.read(tmp_path)] == [("mug", 200), ("mug 2", 200)]
    assert all(thing.color for thing in session.now.things)
    assert [(change.what, change.by is self) for change in heard] == [("things", True)] * 2
    with pytest.raises(InputError, match="Nothing is picked"):
        keeping.keep(session, RED_BALL[:0], "air")


def test_the_list_has_wholes_before_their_parts_and_only_what_is_there(session):
    keeping.keep(session, torch.arange(100), "handle")
    keeping.keep(session, RED_BALL, "mug")
    keeping.keep(session, GREEN_BALL, "plate")
    session.change_things(
        lambda things: [dataclasses.replace(t, parent="mug" if t.name == "handle" else None) for t in things], ""
    )
    assert [(row.thing.name, row.depth, len(row.ids)) for row in there(session.now)] == [
        ("mug", 0, 200),
        ("handle", 1, 100),
        ("plate", 0, 200),
    ]
    session.do(Delete(torch.arange(50, 400)), "Delete")
    assert [(row.thing.name, len(row.ids)) for row in there(session.now)] == [("mug", 50), ("handle", 50)]
    session.do(Delete(torch.arange(600)), "Delete all")
    assert there(session.now) == []
    session.undo()
    session.undo()
    assert len(there(session.now)) == 3


def test_parts_follow_a_new_name_and_a_name_is_given_once(session):
    keeping.keep(session, RED_BALL, "mug")
    keeping.keep(session, torch.arange(100), "handle")
    session.change_things(
        lambda things: [dataclasses.replace(t, parent="mug" if t.name == "handle" else None) for t in things], ""
    )
    assert keeping.rename(session, "mug", " cup\n") == "cup"
    assert [(thing.name, thing.parent) for thing in session.now.things] == [("cup", None), ("handle", "cup")]
    with pytest.raises(InputError, match="'handle' already"):
        keeping.rename(session, "cup", "handle")
    with pytest.raises(InputError, match="no name"):
        keeping.rename(session, "cup", " ")
    keeping.forget(session, "cup")
    assert [(thing.name, thing.parent) for thing in session.now.things] == [("handle", None)]
    assert len(session.gaussians) == 600


def test_another_colour_is_of_the_name_alone(session):
    keeping.keep(session, RED_BALL, "mug")
    before = session.gaussians
    keeping.recolor(session, "mug", (0.0, 1.0, 0.5))
    assert session.now.things[0].color == (0.0, 1.0, 0.5)
    assert session.gaussians is before


def test_a_copy_stands_beside_as_an_object_of_its_own(session):
    keeping.keep(session, GREEN_BALL, "ball")
    assert keeping.duplicate(session, there(session.now)[0], front()) == "ball 2"
    copy = there(session.now)[1]
    assert len(session.gaussians) == 800
    assert len(copy.ids) == 200
    assert isinstance(session.now.history.last.edit, Duplicate)
    rows = torch.isin(session.gaussians.ids, copy.ids)
    way = session.gaussians.means[rows].mean(0) - session.gaussians.means[200:400].mean(0)
    assert 0.8 < way[0] < 1.0  # the ball is 0.8 wide, and the camera's right is x
    assert way[1:].abs().max() < 1e-4
    session.undo()
    assert [row.thing.name for row in there(session.now)] == ["ball"]


def test_the_scene_proposes_its_balls_and_keeps_what_people_named(session):
    proposed = Proposed.of(session)
    counts = [len(proposed.at(size).found) for size in (0.0, 0.5, 1.0)]
    assert counts[0] >= counts[1] >= counts[2]
    maybe = proposed.named(proposed.at(0.8))
    for ball in (RED_BALL, GREEN_BALL):
        best = maybe.ids[likest(maybe.ids, ball[50:])]
        shared = int(torch.isin(best, ball).sum())
        assert shared / (len(best) + len(ball) - shared) > 0.9
    things = maybe.things()
    assert len({thing.name for thing in things}) == len(things) == len(maybe.found)

    keeping.keep(session, RED_BALL, "my ball")
    count = proposed.keep_all(session, maybe, 0.8)
    assert count == len(things)
    assert names(session)[0] == "my ball"
    again = proposed.at(0.8)
    shown = {tuple(ids.tolist()): color for ids, color in zip(again.ids, again.colors, strict=True)}
    for thing in session.now.things[1:]:
        assert thing.facts["proposed"]
        assert thing.color == pytest.approx(shown[tuple(thing.ids.tolist())], abs=0.01)


def test_nothing_is_like_what_it_has_nothing_of():
    assert likest([RED_BALL, GREEN_BALL], torch.arange(150, 260)) == 1
    assert likest([RED_BALL], GREEN_BALL) is None
    assert likest([], GREEN_BALL) is None


def test_an_empty_scene_proposes_nothing():
    with pytest.raises(InputError, match="no Gaussians left"):
        Proposed.of(Session(three_balls()[:0]))
