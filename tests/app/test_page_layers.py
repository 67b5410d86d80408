"""Every layer, the comparison, the photos and the help, in a real browser: what is painted, and what the panel says."""

import io
import math

import numpy as np
import pytest
import torch
from pages import PAINTED, PLACES, Page, lightness, until
from PIL import Image
from small_scenes import BLUE, GREEN, RED, labelled_balls, views

from semsplat.app.layers import Rgb
from semsplat.app.meaning import Meaning
from semsplat.app.panels.photos import PhotosPanel
from semsplat.app.pictures import to_bytes
from semsplat.app.poses import Pose
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer
from semsplat.distill.objects import Thing

pytestmark = pytest.mark.browser
IDS = torch.arange(600)
HOSTILE = "<img src=x onerror=window.hacked=1>"
FRONT = Pose(torch.tensor([0.0, -6.0, 0.0]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]), math.radians(45))
LINE = "document.getElementById('semsplat-border')?.style.left"


def scene(folder, count=2):
    gaussians, fields = labelled_balls()
    photos = views(folder, count)
    session = Session(gaussians, photos, "balls", meaning=Meaning(fields))
    for view in photos:
        np.save(view.pixels, to_bytes(session.picture(view.camera, Rgb())))
    return session


@pytest.fixture(scope="module")
def viewer(tmp_path_factory):
    viewer = Viewer(scene(tmp_path_factory.mktemp("photos")), port=0)
    viewer.opening = FRONT
    viewer.start()
    yield viewer
    viewer.stop()


@pytest.fixture
def page(chromium, viewer):
    page = Sight(chromium, viewer)
    yield page
    page.close()


class Sight(Page):
    """A page, and a visitor who looks at it in several ways."""

    def settle(self):
        super().settle()
        self.built()
        self.tab_of("View")

    def built(self):
        until(lambda: any(isinstance(part, PhotosPanel) for part in self.visitor.parts))
        self.done()

    def key(self, key, shown=None):
        """Press a key, and wait until the layer is shown and painted."""
        self.tab.keyboard.press(key)
        if shown:
            until(lambda: self.visitor.look.shown == shown)
            self.done()

    def done(self):
        """Until the page's worker has done all that was asked, and the page has painted it."""
        done = []
        self.visitor.do(lambda: done.append(True))
        until(lambda: done)
        if self.viewer.splats is not None:
            shaped = self.visitor.client.client_id in self.viewer.splats._shaped
            until(lambda: self.tab.evaluate(PAINTED, (1 + shaped) * len(self.viewer.splats)))
            assert self.viewer.server.ask(self.visitor.client, "window.semsplat.painted")  # after all colours came
            self.tab.wait_for_timeout(150)  # they are unpacked

    def slide(self, label, value):
        box = self.tab.locator(f'xpath=//label[normalize-space()="{label}"]/ancestor::div[2]//input').last
        box.fill(str(value))
        self.tab.keyboard.press("Enter")
        self.tab.evaluate("document.activeElement.blur()")  # keys are for the scene again
        self.done()


def near(color, expected, tolerance=0.07):
    torch.testing.assert_close(color, torch.as_tensor(expected).float(), atol=tolerance, rtol=0)


def test_numbers_show_every_layer_and_the_panel_says_what_its_colours_mean(page):
    page.key("2", "Depth")
    first, second, third = map(lightness, page.colors())
    assert first > second + 0.05 > third + 0.1
    until(lambda: "scene units" in page.text())
    page.key("3", "Coverage")
    near(page.color(PLACES[1]), (0.20, 0.55, 0.90))
    page.key("4", "Normals")
    until(lambda: "to you" in page.text())
    assert page.color(PLACES[1])[2] > 0.5  # blue: to you
    page.key("5", "Ellipsoids")
    ellipsoids = page.color(PLACES[0])
    assert ellipsoids[0] > ellipsoids[1] + 0.3
    page.key("6", "Points")
    assert page.tab.evaluate(PAINTED, 1200)
    rim = (0.0, 0.0, 0.46)
    dots = page.color(rim)
    page.key("1", "Colour")
    assert page.tab.evaluate(PAINTED, 600)
    assert lightness(dots) > lightness(page.color(rim)) + 0.02  # between dots the page shines through
    for color, expected in zip(page.colors(), (RED, GREEN, BLUE), strict=True):
        near(color, expected)


