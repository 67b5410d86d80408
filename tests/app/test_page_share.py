"""What leaves the page in a real browser, opened again and compared."""

import io
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from pages import PLACES, Page, balls, new_context, until
from PIL import Image
from small_scenes import BLUE, GREEN, RED, pixel_of, three_balls

from semsplat.app import keeping
from semsplat.app.browser import camera_of
from semsplat.app.look import COLOUR, NOTHING
from semsplat.app.panels.share import Share
from semsplat.app.panels.travel import Travel
from semsplat.app.poses import Pose
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer
from semsplat.splatting import formats

pytestmark = pytest.mark.browser
UP = torch.tensor([0.0, 0.0, 1.0])
ASIDE = Pose(torch.tensor([2.0, -5.0, 1.0]), torch.zeros(3), UP, 0.7)  # no ball hides another

# True once a page without a server has painted so many splats.
ALONE = """async (count) => {
  let drawn = 0, shown = 1;
  window.__viserMutable?.scene?.traverse((object) => {
    const uniforms = object.material?.uniforms;
    if (!uniforms?.transitionInState) return;
    drawn += object.geometry.instanceCount;
    shown = Math.min(shown, uniforms.transitionInState.value);
  });
  return drawn === count && shown >= 1;
}"""


@pytest.fixture(scope="module")
def viewer():
    viewer = Viewer(Session(three_balls(), title="balls/<b>"), port=0)
    keeping.keep(viewer.session, torch.arange(200, 400), "lime")
    viewer.start()
    yield viewer
    viewer.stop()


@pytest.fixture(scope="module")
def opened(chromium, viewer):
    page = Page(chromium, viewer)
    yield page
    page.close()


@pytest.fixture
def page(opened, viewer):
    """The page where it was first, with nothing picked."""
    fly(opened, viewer.opening)
    visitor = opened.visitor
    visitor.do(lambda: visitor.pick(NOTHING))
    visitor.do(lambda: visitor.show(COLOUR))
    opened.tab_of("Share")
    until(lambda: "Nothing is picked" in opened.text())
    return opened


def fly(page, pose):
    """Until the page itself says that it is there."""
    visitor = page.visitor
    visitor.do(lambda: visitor.fly(pose))
    there = pose.camera(2, 2).world_to_camera
    until(lambda: (camera_of(visitor.client).world_to_camera - there).abs().max() < 1e-3)


def test_a_download_holds_the_gaussians_that_were_chosen(page, tmp_path):
    panel, gaussians = page.part(Share), page.viewer.session.gaussians
    whole = page.saved(panel.download, tmp_path)
    assert whole.name == "balls-b.ply"
    again = formats.read(whole)
    for name in ("means", "log_scales", "logit_opacities", "sh"):
        torch.testing.assert_close(getattr(again, name), getattr(gaussians, name))

    page.choose("What", "lime")
    until(lambda: panel.what.value == "lime")
    part = page.saved(panel.download, tmp_path)
    assert part.name == "balls-b-lime.ply"
    torch.testing.assert_close(formats.read(part).means, gaussians.means[200:400])

    page.choose("What", "What is picked")
    until(lambda: panel.what.value == "What is picked")
    until(lambda: panel.download.disabled)
    page.click(PLACES[2])
    picked = until(lambda: page.visitor.look.picked.tolist())
    until(lambda: not panel.download.disabled)
    part = formats.read(page.saved(panel.download, tmp_path))
    torch.testing.assert_close(part.means, gaussians.means[picked])


def test_a_picture_has_the_size_and_the_layer_that_were_chosen(page, tmp_path):
    panel = page.part(Share)
    camera = camera_of(page.visitor.client)
    shown = Image.open(page.saved(panel.picture, tmp_path))
    assert shown.size == (camera.width, camera.height)
    for place, color in zip(PLACES, (RED, GREEN, BLUE), strict=True):
        x, y = pixel_of(camera, place)
        np.testing.assert_allclose(np.asarray(shown)[int(y), int(x)] / 255, color, atol=0.06)

    page.click(PLACES[1])
    until(lambda: balls(page.visitor.look.picked) == {1})
    x, y = (int(v) for v in pixel_of(camera, PLACES[1]))
    plain = np.asarray(Image.open(page.saved(panel.picture, tmp_path)))[y, x] / 255
    np.testing.assert_allclose(plain, GREEN, atol=0.06)
    page.field("Mark picked").click()
    until(lambda: panel.marked.value)
    marked = np.asarray(Image.open(page.saved(panel.picture, tmp_path)))[y, x] / 255
    assert np.abs(marked - plain).max() > 0.25
    page.field("Mark picked").click()
    until(lambda: not panel.marked.value)

    page.tab_of("View")
    page.show("Depth")
    page.tab_of("Share")
    page.choose("Picture size", "640 × 360")
    until(lambda: panel.size.value == "640 × 360")
    path = page.saved(panel.picture, tmp_path)
    assert path.name == "balls-b-Depth.png"
    depth = np.asarray(Image.open(path))
    assert depth.shape == (360, 640, 3)
    assert not np.allclose(depth[180, 320] / 255, GREEN, atol=0.2)


