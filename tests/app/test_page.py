"""The page in a real browser: what is painted, what a click does, and that it comes back after a reload."""

import pytest
import torch
from pages import PAINTED, PLACES, Page, balls, lightness, new_context, until
from small_scenes import BLUE, GREEN, RED, three_balls, views

from semsplat.app.browser import camera_of
from semsplat.app.poses import Pose
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer
from semsplat.splatting.errors import InputError

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=window.hacked=1> ![a](/etc/hostname) <b id=hacked>"


@pytest.fixture(scope="module")
def viewer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    session = Session(three_balls(), views(folder), HOSTILE, held_out_psnr=31.5, generated=True)
    viewer = Viewer(session, port=0)
    viewer.start()
    yield viewer
    viewer.stop()


def test_the_page_paints_the_splats_and_says_what_they_are(page):
    for color, expected in zip(page.colors(), (RED, GREEN, BLUE), strict=True):
        torch.testing.assert_close(color, torch.tensor(expected), atol=0.06, rtol=0)
    assert page.tab.evaluate("window.semsplat.smallSplats")  # the shader was mended
    text = page.text()
    for part in ("600 Gaussians", "4 photos, 1 held out", "31.5 dB", "made by a program", "Click on a thing"):
        assert part in text


def test_a_hostile_name_is_only_text(page):
    assert HOSTILE in page.text()
    assert page.tab.evaluate("window.hacked === undefined && !document.querySelector('#hacked, img[src=x]')")


def test_depth_is_light_near_and_dark_far_and_colour_comes_back(page):
    before = page.colors()
    page.show("Depth")

    def ordered():
        near, middle, far = map(lightness, page.colors())
        return near > middle + 0.08 > far + 0.16

    until(ordered)
    page.show("Colour")
    until(lambda: max(page.moved(before)) < 0.02)


def test_a_click_lights_up_what_is_behind_it_and_nothing_else(page):
    before = page.colors()
    painted = page.painted
    page.click(PLACES[1])
    pick = until(lambda: page.visitor.look.picked.tolist())
    assert balls(pick) == {1}
    until(lambda: f"{len(pick)} of 600 Gaussians picked" in page.text())
    until(lambda: page.painted > painted)
    until(lambda: (moved := page.moved(before))[1] > 0.25 and max(moved[0], moved[2]) < 0.03)

    page.click(PLACES[0], "Shift")
    until(lambda: balls(page.visitor.look.picked) == {0, 1})
    page.click(PLACES[1], "Control")
    until(lambda: balls(page.visitor.look.picked) == {0})
    page.tab.keyboard.press("Escape")
    until(lambda: "Nothing is picked" in page.text())
    page.like(PLACES[0], before[0], 0.03)


def test_until_the_scene_is_there_the_page_says_what_it_opens(chromium, viewer, page):
    assert page.tab.title() == f"{HOSTILE} · semsplat"
    until(lambda: not page.tab.locator("#semsplat-opening").count())
    context = new_context(chromium)
    tab = context.new_page()
    tab.add_init_script(
        "window.Worker = class extends EventTarget { postMessage() {} terminate() {} }"
    )  # no connection
    tab.goto(viewer.server.url)
    tab.get_by_text(f"Opening {HOSTILE}").wait_for()
    tab.get_by_text("look at the terminal").wait_for()
    assert tab.evaluate("window.hacked === undefined")
    context.close()


def test_on_a_phone_the_panel_is_below_the_scene(chromium, viewer):
    page = Page(chromium, viewer, viewport={"width": 390, "height": 844})
    scene, tab = page.tab.locator("canvas[data-engine]"), page.tab.get_by_role("tab", name="Share")
    panel = page.tab.locator(".mantine-Paper-root", has=tab).first
    until(lambda: panel.bounding_box()["width"] == 390)
    until(lambda: scene.bounding_box()["height"] <= panel.bounding_box()["y"] + 20)
    until(lambda: abs(camera_of(page.visitor.client).height / camera_of(page.visitor.client).width - 422 / 390) < 0.03)
    page.click(PLACES[1])  # what is pointed at is what is picked
    until(lambda: balls(page.visitor.look.picked) == {1})
    page.tab.get_by_text("semsplat", exact=True).click()  # closes the panel
    until(lambda: scene.bounding_box()["height"] == 844)
    page.close()


def test_buttons_say_what_they_do(page):
    delete = page.tab.get_by_role("button", name="Delete", exact=True)
    until(lambda: (delete.get_attribute("title") or "").startswith("Pick something first"))
    page.click(PLACES[1])
    until(lambda: (delete.get_attribute("title") or "").endswith("away (X)."))
    page.tab.keyboard.press("Escape")


def test_after_a_reload_the_page_is_as_new(page):
    page.show("Depth")
    page.click(PLACES[1])
    until(lambda: "picked" in page.text())
    old = page.visitor
    page.tab.reload()
    until(lambda: page.viewer.pages and page.visitor is not old)
    page.settle()
    assert len(page.visitor.look.picked) == 0
    page.like(PLACES[0], RED, 0.06)
    assert "Click on a thing" in page.text()


def test_two_visitors_do_not_see_each_others_selection(chromium, viewer, page):
    other = Page(chromium, viewer, color_scheme="dark")
    try:
        _with_two(viewer, page, other)
    finally:
        other.leave()
        until(lambda: len(viewer.pages) == 1)


