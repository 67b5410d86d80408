"""What leaves the page: files, pictures, a page without a server, a link."""

import dataclasses
import json
import threading
from collections.abc import Callable, Sequence

import torch

from ...splatting.camera import Camera
from ...splatting.gaussians import Gaussians
from .. import sharing
from ..browser import side_by_side
from ..engines import DARK, LIGHT
from ..export_parts import Part, Source
from ..keeping import there
from ..layers import Layer
from ..layers_combined import steady
from ..leaving import Choose, Form, Place, forms, written
from ..look import NOTHING, Look
from ..page import Page, What
from ..poses import Pose
from ..sharing import SIZES, file_name
from ..splats import node

ALL, PICKED, EVERY, AS_SHOWN = "Whole scene", "What is picked", "Every object", "As the page"
USUAL = ".ply"  # format, unless another is chosen
COPY = "navigator.clipboard?.writeText({text}).catch(() => undefined)"


class Share:
    """Save it, show it to others."""

    def __init__(self, page: Page) -> None:
        self._page = page
        gui = page.client.gui
        self.forms = {form.title: form for form in forms(page.session)}
        with gui.add_folder("Files"):
            self.what = gui.add_dropdown("What", [ALL, PICKED], hint="Edits are in it. Type to search objects.")
            self.format = gui.add_dropdown(
                "Format", list(self.forms), initial_value=USUAL, hint=".ply opens in every 3DGS program."
            )
            with gui.add_folder("Where it stands in the file", expand_by_default=False):
                self.center = gui.add_checkbox("Centre", False, hint="The origin goes under its middle.")
                self.upright = gui.add_checkbox(
                    "Upright",
                    page.session.world.placed,
                    hint="Up is where other programs expect it; in metres, if known.",
                )
                self.scale = gui.add_number("Scale", 1.0, min=1e-6, max=1e6, hint="What lengths are multiplied by.")
            self.download = gui.add_button("Download", icon="download")
        with gui.add_folder("What the page shows"):
            self.marked = gui.add_checkbox("Mark picked", False, hint="Light up what is picked in what is saved here.")
            self.size = gui.add_dropdown("Picture size", [AS_SHOWN, *SIZES], hint="Of the picture, in pixels.")
            self.picture = gui.add_button("Picture", icon="photo-down", hint="This view as a PNG file.")
            self.html = gui.add_button(
                "Web page",
                icon="world-download",
                hint="One .html file: opens anywhere, without a server.",
            )
            side_by_side(gui, [self.picture, self.html], 2)
        with gui.add_folder("Link to this view"):
            self.copy = gui.add_button("Copy link", icon="link", hint="Opens where you stand, with this layer.")
            self.link = gui.add_text("Link", "", visible=False)
        self.what.on_update(lambda _: page.do(self._allow))
        self.download.on_click(lambda _: page.do(self._download))
        self.picture.on_click(lambda _: page.do(self._picture))
        self.html.on_click(lambda _: page.do(self._html, "Making a page …"))
        self.copy.on_click(lambda _: page.do(self._copy))

    def refresh(self, what: What) -> None:
        """Offer what there is."""
        if what in ("things", "edits", "scene"):
            names = tuple(row.thing.name for row in there(self._page.session.now))
            every = (EVERY,) if names else ()
            options = (ALL, PICKED, *every, *(name for name in names if name not in (ALL, PICKED, EVERY)))
            if self.what.options != options:
                self.what.options = options
        if what in ("picked", "edits", "scene"):
            self._allow()
        if what == "world":
            self.upright.value = self._page.session.world.placed

    def _allow(self) -> None:
        """There must be something to save."""
        page = self._page
        there_is = page.look.picked if self.what.value == PICKED else page.session.gaussians
        self.download.disabled = not len(there_is)

    def _download(self) -> None:
        page, form = self._page, self.forms[self.format.value]
        chosen = str(self.what.value)
        place = Place(self.center.value, self.upright.value, float(self.scale.value))
        said = {ALL: "", PICKED: "picked", EVERY: "objects"}
        words = (page.session.title, said.get(chosen, chosen))
        save(page, words, form, lambda source: parts_of(source, page, chosen), place)

    def _picture(self) -> None:
        page, camera = self._page, self._page.camera()
        if camera is None:
            return
        camera = sharing.seen_at(camera, *(SIZES.get(self.size.value) or (camera.width, camera.height)))
        gaussians, layer = as_shown(page, [camera], self.marked.value)

        def work() -> None:
            with page.progress("Drawing the picture …"):
                content = sharing.png(gaussians, layer, camera)
            hand_over(page, (page.session.title, page.look.shown), ".png", content)

        aside(page, work)

    def _html(self) -> None:
        page, camera = self._page, self._page.camera()
        if camera is None or page.viewer.server is None:
            return
        gaussians, layer = as_shown(page, [camera], self.marked.value, solid=True)
        many = len(gaussians) > sharing.MOST_SPLATS
        part, colors = sharing.splats_of(gaussians, layer, camera, page.session.importance(gaussians) if many else None)
        html = page.viewer.server.one_file(node(part, colors), standing(page), page.dark)
        hand_over(page, (page.session.title, page.look.shown), ".html", html.encode())
        if many:
            page.say("A part of the scene", f"The page draws the {sharing.MOST_SPLATS:,} most visible Gaussians.")

    def _copy(self) -> None:
        page, server = self._page, self._page.viewer.server
        if server is None or page.camera() is None:
            return
        address = server.ask(page.client, "location.href")
        if not address.startswith(("http://", "https://")):
            page.say("No link", "This browser does not say where the page is; copy its address by hand.")
            return
        self.link.value = sharing.link(address, standing(page), page.look.shown)
        self.link.visible = True
        server.run(page.client, COPY.format(text=json.dumps(self.link.value)))
        page.say("Link", "Copied; it is in the panel too. Who opens it needs to reach this computer.")


