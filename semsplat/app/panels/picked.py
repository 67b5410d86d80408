"""What is picked, and how to pick."""

from typing import Any

from ...distill.segment import Click
from ...splatting.camera import Camera
from ...splatting.ids import rows_of, union, without
from ..browser import camera_of
from ..look import NOTHING
from ..page import Page, What
from ..poses import extent

NOTHING_PICKED = "Click the scene: the thing behind that point lights up. **Shift** adds, **Ctrl** (⌘) takes away."


class Picked:
    """The selection of this page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        gui = page.client.gui
        with gui.add_folder("Selection"):
            self.text = gui.add_markdown(NOTHING_PICKED)
            self.clear = gui.add_button("Clear", icon="x", hint="Nothing is picked any more (Esc).", disabled=True)
        self.clear.on_click(lambda _: page.do(lambda: page.pick(NOTHING)))
        gui.add_command("Clear selection", hotkey="escape").on_trigger(lambda _: page.do(lambda: page.pick(NOTHING)))
        for modifier in (None, "shift", "cmd/ctrl"):
            page.client.scene.on_click(modifier=modifier)(self._clicked)

    def refresh(self, what: What) -> None:
        """Say how much is picked."""
        if what in ("picked", "edits", "scene"):
            self.text.content = described(self._page)
            self.clear.disabled = not len(self._page.look.picked)

    async def _clicked(self, event: Any) -> None:
        """On viser's event loop, where the camera is the one of this click."""
        page, place = self._page, tuple(event.screen_pos)
        if place == page.photo_clicked:  # this click chose a photo
            page.photo_clicked = None
            return
        camera, modifier = camera_of(page.client), event.modifier
        if camera is None or not len(page.session.gaussians):
            return
        x = min(max(place[0], 0.0), 1.0 - 1e-6) * camera.width
        y = min(max(place[1], 0.0), 1.0 - 1e-6) * camera.height
        page.do(lambda: self._click(camera, x, y, modifier), "Looking for what belongs together …")

    def _click(self, camera: Camera, x: float, y: float, modifier: str | None) -> None:
        ids, before = self._page.session.select([Click(camera, x, y)]).at(), self._page.look.picked
        if modifier == "shift":
            ids = union(before, ids)
        elif modifier == "cmd/ctrl":
            ids = without(before, ids)
        self._page.pick(ids)


def described(page: Page) -> str:
    """The selection in words, in Markdown."""
    picked, gaussians = page.look.picked, page.session.gaussians
    if not len(picked):
        return f"Nothing is picked.\n\n{NOTHING_PICKED}"
    means = gaussians.means[rows_of(gaussians.ids, picked)]
    size = 2 * extent(means.cpu())[1]
    return f"**{len(picked):,}** of {len(gaussians):,} Gaussians picked, {size:.3g} scene units across."
