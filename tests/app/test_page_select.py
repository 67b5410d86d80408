"""Every tool of the page as a visitor uses it: what the server holds and what the page shows."""

import re

import pytest
import torch
from pages import PAINTED, PLACES, Page, balls, until
from small_scenes import labelled_balls, views

from semsplat.app.browser import camera_of
from semsplat.app.meaning import Meaning
from semsplat.app.panels.picked import Picked
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer
from semsplat.app.world import World
from semsplat.distill.objects import Thing

pytestmark = pytest.mark.browser
INK = """() => {
  const paper = document.querySelector("#semsplat-trace");
  if (paper.style.display === "none") return 0;
  const { data } = paper.getContext("2d").getImageData(0, 0, paper.width, paper.height);
  return data.filter((value, i) => i % 4 === 3 && value).length;
}"""


class Hand(Page):
    """A page, and a visitor who picks."""

    @property
    def picked(self):
        return self.visitor.look.picked

    @property
    def panel(self):
        return next(part for part in self.visitor.parts if isinstance(part, Picked))

    def take(self, tool):
        self.tab.get_by_role("button", name=tool, exact=True).click()
        self.tab.wait_for_function(f"window.semsplat.hand === '{tool.lower()}'")
        self.tab.evaluate(PAINTED, len(self.viewer.splats))

    def beside(self, place, dx=0.0, dy=0.0):
        x, y = self.where(place)
        return x + dx, y + dy

    def drag(self, points, modifier=None, before_end=lambda: None):
        """With the left button held, along these pixels of the page."""
        mouse = self.tab.mouse
        mouse.move(*points[0])
        if modifier:
            self.tab.keyboard.down(modifier)
        mouse.down()
        for point in points[1:]:
            mouse.move(*point, steps=2)
        before_end()
        mouse.up()
        if modifier:
            self.tab.keyboard.up(modifier)

    def square(self, place, half):
        return [self.beside(place, x * half, y * half) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]

    def press(self, key):
        before = self.picked
        self.tab.keyboard.press(key)
        until(lambda: self.picked is not before)