def _with_two(viewer, page, other):
    painted = other.painted
    page.tab.mouse.click(*page.where(PLACES[2]))
    pick = until(lambda: next((v.look.picked.tolist() for v in viewer.pages if len(v.look.picked)), None))
    assert balls(pick) == {2}
    assert sorted(len(visitor.look.picked) > 0 for visitor in viewer.pages) == [False, True]
    until(lambda: "Nothing is picked" not in page.text())
    assert "Nothing is picked" in other.text()
    assert other.painted == painted
    torch.testing.assert_close(other.color(PLACES[2]), torch.tensor(BLUE), atol=0.06, rtol=0)
    assert other.tab.evaluate("document.documentElement.dataset.mantineColorScheme") == "dark"
    assert page.tab.evaluate("document.documentElement.dataset.mantineColorScheme") == "light"


def test_a_click_on_a_photo_flies_there_and_picks_nothing(page):
    page.tab.get_by_role("tab", name="Photos").click()
    page.field("Photos").click()
    visitor, view = page.visitor, page.viewer.session.views[1]
    until(lambda: visitor.photos._handles)
    behind = Pose(torch.tensor([0.0, -7.0, 1.0]), torch.tensor([0.0, -4.0, 0.2]), torch.tensor([0.0, 0.0, 1.0]), 0.8)
    visitor.do(lambda: visitor.fly(behind))
    until(lambda: (camera_of(visitor.client).center - behind.position).norm() < 1e-3)
    until(lambda: visitor.photos._handles[1].visible)
    page.settle()
    inside = view.camera.center + 0.1 * view.camera.world_to_camera[2, :3]
    page.click(tuple(inside.tolist()))
    until(lambda: (camera_of(visitor.client).center - view.camera.center).norm() < 1e-3)
    until(lambda: not visitor.photos._handles[1].visible)  # it would fill the page
    assert len(visitor.look.picked) == 0


def test_what_fails_becomes_a_notification_and_the_page_lives_on(page):
    def fail():
        raise InputError("The <b>feature</b> maps are not there; make them first.")

    page.visitor.do(fail)
    page.tab.get_by_text("The <b>feature</b> maps are not there; make them first.").wait_for()
    page.click(PLACES[0])
    until(lambda: balls(page.visitor.look.picked) == {0})


def test_an_empty_scene_is_a_page_with_words(chromium):
    viewer = Viewer(Session(three_balls()[:0], title="new"), port=0)
    viewer.start()
    try:
        context = new_context(chromium)
        tab = context.new_page()
        tab.goto(viewer.server.url)
        tab.get_by_text("This scene has no Gaussians yet").wait_for()
        context.close()
    finally:
        viewer.stop()


def test_a_page_comes_back_when_the_server_does(chromium):
    viewer = Viewer(Session(three_balls()), port=0)
    viewer.start()
    page = Page(chromium, viewer)
    port = viewer.server.viser.get_port()
    viewer.stop()
    page.tab.get_by_text("The connection to semsplat is lost").wait_for()
    again = Viewer(Session(three_balls(150), title="fitted again"), port=port)
    again.start()
    try:
        assert again.server.viser.get_port() == port
        until(lambda: again.pages)
        page.viewer = again
        page.settle()
        page.tab.get_by_text("fitted again").wait_for()
        assert max(page.color(PLACES[1])) < 0.9  # painted: not the white of the empty page
        until(lambda: "connection to semsplat is lost" not in page.text())
        page.close()
    finally:
        again.stop()


def test_a_page_with_more_gaussians_than_it_may_draw_says_so(chromium):
    viewer = Viewer(Session(three_balls()), port=0, max_splats=100)
    viewer.start()
    try:
        assert len(viewer.splats) == 100
        assert viewer.notes == ("The page draws the 100 most visible of 600; clicks see all.",)
        page = Page(chromium, viewer)
        assert "draws the 100 most visible of 600" in page.text()
        page.close()
    finally:
        viewer.stop()


def test_without_viser_s_private_parts_the_page_still_recolours(chromium, monkeypatch):
    monkeypatch.setattr("semsplat.app.browser.VERSION", "0.0.0")
    viewer = Viewer(Session(three_balls()), port=0)
    viewer.start()
    try:
        assert "recolouring is slower" in viewer.notes[0]
        context = new_context(chromium)
        page = context.new_page()
        page.goto(viewer.server.url + "/?fixedDpr=0.5")
        until(lambda: viewer.pages)
        until(lambda: page.evaluate(PAINTED, len(viewer.splats)))
        assert page.evaluate("window.semsplat === undefined")
        until(lambda: viewer.pages[-1].furnished)
        first = "() => { let word; window.__viserMutable.scene.traverse(o => { const t = o.material?.uniforms"
        first += "?.textureBuffer?.value; if (t) word = t.image.data[7]; }); return word & 0xffffff; }"
        before = page.evaluate(first)
        page.get_by_role("tab", name="View", exact=True).click()
        page.locator('xpath=//label[normalize-space()="Show"]/ancestor::div[2]//input').first.click()
        page.get_by_role("option", name="Depth").click()
        until(lambda: page.evaluate(first) != before)
        context.close()
    finally:
        viewer.stop()
