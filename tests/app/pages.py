"""One page in a real browser, and what a visitor does with it."""

import collections
import contextlib
import io
import time
from urllib.parse import urlsplit

import numpy as np
import torch
from PIL import Image
from small_scenes import pixel_of

from semsplat.app.browser import camera_of

SIZE = {"width": 1000, "height": 560}
PATIENCE = 90.0  # seconds after which something will not happen any more
ON_VIEW = ("Show", "Compare", "Dark page", "All components")  # inputs of that tab
PLACES = ((-1.2, -1.0, 0.0), (0.0, 0.0, 0.0), (1.2, 2.0, 0.0))
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
ARGUMENTS += ["--disable-gpu"]  # without one, the page is put together faster directly than by SwiftShader
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--no-first-run"]

# True once all splats are there, faded in, and two more frames were drawn (viser draws on demand).
PAINTED = """async (count) => {
  const page = window.__viserMutable, info = window.__viserTestpoints?.rendererInfo;
  if (!page?.scene || !info) return false;
  let drawn = 0, shown = 1;
  page.scene.traverse((object) => {
    const uniforms = object.material?.uniforms;
    if (!uniforms?.transitionInState) return;
    drawn += object.geometry.instanceCount;
    shown = Math.min(shown, uniforms.transitionInState.value);
  });
  const frame = info.render.frame;
  while (info.render.frame < frame + 2) {
    page.requestRender();
    await new Promise((done) => requestAnimationFrame(done));
  }
  return drawn === count && shown >= 1;
}"""


class Page:
    """One open page, and what its visitor does."""

    def __init__(self, chromium, viewer, address=None, **options):
        self.viewer = viewer
        self.errors = []
        before = set(viewer.pages)  # some may be on their way out
        self.kept, self.tab = come(chromium, **options)
        self.tab.on("pageerror", self.broke)
        self.tab.goto(address or viewer.server.url + "/?fixedDpr=0.5")
        until(lambda: set(viewer.pages) - before)
        self.settle()

    def settle(self):
        """Until everything is painted and clicks are listened to."""
        until(lambda: self.visitor.furnished)
        until(lambda: self.viewer.splats is None or self.painted > 0)
        until(lambda: self.tab.evaluate(PAINTED, len(self.viewer.splats)))
        self.tab.wait_for_function("() => window.__viserPointer?.hasSceneClickFilter()")
        until(lambda: not self.tab.get_by_text("Software WebGL rendering detected").count())  # it covers the scene

    def broke(self, error):
        self.errors.append(str(error))

    @property
    def visitor(self):
        return self.viewer.pages[-1]

    def where(self, place):
        """Pixel of the page at which a point of the world is."""
        camera = camera_of(self.visitor.client)
        x, y = pixel_of(camera, place)
        box = self.tab.locator("canvas[data-engine]").bounding_box()
        return box["x"] + x / camera.width * box["width"], box["y"] + y / camera.height * box["height"]

    def color(self, place):
        """Mean colour, 0 to 1, of 5 x 5 pixels around a point of the world, once painted."""
        (color,) = self.colors([place])
        return color

    def colors(self, places=PLACES):
        """The colours at several points, of one picture of the page."""
        picture = self.shot()
        found = []
        for place in places:
            x, y = (round(v) for v in self.where(place))
            around = picture[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)
            found.append(torch.tensor(around.mean(0) / 255.0).float())
        return found

    def shot(self):
        """What is seen, once painted."""
        self.tab.evaluate(PAINTED, len(self.viewer.splats))
        return np.asarray(Image.open(io.BytesIO(self.tab.screenshot())).convert("RGB"))

    def moved(self, before):
        """How far each of the three colours is from what it was."""
        return [(now - old).abs().max().item() for now, old in zip(self.colors(), before, strict=True)]

    def like(self, place, color, atol):
        """Wait until the page shows this colour there."""
        until(lambda: torch.allclose(self.color(place), torch.as_tensor(color), atol=atol))

    def click(self, place, modifier=None):
        """Once all is drawn: while a slow page draws, press and release may be so far apart that they are no click."""
        if self.viewer.splats is not None:
            self.tab.evaluate(PAINTED, len(self.viewer.splats))
        if modifier:
            self.tab.keyboard.down(modifier)
        self.tab.mouse.click(*self.where(place))
        if modifier:
            self.tab.keyboard.up(modifier)

    def show(self, layer):
        painted = self.painted
        self.field("Show").click()
        self.tab.get_by_role("option", name=layer).click()
        until(lambda: self.painted > painted)

    @property
    def painted(self):
        return self.tab.evaluate("window.semsplat.painted")

    def field(self, label):
        if label in ON_VIEW:
            self.tab_of("View")
        return self.tab.locator(f'xpath=//label[normalize-space()="{label}"]/ancestor::div[2]//input').first

    def number(self, label):
        """The number beside a slider."""
        label = f'//label[normalize-space()="{label}"]'
        return self.tab.locator(f'xpath={label}/ancestor::div[2]//input[not(@type="hidden")]').first

    def slide(self, label, value):
        """Type a number beside a slider."""
        self.number(label).fill(value)
        self.number(label).press("Enter")

    def choose(self, label, option):
        self.field(label).click()
        self.tab.get_by_role("option", name=option, exact=True).click()

    def part(self, kind):
        """A part of this page's panel."""
        return until(lambda: next((part for part in self.visitor.parts if isinstance(part, kind)), None))

    def saved(self, handle, folder):
        """Press a button of the panel and wait for the file."""
        with self.tab.expect_download() as download:
            self.press(handle)
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        return path

    def press(self, handle):
        """Press a button of the panel, of which this is the server's side."""
        self.tab.locator(f'[id="{handle._impl.uuid}"]').click()

    def tab_of(self, name):
        self.tab.get_by_role("tab", name=name, exact=True).click()

    @contextlib.contextmanager
    def another(self, chromium, address=None):
        """Another page of the same viewer."""
        before = len(self.viewer.pages)
        other = Page(chromium, self.viewer, address)
        try:
            yield other
        finally:
            other.leave()
            until(lambda: len(self.viewer.pages) == before)
        assert not other.errors

    def text(self):
        return self.tab.locator("body").inner_text()

    def leave(self):
        leave(self.kept, self.tab)
        self.tab.remove_listener("pageerror", self.broke)

    def close(self):
        self.leave()
        until(lambda: len(self.viewer.pages) == 0)
        assert not self.errors