def test_highlights_and_what_is_hidden_show_in_shapes_too(page):
    page.key("5", "Ellipsoids")
    before = page.colors()
    page.visitor.do(lambda: page.visitor.pick(IDS[200:400]))
    page.done()
    after = page.colors()
    assert (after[1] - before[1]).abs().max() > 0.2
    near(after[0], before[0], 0.03)
    session = page.viewer.session
    session.change_things(lambda _: [Thing("red one", IDS[:200])], "named")
    page.visitor.look.hidden = frozenset({"red one"})
    page.visitor.do(lambda: page.visitor.refresh("things"))
    page.done()
    near(page.color(PLACES[0]), (1.0, 1.0, 1.0), 0.03)
    session.change_things(lambda _: [], "forgotten")


def test_features_have_the_components_that_are_chosen(page):
    page.key("7", "Features")
    three = torch.stack(page.colors())
    assert torch.pdist(three).min() > 0.2  # what differs looks different
    page.tab.get_by_text("All components", exact=True).wait_for()
    page.field("All components").click()
    until(lambda: page.visitor.look.components == (0, 1, 2))
    for name in ("Red", "Green", "Blue"):
        page.field(name).click()
        page.tab.get_by_role("option", name="1:").locator("visible=true").first.click()
    until(lambda: page.visitor.look.components == (0, 0, 0))
    page.done()
    for color in page.colors():
        assert color.max() - color.min() < 0.05
    page.field("All components").click()
    until(lambda: page.visitor.look.components is None)
    page.done()
    near(page.color(PLACES[0]), three[0], 0.03)


def test_objects_are_in_their_colours_with_a_legend(page):
    session = page.viewer.session
    page.key("0")
    page.tab.get_by_text("No object has a name yet").wait_for()
    session.change_things(lambda _: [Thing(HOSTILE, IDS[:200], color=(0.0, 0.0, 1.0))], "named")
    page.done()
    page.key("0", "Objects")
    color = page.color(PLACES[0])
    assert color[2] > color[0]
    near(page.color(PLACES[1]), GREEN)
    until(lambda: page.text().count(HOSTILE) >= 1)
    assert page.tab.evaluate("window.hacked === undefined")
    session.change_things(lambda _: [], "forgotten")
    until(lambda: page.visitor.look.shown == "Colour")


def test_opacity_lays_a_layer_over_the_scene(page):
    page.key("3", "Coverage")
    whole = page.color(PLACES[0])
    page.slide("Opacity", 0.5)
    assert page.visitor.look.opacity == 0.5
    near(page.color(PLACES[0]), (whole + torch.tensor(RED)) / 2)
    page.slide("Opacity", 0)
    near(page.color(PLACES[0]), RED)


@pytest.mark.parametrize(("key", "title"), [("2", "Depth"), ("6", "Points")])
def test_left_of_the_line_the_scene_is_in_its_colours(page, key, title):
    colors = page.colors()
    page.key("c")
    page.tab.get_by_text("Nothing to compare").wait_for()
    page.key(key, title)
    alone = page.colors()
    page.key("c")
    until(lambda: page.visitor.look.split == 0.5)
    page.done()
    assert page.tab.evaluate(LINE) == "50%"
    near(page.color(PLACES[0]), colors[0], 0.03)
    near(page.color(PLACES[2]), alone[2], 0.03)
    page.slide("Line at", 0.01)
    near(page.color(PLACES[0]), alone[0], 0.03)
    page.key("c")
    until(lambda: page.tab.evaluate(LINE) is None)


