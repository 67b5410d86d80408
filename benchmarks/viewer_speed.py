"""What a person waits for on the page: first picture, click to highlight, words to heat, slider, undo; and bytes sent.

A headless Chromium does what a person does. From the press of a button or key until the page has the new colours in
its buffer; drawing itself is left out (its instanced draw is switched off): without a GPU it would be all there is.
Beside it the usual way of the library underneath: new colours by sending all splats again.

python benchmarks/viewer_speed.py SCENE [--counts 20000 200000 1000000] [--runs 5] [--quick] [--save]

SCENE is a scene folder with a field of labels, such as semsplat demo makes; its Gaussians are copied until there are as
many as wanted. Needs playwright, and Chromium ($CHROMIUM or on the path). Nothing is written into SCENE.
"""

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import arguments, emit

from semsplat.app.meaning import Meaning
from semsplat.app.scene import Scene
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer
from semsplat.splatting.edit import Delete
from semsplat.splatting.gaussians import Gaussians

ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
TYPING = 150  # ms from the last letter to Enter, as people type
NO_DRAWING = "WebGL2RenderingContext.prototype.drawElementsInstanced = function () {};"
HERE = """(count) => { let drawn = 0; window.__viserMutable?.scene?.traverse((o) => {
  if (o.material?.uniforms?.textureBuffer) drawn += o.geometry.instanceCount; }); return drawn >= count; }"""


def many(gaussians: Gaussians, count: int) -> Gaussians:
    """The scene over and over, each copy a hair away, until there are ``count``."""
    random = torch.Generator().manual_seed(0)
    rows = torch.arange(count) % len(gaussians)
    copy = gaussians[rows]
    offsets = 0.2 * copy.scales.amin(-1, keepdim=True) * torch.randn(count, 3, generator=random)
    return copy.replace(means=copy.means + offsets * (rows != torch.arange(count))[:, None], ids=torch.arange(count))


class Browser:
    """One open page and the bytes that came to it."""

    def __init__(self, chromium: Any, viewer: Viewer, count: int) -> None:
        self.viewer, self.received = viewer, 0
        known = len(viewer.pages)
        self.context = chromium.new_context(viewport={"width": 1280, "height": 720})
        self.tab = self.context.new_page()
        self.tab.add_init_script(NO_DRAWING)
        self.tab.on("websocket", lambda socket: socket.on("framereceived", self._count))
        began = time.perf_counter()
        self.tab.goto(viewer.server.url)
        self.tab.wait_for_function(HERE, arg=count, timeout=120_000, polling=20)
        self.first_picture = time.perf_counter() - began
        self.wait(lambda: len(viewer.pages) > known and viewer.pages[-1].engine is not None, 60)
        self.page = viewer.pages[-1]
        self.quiet()

    def _count(self, frame: Any) -> None:
        self.received += len(frame)

    def painted(self) -> int:
        """How many times the page got new colours."""
        return self.tab.evaluate("window.semsplat.painted")

    def wait(self, true: Callable[[], Any], seconds: float = 60.0) -> None:
        """Until something holds."""
        end = time.perf_counter() + seconds
        while not true():
            if time.perf_counter() > end:
                raise TimeoutError("The page did not do what was expected.")
            self.tab.wait_for_timeout(5)

    def quiet(self) -> None:
        """Until nothing has come for a second."""
        before = -1
        while before != self.received:
            before = self.received
            self.tab.wait_for_timeout(1000)

    def timed(self, act: Callable[[], None]) -> tuple[float, int]:
        """(seconds until new colours are in the page's buffer, bytes that came for it)."""
        self.quiet()
        self.mark()
        act()
        painted, received, began = self._marked
        self.tab.wait_for_function("(n) => window.semsplat.painted > n", arg=painted, polling=5, timeout=120_000)
        return time.perf_counter() - began, self.received - received

    def mark(self) -> None:
        """Time begins here."""
        self._marked = self.painted(), self.received, time.perf_counter()

    def field(self, label: str) -> Any:
        """An input of the panel."""
        return self.tab.locator(f'xpath=//label[normalize-space()="{label}"]/ancestor::div[2]//input').first


