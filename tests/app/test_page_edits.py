"""Edits on the page: what the server holds and what the page shows after each, by key, button, word and handle."""

import pytest
import torch
from pages import PLACES, Page, balls, until
from small_scenes import GREEN, RED, ball

from semsplat.app.gizmo import AROUND
from semsplat.app.poses import extent
from semsplat.splatting.edit import Delete, pivot
from semsplat.splatting.formats import ply
from semsplat.splatting.sh import C0, from_color

pytestmark = pytest.mark.browser
WHITE = (1.0, 1.0, 1.0)  # of an empty page
ABOVE = (-1.2, -1.0, 0.95)  # the red ball


@pytest.fixture
def page(chromium, viewer):
    viewer.session.locked = None
    viewer.session.clear_edits()
    page = Page(chromium, viewer)
    page.tab.get_by_role("tab", name="Edit").click()
    yield page
    page.close()


def press(page, name):
    page.tab.get_by_role("button", name=name, exact=True).first.click()


def enabled(page, name):
    return page.tab.get_by_role("button", name=name, exact=True).first.is_enabled()


def do(page, words):
    version = page.viewer.session.now.version
    page.field("Do").fill(words)
    page.tab.keyboard.press("Enter")
    until(lambda: page.viewer.session.now.version > version)


def slide(page, label, value):
    box = page.tab.locator(f'xpath=//label[normalize-space()="{label}"]/ancestor::div[2]//input[@type="text"]').last
    box.fill(str(value))
    box.press("Enter")


def there(page):
    return balls(page.viewer.session.gaussians.ids)


def test_delete_and_extract_by_key_and_button_with_undo_and_redo(page):
    until(lambda: not any(enabled(page, name) for name in ("Delete", "Extract", "Undo", "Redo")))
    assert "No edits yet" in page.text() and "Pick something to change it here" in page.text()
    page.click(PLACES[1])
    until(lambda: enabled(page, "Delete"))
    page.tab.keyboard.press("x")
    until(lambda: there(page) == {0, 2})
    page.like(PLACES[1], WHITE, 0.12)
    page.like(PLACES[0], RED, 0.12)
    until(lambda: enabled(page, "Undo") and not enabled(page, "Delete"))
    assert len(page.visitor.look.picked) == 0

    page.tab.keyboard.press("Control+z")
    until(lambda: there(page) == {0, 1, 2})
    page.like(PLACES[1], GREEN, 0.12)
    until(lambda: enabled(page, "Redo"))
    press(page, "Redo")
    until(lambda: there(page) == {0, 2})
    press(page, "Undo")
    until(lambda: there(page) == {0, 1, 2})

    page.click(PLACES[0])
    until(lambda: enabled(page, "Extract"))
    press(page, "Extract")
    until(lambda: there(page) == {0})
    page.like(PLACES[1], WHITE, 0.12)
    page.tab.keyboard.press("Escape")
    page.like(PLACES[0], RED, 0.12)


def test_edits_in_words(page):
    session, before = page.viewer.session, page.viewer.session.gaussians
    until(lambda: page.field("Do").get_attribute("placeholder") == "make the chair red")
    do(page, "paint the green ball blue")
    page.like(PLACES[1], (0.0, 0.0, 1.0), 0.12)
    do(page, "move the red ball 0.95 up")
    moved = session.gaussians.means[:200] - before.means[:200]
    torch.testing.assert_close(
        moved, torch.tensor([0.0, 0.0, 0.95]).expand_as(moved), atol=0.03, rtol=0
    )  # up: of the cameras
    page.like(ABOVE, RED, 0.12)
    page.like((-1.2, -1.0, -0.2), WHITE, 0.12)
    until(lambda: page.field("Do").input_value() == "")
    do(page, "undo; undo")
    until(lambda: torch.equal(session.gaussians.means, before.means) and torch.equal(session.gaussians.sh, before.sh))
    page.like(PLACES[1], GREEN, 0.12)

    page.field("Do").fill("delete the unicorn")
    page.tab.keyboard.press("Enter")
    page.tab.get_by_text("Nothing here is called 'unicorn'").wait_for()
    page.field("Do").fill("fly me to the moon")
    page.tab.keyboard.press("Enter")
    page.tab.get_by_text("is not understood; say what to do").wait_for()
    assert torch.equal(session.gaussians.ids, before.ids)


