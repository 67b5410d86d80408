"""A small capture and its fitted scene, for the tests of the app."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from furniture import front, furniture
from pages import ARGUMENTS, Page  # beside this file
from small_capture import blobs, write_capture
from small_scenes import labelled_balls, views

from semsplat.app import scene
from semsplat.app.meaning import Meaning
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer
from semsplat.distill import field as fields
from semsplat.splatting import capture
from semsplat.splatting.capture.types import Frame


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The capture; not to be changed."""
    return write_capture(tmp_path_factory.mktemp("capture") / "photos")


@pytest.fixture
def fitted(photos: Path, tmp_path: Path) -> Path:
    """A scene folder as a perfect fit would leave it."""
    folder = tmp_path / "fitted"
    frames = capture.prepare(capture.load(photos), folder / scene.CACHE, 512)
    _, held_out = capture.split(frames, 4)
    scene.write_json(folder / scene.CONFIG, {"semsplat": "0", "source": str(photos), "resolution": 512})
    scene.write_cameras(folder, frames, held_out)
    scene.write_gaussians(folder, blobs())
    return folder


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(path).exists():
        pytest.skip("no Chromium: install chromium or set $CHROMIUM")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A scene folder of the furniture, with a field of labels and a view whose photo is gone."""
    folder = tmp_path / "room"
    folder.mkdir()
    gaussians, field, _ = furniture(0.08)
    camera = front().camera
    assert camera is not None
    scene.write_json(folder / scene.CONFIG, {"semsplat": "0", "source": "nowhere", "resolution": 96})
    scene.write_cameras(folder, [Frame("a.jpg", camera, folder / "gone.npy", False)], [])
    scene.write_gaussians(folder, gaussians)
    codes, ones = field.codes(gaussians), torch.ones(len(gaussians))
    fields.save(folder, fields.StoredField("labels", gaussians.ids, codes, ones, field.decoder, field.memory))
    return folder


@pytest.fixture(scope="module")
def viewer(tmp_path_factory):
    """Three balls with a field of labels, shown; modules that want another scene have their own."""
    gaussians, fields = labelled_balls()
    session = Session(gaussians, views(tmp_path_factory.mktemp("photos")), "balls", meaning=Meaning(fields))
    viewer = Viewer(session, port=0)
    viewer.start()
    yield viewer
    viewer.stop()


@pytest.fixture
def page(chromium, viewer):
    page = Page(chromium, viewer)
    yield page
    page.close()
