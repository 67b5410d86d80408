"""The ruler: two clicks, how far apart they are, and how long that is in the world."""

import numpy as np

from ...splatting.errors import InputError
from ..measuring import length_of
from ..page import Page
from ..tools import MEASURE, Tools

LINE, COLOR = "/semsplat-ruler", (255, 60, 160)
FIRST, SECOND = "Click one end of it.", "Click the other end."


class Ruler:
    """What is measured with the tool of this page; hidden while another tool is at hand."""

    def __init__(self, page: Page, tools: Tools) -> None:
        self._page, self._tools, self._line = page, tools, None
        gui = page.client.gui
        self.distance = gui.add_markdown(FIRST, visible=False)
        self.length = gui.add_text("It is", "", visible=False, hint="How long that really is: 80 cm, 1.2 m.")
        self.set = gui.add_button(
            "Set the scale", icon="ruler-2", visible=False, hint="Lengths and files are in metres from then on."
        )
        self.set.on_click(lambda _: page.do(self._set))

    def show(self) -> None:
        """What was clicked, in the scene and in words."""
        points, at_hand = self._tools.measured, self._tools.tool is MEASURE
        both = at_hand and len(points) == 2
        self.distance.visible = at_hand
        self.length.visible = self.set.visible = both
        if self._line is not None:
            self._line.remove()
            self._line = None
        if both:
            ends = np.stack([point.numpy() for point in points])
            self._line = self._page.client.scene.add_line_segments(
                LINE, ends[None], COLOR, thickness=3.0, thickness_units="screen"
            )
            apart = float(np.linalg.norm(ends[1] - ends[0]))
            self.distance.content = f"**{self._page.session.world.length(apart)}** apart"
        else:
            self.distance.content = SECOND if points else FIRST

    def _set(self) -> None:
        points, session = self._tools.measured, self._page.session
        if len(points) != 2:
            return
        apart = float((points[1] - points[0]).norm())
        if not apart > 0:
            raise InputError("Both ends are one point; click two that are far apart.")
        session.place(session.world.scaled(apart, length_of(str(self.length.value))), by=self._page)
        self._page.say("The scale is known", f"A unit of the scene is {session.world.metres:.4g} m.")