# Tabs that nobody is in, by the options of their contexts. Most of what opening a page takes is compiling viser's
# script, which a tab has already that showed it before; of its last visitor it keeps nothing.
FREE = collections.defaultdict(list)


def come(chromium, **options):
    """A tab of a context of its own, and the list in which it waits for its next visitor."""
    kept = FREE[id(chromium), repr(sorted(options.items()))]
    return kept, kept.pop() if kept else new_context(chromium, **options).new_page()


def leave(kept, tab):
    """Empty a tab, as if its context was new, and keep it for the next visitor."""
    try:
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(tab.url))
        tab.evaluate("sessionStorage.clear()")
        for key in ("Shift", "Control", "Alt"):  # a test that failed may hold them
            tab.keyboard.up(key)
        tab.goto("about:blank")
        tab.mouse.up()
        tab.mouse.move(0, 0)
        tab.context.clear_cookies()
        tab.context.clear_permissions()
        tools = tab.context.new_cdp_session(tab)
        tools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        tools.send("Network.clearBrowserCache")
        tools.detach()
    except Exception:
        tab.context.close()  # the next one gets a new one
        raise
    kept.append(tab)


def new_context(chromium, **options):
    """A visitor of their own, who is patient: other work may keep the processors busy."""
    context = chromium.new_context(**{"viewport": SIZE} | options)
    context.set_default_timeout(1e3 * PATIENCE)
    return context


def until(true, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return value


def balls(ids):
    """Which of the three balls a selection touches."""
    return {int(i) // 200 for i in ids}


def lightness(color):
    return (color @ color.new_tensor([0.2126, 0.7152, 0.0722])).item()
