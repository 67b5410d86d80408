"""What leaves the page in a real browser, opened again and compared."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pages import PLACES, Page, until
from PIL import Image
from small_scenes import BLUE, GREEN, RED, pixel_of, three_balls

from semsplat.app import keeping
from semsplat.app.browser import camera_of
from semsplat.app.panels.share import Share
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer
from semsplat.splatting import formats

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def viewer():
    viewer = Viewer(Session(three_balls(), title="balls/<b>"), port=0)
    keeping.keep(viewer.session, torch.arange(200, 400), "lime")
    viewer.start()
    yield viewer
    viewer.stop()


@pytest.fixture
def page(chromium, viewer):
    page = Page(chromium, viewer)
    page.tab_of("Share")
    yield page
    page.close()


def saved(page, handle, folder) -> Path:
    """Press a button and wait for the file."""
    with page.tab.expect_download() as download:
        page.press(handle)
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def choose(page, label, option):
    page.field(label).click()
    page.tab.get_by_role("option", name=option, exact=True).click()


def test_a_download_holds_the_gaussians_that_were_chosen(page, tmp_path):
    panel, gaussians = page.part(Share), page.viewer.session.gaussians
    whole = saved(page, panel.download, tmp_path)
    assert whole.name == "balls-b.ply"
    again = formats.read(whole)
    for name in ("means", "log_scales", "logit_opacities", "sh"):
        torch.testing.assert_close(getattr(again, name), getattr(gaussians, name))

    choose(page, "What", "lime")
    until(lambda: panel.what.value == "lime")
    part = saved(page, panel.download, tmp_path)
    assert part.name == "balls-b-lime.ply"
    torch.testing.assert_close(formats.read(part).means, gaussians.means[200:400])

    choose(page, "What", "What is picked")
    until(lambda: panel.what.value == "What is picked")
    until(lambda: panel.download.disabled)
    page.click(PLACES[2])
    picked = until(lambda: page.visitor.look.picked.tolist())
    until(lambda: not panel.download.disabled)
    part = formats.read(saved(page, panel.download, tmp_path))
    torch.testing.assert_close(part.means, gaussians.means[picked])


def test_a_picture_has_the_size_and_the_layer_that_were_chosen(page, tmp_path):
    panel = page.part(Share)
    camera = camera_of(page.visitor.client)
    shown = Image.open(saved(page, panel.picture, tmp_path))
    assert shown.size == (camera.width, camera.height)
    for place, color in zip(PLACES, (RED, GREEN, BLUE), strict=True):
        x, y = pixel_of(camera, place)
        np.testing.assert_allclose(np.asarray(shown)[int(y), int(x)] / 255, color, atol=0.06)
    page.tab_of("View")
    page.show("Depth")
    page.tab_of("Share")
    choose(page, "Picture size", "640 × 360")
    until(lambda: panel.size.value == "640 × 360")
    path = saved(page, panel.picture, tmp_path)
    assert path.name == "balls-b-Depth.png"
    depth = np.asarray(Image.open(path))
    assert depth.shape == (360, 640, 3)
    assert not np.allclose(depth[180, 320] / 255, GREEN, atol=0.2)
