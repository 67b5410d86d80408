"""One visitor's questions: what is answered, what is said when nothing is, and what becomes an object."""

import pytest
import torch
from small_scenes import front, labelled_balls, three_balls

from semsplat.app.asking import Asking, between_commas, is_compared, slider_range
from semsplat.app.look import HEAT, NAMES, Asked, Look, Shared
from semsplat.app.meaning import Meaning
from semsplat.app.session import Session
from semsplat.splatting.camera import Camera
from semsplat.splatting.edit import Delete

HOSTILE = "<img src=x onerror=window.hacked=1>"


@pytest.fixture
def session():
    gaussians, fields = labelled_balls()
    return Session(gaussians, meaning=Meaning(fields))


@pytest.fixture
def asking(session):
    return Asking(session)


def test_a_question_gives_things_with_scores(asking):
    reply = asking.ask("  green ball ", camera=front())
    assert sorted(reply.chosen.tolist()) == list(range(200, 400))
    (line,) = reply.lines
    assert line.taken and line.label.startswith("green ball · 0.8") and line.ids.tolist() == list(range(200, 400))
    assert "**1 thing** · 200 of 600 Gaussians" in reply.said
    assert asking.history == ["  green ball "] and not reply.offered


def test_things_that_are_compared_give_reasons_and_have_no_threshold(asking):
    reply = asking.ask("the leftmost ball", camera=front())
    assert {int(i) // 200 for i in reply.chosen} == {0}
    assert is_compared(reply.asked) and "Understood as:" in reply.said
    assert reply.lines[0].label.endswith("leftmost 1.00") and [line.taken for line in reply.lines] == [
        True,
        False,
        False,
    ]
    behind = Camera.look_at(torch.tensor([0.0, 9.0, 0.0]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]), 0.8, 120, 80)
    assert {int(i) // 200 for i in asking.ask("the leftmost ball", camera=behind).chosen} == {2}


def test_a_threshold_cuts_at_once_and_settles_into_things(asking):
    asking.ask("red ball")
    sure = asking.cut(0.9)
    assert sure.tolist() == list(range(0, 200, 2))
    reply = asking.settle(0.9)
    assert reply.chosen.tolist() == sure.tolist()
    assert reply.asked.answer.threshold == 0.9
    assert asking.cut(-1.0).tolist() == list(range(600))
    asking.forget()
    assert asking.settle(0.5) is None and not len(asking.cut(0.5))


def test_words_that_nobody_knows_are_answered_with_near_ones(asking):
    reply = asking.ask("green bull on a hill")
    assert reply.asked is None and "Nothing here is called" in reply.said.replace("&#39;", "'")
    assert reply.offered[0] == "green ball"
    assert asking.history == []


def test_a_hostile_text_stays_text(asking):
    for text in (HOSTILE, f"red ball, {HOSTILE}", f"the largest {HOSTILE}"):
        assert "<" not in asking.ask(text).said


def test_nothing_is_an_answer_with_the_reason(asking):
    reply = asking.ask("red ball on the blue ball")
    assert reply.asked is not None and not len(reply.chosen) and "**Nothing found.**" in reply.said
    assert asking.whole() is None
    assert asking.ask(" , ").said.startswith("Type what you look for") and asking.reply.offered


def test_several_names_share_the_scene_out(asking):
    reply = asking.ask("blue ball, red ball, dragon")
    assert [line.label for line in reply.lines] == ["blue ball · 200", "red ball · 200"]
    assert reply.lines[0].ids.tolist() == list(range(400, 600))
    assert reply.lines[0].color != reply.lines[1].color
    assert "2 of 3 names" in reply.said and "dragon" in reply.said
    assert reply.shared is not None and not len(reply.chosen)


def test_what_is_not_meant_is_left_out(asking):
    asking.ask("red ball", but_not="anvil")
    assert asking.reply.asked.answer.kind == "relevancy"
    asked, again = asking.reply.asked, asking.settle(0.6)
    assert again.asked.answer.kind == "relevancy"
    assert asked.answer.scores[0] > asked.answer.scores[1]


def test_what_was_found_becomes_objects_with_facts(asking, session):
    asking.ask("red ball")
    assert asking.keep(asking.whole()) == ["red ball"]
    assert asking.keep(asking.whole()) == ["red ball 2"]
    first = session.now.things[0]
    assert first.ids.tolist() == list(range(200))
    assert (first.facts["question"], first.facts["teacher"], first.facts["kind"]) == ("red ball", "labels", "cosine")
    asking.ask("green ball, blue ball")
    assert asking.keep(*asking.reply.lines) == ["green ball", "blue ball"]
    assert session.now.things[-1].color == pytest.approx(asking.reply.lines[1].color)


def test_a_scene_without_words_says_what_to_do():
    asking = Asking(Session(three_balls()))
    assert asking.names == [] and asking.examples == ()
    assert "semsplat distill" in asking.ask("mug").said.replace("&#45;", "-")


def test_history_has_each_question_once_and_the_newest_first(asking):
    for text in ("red ball", "green ball", "red ball", *(f"{'the ' * i}blue ball" for i in range(9))):
        asking.ask(text)
    assert len(asking.history) == 8 and asking.history[0] == "the " * 8 + "blue ball"
    assert len(set(asking.history)) == 8


def test_heat_and_names_follow_edits(session):
    gaussians = session.gaussians
    answer, found = session.ask("green ball"), session.share_out(["green ball", "red ball"])
    look = Look(shown=HEAT, asked=Asked(answer, gaussians), shared=Shared(found, gaussians.ids))
    assert {HEAT, NAMES} < set(look.layers(session))
    session.do(Delete(torch.arange(100)), "delete")
    now = session.now
    heat = look.drawn(session, now, front())
    assert torch.equal(heat.scores, answer.scores[100:]) and heat.high == look.asked.heat.high
    look.shown = NAMES
    tints = look.drawn(session, now, front()).tints
    assert len(tints) == 500 and (tints[100:300, 3] > 0).all() and (tints[300:, 3] == 0).all()


@pytest.mark.parametrize(
    ("low", "high", "threshold", "expected"),
    [(-0.0074, 1.0, 0.5, (-0.01, 1.0, 0.01)), (0.2, 0.23, None, (0.2, 0.23, 1e-4)), (0.0, 0.5, 0.9, (0.0, 0.9, 0.01))],
)
def test_a_slider_has_round_ends_and_holds_the_threshold(low, high, threshold, expected):
    assert slider_range(low, high, threshold) == pytest.approx(expected)


def test_names_stand_between_commas():
    assert between_commas(" a  b, c;a b ,, \n d") == ["a b", "c", "d"]
