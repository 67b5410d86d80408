"""Close the hole that something left, while the page goes on."""

import threading

from ...splatting.edit import Delete, Fill
from ...splatting.fill import Stopped
from ..carrying import carry_out
from ..commands import Command
from ..page import Page, What
from ..widgets import side_by_side
from .share import aside

HINT = "The surface behind what was deleted last, from what the photos show around it and behind it; up to a minute."


class Filling:
    """A button for the hole of the last deletion, and another that gives it up."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._stop: threading.Event | None = None  # set: it is not wanted any more; None: nothing goes on
        gui = page.client.gui
        self.fill = gui.add_button("Fill the hole", icon="texture", color="gray", hint=HINT, visible=False)
        self.stop = gui.add_button("Stop filling", icon="player-stop", color="gray", visible=False)
        side_by_side(gui, [self.fill, self.stop], 1)
        command = gui.add_command("Fill the hole", icon="texture", description=HINT)
        for told in (self.fill.on_click, command.on_trigger):
            told(lambda _: page.do(lambda: self.begin(Command("fill"))))
        self.stop.on_click(lambda _: self._stop.set() if self._stop else None)

    def refresh(self, what: What) -> None:
        """There is a hole when the last edit in force took something away."""
        if what in ("edits", "scene", "work"):
            self._show()

    def begin(self, command: Command) -> None:
        """Fill what the command says; one hole at a time."""
        page = self._page
        if self._stop is not None:
            page.say("One at a time", "A hole is being filled; wait for it, or stop it.")
            return
        stop = self._stop = threading.Event()
        self._show()

        def work() -> None:
            try:
                with page.told("Filling the hole …") as say:
                    edit, name = carry_out(
                        page.session, command, say=lambda share, words: say(f"{share:.0%}, {words}"), stop=stop.is_set
                    )
                page.do(lambda: page.edit(edit, name))
            except Stopped:
                page.say("Stopped", "Nothing was filled.")
            finally:
                self._stop = None
                page.do(self._show)

        aside(page, work)

    def _show(self) -> None:
        session = self._page.session
        in_force = session.now.history.in_force
        holes = [entry.edit for entry in in_force if isinstance(entry.edit, Delete | Fill)]
        open_hole = bool(holes) and isinstance(holes[-1], Delete)
        self.fill.visible = open_hole and self._stop is None and bool(session.views)
        self.fill.disabled = bool(session.locked)
        self.stop.visible = self._stop is not None
