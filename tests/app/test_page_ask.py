"""Words on the page: what Enter, the buttons and the slider do, what is painted, and that hostile words are text."""

import pytest
import torch
from pages import PLACES, Page, balls, until
from small_scenes import BALLS, GREEN, three_balls

from semsplat.app.browser import camera_of
from semsplat.app.layers_meaning import LOW_TO_HIGH
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=window.hacked=1>"


def ask(page, words, label="Find"):
    """Type quickly, as people do who know what they want, and press Enter."""
    page.field(label).fill("")
    page.field(label).press_sequentially(words)
    page.tab.keyboard.press("Enter")


def press(page, name):
    page.tab.get_by_role("button", name=name).first.click()


def slider(page, label):
    return page.tab.locator(f'xpath=//label[normalize-space()="{label}"]/ancestor::div[2]')


def test_enter_asks_and_what_is_found_lights_up(page):
    until(lambda: page.field("Find").get_attribute("placeholder") == "red ball")
    before, painted = page.colors(), page.painted
    ask(page, "green ball")
    until(lambda: len(page.visitor.look.picked) == 200)
    assert balls(page.visitor.look.picked) == {1}
    page.tab.get_by_text("1 thing · 200 of 600 Gaussians").wait_for()
    until(lambda: page.painted > painted)
    until(lambda: (moved := page.moved(before))[1] > 0.25 and max(moved[0], moved[2]) < 0.03)

    start = camera_of(page.visitor.client).center
    press(page, "green ball · 0.8")  # go there
    until(lambda: (camera_of(page.visitor.client).center - start).norm() > 0.5)
    assert len(page.visitor.look.picked) == 200

    press(page, "Forget")
    until(lambda: not len(page.visitor.look.picked))
    until(lambda: page.field("Find").input_value() == "")
    page.tab.locator("canvas[data-engine]").click(position={"x": 20, "y": 300})
    page.tab.keyboard.press("f")
    until(lambda: page.tab.evaluate("document.activeElement.placeholder") == "red ball")


def test_heat_is_bright_where_the_answer_is_and_grey_elsewhere(page):
    ask(page, "red ball")
    until(lambda: balls(page.visitor.look.picked) == {0})
    page.tab.get_by_text("200 of 600 Gaussians picked").wait_for()
    painted = page.painted
    page.field("Heat").click()
    until(lambda: page.painted > painted)
    assert page.visitor.look.shown == "Heat"
    until(lambda: page.field("Show").input_value() == "Heat")
    page.tab_of("Select")
    press(page, "None")
    until(lambda: not len(page.visitor.look.picked))
    red, green, _ = page.colors()
    assert red[0] > red[2] + 0.3 and red.mean() > green.mean() + 0.25  # warm and bright: the end of the ramp
    assert (green - torch.tensor(LOW_TO_HIGH[0])).abs().max() < 0.35

    ask(page, "green ball")  # heat stays, for the new question
    until(lambda: balls(page.visitor.look.picked) == {1})
    press(page, "None")
    until(lambda: page.color(PLACES[1])[0] > 0.6 and page.color(PLACES[0]).mean() < 0.4)
    page.field("Heat").click()
    until(lambda: page.visitor.look.shown == "Colour")
    until(lambda: (page.color(PLACES[1]) - torch.tensor(GREEN)).abs().max() < 0.06)


def test_the_threshold_changes_the_selection_and_then_the_things(page):
    ask(page, "blue ball")
    until(lambda: len(page.visitor.look.picked) == 200)
    slider(page, "Score from").get_by_role("slider").focus()
    for _ in range(30):
        page.tab.keyboard.press("ArrowRight")
    until(lambda: len(page.visitor.look.picked) == 100)
    assert page.visitor.look.picked.tolist() == list(range(400, 600, 2))
    page.tab.get_by_text("1 thing · 100 of 600 Gaussians").wait_for()
    assert page.visitor.look.asked.answer.threshold > 0.75


def test_words_that_nobody_knows_are_answered_in_the_panel(page):
    ask(page, "red ball")
    until(lambda: len(page.visitor.look.picked))
    ask(page, "dragon")
    page.tab.get_by_text("Nothing here is called 'dragon'").wait_for()
    until(lambda: not len(page.visitor.look.picked))
    assert page.visitor.look.asked is None
    press(page, "green ball")  # what it offers instead
    until(lambda: balls(page.visitor.look.picked) == {1})
    until(lambda: page.field("Find").input_value() == "green ball")


def test_several_names_share_the_scene_out_with_a_legend(page):
    ask(page, "blue ball, red ball, anvil")
    page.tab.get_by_text("2 of 3 names are here").wait_for()
    assert page.visitor.look.shown == "Names"
    until(lambda: page.field("Show").input_value() == "Names")
    colors = {}
    for name in ("blue ball · 200", "red ball · 200"):
        button = page.tab.get_by_role("button", name=name)
        text = button.evaluate("button => getComputedStyle(button).backgroundColor")
        colors[name] = torch.tensor([int(part) / 255 for part in text[4:-1].split(",")])
    page.visitor.do(lambda: None)
    until(lambda: (page.color(PLACES[1]) - torch.tensor(GREEN)).abs().max() < 0.06)  # nobody named it
    blue, red = page.color(PLACES[2]), page.color(PLACES[0])
    assert (blue - colors["blue ball · 200"]).abs().max() < 0.4 < (blue - torch.tensor([0.1, 0.2, 0.9])).abs().max()
    assert (red - colors["red ball · 200"]).abs().max() < 0.4
    press(page, "blue ball · 200")
    until(lambda: balls(page.visitor.look.picked) == {2})
    press(page, "Keep all")
    until(lambda: [thing.name for thing in page.viewer.session.now.things] == ["blue ball", "red ball"])
    page.viewer.session.change_things(lambda things: [], "")


def test_hostile_words_are_text(page):
    ask(page, HOSTILE)
    until(lambda: HOSTILE in page.text())
    ask(page, f"red ball, {HOSTILE}")
    page.tab.get_by_text("1 of 2 names").wait_for()
    assert page.tab.evaluate("window.hacked === undefined && !document.querySelector('img[src=x]')")


def test_known_names_history_and_what_is_not_meant(page):
    page.tab.get_by_text("More about asking").click()
    page.field("Names").click()
    for name in BALLS:
        assert page.tab.get_by_role("option", name=name).count() == 1
    page.tab.get_by_role("option", name="blue ball").click()
    until(lambda: balls(page.visitor.look.picked) == {2})
    until(lambda: page.field("Find").input_value() == "blue ball")
    ask(page, "the leftmost ball")
    until(lambda: balls(page.visitor.look.picked) == {0})
    until(lambda: page.visitor.look.asked.answer.kind == "cosine x fit")
    until(lambda: not slider(page, "Score from").count())  # things are compared, no threshold decides
    ask(page, "anvil", "But not")
    until(lambda: page.visitor.look.asked.answer.notes and len(page.visitor.look.picked))
    press(page, "blue ball")  # from the history
    until(lambda: page.visitor.look.asked.answer.kind == "relevancy" and balls(page.visitor.look.picked) == {2})


def test_a_scene_that_knows_no_words_says_what_to_do(chromium):
    viewer = Viewer(Session(three_balls()), port=0)
    viewer.start()
    try:
        page = Page(chromium, viewer)
        assert page.field("Find").is_disabled()
        assert "semsplat distill SCENE --teacher" in page.text()
        page.close()
    finally:
        viewer.stop()