def test_every_edit_has_a_switch_and_all_can_be_taken_back(page):
    do(page, "delete the red ball")
    do(page, "delete the blue ball")
    until(lambda: page.field("Delete blue ball").count())
    page.field("Delete red ball").click()
    until(lambda: there(page) == {0, 1})
    page.like(PLACES[0], RED, 0.12)
    page.field("Delete red ball").click()
    until(lambda: there(page) == {1})
    page.tab.keyboard.press("Control+z")
    until(lambda: page.field("↶ Delete blue ball").count() and page.field("↶ Delete blue ball").is_disabled())
    press(page, "Take all back")
    page.tab.get_by_role("dialog").get_by_role("button", name="Take all back").click()
    until(lambda: there(page) == {0, 1, 2} and not page.viewer.session.now.history.entries)
    until(lambda: "No edits yet" in page.text())


def test_a_long_list_of_edits_shows_the_last_and_counts_the_others(page):
    for number in range(57):
        page.viewer.session.do(Delete(torch.arange(number, number + 1)), f"edit {number}")
    page.tab.get_by_text("… 37 earlier").wait_for()
    assert page.field("edit 56").count() and page.field("edit 37").count() and not page.field("edit 36").count()


def test_colours_are_seen_before_they_are_done(page):
    session, version = page.viewer.session, page.viewer.session.now.version
    page.click(PLACES[1])
    until(lambda: page.field("Opacity").count())
    slide(page, "Opacity", 0)
    page.like(PLACES[1], WHITE, 0.12)
    assert session.now.version == version and (session.gaussians.opacities > 0.5).all()
    press(page, "Discard")
    page.tab.keyboard.press("Escape")
    page.like(PLACES[1], GREEN, 0.12)

    page.click(PLACES[1])
    slide(page, "Hue", 120)
    until(lambda: enabled(page, "Apply"))
    press(page, "Apply")
    until(lambda: session.now.version > version)
    page.tab.keyboard.press("Escape")
    until(lambda: page.color(PLACES[1])[2] > page.color(PLACES[1])[1] + 0.2)  # bluer than green
    assert [type(entry.edit).__name__ for entry in session.now.history.entries] == ["Hue"]


def test_handles_move_what_is_picked(page):
    session, before = page.viewer.session, page.viewer.session.gaussians
    page.click(PLACES[0])
    until(lambda: balls(page.visitor.look.picked) == {0})
    page.tab.keyboard.press("m")
    until(lambda: page.field("Handles").is_checked())
    middle = torch.tensor(pivot(before, torch.arange(200)))
    reach = AROUND * extent(before.means[:200])[1]
    start, end = page.where(tuple(middle + torch.tensor([0, 0, 0.8 * reach]))), page.where(
        tuple(middle + torch.tensor([0, 0, 0.8 * reach + 0.5]))
    )  # fmt: skip
    until(
        lambda: page.tab.evaluate("""() => { let there = false; window.__viserMutable.scene.traverse((o) => {
        there ||= o.renderOrder === 20000; }); return there; }""")
    )
    page.tab.mouse.move(*start)
    page.tab.mouse.down()
    page.tab.mouse.move(*end, steps=8)
    page.tab.mouse.up()
    until(lambda: session.gaussians is not before)
    (entry,) = session.now.history.entries
    x, y, z = entry.edit.by
    assert (x, y) == pytest.approx((0, 0), abs=1e-3) and z == pytest.approx(0.5, abs=0.15)
    page.tab.keyboard.press("m")
    page.tab.keyboard.press("Escape")
    page.like((-1.2, -1.0, z), RED, 0.12)
    page.like((-1.2, -1.0, z - 0.6), WHITE, 0.12)


def test_size_and_place_are_seen_before_they_are_done(page):
    session, before = page.viewer.session, page.viewer.session.gaussians
    page.click(PLACES[1])
    until(lambda: page.field("Size").count())
    slide(page, "Size", 2)
    page.like((0.0, 0.0, 0.7), GREEN, 0.2)  # grows upwards from its foot
    assert session.gaussians is before
    press(page, "Apply")
    until(lambda: session.gaussians is not before)
    heights = session.gaussians.means[200:400, 2]
    assert heights.min().item() == pytest.approx(before.means[200:400, 2].min().item(), abs=0.1)
    assert heights.max().item() > 1.0


