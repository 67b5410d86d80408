"""A small capture and its fitted scene, for the tests of the app."""

import os
import shutil
from pathlib import Path

import pytest
from pages import ARGUMENTS  # beside this file
from small_capture import blobs, write_capture

from semsplat.app import scene
from semsplat.splatting import capture


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