def standing(page: Page) -> Pose:
    """Where the page's camera is, what it turns around, and which way is up for it."""
    camera = page.client.camera
    position, target, up = (
        torch.as_tensor(value).float() for value in (camera.position, camera.look_at, camera.up_direction)
    )
    return Pose(position, target, up, float(camera.fov))


def as_shown(page: Page, cameras: Sequence[Camera], marked: bool, solid: bool = False) -> tuple[Gaussians, Layer]:
    """The Gaussians, and the layer of this page for these cameras.

    Args:
        marked: what is picked is lit up. solid: for a picture that can be turned: without the border of a comparison.
    """
    look: Look = page.look
    look = look if marked else dataclasses.replace(look, picked=NOTHING)
    look = dataclasses.replace(look, split=None) if solid else look
    now = page.session.now
    layers = [look.drawn(page.session, now, camera.to(now.gaussians.means.device)) for camera in cameras]
    return now.gaussians, steady(layers).on(DARK if page.dark else LIGHT)


def parts_of(source: Source, page: Page, chosen: str) -> list[Part] | None:
    """What was chosen on a page; None: the whole."""
    picked, rows = page.look.picked, there(page.session.now)
    if chosen == ALL:
        return None
    if chosen == PICKED:
        return [source.part("picked", picked, {})]
    return [source.part(row.thing.name, row.ids, row.thing.facts) for row in rows if chosen in (EVERY, row.thing.name)]


def save(page: Page, words: Sequence[str], form: Form, choose: Choose, place: Place | None = None) -> None:
    """Write a file beside the page's own work and hand it over."""

    def work() -> None:
        with page.told("Writing the file …") as say:
            suffix, content = written(page.session, choose, form, place or Place(), say)
        hand_over(page, words, suffix, content)

    aside(page, work)


def hand_over(page: Page, words: Sequence[str], suffix: str, content: bytes) -> None:
    """Let the page's browser save a file.

    Raises:
        InputError: it is too large to be sent.
    """
    name = file_name(words, suffix)
    page.client.send_file_download(name, sharing.checked(content), save_immediately=True)
    page.say("Saved", f"{name}, {len(content) / 1e6:,.1f} MB, is in your downloads.")


def aside(page: Page, work: Callable[[], None]) -> None:
    """Do long work beside the page's own, which goes on meanwhile."""

    def run() -> None:
        try:
            work()
        except sharing.Cancelled:
            page.say("Cancelled")
        except Exception as error:
            page.failed(error)

    threading.Thread(target=run, name="semsplat-aside", daemon=True).start()
