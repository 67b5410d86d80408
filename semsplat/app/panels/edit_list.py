"""What was done to the scene, each with a switch; the newest is first."""

from typing import Any

from ...splatting.history import Entry
from ..page import Page, What
from ..widgets import as_list, side_by_side

SHOWN = 20  # edits; of earlier ones only the number is said
NONE_YET = "No edits yet. Delete, paint or move something: it is listed here, and each edit can be switched off."
LONGEST = 34  # letters of an edit in the list


class EditList:
    """The edits of this scene, the same on all pages."""

    def __init__(self, page: Page) -> None:
        self._page = page
        gui = page.client.gui
        with gui.add_folder("What was done"):
            self.text = gui.add_markdown(NONE_YET)
            self.rows = [gui.add_checkbox(f"edit {number}", True, visible=False) for number in range(SHOWN)]
            as_list(gui, self.rows)
            self.earlier = gui.add_markdown("", visible=False)
            self.clear = gui.add_button(
                "Take all back", icon="trash-x", color="gray", visible=False, hint="Back to the scene as it was fitted."
            )
            side_by_side(gui, [self.clear], 1)
        self._numbers: list[int] = []
        for at, row in enumerate(self.rows):
            row.on_update(lambda event, at=at: page.do(lambda: self._switch(at)) if event.client is not None else None)
        self.clear.on_click(lambda _: page.do(self._ask_to_clear))

    def refresh(self, what: What) -> None:
        """Show the list as it is now."""
        history, locked = self._page.session.now.history, self._page.session.locked
        newest = [(at < history.done, entry) for at, entry in enumerate(history.entries)][::-1]
        self._numbers = [entry.number for _, entry in newest[:SHOWN]]
        for row, (done, entry) in zip(self.rows, newest, strict=False):
            self._show(row, entry, done, locked)
        for row in self.rows[len(newest) :]:
            row.visible = False
        self.text.content = "" if newest else NONE_YET
        self.text.visible = not newest
        self.earlier.visible, self.clear.visible = len(newest) > SHOWN, bool(newest)
        self.earlier.content = f"… {len(newest) - SHOWN:,} earlier"
        self.clear.disabled = bool(locked)

    def _show(self, row: Any, entry: Entry, done: bool, locked: str | None) -> None:
        label = entry.label if len(entry.label) <= LONGEST else entry.label[: LONGEST - 1] + "…"
        when = entry.when[:16].replace("T", " ")
        about = entry.label + (f" ({when} UTC)" if when else "")
        says = "Switch it off: the others stay." if entry.on else "Switched off; switch it on again."
        values = {
            "label": label if done else f"↶ {label}",
            "hint": f"{about}. {locked or (says if done else 'Taken back; redo does it again.')}",
            "disabled": not done or bool(locked),
            "value": entry.on and done,
            "visible": True,
        }
        for name, value in values.items():
            if getattr(row, name) != value:
                setattr(row, name, value)

    def _switch(self, at: int) -> None:
        if at < len(self._numbers):
            self._page.session.switch(self._numbers[at], bool(self.rows[at].value), by=self._page)

    def _ask_to_clear(self) -> None:
        page, gui = self._page, self._page.client.gui
        count = len(page.session.now.history.entries)
        edits = "the only edit" if count == 1 else f"all {count:,} edits"
        with gui.add_modal("Take all edits back?") as modal:
            gui.add_markdown(f"The scene will be as it was fitted, for everybody. This forgets {edits} for good.")
            yes, no = gui.add_button("Take all back", color="red"), gui.add_button("Keep them", color="gray")
        no.on_click(lambda _: modal.close())

        def clear() -> None:
            modal.close()
            page.session.clear_edits(by=page)

        yes.on_click(lambda _: page.do(clear))
