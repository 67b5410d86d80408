"""The named things of the scene: see them, hide them, lock them, work with one of them."""

import json
from typing import Any

from ...distill.palette import to_hex
from ...splatting.edit import Delete
from .. import keeping
from ..browser import side_by_side
from ..keeping import Row, there
from ..leaving import Form
from ..page import Page, What
from ..widgets import element
from .share import USUAL, parts_of, save

SHOWN = 10  # rows at once
LETTERS = 24  # of a name in a row
KEEP_AS, SELECTION = "Keep as", "selection"
NONE_YET = "No objects yet. **Pick something and keep it**, or let the scene propose some below."
SHARES = (72, 13, 13)  # of a row's width: name, eye, lock
DOES = {  # title: icon, what it does
    "Go there": ("focus-2", "Fly to it."),
    "Alone": ("eye-check", "Show nothing else."),
    "Copy": ("copy", "Put a copy beside it, as an object of its own. Undo takes it back."),
    "Save": ("download", "Download its Gaussians as a file."),
    "Forget": ("tag-off", "Take the name away; its Gaussians stay."),
    "Delete": ("trash", "Delete its Gaussians. Undo brings them back."),
}


class Objects:
    """The objects' part of the panel."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._rows: list[Row] = []  # that are there and that the filter lets through
        self._first = 0  # of them that is shown
        self.chosen: str | None = None
        gui = page.client.gui
        self.text = gui.add_markdown(NONE_YET)
        self.filter = gui.add_text("Filter", "", hint="Only objects whose names have this in them.", visible=False)
        self._add_rows()
        self.more = gui.add_button("More", icon="chevrons-down", color="gray", visible=False)
        side_by_side(gui, [self.more], 1)
        self._add_chosen()
        with gui.add_form(None) as self.form:
            self.name = gui.add_text(KEEP_AS, "", hint="A name for what is picked. Enter keeps it.")
            self.keep = gui.add_button("Keep what is picked", icon="bookmark", disabled=True)
        self._connect()

    def refresh(self, what: What) -> None:
        """Show the objects as they are now."""
        if what in ("things", "edits", "scene"):
            self._follow()
            self.show()
        if what in ("picked", "asked", "edits", "scene"):
            self._offer_name()

    def show(self) -> None:
        """The list, and the one that is chosen."""
        every, words = there(self._page.session.now), self.filter.value.casefold().split()
        self._rows = [row for row in every if all(word in row.thing.name.casefold() for word in words)]
        self._first = self._first if self._first < len(self._rows) else 0
        self.text.content = NONE_YET if not every else "" if self._rows else "No object has that in its name."
        self.text.visible = not self._rows
        self.filter.visible = len(every) > SHOWN or bool(words)
        shown = self._rows[self._first : self._first + SHOWN]
        for number, handles in enumerate(self.rows):
            self._fill(handles, shown[number] if number < len(shown) else None)
        self._color(shown)
        self.more.visible = len(self._rows) > SHOWN
        last = self._first + len(shown)
        self.more.label = f"{self._first + 1} to {last} of {len(self._rows)}: show more"
        self._show_chosen()

    def _add_rows(self) -> None:
        gui, page = self._page.client.gui, self._page
        self.rows: list[tuple[Any, Any, Any]] = []
        for number in range(SHOWN):
            name = gui.add_button("-", visible=False, hint="Picks it, and shows what can be done with it.")
            eye = gui.add_button(" ", icon="eye", visible=False, hint="Hide it, or show it again, on this page.")
            lock = gui.add_button(" ", icon="lock-open", visible=False, hint="A locked object cannot be picked.")
            name.on_click(lambda _, number=number: page.do(lambda: self._choose(number)))
            eye.on_click(lambda _, number=number: page.do(lambda: self._turn("hidden", number)))
            lock.on_click(lambda _, number=number: page.do(lambda: self._turn("locked", number)))
            self.rows.append((name, eye, lock))
        gui.add_html(_in_rows(self.rows))
        self.colors = gui.add_html("")

    def _add_chosen(self) -> None:
        gui = self._page.client.gui
        with gui.add_folder("Object", visible=False) as self.folder:
            with gui.add_form(None) as self.rename:
                self.title = gui.add_text("Name", "", hint="Enter gives it this name.")
            self.color = gui.add_rgb("Colour", (0, 0, 0), hint="Of the object in lists and layers.")
            self.does = {
                title: gui.add_button(title, icon=icon, hint=hint, color="red" if title == "Delete" else "gray")
                for title, (icon, hint) in DOES.items()
            }
            side_by_side(gui, list(self.does.values()), 3)

    def _connect(self) -> None:
        page = self._page
        self.filter.on_update(lambda _: page.when_calm(self.show, 0.2, "filter"))
        self.more.on_click(lambda _: page.do(self._show_more))
        self.form.on_submit(lambda _: page.do(self._keep))
        self.keep.on_click(lambda _: page.do(self._keep))
        self.rename.on_submit(lambda _: page.do(self._rename))
        self.color.on_update(
            lambda event: page.when_calm(self._recolor, 0.3, "object's colour") if event.client else None
        )
        actions = {
            "Go there": self._go,
            "Alone": self._alone,
            "Copy": self._copy,
            "Save": self._save,
            "Forget": self._forget,
            "Delete": self._delete,
        }
        for title, action in actions.items():
            self.does[title].on_click(lambda _, action=action, title=title: page.do(action, f"{title} …"))

    def _fill(self, handles: tuple[Any, Any, Any], row: Row | None) -> None:
        for handle in handles:
            handle.visible = row is not None
        if row is None:
            return
        look, name = self._page.look, row.thing.name
        short = name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"
        title, eye, lock = handles
        title.label = "\u2003" * min(row.depth, 4) + f"{short} · {len(row.ids):,}"
        eye.icon = "eye-off" if name in look.hidden else "eye-check" if name == look.alone else "eye"
        lock.icon = "lock" if name in look.locked else "lock-open"

    def _color(self, shown: list[Row]) -> None:
        """A stripe in each object's colour at the left of its row; names never come into this."""
        rules = ""
        for (title, _, _), row in zip(self.rows, shown, strict=False):
            if (place := element(title)) and row.thing.color:
                rules += f"{place}{{border-left:0.5em solid {to_hex(row.thing.color)} !important}}"
                chosen = row.thing.name == self.chosen
                rules += f"{place}{{font-weight:bold;background:var(--mantine-color-default-hover)}}" if chosen else ""
        if self.colors.content != (content := f"<style>{rules}</style>"):
            self.colors.content = content

    def _show_chosen(self) -> None:
        row = self._row()
        self.folder.visible = row is not None
        if row is None:
            return
        self.folder.label = f"Object: {row.thing.name}"
        if self.title.value != row.thing.name:
            self.title.value = row.thing.name
        color = tuple(round(255 * part) for part in row.thing.color or (0.0, 0.0, 0.0))
        if self.color.value != color:
            self.color.value = color
        alone = self._page.look.alone == row.thing.name
        self.does["Alone"].label = "With all" if alone else "Alone"
        for title in ("Copy", "Delete"):
            self.does[title].disabled = self._page.session.locked is not None

    def _row(self) -> Row | None:
        """The chosen object, when it is there."""
        return next((row for row in there(self._page.session.now) if row.thing.name == self.chosen), None)

    def _follow(self) -> None:
        """What this page says about objects that are no longer there is forgotten."""
        look = self._page.look
        names = {thing.name for thing in self._page.session.now.things}
        look.hidden, look.locked = look.hidden & names, look.locked & names
        look.alone = look.alone if look.alone in names else None
        self.chosen = self.chosen if self.chosen in names else None

    def _offer_name(self) -> None:
        page = self._page
        self.keep.disabled = not len(page.look.picked)
        server = page.viewer.server
        if server is not None:
            server.run(page.client, f"window.semsplat.example({KEEP_AS!r}, {json.dumps(self._default())})")

    def _default(self) -> str:
        """A name for what is picked: the question that found it."""
        asked = self._page.look.asked
        return asked.answer.question if asked is not None and asked.answer.question.strip() else SELECTION

    def _show_more(self) -> None:
        self._first = self._first + SHOWN if self._first + SHOWN < len(self._rows) else 0
        self.show()

    def _choose(self, number: int) -> None:
        row = self._rows[self._first + number]
        self.chosen = row.thing.name
        self.show()
        if row.thing.name in self._page.look.locked:
            self._page.say("Locked", "This object cannot be picked while it is locked.")
        else:
            self._page.pick(row.ids)

    def _turn(self, which: str, number: int) -> None:
        """Hide or show, lock or unlock; what is hidden or locked is not picked any more."""
        look, name = self._page.look, self._rows[self._first + number].thing.name
        setattr(look, which, getattr(look, which) ^ {name})
        if which == "hidden":
            look.alone = None
        self._changed()

    def _changed(self) -> None:
        look = self._page.look
        look.picked = look.pickable(self._page.session.now, look.picked)
        self.show()
        self._page.refresh("picked")

    def _keep(self) -> None:
        page = self._page
        name = keeping.keep(page.session, page.look.picked, self.name.value.strip() or self._default(), page)
        self.chosen, self.name.value = name, ""
        self.show()
        page.say("Kept", name)

    def _rename(self) -> None:
        page, old = self._page, self.chosen
        if old is None or self.title.value == old:
            return
        self.chosen = new = keeping.rename(page.session, old, self.title.value, page)
        for other in page.viewer.pages:
            for which in ("hidden", "locked"):
                names = getattr(other.look, which)
                setattr(other.look, which, names - {old} | {new} if old in names else names)
            other.look.alone = new if other.look.alone == old else other.look.alone
        self.show()

    def _recolor(self) -> None:
        row = self._row()
        red, green, blue = (part / 255 for part in self.color.value)
        if row is not None and row.thing.color != (red, green, blue):
            keeping.recolor(self._page.session, row.thing.name, (red, green, blue), self._page)

    def _go(self) -> None:
        row, camera = self._row(), self._page.camera()
        pose = self._page.session.pose_before(row.ids, camera) if row and camera else None
        if pose is not None:
            self._page.fly(pose)

    def _alone(self) -> None:
        look = self._page.look
        look.alone = None if look.alone == self.chosen else self.chosen
        look.hidden = look.hidden - {self.chosen} if self.chosen else look.hidden
        self._changed()

    def _copy(self) -> None:
        if row := self._row():
            self.chosen = keeping.duplicate(self._page.session, row, self._page.camera(), self._page)
            self.show()

    def _save(self) -> None:
        if row := self._row():
            words = (self._page.session.title, row.thing.name)
            save(
                self._page, words, Form("gaussians", USUAL), lambda source: parts_of(source, self._page, row.thing.name)
            )

    def _forget(self) -> None:
        if self.chosen is not None:
            keeping.forget(self._page.session, self.chosen, self._page)

    def _delete(self) -> None:
        if row := self._row():
            self._page.edit(Delete(row.ids), f"Delete {row.thing.name}")


def _in_rows(rows: list[tuple[Any, Any, Any]]) -> str:
    """CSS that puts three buttons on a line: a wide one and two small ones."""
    rules = ""
    for place, share in enumerate(SHARES):
        here = [selector for row in rows if (selector := element(row[place]))]
        if not here:
            return ""
        around = ",".join(f"div:has(> {one})" for one in here)
        left = "0.75em" if place == 0 else "0.2em"
        rules += f"{around}{{display:inline-block;width:calc((100% - 1.5em) * {share / 100} - 0.2em);"
        rules += f"margin:0 0 0 {left} !important;vertical-align:top}}"
        rules += ",".join(here) + "{padding:0 0.4em;font-size:0.85em;background:transparent;color:inherit;"
        rules += "border:1px solid var(--mantine-color-default-border)}"
        inner = ",".join(f"{one} .mantine-Button-inner" for one in here)
        rules += f"{inner}{{justify-content:{'flex-start' if place == 0 else 'center'}}}"
        sections = ",".join(f"{one} .mantine-Button-section" for one in here)
        rules += f"{sections}{{margin:0}}"
    return f"<style>{rules}</style>"
