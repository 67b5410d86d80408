"""Find things by words: the search bar, what can be asked, and what is said to it."""

import json

from ..asking import NO_WORDS, Asking, Reply
from ..look import NOTHING
from ..page import Page, What
from .found import Found, shown_after

EXAMPLE = "mug on the table"
FIND, NOT = "Find", "But not"  # labels of the text fields
CHOOSE = "choose …"
SHORT = 30  # letters of a question on a button
SOON = 0.15  # seconds: the panel is made when the colours have arrived, which takes as long


class Ask:
    """Words of this page."""

    def __init__(self, page: Page) -> None:
        self._page, self.asking = page, Asking(page.session)
        gui = page.client.gui
        with gui.add_form(None) as self.form:
            self.words = gui.add_text(
                FIND, "", hint="A thing, a colour, or how things stand to each other; Enter asks. "
                "Several names between commas share the scene out: chair, table, mug. Key F comes here.",
            )  # fmt: skip
        self.said = gui.add_markdown("", visible=False)
        self.offers = gui.add_button_group("Try", ["-"], visible=False, hint="Asks for this.")
        self._add_more()
        self.found = Found(page, self.asking, self._say, self._forget)
        page.parts.append(self.found)
        self._connect()
        self._welcome()

    def _add_more(self) -> None:
        gui = self._page.client.gui
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

    def _connect(self) -> None:
        page = self._page
        for form in (self.form, self.not_form):
            form.on_submit(lambda _: page.do(self._ask, "Looking …"))
        for buttons in (self.offers, self.before):
            buttons.on_click(lambda event: self._again(event.target.value))
        self.names.on_update(lambda event: self._choose_name(event.target.value))
        self.teacher.on_update(lambda _: page.do(self._choose_teacher, "Looking …"))
        command = page.client.gui.add_command("Find by words", hotkey="F", icon="search")
        command.on_trigger(lambda _: page.do(self._focus))

    def refresh(self, what: What) -> None:
        """Offer what can be asked."""
        if what == "scene":
            self._welcome()

    def _welcome(self) -> None:
        """What this scene can be asked."""
        meaning, names = self._page.session.meaning, self.asking.names
        readers = tuple(meaning.readers)
        self.words.disabled = not readers
        self.more.visible, self.teacher.visible = bool(readers), len(readers) > 1
        self.names.options = (CHOOSE, *names)
        self.names.visible = bool(names)
        if readers and self.teacher.options != readers:
            self.teacher.options = readers
        if self.asking.field not in readers:
            self.asking.field = None
        if self.asking.reply is None:
            self._tell_words("" if readers else NO_WORDS)
            self._offer(self.asking.examples)
        known = not names or all(word in names for word in EXAMPLE.split(" on the "))
        self._script("example", FIND, "" if not readers else EXAMPLE if known else names[0])

    def _ask(self) -> None:
        page = self._page
        reply = self.asking.ask(self.words.value, self.but_not.value, page.camera())
        page.look.asked, page.look.shared = reply.asked, reply.shared
        page.look.shown = shown_after(reply, page.look.shown)
        page.pick(reply.chosen)
        # People look at the scene: its colours are on their way before the panel, which takes as long, is made.
        page.when_calm(lambda: self._answer(reply), SOON, "answer")

    def _answer(self, reply: Reply) -> None:
        if reply is not self.asking.reply:
            return  # it was taken back, or another was asked
        self._refresh()
        self._say(reply)
        self.before.options = [_short(text) for text in self.asking.history] or ["-"]
        self.before.visible = bool(self.asking.history)
        self.found.show(reply)

    def _say(self, reply: Reply) -> None:
        self._tell_words(reply.said)
        self._offer(reply.offered)

    def _refresh(self) -> None:
        """All parts of this page: the question is another."""
        for part in self._page.parts:
            part.refresh("asked")

    def _forget(self) -> None:
        look = self._page.look
        look.shown = shown_after(Reply(""), look.shown)
        look.asked = look.shared = None
        self.asking.forget()
        self.words.value = ""
        self.found.show(None)
        self._welcome()
        self._page.pick(NOTHING)
        self._refresh()

    def _again(self, text: str) -> None:
        """Ask what a button says."""
        known = {_short(before): before for before in self.asking.history}

        def ask() -> None:
            self.words.value = known.get(text, text)
            self._ask()

        self._page.do(ask, "Looking …")

    def _choose_name(self, name: str) -> None:
        if name != CHOOSE:
            self.names.value = CHOOSE
            self._again(name)

    def _choose_teacher(self) -> None:
        chosen = self.teacher.value
        if chosen in self._page.session.meaning.readers and chosen != self.asking.field:
            self.asking.field = chosen
            self._welcome()
            if self.asking.reply is not None:
                self._ask()

    def _tell_words(self, text: str) -> None:
        self.said.content, self.said.visible = text, bool(text)

    def _focus(self) -> None:
        self._script("focus", FIND)

    def _script(self, name: str, *arguments: str) -> None:
        server = self._page.viewer.server
        if server is not None:
            server.run(self._page.client, f"window.semsplat.{name}(...{json.dumps(arguments)})")

    def _offer(self, names: tuple[str, ...]) -> None:
        self.offers.visible = bool(names)
        self.offers.options = list(dict.fromkeys(map(_short, names))) or ["-"]


def _short(text: str) -> str:
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
