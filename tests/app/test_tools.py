"""Tools without a browser: what is clicked and drawn becomes a selection, and can be mended and slid."""

import threading

import pytest
import torch
from small_scenes import front, labelled_balls, pixel_of

from semsplat.app import tools as toolbox
from semsplat.app.look import NOTHING, Look
from semsplat.app.meaning import Meaning
from semsplat.app.session import Session
from semsplat.app.tools import AROUND, BOX, BRUSH, LASSO, STROKE, TOOLS, Tools
from semsplat.app.viewer import Viewer
from semsplat.distill.objects import Thing
from semsplat.splatting.errors import InputError

CAMERA = front(240, 160)
BALLS = ((-1.2, -1.0, 0.0), (0.0, 0.0, 0.0), (1.2, 2.0, 0.0))


class Visitor:
    """A page without a browser."""

    def __init__(self):
        gaussians, fields = labelled_balls()
        self.session, self.look, self.said = Session(gaussians, meaning=Meaning(fields)), Look(), []
        self.tools = Tools(self)

    def pick(self, ids):
        self.look.picked = self.look.pickable(self.session.now, ids) if len(ids) else NOTHING
        self.tools.refresh("picked")

    def say(self, title, text=""):
        self.said.append(title)

    def name_balls(self):
        gaussians, rows = self.session.gaussians, torch.arange(600) // 200
        things = [Thing.of(name, gaussians, rows == i) for i, name in enumerate(("red", "green", "blue"))]
        self.session.change_things(lambda _: things, "named")

    @property
    def balls(self):
        return {int(i) // 200 for i in self.look.picked}


@pytest.fixture
def visitor():
    return Visitor()


def at(ball, dx=0.0, dy=0.0):
    """A place on the picture: the middle of a ball, and so many pixels off."""
    x, y = pixel_of(CAMERA, BALLS[ball])
    return (x + dx) / CAMERA.width, (y + dy) / CAMERA.height


def test_clicks_replace_add_and_take_away(visitor):
    tools = visitor.tools
    tools.click(CAMERA, at(0), None)
    assert visitor.balls == {0}
    tools.click(CAMERA, at(1), None)
    assert visitor.balls == {1}
    tools.click(CAMERA, at(2), "shift")
    assert visitor.balls == {1, 2}
    tools.click(CAMERA, at(1), "cmd/ctrl")
    assert visitor.balls == {2}


def test_a_click_on_nothing_picks_nothing(visitor):
    visitor.tools.click(CAMERA, (0.01, 0.01), None)
    assert visitor.said == ["Nothing is there"]
    visitor.tools.click(CAMERA, at(0), None)
    visitor.tools.click(CAMERA, (0.01, 0.01), "shift")
    assert visitor.balls == {0}
    visitor.tools.click(CAMERA, (0.01, 0.01), None)
    assert visitor.balls == set()


def test_tolerance_slides_without_asking_anew_and_concerns_what_was_pointed_at_last(visitor, monkeypatch):
    tools = visitor.tools
    tools.click(CAMERA, at(0), None)
    first = visitor.look.picked
    tools.click(CAMERA, at(1), "shift")
    natural = visitor.look.picked
    monkeypatch.setattr(type(visitor.session.meaning), "select", None)  # cannot be asked
    tools.slide(0.05)
    little = visitor.look.picked
    assert set(first.tolist()) <= set(little.tolist())  # what was picked before stays
    assert len(first) < len(little) < len(natural)
    tools.slide(None)
    assert torch.equal(visitor.look.picked, natural)


def test_what_somebody_else_picks_cannot_be_slid(visitor):
    visitor.tools.click(CAMERA, at(0), None)
    visitor.pick(torch.arange(5))
    visitor.tools.slide(1.0)
    assert len(visitor.look.picked) == 5
    assert visitor.tools.pointed is None


@pytest.mark.slow
def test_size_and_field_ask_anew_about_the_same_place(visitor):
    tools = visitor.tools
    tools.click(CAMERA, at(1), None)
    assert visitor.balls == {1}
    tools.size = "group"
    tools.again()
    tools.slide(1.0)
    assert visitor.balls == {0, 1, 2}  # all that is alike enough, wherever it is
    tools.field = "none"
    tools.again()
    assert tools.pointed.tolerance is None
    assert tools.pointed.chosen.found.way == "tree"
    assert visitor.balls == {1}


def test_strokes_add_up_and_say_what_is_not_meant(visitor):
    tools = visitor.tools
    tools.tool = STROKE
    tools.draw(CAMERA, [at(0, -2), at(0, 2)], None)
    assert visitor.balls == {0}
    tools.draw(CAMERA, [at(1, -2), at(1, 2)], None)
    assert visitor.balls == {0, 1}
    assert len({id(prompt.camera) for prompt in tools.pointed.prompts}) == 1  # one picture
    tools.draw(CAMERA, [at(2)], None)  # small and far away: it counts, too
    assert visitor.balls == {0, 1, 2}
    tools.start_over()
    tools.draw(CAMERA, [at(0)], None)
    tools.draw(CAMERA, [at(1)], None)
    tools.draw(CAMERA, [at(2)], "shift")  # another thing besides
    assert visitor.balls == {0, 1, 2}
    tools.start_over()
    assert visitor.balls == {0, 1}
    tools.draw(CAMERA, [at(0)], "cmd/ctrl")  # no stroke to mend: takes away
    assert visitor.balls == {1}


@pytest.mark.parametrize("toggle", [True, False])
def test_a_stroke_on_something_else_keeps_it_out(visitor, toggle):
    tools = visitor.tools
    tools.tool, tools.size = STROKE, "group"
    tools.draw(CAMERA, [at(0)], None)
    tools.slide(1.0)
    assert visitor.balls == {0, 1, 2}
    tools.negative = toggle
    tools.draw(CAMERA, [at(1, 0, 3)], None if toggle else "cmd/ctrl")
    assert visitor.balls == {0, 2}
    with pytest.raises(InputError, match="nothing under"):
        tools.draw(CAMERA, [(0.01, 0.01)], None)
    assert len(tools.pointed.prompts) == 2  # that one does not count
    assert visitor.balls == {0, 2}


def test_a_box_around_a_thing_picks_it_as_a_whole(visitor):
    visitor.tools.tool = AROUND
    visitor.tools.box(CAMERA, at(1, -20, -20), at(1, 20, 20), None)
    assert visitor.balls == {1}
    assert len(visitor.look.picked) == 200
    visitor.tools.box(CAMERA, at(0, 26, 26), at(0, -26, -26), "shift")
    assert visitor.balls == {0, 1}


@pytest.mark.parametrize("tool", [BOX, LASSO, BRUSH])
def test_a_region_reaches_the_surface_or_through_it(visitor, tool):
    tools = visitor.tools
    tools.tool, tools.radius = tool, 0.09
    corners = [at(0, -14, -14), at(0, 14, -14), at(0, 14, 14), at(0, -14, 14)]

    def draw(how):
        if tool is BOX:
            tools.box(CAMERA, corners[0], corners[2], how)
        else:
            tools.draw(CAMERA, corners if tool is LASSO else [at(0)], how)

    draw(None)
    seen = len(visitor.look.picked)
    assert visitor.balls == {0}
    tools.through = True
    draw(None)
    there = len(visitor.look.picked)
    assert visitor.balls == {0} and there > 1.3 * seen  # also its far side
    draw("cmd/ctrl")
    assert len(visitor.look.picked) == 0
    visitor.pick(torch.arange(200, 210))
    draw("shift")
    assert len(visitor.look.picked) == there + 10
    assert tools.pointed is None


def test_grow_shrink_invert_and_everything(visitor):
    tools = visitor.tools
    visitor.pick(torch.tensor([250]))
    tools.grow()
    grown = len(visitor.look.picked)
    assert visitor.balls == {1} and grown > 2
    tools.shrink()
    assert 0 < len(visitor.look.picked) < grown
    tools.invert()
    assert 250 not in visitor.look.picked
    tools.everything()
    assert len(visitor.look.picked) == 600
    tools.shrink()
    assert len(visitor.look.picked) == 600  # there is no border
    tools.invert()
    assert len(visitor.look.picked) == 0


def test_what_is_hidden_is_pointed_through_and_what_is_locked_stays(visitor):
    visitor.name_balls()
    tools = visitor.tools
    visitor.look.hidden = frozenset({"green"})
    tools.click(CAMERA, at(1), None)
    assert visitor.said == ["Nothing is there"]
    tools.everything()
    assert visitor.balls == {0, 2}
    visitor.look.hidden, visitor.look.locked = frozenset(), frozenset({"green"})
    tools.click(CAMERA, at(1), None)
    assert visitor.said[1:] == ["That is locked"]
    assert visitor.balls == set()
    visitor.look.locked, visitor.look.alone = frozenset(), "blue"
    tools.everything()
    assert visitor.balls == {2}


def test_two_clicks_measure_and_a_third_begins_anew(visitor):
    tools = visitor.tools
    tools.measure(CAMERA, at(0))
    tools.measure(CAMERA, at(2))
    apart = (tools.measured[1] - tools.measured[0]).norm().item()
    between = (torch.tensor(BALLS[2]) - torch.tensor(BALLS[0])).norm().item()
    assert between - 0.8 < apart < between + 0.8  # the surfaces of two balls of radius 0.4
    tools.measure(CAMERA, (0.01, 0.01))
    assert visitor.said == ["Nothing is there"] and len(tools.measured) == 2
    tools.measure(CAMERA, at(1))
    assert len(tools.measured) == 1 and not len(visitor.look.picked)


def test_every_tool_has_its_own_key_which_moves_no_camera():
    keys = [tool.hotkey for tool in TOOLS.values()]
    assert len(set(keys)) == len(keys) == 7
    assert not set(keys) & set("WASDQE")
    assert toolbox.combined(torch.arange(3), torch.arange(2, 5), None).tolist() == [2, 3, 4]


def test_a_viewer_makes_what_the_first_click_needs_when_it_starts(visitor, monkeypatch):
    viewer = Viewer(visitor.session, port=0)
    viewer.start()
    try:
        for thread in threading.enumerate():
            if thread.name == "semsplat-prepare":
                thread.join(30)
        monkeypatch.setattr("semsplat.distill.segment.build", None)  # cannot be made any more
        visitor.tools.click(CAMERA, at(0), None)
        assert visitor.balls == {0}
    finally:
        viewer.stop()
