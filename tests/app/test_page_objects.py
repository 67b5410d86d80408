"""Objects in a real browser: kept, hidden, locked, renamed, copied; and those that the scene proposes."""

import pytest
import torch
from pages import PLACES, Page, balls, until
from small_scenes import BLUE, GREEN, RED, ball, three_balls

from semsplat.app import keeping
from semsplat.app.look import COLOUR, NOTHING, OBJECTS
from semsplat.app.panels.objects import Objects
from semsplat.app.panels.proposals import Proposals
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer
from semsplat.distill import objects
from semsplat.splatting import formats
from semsplat.splatting.edit import Insert
from semsplat.splatting.gaussians import Gaussians

pytestmark = pytest.mark.browser
NAMES = ("apple", "lime", "plum")  # red, green, blue
HOSTILE = "</style><img src=x onerror=window.hacked=1>"


@pytest.fixture(scope="module")
def viewer(tmp_path_factory):
    viewer = Viewer(Session(three_balls(), folder=tmp_path_factory.mktemp("scene")), port=0)
    viewer.start()
    yield viewer
    viewer.stop()


@pytest.fixture(scope="module")
def opened(chromium, viewer):
    page = Page(chromium, viewer)
    page.tab_of("Objects")
    yield page
    page.close()


@pytest.fixture
def page(opened):
    """The page of a scene without objects, nothing picked."""
    session, visitor = opened.viewer.session, opened.visitor
    while session.now.history.can_undo:
        session.undo()
    session.change_things(lambda things: [], "")
    visitor.do(lambda: visitor.pick(NOTHING))
    visitor.do(lambda: visitor.show(COLOUR))
    until(lambda: "No objects yet" in opened.text() and "Nothing is picked" in opened.text())
    return opened


@pytest.fixture
def named(page):
    """The page of a scene whose balls have names."""
    for number, name in enumerate(NAMES):
        keeping.keep(page.viewer.session, torch.arange(200 * number, 200 * number + 200), name)
    page.tab.get_by_text("plum · 200").wait_for()
    return page


def things(page):
    return {thing.name: thing for thing in page.viewer.session.now.things}


def near(color, expected):
    return (color - torch.tensor(expected)).abs().max() < 0.1


def test_what_is_picked_is_kept_under_a_name_and_listed(page):
    session, panel = page.viewer.session, page.part(Objects)
    assert panel.keep.disabled
    page.click(PLACES[1])
    until(lambda: not panel.keep.disabled)
    page.field("Keep as").fill("lime")
    page.field("Keep as").press("Enter")
    kept = until(lambda: things(page).get("lime"))
    assert balls(kept.ids) == {1}
    page.tab.get_by_text(f"lime · {len(kept.ids)}").first.wait_for()
    assert [thing.name for thing in objects.read(session.folder)] == ["lime"]
    page.press(panel.keep)
    until(lambda: len(things(page)) == 2)  # what is picked still, under another name

    for number in range(22):
        keeping.keep(session, torch.arange(20 * number, 20 * number + 20), f"thing {number}")
    page.tab.get_by_text("1 to 10 of 24: show more").click()
    page.tab.get_by_text("11 to 20 of 24: show more").wait_for()
    assert "thing 12 · 20" in page.text()
    assert "thing 2 · 20" not in page.text()
    page.field("Filter").fill("21")
    until(lambda: "thing 21 · 20" in page.text() and "thing 12 · 20" not in page.text())
    page.field("Filter").fill("")
    until(lambda: "1 to 10 of 24: show more" in page.text())


def test_what_is_hidden_or_locked_on_this_page_cannot_be_picked_there(chromium, named):
    panel, visitor, look = named.part(Objects), named.visitor, named.visitor.look
    with named.another(chromium) as other:
        named.press(panel.rows[1][1])
        until(lambda: look.hidden == {"lime"})
        assert near(other.color(PLACES[1]), GREEN)
    until(lambda: not near(named.color(PLACES[1]), GREEN))
    assert near(named.color(PLACES[0]), RED)
    named.press(panel.rows[0][2])
    until(lambda: look.locked == {"apple"})
    for place in PLACES:  # green is not there, red is fast; the last click says when the others are over
        named.click(place)
    until(lambda: balls(look.picked) == {2})

    named.press(panel.rows[0][2])
    until(lambda: not look.locked)
    named.click(PLACES[0])
    until(lambda: balls(look.picked) == {0})
    named.press(panel.rows[1][1])
    until(lambda: not look.hidden)
    visitor.do(lambda: visitor.pick(NOTHING))
    until(lambda: near(named.color(PLACES[1]), GREEN))

    named.tab.get_by_text("plum · 200").click()
    until(lambda: panel.chosen == "plum" and balls(look.picked) == {2})
    named.press(panel.does["Alone"])
    until(lambda: look.alone == "plum")
    until(lambda: not near(named.color(PLACES[0]), RED) and not near(named.color(PLACES[1]), GREEN))
    named.tab.get_by_role("button", name="With all").click()
    until(lambda: near(named.color(PLACES[0]), RED) and near(named.color(PLACES[1]), GREEN))


