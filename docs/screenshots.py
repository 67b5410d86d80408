"""The pictures of the page in the README: python docs/screenshots.py SCENE

SCENE is what ``semsplat demo`` makes. A copy of it is shown in a headless Chromium ($CHROMIUM or on the path) and used
as a person would; nothing is written but the pictures beside this file. Needs playwright.
"""

import io
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from semsplat.app.session import Session
from semsplat.app.viewer import Viewer

HERE = Path(__file__).parent
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SIZE = {"width": 1280, "height": 800}
DRAWN = """async () => {
  const page = window.__viserMutable, { render } = window.__viserTestpoints.rendererInfo, frame = render.frame;
  while (render.frame < frame + 2) {
    page.requestRender();
    await new Promise((done) => requestAnimationFrame(done));
  }
}"""


class Visit:
    """One visitor at a page."""

    def __init__(self, browser: Any, viewer: Viewer) -> None:
        self.tab = browser.new_context(viewport=SIZE).new_page()
        self.tab.set_default_timeout(300_000)
        self.tab.goto(viewer.server.url)
        while not viewer.pages or not viewer.pages[-1].furnished:
            self.tab.wait_for_timeout(100)
        self.page = viewer.pages[-1]
        self.calm()

    def calm(self, seconds: float = 6.0) -> None:
        """Until all is drawn: without a GPU a frame takes a second, and more while something else goes on."""
        done = list[bool]()
        self.page.do(lambda: done.append(True))
        while not done:
            self.tab.wait_for_timeout(100)
        self.tab.wait_for_timeout(1e3 * seconds)  # words and notices go, splats have come
        self.tab.evaluate(DRAWN)

    def ask(self, words: str) -> None:
        """Type a question."""
        found = self.tab.locator('xpath=//label[normalize-space()="Find"]/ancestor::div[2]//input').first
        found.fill(words)
        found.press("Enter")
        end = time.monotonic() + 300
        while self.page.look.asked is None or not len(self.page.look.picked):
            assert time.monotonic() < end, f"nothing was found for {words}"
            self.tab.wait_for_timeout(100)
        self.calm()

    def show(self, layer: str) -> None:
        """Look at a layer."""
        self.page.do(lambda: self.page.show(layer))
        self.calm()

    def tab_of(self, name: str) -> None:
        """Open a tab of the panel."""
        self.tab.get_by_role("tab", name=name, exact=True).click()
        self.calm(1.5)

    def save(self, name: str) -> None:
        """Write the picture of the page."""
        picture = Image.open(io.BytesIO(self.tab.screenshot())).convert("RGB")
        picture.save(HERE / f"{name}.jpg", quality=85, optimize=True)
        print(HERE / f"{name}.jpg")


def main() -> None:
    """Make the pictures."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as running:
        scene = Path(folder) / "room"
        shutil.copytree(sys.argv[1], scene)
        viewer = Viewer(Session.at(scene), port=0)
        viewer.start()
        browser = running.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        visit = Visit(browser, viewer)
        visit.ask("mug on the table")
        visit.save("page_ask")
        visit.show("Features")
        visit.save("page_features")
        visit.ask("chair by the window")
        visit.show("Colour")
        visit.tab_of("Edit")
        visit.tab.keyboard.press("Escape")
        visit.tab.evaluate("document.activeElement.blur()")
        visit.ask("chair by the window")
        visit.tab.get_by_role("button", name="Delete").first.click()
        visit.calm()
        visit.save("page_edit")
        browser.close()
        viewer.stop()


if __name__ == "__main__":
    main()
