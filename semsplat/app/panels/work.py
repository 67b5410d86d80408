"""Somebody fits the scene, or gives it features, while it is looked at."""

import numpy as np

from ..browser import line_plot
from ..live import Facts, Wish
from ..page import Page, What
from ..progress import clock
from ..widgets import side_by_side

FEW = 8  # points from which on a curve is drawn


class Work:
    """How far it is, the curve, and pause, resume, stop. There only while something goes on."""

    def __init__(self, page: Page) -> None:
        self._page = page
        gui = page.client.gui
        self.text = gui.add_markdown("", visible=False)
        self.bar = gui.add_progress_bar(0.0, visible=False)
        self.pause = gui.add_button(
            "Pause", icon="player-pause", hint="The fit waits and keeps what it has.", visible=False
        )
        self.stop = gui.add_button(
            "Save and stop", icon="player-stop", color="gray", visible=False,
            hint="Ends the fit as it is now; semsplat train --resume goes on later.",
        )  # fmt: skip
        side_by_side(gui, [self.pause, self.stop], 2)
        self._order = self.stop.order + 0.5
        self._curve = None
        self.pause.on_click(lambda _: page.do(self._pause_or_resume))
        self.stop.on_click(lambda _: page.do(lambda: self._wish("stop")))

    def refresh(self, what: What) -> None:
        """Show how far it is."""
        if what not in ("work", "scene"):
            return
        facts = self._page.session.work
        for handle in (self.text, self.bar):
            handle.visible = facts is not None
        for button in (self.pause, self.stop):
            button.visible = facts is not None and facts.obeys
        self._draw(facts)
        if facts is None:
            return
        self.text.content = described(facts)
        self.bar.value = 100.0 * facts.done / max(facts.of, 1)
        paused = facts.state == "paused"
        self.pause.label, self.pause.icon = ("Resume", "player-play") if paused else ("Pause", "player-pause")

    def _pause_or_resume(self) -> None:
        facts = self._page.session.work
        if facts is not None:
            self._wish("resume" if facts.state == "paused" else "pause")

    def _wish(self, what: Wish) -> None:
        follow = self._page.viewer.follow
        if follow is not None:
            follow.wish(what)

    def _draw(self, facts: Facts | None) -> None:
        """The curve of the training views' PSNR; removed when there is none."""
        if facts is None or len(facts.curve) < FEW:
            if self._curve is not None:
                self._curve.remove()
                self._curve = None
            return
        steps, losses, _ = (np.array(column) for column in zip(*facts.curve, strict=True))
        if self._curve is not None:
            self._curve.data = (steps, losses)
            return
        self._curve = line_plot(self._page.client, steps, losses, "step", "loss", self._order, logarithmic=True)


def described(facts: Facts) -> str:
    """What goes on, in Markdown."""
    state = "Paused" if facts.state == "paused" else facts.what.capitalize()
    return f"**{state}**: {facts.done:,} of {facts.of:,}, {clock(facts.seconds_left)} left.\n\n{facts.text}"