@pytest.fixture(scope="module")
def viewer(tmp_path_factory):
    gaussians, fields = labelled_balls()
    photos = views(tmp_path_factory.mktemp("photos"))
    session = Session(gaussians, photos, "balls", meaning=Meaning(fields, [view.camera for view in photos]))
    things = [Thing.of(name, gaussians, gaussians.ids // 200 == i) for i, name in enumerate(("red", "green", "blue"))]
    session.change_things(lambda _: things, "named")
    viewer = Viewer(session, port=0)
    viewer.start()
    yield viewer
    viewer.stop()


@pytest.fixture
def page(chromium, viewer):
    page = Hand(chromium, viewer)
    yield page
    page.close()


def test_tolerance_slides_what_was_clicked_and_asks_nothing_anew(page, monkeypatch):
    before = page.colors()
    page.click(PLACES[0])
    until(lambda: len(page.picked) == 200)
    until(lambda: "200 of 600 Gaussians picked" in page.text())
    assert re.search(r"0\.\d+ × 0\.\d+ × 0\.\d+ units \(w, d, h\)", page.text())
    page.click(PLACES[1], "Shift")
    until(lambda: balls(page.picked) == {0, 1})
    monkeypatch.setattr(page.viewer.session.meaning, "select", None)  # cannot be asked
    page.slide("Tolerance", "0.05")
    few = until(lambda: len(page.picked) if 200 < len(page.picked) < 400 else 0)  # the first stays whole
    until(lambda: f"{few} of 600 Gaussians picked" in page.text())
    until(lambda: (moved := page.moved(before))[0] > 0.25 and moved[2] < 0.03)
    page.tab.get_by_role("button", name="Natural tolerance").click()
    until(lambda: len(page.picked) == 400)
    until(lambda: page.number("Tolerance").input_value() == "0.5")


def test_a_thing_of_another_size(page):
    page.click(PLACES[0])
    until(lambda: balls(page.picked) == {0})
    page.choose("Size", "group")
    until(lambda: page.panel.tools.size == "group")
    page.slide("Tolerance", "1")
    until(lambda: len(page.picked) == 600)
    page.choose("Alike in", "none")
    until(lambda: page.panel.tools.pointed.chosen.found.way == "tree")
    until(lambda: balls(page.picked) == {0})


def test_a_box_picks_what_is_in_it(page):
    page.take("Box")
    camera = camera_of(page.visitor.client)
    corners = page.square(PLACES[0], 35)
    page.drag([corners[0], corners[2]])
    until(lambda: balls(page.picked) == {0})
    assert torch.equal(camera_of(page.visitor.client).world_to_camera, camera.world_to_camera)
    assert page.color(PLACES[0])[2] > 0.3  # red and the highlight
    corners = page.square(PLACES[1], 35)
    page.drag([corners[0], corners[2]], "Shift")
    until(lambda: balls(page.picked) == {0, 1})
    corners = page.square(PLACES[0], 80)
    page.drag([corners[0], corners[2]], "Control")
    until(lambda: balls(page.picked) == {1})


def test_a_box_around_a_thing_picks_all_of_it(page):
    page.take("Around")
    corners = page.square(PLACES[1], 75)
    page.drag([corners[0], corners[2]])
    until(lambda: balls(page.picked) == {1})
    until(lambda: f"{len(page.picked)} of 600 Gaussians picked" in page.text())
    assert len(page.picked) > 190  # its far side, too


def test_the_brush_paints_the_surface_and_shows_its_trace(page):
    page.take("Brush")
    camera = camera_of(page.visitor.client)
    line = [page.beside(PLACES[0], -20), page.beside(PLACES[0], 20)]
    page.drag(line, before_end=lambda: until(lambda: page.tab.evaluate(INK) > 500))
    until(lambda: balls(page.picked) == {0})
    few = len(page.picked)
    assert few < 120
    page.tab.mouse.move(990, 10)
    until(lambda: page.tab.evaluate(INK) == 0)  # the trace is gone
    assert torch.equal(camera_of(page.visitor.client).world_to_camera, camera.world_to_camera)
    page.choose("Reach", "Through")
    until(lambda: page.panel.tools.through)
    page.drag(line)
    until(lambda: len(page.picked) > few)  # also what is behind
    assert balls(page.picked) == {0}
    page.click(PLACES[1], "Shift")  # a dot
    until(lambda: balls(page.picked) == {0, 1})
    page.slide("Width", "20")
    until(lambda: page.panel.tools.radius == 0.1)
    page.click(PLACES[1], "Control")
    until(lambda: balls(page.picked) == {0})


def test_alt_turns_the_view_while_a_tool_is_in_hand(page):
    page.take("Brush")
    before = camera_of(page.visitor.client)
    page.drag([(300, 500), (340, 500)], "Alt")
    until(lambda: (camera_of(page.visitor.client).center - before.center).norm() > 0.05)
    assert len(page.picked) == 0
    made = page.tab.evaluate("window.__viserTestpoints.rendererInfo.programs.map((program) => program.name)")
    assert made and not any("PMREM" in name for name in made)  # it takes seconds without a GPU


def test_the_lasso_on_the_surface_and_through_it(page):
    page.take("Lasso")
    around = page.square(PLACES[1], 70)
    page.drag(around, before_end=lambda: until(lambda: page.tab.evaluate(INK) > 500))
    until(lambda: balls(page.picked) == {1})
    few = len(page.picked)
    assert few < 190
    page.tab.keyboard.press("n")
    until(lambda: page.panel.tools.through)
    until(lambda: page.field("Reach").input_value() == "Through")
    page.drag(around)
    until(lambda: len(page.picked) == 200)
    until(lambda: "200 of 600" in page.text())


def test_strokes_add_up_and_a_stroke_on_something_else_keeps_it_out(page):
    page.take("Stroke")
    page.drag([page.beside(PLACES[0], -12), page.beside(PLACES[0], 12)])
    until(lambda: balls(page.picked) == {0})
    page.drag([page.beside(PLACES[1], -12), page.beside(PLACES[1], 12)])
    until(lambda: balls(page.picked) == {0, 1})
    page.tab.get_by_role("button", name="Start over").click()
    until(lambda: "Nothing is picked" in page.text())
    page.choose("Size", "group")
    page.drag([page.beside(PLACES[0], -12), page.beside(PLACES[0], 12)])
    until(lambda: balls(page.picked) == {0})
    page.slide("Tolerance", "1")
    until(lambda: balls(page.picked) == {0, 1, 2})
    page.choose("Stroke is", "not on it")
    until(lambda: page.panel.tools.negative)
    page.drag([page.beside(PLACES[1], -12, 5), page.beside(PLACES[1], 12, 5)])
    until(lambda: balls(page.picked) == {0, 2})


def test_keys_and_buttons_change_the_selection(page):
    page.click(PLACES[1])
    until(lambda: len(page.picked) == 200)
    page.press("Control+i")
    assert balls(page.picked) == {0, 2}
    page.press("Control+a")
    assert len(page.picked) == 600
    page.press("Escape")
    until(lambda: "Nothing is picked" in page.text())
    until(page.tab.get_by_role("button", name="Grow", exact=True).is_disabled)
    page.tab.keyboard.press("b")
    page.tab.wait_for_function("window.semsplat.hand === 'brush'")
    page.tab.evaluate(PAINTED, 600)
    page.click(PLACES[1])
    until(lambda: len(page.picked))
    few = len(page.picked)
    page.tab.get_by_role("button", name="Grow", exact=True).click()
    until(lambda: len(page.picked) > few)
    grown = len(page.picked)
    page.press("PageDown")
    assert len(page.picked) < grown
    assert balls(page.picked) <= {1}


def test_what_is_hidden_or_locked_cannot_be_picked(page):
    look = page.visitor.look
    look.hidden = frozenset({"green"})
    page.click(PLACES[1])
    page.tab.get_by_text("Nothing is there").wait_for()
    page.press("Control+a")
    assert balls(page.picked) == {0, 2}
    look.hidden, look.locked = frozenset(), frozenset({"red"})
    page.click(PLACES[0])
    page.tab.get_by_text("That is locked").wait_for()
    assert len(page.picked) == 0


def test_two_clicks_say_how_far_and_set_the_scale(page):
    session = page.viewer.session
    page.take("Measure")
    page.click(PLACES[0])
    until(lambda: "Click the other end" in page.text())
    page.click(PLACES[2])
    until(lambda: "scene units apart" in page.text())
    assert len(page.picked) == 0  # nothing is picked on the way
    page.field("It is").fill("long")
    Page.press(page, page.panel.ruler.set)
    until(lambda: "is no length" in page.text())
    page.field("It is").fill("80 cm")
    Page.press(page, page.panel.ruler.set)
    until(lambda: "0.8 m apart" in page.text())
    assert session.world.metric and "A unit of the scene is" in page.text()
    page.take("Thing")
    until(lambda: "m apart" not in page.text())
    page.click(PLACES[1])
    until(lambda: " m (w, d, h)" in page.text())
    session.place(World.of_cameras([view.camera for view in session.views]))