def measured(chromium: Any, session: Session, count: int, runs: int) -> dict[str, Any]:
    """All figures for one size of scene."""
    viewer = Viewer(session, port=0, max_splats=10_000_000)
    viewer.start()
    pages = []
    try:
        session.meaning.prepare(session.gaussians)  # minutes at 1,000,000
        pages.append(one := Browser(chromium, viewer, count))
        acts = _acts(one)
        for act in acts.values():  # what is made once is made
            one.timed(act)
        taken = {name: [one.timed(act) for _ in range(runs)] for name, act in acts.items()}
        result: dict[str, Any] = {"first_picture_ms": round(1e3 * one.first_picture)}
        for name, pairs in taken.items():
            seconds, sizes = zip(*pairs, strict=True)
            result[name] = {"ms": round(1e3 * statistics.median(seconds)), "kB": round(statistics.median(sizes) / 1e3)}
        one.quiet()
        before = one.received
        pages.append(two := Browser(chromium, viewer, count))
        two.quiet()
        result["second_page_costs_first_bytes"] = one.received - before
        result["all_splats_again"] = _again(two, runs)
        return result
    finally:
        for page in pages:  # one that is left open would go on drawing beside the next size
            page.context.close()
        viewer.stop()


def _acts(one: Browser) -> dict[str, Callable[[], None]]:
    """What a person does, by name. Each changes what is seen when it is done again and again."""
    tab, page = one.tab, one.page
    words = iter(["mug", "table", "chair", "rug", "vase", "plate", "lamp", "floor"] * 9)
    places = iter([(520, 430), (300, 250)] * 40)
    layers, tolerances = iter(["Depth", "Features"] * 40), iter(["0.2", "0.8"] * 40)

    def ask() -> None:
        one.field("Find").fill(next(words))
        tab.wait_for_timeout(TYPING)
        one.mark()
        one.field("Find").press("Enter")

    def slid() -> None:
        """The number beside the slider: what was clicked last, with another tolerance."""
        number = tab.locator('xpath=//label[normalize-space()="Tolerance"]/ancestor::div[2]//input').last
        number.fill(next(tolerances))
        one.mark()
        number.press("Enter")

    def undone() -> None:
        painted = one.painted()
        page.session.do(Delete(page.session.gaussians.ids[::20]), "Delete")
        one.wait(lambda: one.painted() > painted)
        one.quiet()
        tab.evaluate("document.activeElement.blur()")  # keys typed into an input are its own
        one.mark()
        tab.keyboard.press("Control+z")

    return {
        "click to highlight": lambda: tab.mouse.click(*next(places)),
        "slider to update": slid,
        "words to highlight": ask,
        "layer to colours": lambda: page.do(lambda: page.show(next(layers))),
        "undo to screen": undone,
    }


def _again(two: Browser, runs: int) -> dict[str, Any]:
    """New colours the library's way: all splats are sent again, with every setter."""
    splats = two.viewer.splats
    handle = two.viewer.server.viser.scene.get_handle_by_name(splats.name)
    count, sizes = len(splats), []
    for number in range(runs):
        two.quiet()
        before = two.received
        handle.rgbs = torch.full((count, 3), 20 + number, dtype=torch.uint8).numpy()
        two.wait(lambda before=before: two.received > before + 4 * count)
        two.quiet()
        sizes.append(two.received - before)
    return {"kB": round(statistics.median(sizes) / 1e3)}


def main() -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    parser: argparse.ArgumentParser = arguments(__doc__ or "")
    parser.add_argument("scene", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    opened = Scene.open(options.scene)
    gaussians, fields = opened.meaning
    counts, runs = ([2_000], 1) if options.quick else (options.counts, options.runs)
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    found = {}
    with sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=path, args=ARGUMENTS)
        for count in counts:
            cameras = [view.camera for view in opened.views if not view.held_out]
            session = Session(many(gaussians, count), opened.views, meaning=Meaning(fields, cameras))
            found[str(count)] = measured(chromium, session, count, runs)
        chromium.close()
    emit("viewer_speed", {"scenes": found}, _table(found), options.save)


def _table(found: dict[str, Any]) -> list[str]:
    names = [name for name, value in next(iter(found.values())).items() if isinstance(value, dict) and "ms" in value]
    lines = [f"{'Gaussians':28}" + "".join(f"{int(count):>22,}" for count in found)]
    first = "first picture"
    lines.append(f"{first:28}" + "".join(f"{one['first_picture_ms']:>19,} ms" for one in found.values()))
    for name in names:
        cells = [f"{one[name]['ms']:>8,} ms {one[name]['kB']:>7,} kB" for one in found.values()]
        lines.append(f"{name:28}" + "".join(f"{cell:>22}" for cell in cells))
    again = [f"{one['all_splats_again']['kB']:,} kB" for one in found.values()]
    lines.append(f"{'all splats sent again':28}" + "".join(f"{cell:>22}" for cell in again))
    late = [f"{one['second_page_costs_first_bytes']:,} bytes" for one in found.values()]
    lines.append(f"{'a second page costs the first':28}" + "".join(f"{cell:>22}" for cell in late))
    return lines


if __name__ == "__main__":
    main()