def test_two_visitors_share_the_history_and_are_told(chromium, viewer, page):
    session, one = viewer.session, page.visitor
    session.do(Delete(torch.arange(200)), "Delete red ball", by=one)
    other = Page(chromium, viewer)
    page.tab.get_by_role("tab", name="Edit").click()
    until(lambda: enabled(other, "Undo"))
    press(other, "Undo")
    until(lambda: there(page) == {0, 1, 2})
    other.tab.get_by_text("This was an edit of somebody else").wait_for()
    page.tab.get_by_text("Somebody changed your edit").wait_for()
    page.like(PLACES[0], RED, 0.12)
    other.leave()
    until(lambda: len(viewer.pages) == 1)


def test_a_file_is_inserted_where_one_looks(page, tmp_path):
    session = page.viewer.session
    path = tmp_path / "<b>yellow.ply"
    ply.write(path, ball((50.0, 60.0, 70.0), (0.95, 0.9, 0.1), 100, 7))
    page.tab.get_by_text("Insert a file").click()
    page.tab.locator('input[type="file"]').last.set_input_files(str(path))
    until(lambda: len(session.gaussians) == 700)
    added = session.gaussians.means[600:]
    assert (added.mean(0) - torch.tensor(PLACES[1])).norm() < 1.0  # what is in the middle of the view
    until(lambda: page.visitor.look.picked.tolist() == session.gaussians.ids[600:].tolist())
    assert session.now.history.last.label == "Insert <b>yellow.ply"

    (tmp_path / "broken.ply").write_bytes(b"ply\nnonsense")
    page.tab.locator('input[type="file"]').last.set_input_files(str(tmp_path / "broken.ply"))
    page.tab.get_by_text("broken.ply").wait_for()
    assert len(session.gaussians) == 700


def test_a_copy_is_made_and_picked(page):
    page.click(PLACES[1])
    until(lambda: enabled(page, "Duplicate"))
    press(page, "Duplicate")
    session = page.viewer.session
    until(lambda: len(session.gaussians) == 800)
    until(lambda: page.visitor.look.picked.tolist() == session.gaussians.ids[600:].tolist())
    page.like(PLACES[1], GREEN, 0.12)


def test_while_edits_are_off_the_page_says_why(page):
    session = page.viewer.session
    page.click(PLACES[1])
    until(lambda: enabled(page, "Delete"))
    session.locked = "The scene is being fitted."
    session.work_told(None)
    until(lambda: not enabled(page, "Delete"))
    assert "The scene is being fitted." in page.text()
    page.tab.keyboard.press("x")
    page.tab.get_by_text("That did not work").wait_for()
    assert there(page) == {0, 1, 2}


def test_light_is_tried_and_done(page):
    session = page.viewer.session
    page.click(PLACES[1])
    until(lambda: balls(page.visitor.look.picked) == {1})
    before = page.color(PLACES[1])
    slide(page, "Exposure", -2)
    until(lambda: page.color(PLACES[1]).mean() < 0.75 * before.mean())
    assert not session.now.history.entries
    press(page, "Apply")
    until(lambda: len(session.now.history.entries) == 1)
    assert session.now.history.last.label.startswith("Light of")
    press(page, "Undo")
    until(lambda: torch.allclose(page.color(PLACES[1]), before, atol=0.03))


def test_a_hole_of_a_scene_without_photos_on_the_disk_is_refused_in_words(page):
    do(page, "delete everything")
    page.tab.get_by_role("button", name="Fill the hole").click()
    page.tab.get_by_text("That did not work").wait_for()
    page.tab.get_by_role("button", name="Fill the hole").wait_for()
    do(page, "undo")
    until(lambda: not page.tab.get_by_role("button", name="Fill the hole").is_visible())


def test_a_whole_scene_is_inserted_in_the_light_of_this_one(page, tmp_path):
    session = page.viewer.session
    dark = session.gaussians.replace(sh=session.gaussians.sh.clone())
    dark.sh[:, 0] = from_color(0.5 * (0.5 + C0 * dark.sh[:, 0]))
    path = tmp_path / "dark.ply"
    ply.write(path, dark.replace(means=dark.means + 50.0))
    page.tab.get_by_text("Insert a file").click()
    page.field("A whole scene").click()
    page.tab.get_by_text("Match its light").wait_for()
    page.tab.locator('input[type="file"]').last.set_input_files(str(path))
    until(lambda: len(session.now.history.entries) == 2)
    added, own = session.gaussians.sh[600:, 0], session.gaussians.sh[:600, 0]
    assert C0 * (added.mean() - own.mean()).abs() < 0.05
