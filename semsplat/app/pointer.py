"""The pointer of one page: clicks, boxes and lines over the scene, handed to the tool at hand."""

from pathlib import Path
from typing import Any

from ..splatting.camera import Camera
from .browser import Client, camera_of
from .page import Page
from .tools import BRUSH, LASSO, MEASURE, THING, Tool, Tools

MODIFIERS = (None, "shift", "cmd/ctrl")
LOOKING = "Looking for what belongs together …"


class Pointer:
    """Listens to what a visitor does over the scene. All but the three handlers runs on the page's worker."""

    def __init__(self, page: Page, tools: Tools) -> None:
        self._page, self._tools = page, tools
        self._sphere: Any = None
        self._trace: list[tuple[float, float]] = []
        self._from: Camera | None = None
        for modifier in MODIFIERS:
            page.client.scene.on_click(modifier=modifier)(self._clicked)
        self._script(Path(__file__).with_name("tools.js").read_text("utf-8"))

    def take(self, tool: Tool) -> None:
        """Use another tool."""
        scene = self._page.client.scene
        if self._sphere is not None:
            self._sphere.remove()
            self._sphere = None
        if self._tools.tool.gesture == "box":
            scene.remove_rect_select_callback(self._boxed)
        self._tools.tool = tool
        for modifier in MODIFIERS if tool.gesture == "box" else ():
            scene.on_rect_select(modifier=modifier)(self._boxed)
        if tool.gesture == "drag":
            self._sphere = self._catcher(self._page.client)
        self.show_trace()
        self._tools.changed()

    def show_trace(self) -> None:
        """Let the page draw what the tool does, in its size and colour."""
        tools = self._tools
        radius = tools.radius if tools.tool is BRUSH else tools.stroke_radius
        self._script(f"window.semsplat?.tool?.('{tools.tool.title.lower()}', {radius}, {str(tools.negative).lower()})")

    # On viser's event loop, where the camera is the one of this gesture

    async def _clicked(self, event: Any) -> None:
        place, page = tuple(event.screen_pos), self._page
        if place == page.photo_clicked:  # this click chose a photo
            page.photo_clicked = None
            return
        camera, modifier = camera_of(page.client), event.modifier
        if camera is None or not len(page.session.gaussians) or self._tools.tool.gesture == "box":
            return
        if self._tools.tool is MEASURE:
            page.do(lambda: self._tools.measure(camera, place), LOOKING)
        elif self._tools.tool is THING:
            page.do(lambda: self._tools.click(camera, place, modifier), LOOKING)
        elif self._tools.tool is not LASSO:
            page.do(lambda: self._tools.draw(camera, [place], modifier), LOOKING)

    async def _boxed(self, event: Any) -> None:
        camera, modifier = camera_of(self._page.client), event.modifier
        low, high = tuple(event.screen_min), tuple(event.screen_max)
        if camera is not None and len(self._page.session.gaussians):
            self._page.do(lambda: self._tools.box(camera, low, high, modifier), LOOKING)

    async def _dragged(self, event: Any) -> None:
        if event.phase == "start":
            self._trace, self._from = [], camera_of(self._page.client)
        self._trace.append(tuple(event.end_screen_pos))
        camera, trace, modifier = self._from, self._trace, event.modifier
        if event.phase == "end" and camera is not None and len(self._page.session.gaussians):
            self._from = None
            self._page.do(lambda: self._tools.draw(camera, trace, modifier), LOOKING)

    def _catcher(self, client: Client) -> Any:
        """An invisible sphere around everything: left drags over the scene are its, and no longer the camera's."""
        opening = self._page.viewer.opening
        distance = (opening.target - opening.position).norm().item()
        sphere = client.scene.add_icosphere(
            "/semsplat-catcher",
            radius=300.0 * max(distance, 1e-3),
            position=tuple(opening.target.tolist()),
            opacity=0.0,
            side="back",  # we are in it
            cast_shadow=False,
            receive_shadow=False,
        )
        for modifier in MODIFIERS:
            sphere.on_drag("left", modifier=modifier)(self._dragged)
        return sphere

    def _script(self, source: str) -> None:
        server = self._page.viewer.server
        if server is not None:
            server.run(self._page.client, source)
