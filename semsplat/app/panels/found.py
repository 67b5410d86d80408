"""What was found by words: things with scores, the threshold on the scores' histogram, heat, and what to keep."""

from collections.abc import Callable

import numpy as np
import torch

from ...distill.palette import Color
from ..asking import LISTED, NAMED, Asking, Line, Reply, is_compared, slider_range
from ..browser import side_by_side
from ..legends import heat_legend
from ..look import COLOUR, HEAT, NAMES, Asked
from ..page import Page, What

CALM = 0.4  # seconds without a move of the slider after which things are found anew
SHORT = 17  # letters that a button of half the panel's width holds
WIDE = 520  # pixels of the histogram, shown at half its size
REACHES = "What reaches this score is picked."


class Found:
    """The answer to this page's question; there only while there is one."""

    def __init__(self, page: Page, asking: Asking, say: Callable[[Reply], None], forget: Callable[[], None]) -> None:
        """Take a page.

        Args:
            say: shows the words of a reply. forget: takes the question back.
        """
        self._page, self._asking, self._say = page, asking, say
        self._lines: tuple[Line, ...] = ()
        self._applied: float | None = None  # threshold
        self._dark = page.dark
        gui = page.client.gui
        with gui.add_folder("Found", visible=False) as self.folder:
            self.rows = [gui.add_button("-", visible=False) for _ in range(LISTED)]  # with reasons: long
            self.cells = [gui.add_button("-", visible=False) for _ in range(NAMED)]
            side_by_side(gui, self.cells, 2)
            self.histogram = gui.add_image(np.zeros((1, 1, 3), np.uint8), format="png", visible=False)
            self.threshold = gui.add_slider("Score from", 0.0, 1.0, 0.01, 0.5, visible=False, hint=REACHES)
            self.heat = gui.add_checkbox("Heat", False, visible=False, hint="Show the score of every place (H).")
            self.keep = gui.add_button("Keep", icon="bookmark", hint="Makes an object of it, with a name.")
            self.forget = gui.add_button("Forget", icon="x", color="gray", hint="Back to no question.")
            side_by_side(gui, [self.keep, self.forget], 2)
            with gui.add_folder("Details", expand_by_default=False) as self.details_folder:
                self.details = gui.add_markdown("")
        self._connect(forget)

    def _connect(self, forget: Callable[[], None]) -> None:
        page = self._page
        self.threshold.on_update(lambda event: page.do(self._slide) if event.client is not None else None)
        self.heat.on_update(lambda event: page.do(self._show_heat) if event.client is not None else None)
        self.keep.on_click(lambda _: page.do(self._keep))
        self.forget.on_click(lambda _: page.do(forget))
        for buttons in (self.rows, self.cells):
            for number, button in enumerate(buttons):
                button.on_click(lambda _, number=number: page.do(lambda: self._choose(number)))
        command = page.client.gui.add_command("Show or hide heat", hotkey="H", icon="flame")
        command.on_trigger(lambda _: page.do(self._toggle_heat))

    def refresh(self, what: What) -> None:
        """Tick heat when that is what is seen; light or dark."""
        shown = self._page.look.shown == HEAT
        if self.heat.value != shown:
            self.heat.value = shown
        if self._dark != self._page.dark and self._page.look.asked is not None:
            self._draw_scores(self._page.look.asked)

    def show(self, reply: Reply | None, threshold: float | None = None) -> None:
        """Show what was found; nothing for None.

        Args:
            threshold: chosen on the slider, which is left where it is.
        """
        self._applied = threshold
        self.folder.visible = reply is not None and bool(reply.asked or reply.shared)
        self._list(reply)
        if reply is None:
            return
        self.details.content = reply.details
        self.details_folder.visible = bool(reply.details)
        for handle in (self.histogram, self.heat):
            handle.visible = reply.asked is not None
        self.threshold.visible = reply.asked is not None and not is_compared(reply.asked)
        self.keep.visible = any(line.taken for line in reply.lines)
        self.keep.label = "Keep all" if reply.shared else "Keep"
        if reply.asked is not None:
            if threshold is None:
                self._set_slider(reply.asked)
            self._draw_scores(reply.asked)

    def _list(self, reply: Reply | None) -> None:
        """Things as buttons: in two columns when their labels are short, else below each other."""
        lines = reply.lines[: NAMED if reply.shared else LISTED] if reply else ()
        whole = self._asking.whole()
        if whole is not None and sum(line.taken for line in lines) > 1:
            lines = (whole, *lines[: LISTED - 1])
        self._lines = lines
        long = 0 < len(lines) <= LISTED and max(len(line.label) for line in lines) > SHORT
        for buttons, used in ((self.rows, long), (self.cells, not long)):
            for number, button in enumerate(buttons):
                line = lines[number] if used and number < len(lines) else None
                button.visible = line is not None
                if line is not None:
                    button.label = line.label
                    button.color = _bytes(line.color) if line.color else None if line.taken else "gray"
                    button.disabled = not len(line.ids)

    def _set_slider(self, asked: Asked) -> None:
        heat, threshold, slider = asked.heat, asked.answer.threshold, self.threshold
        low, high, step = slider_range(heat.low, max(heat.high, heat.scores.max().item()), threshold)
        slider.min, slider.max, slider.step = min(low, slider.min), max(high, slider.max), step
        slider.value = high if threshold is None else threshold
        slider.min, slider.max = low, high

    def _draw_scores(self, asked: Asked) -> None:
        """The histogram, in the colours of the heat."""
        self._dark = self._page.dark
        threshold = asked.answer.threshold if self._applied is None else self._applied
        shown = None if is_compared(asked) else threshold
        self.histogram.image = heat_legend(asked.heat, shown, asked.answer.kind, self._dark, WIDE)

    def _slide(self) -> None:
        """Pick what reaches the threshold now; the things that it is follow when the slider rests."""
        asked, threshold = self._page.look.asked, float(self.threshold.value)
        if asked is None or is_compared(asked) or threshold == self._applied:
            return
        self._applied = threshold
        self._page.pick(self._asking.cut(threshold))
        self._draw_scores(asked)
        self._page.when_calm(self._settle, CALM, "threshold")

    def _settle(self) -> None:
        if self._applied is not None and (reply := self._asking.settle(self._applied)) is not None:
            self._page.look.asked = reply.asked
            self._say(reply)
            self.show(reply, self._applied)
            self._page.pick(reply.chosen)

    def _choose(self, number: int) -> None:
        """Pick one thing and go there; or all of them, or all that has one name."""
        if number >= len(self._lines):
            return
        page, line, camera = self._page, self._lines[number], self._page.camera()
        page.pick(line.ids)
        goes = line.color is None and not line.whole
        if goes and camera is not None and (pose := page.session.pose_before(line.ids, camera)):
            page.fly(pose)

    def _show_heat(self) -> None:
        page = self._page
        if self.heat.value != (page.look.shown == HEAT):
            page.show(HEAT if self.heat.value else COLOUR)

    def _toggle_heat(self) -> None:
        page = self._page
        if page.look.asked is None:
            page.say("No question yet", "Heat shows how well each place answers a question: ask one first.")
        else:
            page.show(COLOUR if page.look.shown == HEAT else HEAT)

    def _keep(self) -> None:
        """Make objects of the names; of an answer the one thing that is picked, else all that was found."""
        page, reply = self._page, self._asking.reply
        if reply is None:
            return
        lines = [line for line in reply.lines if line.taken]
        if reply.asked is not None:
            one = [line for line in lines if torch.equal(line.ids.cpu().sort().values, page.look.picked)]
            whole = self._asking.whole()
            lines = one[:1] or ([whole] if whole is not None else [])
        if lines:
            page.say("Kept as an object", ", ".join(self._asking.keep(*lines, by=page)))


def shown_after(reply: Reply, shown: str) -> str:
    """The layer to look at after a question: heat stays heat, names show themselves, other layers stay."""
    if reply.shared:
        return NAMES
    if shown == NAMES or (shown == HEAT and not reply.asked):
        return COLOUR
    return shown


def _bytes(color: Color) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in color)
    return red, green, blue