def test_a_link_opens_where_one_stood_with_the_same_layer(chromium, viewer, page):
    panel, first = page.part(Share), page.visitor
    fly(page, ASIDE)
    page.tab_of("View")
    page.show("Coverage")
    page.tab_of("Share")
    page.press(panel.copy)
    until(lambda: panel.link.visible)
    assert urlsplit(panel.link.value).netloc == urlsplit(viewer.server.url).netloc
    with page.another(chromium, panel.link.value + "&fixedDpr=0.5") as other:
        camera = camera_of(other.visitor.client)
        torch.testing.assert_close(camera.world_to_camera, camera_of(first.client).world_to_camera, atol=1e-3, rtol=0)
        assert camera.fov == pytest.approx(ASIDE.fov, abs=1e-3)
        assert other.visitor.look.shown == "Coverage"
        other.tab_of("View")
        assert other.field("Show").input_value() == "Coverage"
        until(lambda: (other.color(PLACES[1]) - page.color(PLACES[1])).abs().max() < 0.05)
        assert (other.color(PLACES[1]) - torch.tensor(GREEN)).abs().max() > 0.2


def test_a_web_page_shows_the_scene_without_a_server(chromium, page, tmp_path):
    panel, visitor = page.part(Share), page.visitor
    fly(page, ASIDE)
    camera = camera_of(visitor.client)
    path = page.saved(panel.html, tmp_path)
    assert path.name == "balls-b-Colour.html"
    assert "token" not in (text := path.read_text("utf-8"))
    assert str(page.viewer.server.port) not in text[: text.index("__VISER_EMBED_DATA__")][:2000]
    context = new_context(chromium)
    tab = context.new_page()
    asked = []
    tab.on("request", lambda request: asked.append(request.url) if request.url.startswith(("http", "ws")) else None)
    tab.goto(f"{path.as_uri()}?fixedDpr=0.5")
    until(lambda: tab.evaluate(ALONE, 600))
    assert tab.title() == "semsplat"
    box = tab.locator("canvas[data-engine]").bounding_box()

    def colors():
        picture = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB")) / 255
        found = []
        for place in PLACES:
            x, y = pixel_of(camera, place)
            x, y = box["x"] + x / camera.width * box["width"], box["y"] + y / camera.height * box["height"]
            found.append(picture[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].reshape(-1, 3).mean(0))
        return np.array(found)

    until(lambda: np.abs(colors() - np.array([RED, GREEN, BLUE])).max() < 0.08)
    assert not asked
    context.close()


def test_a_path_is_played_and_drawn_as_a_film(page, tmp_path):
    av = pytest.importorskip("av")
    panel, visitor = page.part(Travel), page.visitor
    start = camera_of(visitor.client).center
    page.press(panel.add)
    page.tab.get_by_text("One keyframe.").wait_for()
    fly(page, ASIDE)
    page.press(panel.add)
    until(lambda: len(panel.keyframes) == 2 and panel.film.visible)
    page.slide("Seconds", "2")
    until(lambda: panel.seconds.value == 2.0)
    page.press(panel.play)
    half = 0.5 * (ASIDE.position - start).norm()
    until(lambda: (camera_of(visitor.client).center - start).norm() < half)
    until(lambda: (camera_of(visitor.client).center - ASIDE.position).norm() < 1e-2)
    until(lambda: not panel.film.disabled)
    film = page.saved(panel.film, tmp_path)
    with av.open(str(film)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 48
    assert frames[0].shape == (360, 640, 3)
    until(lambda: not panel.film.disabled)
    page.slide("Seconds", "60")
    until(lambda: panel.seconds.value == 60.0)
    page.press(panel.film)
    until(lambda: panel.cancel.visible)
    page.press(panel.cancel)
    page.tab.get_by_text("Cancelled").wait_for()
    until(lambda: not panel.cancel.visible)
    page.press(panel.remove)
    until(lambda: len(panel.keyframes) == 1 and not panel.film.visible)