def test_photos_are_stood_at_compared_and_laid_over(page):
    visitor, views = page.visitor, page.viewer.session.views
    panel = next(part for part in visitor.parts if isinstance(part, PhotosPanel))
    page.tab.get_by_role("tab", name="Photos").click()
    page.tab.get_by_text("Choose a photo").wait_for()
    page.key("p")
    until(lambda: (visitor.camera().center - views[0].camera.center).norm() < 1e-3)
    page.tab.get_by_text("held out of the fit").wait_for()
    until(lambda: "dB" in page.text())
    assert float(panel.text.content.split("**")[3].split()[0]) > 40
    page.key("p")
    page.tab.get_by_text("used by the fit").wait_for()
    page.done()
    before = page.color(PLACES[1])
    page.key("o")
    page.tab.wait_for_selector("#semsplat-photo")
    page.tab.wait_for_function("document.getElementById('semsplat-photo').naturalWidth === 120")
    over = page.color(PLACES[1])
    near(over, before, 0.1)
    assert page.tab.evaluate("getComputedStyle(document.getElementById('semsplat-photo')).opacity") == "1"
    where = page.tab.evaluate("(() => { const b = document.getElementById('semsplat-photo').getBoundingClientRect();"
                              "return [b.left, b.top, b.width, b.height] })()")  # fmt: skip
    canvas = page.tab.locator("canvas[data-engine]").bounding_box()
    assert where[3] == pytest.approx(canvas["height"], rel=0.02)
    page.key("Home")
    until(lambda: page.tab.evaluate("document.getElementById('semsplat-photo')") is None)
    until(lambda: "Choose a photo" in page.text())


def test_a_question_mark_opens_the_help_but_not_while_one_types(page):
    page.field("Find").fill("what")
    page.field("Find").press("?")
    assert page.tab.get_by_role("dialog").count() == 0
    page.tab.evaluate("document.activeElement.blur()")
    page.tab.keyboard.press("?")
    dialog = page.tab.get_by_role("dialog")
    dialog.wait_for()
    text = dialog.inner_text().replace("\N{NO-BREAK SPACE}", " ")
    for part in ("Right drag", "Depth", "Compare", "Next photo", "Brush", "Esc", "Shift P", "Del or X"):
        assert part in text
    dialog.get_by_role("button", name="Close").click()
    until(lambda: page.tab.get_by_role("dialog").count() == 0)

    page.visitor.do(lambda: page.visitor.pick(IDS[:200]))
    page.tab.keyboard.press("?")
    dialog.wait_for()
    page.tab.keyboard.press("Escape")  # for the dialog, not for what is picked
    until(lambda: page.tab.get_by_role("dialog").count() == 0)
    page.done()
    assert len(page.visitor.look.picked) == 200

    version = page.viewer.session.now.version
    page.tab.keyboard.press("Control+k")
    commands = page.tab.get_by_placeholder("Search commands")
    commands.wait_for()
    page.tab.keyboard.press("Escape")  # none of them
    commands.wait_for(state="hidden")
    page.done()
    assert len(page.visitor.look.picked) == 200 and page.viewer.session.now.version == version
    assert page.tab.get_by_role("dialog").count() == 0


def test_pictures_from_the_server_have_the_colours_and_the_page_s_background(chromium, tmp_path):
    viewer = Viewer(scene(tmp_path), port=0, engine="server")
    viewer.opening = FRONT
    viewer.start()
    try:
        page = Pictures(chromium, viewer, color_scheme="dark")
        page.tab_of("View")
        until(lambda: "the server, as pictures" in page.text())
        for color, expected in zip(page.colors(), (RED, GREEN, BLUE), strict=True):
            near(color, expected)
        near(page.color((0.0, 0.0, 1.2)), (0.078, 0.078, 0.078), 0.02)
        page.key("2", "Depth")
        first, second, third = map(lightness, page.colors())
        assert first > second + 0.05 > third + 0.1
        until(lambda: "scene units" in page.text())
        page.key("5", "Ellipsoids")
        assert page.color(PLACES[0])[0] > 0.3
        page.close()
    finally:
        viewer.stop()


class Pictures(Sight):
    """A page that the server draws."""

    def settle(self):
        self.built()
        notice = self.tab.locator(".mantine-Notification-closeButton")
        if notice.count():
            notice.first.click()

    def done(self):
        super().done()
        until(lambda: self.visitor.engine.stream.stats.sharp)

    def shot(self):
        self.done()
        self.tab.wait_for_timeout(300)
        return np.asarray(Image.open(io.BytesIO(self.tab.screenshot())).convert("RGB"))
