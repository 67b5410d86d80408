"""A page while the scene is fitted, distilled, edited by somebody else, or reloaded in the middle of it."""

import threading

import pytest
import torch
from pages import PLACES, Page, until
from rich.console import Console
from small_scenes import GREEN, three_balls, views

from semsplat.app import live, scene, train
from semsplat.app.plan import Request
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer
from semsplat.splatting.edit import Delete

pytestmark = pytest.mark.browser


@pytest.fixture
def viewer(tmp_path):
    viewer = Viewer(Session(three_balls(), views(tmp_path), "balls", folder=tmp_path), port=0)
    viewer.start()
    yield viewer
    viewer.stop()


def test_a_scene_grows_on_the_page_and_obeys_it(chromium, photos, tmp_path):
    folder, ended = tmp_path / "room", []
    request = Request(folder, photos, steps=100_000, cap=300, points=False)
    thread = threading.Thread(target=lambda: ended.append(train.run(request, Console(quiet=True))), daemon=True)
    thread.start()
    until(lambda: (facts := live.read(folder)) and facts.done > 1)
    viewer = Viewer(Session.at(folder), port=0)
    viewer.start()
    page = Page(chromium, viewer)
    page.tab.get_by_text("Fitting").first.wait_for()
    first = viewer.session.now.version
    until(lambda: viewer.session.now.version > first)  # newer Gaussians came ...
    page.settle()  # ... and are drawn
    assert "Pause" in page.text() and "Save and stop" in page.text()
    page.tab.get_by_role("button", name="Pause").click()
    page.tab.get_by_text("Paused").first.wait_for()
    assert live.read(folder).state == "paused"
    page.tab.get_by_role("button", name="Resume").click()
    until(lambda: live.read(folder).state == "running")
    with pytest.raises(Exception, match="being fitted"):
        viewer.session.do(Delete(torch.arange(3)), "")
    page.tab.get_by_role("button", name="Save and stop").click()
    thread.join(60)
    assert ended == [train.INTERRUPTED]
    assert scene.load_checkpoint(folder).numbers["step"] > 1
    until(lambda: viewer.session.locked is None)
    until(lambda: "Save and stop" not in page.text())
    page.close()
    viewer.stop()


def test_what_one_page_deletes_is_gone_on_the_other_and_said(chromium, viewer):
    one, other = Page(chromium, viewer), Page(chromium, viewer)
    other.like(PLACES[1], GREEN, 0.06)
    before = other.color(PLACES[1])
    painted = other.painted
    first = viewer.pages[0]
    first.do(lambda: first.edit(Delete(torch.arange(200, 400)), "Delete the green ball"))
    other.tab.get_by_text("Delete the green ball").first.wait_for()
    until(lambda: other.painted > painted)
    until(lambda: (other.color(PLACES[1]) - before).abs().max() > 0.2)  # the page's background
    other.like(PLACES[0], (0.9, 0.1, 0.1), 0.06)
    until(lambda: "400 Gaussians" in one.text() and "400 Gaussians" in other.text())
    painted = one.painted
    second = viewer.pages[1]
    second.do(lambda: viewer.session.undo(second))
    until(lambda: one.painted > painted)
    one.like(PLACES[1], before, 0.03)
    other.leave()
    until(lambda: len(viewer.pages) == 1)
    one.close()


def test_a_reload_in_the_middle_of_editing_keeps_the_edits(chromium, viewer):
    page = Page(chromium, viewer)
    page.visitor.do(lambda: page.visitor.edit(Delete(torch.arange(200, 400)), "Delete"))
    until(lambda: "400 Gaussians" in page.text())
    until(lambda: (page.color(PLACES[1]) - torch.tensor(GREEN)).abs().max() > 0.2)
    gone, old = page.color(PLACES[1]), page.visitor
    page.tab.reload()
    until(lambda: viewer.pages and page.visitor is not old)
    page.settle()
    until(lambda: "400 Gaussians" in page.text())
    page.like(PLACES[1], gone, 0.03)
    again = Session(three_balls(), folder=viewer.session.folder)  # another process would see the same
    assert len(again.gaussians) == 400
    page.close()
