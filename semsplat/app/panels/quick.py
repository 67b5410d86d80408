"""Delete, extract, undo, redo: always at hand below what is picked."""

from collections.abc import Callable

from ...splatting.edit import Delete, Keep
from ...splatting.history import Entry
from ..carrying import called
from ..page import Page, What
from ..widgets import side_by_side

NOTHING_PICKED = "Pick something first: click it, or type its name."


class Quick:
    """Four buttons and their keys."""

    def __init__(self, page: Page) -> None:
        self._page = page
        gui = page.client.gui
        self.delete = gui.add_button("Delete", icon="trash", hint="-")
        self.extract = gui.add_button("Extract", icon="cut", hint="-")
        self.undo = gui.add_button("Undo", icon="arrow-back-up", color="gray", hint="-")
        self.redo = gui.add_button("Redo", icon="arrow-forward-up", color="gray", hint="-")
        side_by_side(gui, [self.delete, self.extract, self.undo, self.redo], 4)
        self._keys("Delete what is picked", "trash", self.delete_picked, ("delete", None), ("X", None))
        self._keys("Extract: delete all but what is picked", "cut", self.keep_picked, ("X", "shift"))
        self._keys("Undo", "arrow-back-up", self.take_back, ("Z", "cmd/ctrl"))
        self._keys("Redo", "arrow-forward-up", self.do_again, ("Z", "cmd/ctrl+shift"), ("Y", "cmd/ctrl"))
        for button, job in (
            (self.delete, self.delete_picked),
            (self.extract, self.keep_picked),
            (self.undo, self.take_back),
            (self.redo, self.do_again),
        ):
            button.on_click(lambda _, job=job: page.do(job))

    def refresh(self, what: What) -> None:
        """Enable what is possible, and say why the rest is not."""
        if what in ("layer", "asked"):
            return
        locked, history = self._page.session.locked, self._page.session.now.history
        picked = len(self._page.look.picked)
        name = called(self._page.session, self._page.look.picked, self._page.look.asked) if picked else ""
        for button, says in (
            (self.delete, f"Takes {name} away (X)."),
            (self.extract, f"Takes everything but {name} away (Shift X)."),
        ):
            useless = not picked or (button is self.extract and picked == len(self._page.session.gaussians))
            button.disabled, button.hint = useless or bool(locked), locked or (says if picked else NOTHING_PICKED)
        last, following = history.last, history.next
        self.undo.disabled, self.redo.disabled = not last or bool(locked), not following or bool(locked)
        self.undo.hint = locked or (f"{last.label}: takes it back (Ctrl Z)." if last else "No edits to take back.")
        self.redo.hint = locked or (
            f"{following.label}: does it again (Ctrl Shift Z)." if following else "Nothing was taken back."
        )

    def delete_picked(self) -> None:
        """Take what is picked away; nothing when nothing is."""
        page, ids = self._page, self._page.look.picked
        if len(ids):
            page.edit(Delete(ids), f"Delete {called(page.session, ids, page.look.asked)}")

    def keep_picked(self) -> None:
        """Take all others away; nothing when nothing is picked."""
        page, ids = self._page, self._page.look.picked
        if len(ids):
            page.edit(Keep(ids), f"Keep only {called(page.session, ids, page.look.asked)}")

    def take_back(self) -> None:
        """Undo, and say so when it was the edit of somebody else."""
        self._stepped(self._page.session.undo, "was taken back")

    def do_again(self) -> None:
        """Redo, and say so when it was the edit of somebody else."""
        self._stepped(self._page.session.redo, "was done again")

    def _stepped(self, step: Callable[[object], Entry | None], said: str) -> None:
        page = self._page
        entry = step(page)
        author = page.session.author(entry.number) if entry else None
        if entry is not None and author is not None and author is not page:
            page.say("This was an edit of somebody else", f"{entry.label}: it {said}.")

    def _keys(self, does: str, icon: str, job: Callable[[], None], *keys: tuple[str, str | None]) -> None:
        for number, (hotkey, modifier) in enumerate(keys):
            command = self._page.client.gui.add_command(
                does if not number else f"{does} (other key)", hotkey=hotkey, modifier=modifier, icon=icon
            )
            command.on_trigger(lambda _: self._page.do(job))
