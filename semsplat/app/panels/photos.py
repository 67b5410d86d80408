"""The photos: where they were taken, standing there, and how the scene compares with them."""

import json
import time
from typing import Any

import numpy as np

from ..browser import escaped, side_by_side
from ..layers import Layer
from ..page import Page, What
from ..photo_compare import Placed, as_address, compare
from ..scene import View
from .view import put

NONE = "This scene has no photos: it was opened from a file of Gaussians alone."
NOWHERE = "choose …"
INVITE = "Choose a photo, or click one in the scene: you stand where it was taken and can compare."
SETTLE = 4.0  # seconds after a flight in which a slow page may still tell where it was on the way
NEAR = 2e-3  # of the distance to what is looked at: so far away is still the same place


class PhotosPanel:
    """Frusta, a list of the photos, and a comparison with the one at which the page stands."""

    def __init__(self, page: Page) -> None:
        self._page, self._at, self._sent, self._waiting = page, -1, -1, False
        self._landed = 0.0  # monotonic time
        self._views = page.session.views
        self._places = {view.name: number for number, view in enumerate(self._views)}
        gui = page.client.gui
        if not self._views:
            gui.add_markdown(NONE)
            return
        self.shown = gui.add_checkbox(
            "Photos", False, hint="Where the photos were taken. Click one to stand there. Orange: held out of the fit."
        )
        self.name = gui.add_dropdown("Stand at", [NOWHERE, *self._places], hint="Fly to where this photo was taken.")
        self.previous = gui.add_button(
            "Previous", icon="chevron-left", color="gray", hint="The photo before (Shift P)."
        )
        self.next = gui.add_button("Next", icon="chevron-right", color="gray", hint="The next photo (P).")
        side_by_side(gui, [self.previous, self.next], 2)
        self.text = gui.add_markdown(INVITE)
        self.over = gui.add_slider(
            "Photo over",
            0.0,
            1.0,
            0.01,
            0.0,
            visible=False,
            hint="Lay the photo over the scene (O); it goes when you do.",
        )
        blank = np.zeros((1, 1, 3), np.uint8)
        self.photo = gui.add_image(blank, label="Photo", format="jpeg", visible=False)
        self.difference = gui.add_image(blank, label="Difference to the scene", format="jpeg", visible=False)
        self._connect(gui)

    def refresh(self, what: What) -> None:
        """Compare again with a scene that has changed."""
        if what in ("edits", "scene") and self._at >= 0:
            self._page.do(self._compare)

    def stand_at(self, view: View) -> None:
        """Fly to a photo and compare."""
        self._at = self._places[view.name]
        put(self.name, value=view.name)
        self._page.fly(self._page.session.pose_of(view.camera))
        self._landed = time.monotonic()
        self._page.do(self._compare, "Comparing with the photo …")

    def _connect(self, gui: Any) -> None:
        page = self._page
        page.go_to = self.stand_at
        page.watchers.append(self._left)
        self.shown.on_update(lambda _: page.do(self._show))
        self.name.on_update(lambda event: page.do(self._choose) if event.client is not None else None)
        self.over.on_update(lambda event: self._slid(event))
        self.next.on_click(lambda _: page.do(lambda: self._step(1)))
        self.previous.on_click(lambda _: page.do(lambda: self._step(-1)))
        for label, does, modifier, key, icon, job in (
            ("Next photo", "Stand where it was taken", None, "P", "chevron-right", lambda: self._step(1)),
            ("Previous photo", "Or at the one before", "shift", "P", "chevron-left", lambda: self._step(-1)),
            ("Photo over the scene", "Lay it over, or take it away", None, "O", "photo-search", self._toggle),
        ):
            command = gui.add_command(label, description=does, hotkey=key, modifier=modifier, icon=icon)
            command.on_trigger(lambda _, job=job: page.do(job))

    def _show(self) -> None:
        self._page.photos.show(self.shown.value)
        self._page.redraw()

    def _choose(self) -> None:
        if self.name.value in self._places:
            self.stand_at(self._views[self._places[self.name.value]])

    def _step(self, by: int) -> None:
        at = self._at if self._at >= 0 or by > 0 else 0
        self.stand_at(self._views[(at + by) % len(self._views)])

    def _compare(self) -> None:
        if self._at < 0:
            return
        view = self._views[self._at]
        kind = "held out of the fit" if view.held_out else "used by the fit"
        if not view.pixels.is_file():
            put(self.text, content=f"**{escaped(view.name)}** · {kind}. Its pixels were removed: nothing to compare.")
            return
        found = compare(self._page.session, view)
        put(self.text, content=f"**{escaped(view.name)}** · {kind} · **{found.psnr:.1f} dB** from here")
        self.photo.image, self.difference.image = found.photo, found.difference
        for control in (self.over, self.photo, self.difference):
            put(control, visible=True)
        self._lay()

    def _left(self, _: Layer | None = None) -> None:
        """The camera rests: whether still at the photo."""
        camera = self._page.camera()
        if self._at < 0 or camera is None:
            return
        there = self._views[self._at].camera
        away = (camera.center - there.center.cpu()).norm().item()
        forward = (camera.world_to_camera[2, :3] - there.world_to_camera[2, :3].cpu()).norm().item()
        distance = float(
            np.linalg.norm(np.subtract(self._page.client.camera.look_at, self._page.client.camera.position))
        )
        if away <= NEAR * distance and forward <= NEAR:
            return
        early = self._landed + SETTLE - time.monotonic()
        if early > 0:
            self._page.when_calm(self._left, early, "whether it left the photo")
            return
        self._at = -1
        put(self.name, value=NOWHERE)
        put(self.text, content=INVITE)
        for control in (self.over, self.photo, self.difference):
            put(control, visible=False)
        self._lay()

    def _slid(self, event: Any) -> None:
        if event.client is not None and not self._waiting:
            self._waiting = True
            self._page.do(self._lay)

    def _toggle(self) -> None:
        if self._at < 0:
            self._page.say("You stand at no photo", "Choose one first: P is the next.")
            return
        self.over.value = 0.0 if self.over.value > 0 else 1.0
        self._lay()

    def _lay(self) -> None:
        """The photo over the page, as the slider says."""
        self._waiting = False
        server, camera, opacity = self._page.viewer.server, self._page.camera(), float(self.over.value)
        wanted = self._at if opacity > 0 and camera is not None else -1
        if server is None or wanted == self._sent == -1:
            return
        if wanted < 0 or camera is None:
            self._sent = -1
            server.run(self._page.client, "window.semsplat?.photo?.(null)")
            return
        view = self._views[wanted]
        source = as_address(view) if wanted != self._sent else ""
        self._sent = wanted
        box = json.dumps(Placed.of(view.camera, camera).as_json())
        server.run(self._page.client, f"window.semsplat?.photo?.({json.dumps(source)}, {opacity:.3f}, {box})")