def test_another_name_is_given_saved_and_forgotten(named, tmp_path):
    panel, look, session = named.part(Objects), named.visitor.look, named.viewer.session
    named.press(panel.rows[0][1])
    until(lambda: look.hidden == {"apple"})
    named.tab.get_by_text("apple · 200").click()
    until(lambda: panel.folder.visible)
    named.field("Name").fill(HOSTILE)
    named.field("Name").press("Enter")
    until(lambda: HOSTILE in things(named))
    until(lambda: look.hidden == {HOSTILE})
    named.tab.get_by_text(f"{HOSTILE[:23]}… · 200").wait_for()
    assert named.tab.evaluate("window.hacked === undefined && !document.querySelector('img[src=x]')")
    named.field("Name").fill("lime")
    named.field("Name").press("Enter")
    named.tab.get_by_text("There is an object 'lime' already").wait_for()
    assert set(things(named)) == {HOSTILE, "lime", "plum"}

    file = named.saved(panel.does["Save"], tmp_path)
    assert file.suffix == ".ply" and "<" not in file.name
    torch.testing.assert_close(formats.read(file).means, session.gaussians.means[:200])
    named.press(panel.does["Forget"])
    until(lambda: set(things(named)) == {"lime", "plum"})
    until(lambda: near(named.color(PLACES[0]), RED))  # what has no name is not hidden
    assert len(session.gaussians) == 600


def test_a_copy_is_an_object_that_undo_takes_back(named):
    panel, session = named.part(Objects), named.viewer.session
    named.tab.get_by_text("lime · 200").click()
    until(lambda: panel.chosen == "lime")
    named.press(panel.does["Copy"])
    copy = until(lambda: things(named).get("lime 2"))
    assert len(session.gaussians) == 800
    named.tab.get_by_text("lime 2 · 200").wait_for()
    place = tuple(session.gaussians.means[torch.isin(session.gaussians.ids, copy.ids)].mean(0).tolist())
    named.settle()
    until(lambda: near(named.color(place), GREEN))
    named.press(panel.does["Delete"])
    until(lambda: len(session.gaussians) == 600)
    until(lambda: "lime 2 · 200" not in named.text())
    until(lambda: not near(named.color(place), GREEN))
    session.undo()
    named.tab.get_by_text("lime 2 · 200").wait_for()
    session.undo()
    until(lambda: "lime 2 · 200" not in named.text())
    assert len(session.gaussians) == 600


def test_proposals_follow_the_slider_and_all_are_kept(page):
    panel, look = page.part(Proposals), page.visitor.look
    yellow, pink = (
        ball((1.2, 2.0, z), color, 200, 7) for z, color in ((0.6, (0.9, 0.8, 0.1)), (-0.6, (0.9, 0.2, 0.8)))
    )
    page.viewer.session.do(Insert(Gaussians.cat([yellow, pink])), "above and below blue: a whole of three parts")
    page.settle()
    page.press(panel.find)
    until(lambda: look.proposed and look.shown == OBJECTS)
    until(lambda: not near(page.color(PLACES[2]), BLUE))
    count = len(panel.one.options) - 1  # parts of others too, which are not drawn
    page.tab.get_by_text(f"{count} proposal").wait_for()
    page.slide("Part size", "1")
    until(lambda: len(panel.one.options) - 1 < count)
    page.tab.get_by_text(f"{len(panel.one.options) - 1} proposal").wait_for()
    page.click(PLACES[0])
    until(lambda: balls(look.picked) == {0})
    until(lambda: not panel.keep.disabled)
    page.press(panel.keep)
    until(lambda: len(things(page)) == 1)
    (one,) = things(page).values()
    assert balls(one.ids) == {0}
    page.press(panel.keep_all)
    until(lambda: not look.proposed)
    kept = things(page)
    assert one.name in kept
    assert set().union(*(balls(thing.ids) for thing in kept.values())) == balls(page.viewer.session.gaussians.ids)
    assert look.shown == OBJECTS
    page.tab.get_by_text(f"{one.name} · {len(one.ids)}").first.wait_for()
