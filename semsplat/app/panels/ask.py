"""Find things by words: the search bar, what was found, the threshold on the scores."""

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ...distill.palette import Color
from ..asking import LISTED, NAMED, NO_WORDS, Asking, Line, Reply, is_compared, slider_range
from ..browser import side_by_side
from ..legends import heat_legend
from ..look import COLOUR, HEAT, NAMES, NOTHING, Asked
from ..page import Page, What

EXAMPLE = "mug on the table"
FIND, NOT = "Find", "But not"  # labels of the text fields
CALM = 0.4  # seconds without a move of the slider after which things are found anew
WIDE = 520  # pixels of the histogram, shown at half its size
REACHES = "What reaches this score is picked."
COMPARED = "Here things were compared with each other: how well each fits decides, and no score."
CHOOSE = "choose …"
SHORT = 30  # letters of a question on a button


class Ask:
    """Words of this page."""

    def __init__(self, page: Page) -> None:
        self._page, self.asking = page, Asking(page.session)
        self._lines: tuple[Line, ...] = ()
        self._applied: float | None = None  # threshold
        self._build_question()
        self._build_answer()
        self._connect()
        server = page.viewer.server
        if server is not None:
            server.run(page.client, f"window.semsplat.example({FIND!r}, {EXAMPLE!r})")
        self._welcome()

    def _build_question(self) -> None:
        gui = self._page.client.gui
        with gui.add_form(None) as self.form:
            self.words = gui.add_text(
                FIND, "", hint="A thing, a colour, or how things stand to each other; Enter asks. "
                "Several names between commas share the scene out: chair, table, mug.",
            )  # fmt: skip
        self.said = gui.add_markdown("")
        self.offers = gui.add_button_group("Try", ["-"], visible=False, hint="Asks for this.")
        with gui.add_folder("More about asking", expand_by_default=False) as self.more:
            self.names = gui.add_dropdown("Names", [CHOOSE], hint="All names that are known here. Type to search.")
            with gui.add_form(None) as self.not_form:
                self.but_not = gui.add_text(
                    NOT, "", hint="What is not meant, between commas; Enter asks again. Likest to that is left out."
                )
            self.teacher = gui.add_dropdown(
                "Features", [CHOOSE], visible=False, hint="Which of the scene's features are asked."
            )
            self.before = gui.add_button_group("Before", ["-"], visible=False, hint="Asks this again.")

    def _build_answer(self) -> None:
        gui = self._page.client.gui
        with gui.add_folder("Found", visible=False) as self.folder:
            self.all = gui.add_button("All of them", icon="stack-2", visible=False, hint="Picks all that was found.")
            self.list = [gui.add_button("-", visible=False) for _ in range(NAMED)]
            self.histogram = gui.add_image(_nothing(), format="png", visible=False)
            self.threshold = gui.add_slider("Score from", 0.0, 1.0, 0.01, 0.5, visible=False, hint=REACHES)
            self.heat = gui.add_checkbox("Heat", False, visible=False, hint="Show the score of every place. Key H.")
            self.keep = gui.add_button("Keep", icon="bookmark", hint="Makes an object of it, with a name.")
            self.forget = gui.add_button("Forget", icon="x", color="gray", hint="Back to no question.")
            side_by_side(gui, [self.keep, self.forget], 2)
            with gui.add_folder("Details", expand_by_default=False) as self.details_folder:
                self.details = gui.add_markdown("")

    def _connect(self) -> None:
        page = self._page
        for form in (self.form, self.not_form):
            form.on_submit(lambda _: page.do(self._ask, "Looking …"))
        self.offers.on_click(lambda event: self._again(event.target.value))
        self.before.on_click(lambda event: self._again(event.target.value))
        self.names.on_update(lambda _: page.do(self._choose_name))
        self.teacher.on_update(lambda _: page.do(self._choose_teacher))
        self.threshold.on_update(lambda _: page.do(self._slide))
        self.heat.on_update(lambda _: page.do(self._show_heat))
        self.keep.on_click(lambda _: page.do(self._keep))
        self.forget.on_click(lambda _: page.do(self._forget))
        self.all.on_click(lambda _: page.do(self._pick_all))
        for number, button in enumerate(self.list):
            button.on_click(lambda _, number=number: page.do(lambda: self._choose(number)))
        gui = page.client.gui
        gui.add_command("Find by words", hotkey="F", icon="search").on_trigger(lambda _: page.do(self._focus))
        gui.add_command("Show or hide heat", hotkey="H", icon="flame").on_trigger(lambda _: page.do(self._toggle_heat))

    def refresh(self, what: What) -> None:
        """Offer what can be asked; tick heat when that is what is seen."""
        if what == "scene":
            self._welcome()
        if what in ("layer", "scene", "asked"):
            shown = self._page.look.shown == HEAT
            if self.heat.value != shown:
                self.heat.value = shown

    def _welcome(self) -> None:
        """What this scene can be asked."""
        session = self._page.session
        readers = tuple(session.meaning.readers)
        for field in (self.words, self.but_not):
            field.disabled = not readers
        self.names.options = (CHOOSE, *self.asking.names)
        self.names.visible = len(self.names.options) > 1
        self.more.visible = bool(readers)
        self.teacher.visible = len(readers) > 1
        if readers and self.teacher.options != readers:
            self.teacher.options = readers
            self.asking.field = None if self.asking.field not in readers else self.asking.field
        if self.asking.reply is None:
            self.said.content = "" if readers else NO_WORDS
            self._offer("Try", self.asking.examples)

    def _ask(self) -> None:
        page = self._page
        reply = self.asking.ask(self.words.value, self.but_not.value, page.camera())
        page.look.asked, page.look.shared = reply.asked, reply.shared
        self._applied = None
        wanted = NAMES if reply.shared else HEAT if page.look.shown == HEAT and reply.asked else COLOUR
        if page.look.shown in (HEAT, NAMES) or reply.shared:
            page.look.shown = wanted
        self._show(reply)
        self._tell(reply.chosen)

    def _tell(self, picked: Int64[Tensor, " k"]) -> None:
        """Everybody on this page: the question is another, and so is what is picked."""
        for part in self._page.parts:
            part.refresh("asked")
        self._page.pick(picked)

    def _show(self, reply: Reply) -> None:
        """The words of a reply, and what one can do with it."""
        self.said.content = reply.said
        self._offer("Try", reply.offered)
        self.before.options = [_short(text) for text in self.asking.history] or ["-"]
        self.before.visible = bool(self.asking.history)
        self._list(reply)
        self.details.content = reply.details
        self.details_folder.visible = bool(reply.details)
        self.folder.visible = bool(reply.asked or reply.shared)
        for handle in (self.histogram, self.threshold, self.heat):
            handle.visible = reply.asked is not None
        self.keep.visible = any(line.taken for line in reply.lines)
        self.keep.label = "Keep all" if reply.shared else "Keep"
        if reply.asked is not None:
            self._show_scores(reply.asked)

    def _list(self, reply: Reply) -> None:
        self._lines = reply.lines[: NAMED if reply.shared else LISTED]
        whole = self.asking.whole()
        self.all.visible = whole is not None and sum(line.taken for line in self._lines) > 1
        self.all.label = whole.label if whole else "-"
        for number, button in enumerate(self.list):
            line = self._lines[number] if number < len(self._lines) else None
            button.visible = line is not None
            if line is not None:
                button.label = line.label
                button.color = _bytes(line.color) if line.color else None if line.taken else "gray"
                button.disabled = not len(line.ids)

    def _show_scores(self, asked: Asked) -> None:
        """The histogram, and a slider over the same range."""
        answer, heat = asked.answer, asked.heat
        threshold = answer.threshold if self._applied is None else self._applied
        compared = is_compared(asked)
        low, high, step = slider_range(heat.low, max(heat.high, heat.scores.max().item()), threshold)
        slider = self.threshold
        slider.disabled, slider.hint = compared, COMPARED if compared else REACHES
        if self._applied is None:
            slider.min, slider.max, slider.step = min(low, slider.min), max(high, slider.max), step
            slider.value = high if threshold is None else threshold
            slider.min, slider.max = low, high
        self._draw_scores(asked, None if compared else threshold)

    def _draw_scores(self, asked: Asked, threshold: float | None) -> None:
        self.histogram.image = heat_legend(asked.heat, threshold, asked.answer.kind, self._page.dark, WIDE)

    def _slide(self) -> None:
        """Pick what reaches the threshold now; the things that it is follow when the slider rests."""
        asked, threshold = self._page.look.asked, float(self.threshold.value)
        if asked is None or is_compared(asked) or threshold == self._applied:
            return
        self._applied = threshold
        self._page.pick(self.asking.cut(threshold))
        self._draw_scores(asked, threshold)
        self._page.when_calm(self._settle, CALM, "threshold")

    def _settle(self) -> None:
        if self._applied is not None and (reply := self.asking.settle(self._applied)) is not None:
            self._page.look.asked = reply.asked
            self._show(reply)
            self._page.pick(reply.chosen)

    def _choose(self, number: int) -> None:
        """Pick one thing and go there, or pick all that has one name."""
        if number >= len(self._lines):
            return
        page, line = self._page, self._lines[number]
        page.pick(line.ids)
        camera = page.camera()
        if line.color is None and camera is not None and (pose := page.session.pose_before(line.ids, camera)):
            page.fly(pose)

    def _pick_all(self) -> None:
        if whole := self.asking.whole():
            self._page.pick(whole.ids)

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
        page, reply = self._page, self.asking.reply
        if reply is None:
            return
        lines = [line for line in reply.lines if line.taken]
        if reply.asked is not None:
            picked = page.look.picked
            one = next((line for line in lines if torch.equal(line.ids.cpu().sort().values, picked)), None)
            lines = [one or self.asking.whole() or lines[0]]
        page.say("Kept", ", ".join(self.asking.keep(*lines, by=page)))

    def _forget(self) -> None:
        page = self._page
        self.asking.forget()
        self.words.value = ""
        page.look.asked = page.look.shared = None
        self.folder.visible = False
        if page.look.shown in (HEAT, NAMES):
            page.look.shown = COLOUR
        self._welcome()
        self._tell(NOTHING)

    def _again(self, text: str) -> None:
        """Ask what a button says."""
        known = {_short(before): before for before in self.asking.history}

        def ask() -> None:
            self.words.value = known.get(text, text)
            self._ask()

        self._page.do(ask, "Looking …")

    def _choose_name(self) -> None:
        name = self.names.value
        if name != CHOOSE:
            self.names.value, self.words.value = CHOOSE, name
            self._ask()

    def _choose_teacher(self) -> None:
        if self.asking.field != self.teacher.value and self.teacher.value in self._page.session.meaning.readers:
            self.asking.field = self.teacher.value
            self._welcome()
            if self.asking.reply is not None and self.words.value:
                self._ask()

    def _focus(self) -> None:
        server = self._page.viewer.server
        if server is not None:
            server.run(self._page.client, f"window.semsplat.focus({FIND!r})")

    def _offer(self, label: str, names: tuple[str, ...]) -> None:
        self.offers.label, self.offers.visible = label, bool(names)
        self.offers.options = list(dict.fromkeys(names)) or ["-"]


def _bytes(color: Color) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in color)
    return red, green, blue


def _short(text: str) -> str:
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


def _nothing() -> UInt8[np.ndarray, "1 1 3"]:
    return np.zeros((1, 1, 3), np.uint8)
