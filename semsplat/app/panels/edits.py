"""Change what is picked: in words, by colour, by place; insert other scenes."""

import tempfile
from pathlib import Path
from typing import Any

import torch

from ...splatting import formats
from ...splatting.edit import Duplicate, Edit, Insert
from ...splatting.errors import InputError
from ...splatting.light import light_of
from ..carrying import beside, called, carry_out
from ..commands import parse_all
from ..gizmo import Lifted
from ..page import Page, What
from ..trial import Trial, label
from ..widgets import side_by_side
from .filling import Filling

DO, EXAMPLE = "Do", "make the chair red"
SAYS = (
    "delete the mug · keep only the table · paint the chair blue 50% · make it 50% transparent · move the lamp 0.2 "
    "left · rotate it 30 degrees · scale the mug 1.5 · duplicate the book 0.3 up · delete the mug and fill the hole · "
    "make it 20% brighter · rename the mug to cup · group the mug and the bowl as dishes · undo. It: what is picked."
)
PICK_FIRST = "*Pick something to change it here, or name it above.*"
LARGEST = 200_000_000  # bytes of a file
SINGLE = tuple(sorted(suffix for suffix in formats.FORMATS if suffix.startswith(".")))  # one file holds all of it
GREY = (127, 127, 127)


class Edits:
    """Edits of this page."""

    def __init__(self, page: Page, filling: Filling) -> None:
        self._page, self._filling, self.trial = page, filling, Trial()
        self.lifted = Lifted(page, self._let_go)
        self._setting = False
        self._add_words()
        self._add_looks()
        self._add_place()
        self._add_more()
        self._connect()
        if page.viewer.server is not None:
            page.viewer.server.run(page.client, f"window.semsplat.example({DO!r}, {EXAMPLE!r})")

    def refresh(self, what: What) -> None:
        """Offer what can be done with what is picked; what was tried is dropped."""
        if what in ("picked", "edits", "scene") and not self.lifted.dragged:
            self._drop()
        self._show()

    def _add_words(self) -> None:
        gui = self._page.client.gui
        with gui.add_form(None) as self.form:
            self.words = gui.add_text(DO, "", hint=SAYS)
        self.hint = gui.add_markdown(PICK_FIRST)

    def _add_looks(self) -> None:
        gui = self._page.client.gui
        with gui.add_folder("Colour") as self.looks:
            self.color = gui.add_rgb("Colour", GREY, hint="Light and shade stay.")
            self.strength = gui.add_slider("Strength", 0.0, 1.0, 0.05, 1.0, hint="How far towards that colour.")
            self.hue = gui.add_slider("Hue", -180, 180, 5, 0, hint="Turns all colours, in degrees; greys stay grey.")
            self.exposure = gui.add_slider(
                "Exposure", -3.0, 3.0, 0.1, 0.0, hint="Brighter or darker, in stops of light."
            )
            self.warmth = gui.add_slider("Warmth", -1.0, 1.0, 0.05, 0.0, hint="White balance: reddish or bluish.")
            self.opacity = gui.add_slider("Opacity", 0.0, 1.0, 0.05, 1.0, hint="1: as it is. 0: not seen.")

    def _add_place(self) -> None:
        gui = self._page.client.gui
        with gui.add_folder("Place") as self.placing:
            self.handles = gui.add_checkbox("Handles", False, hint="Arrows to move it, arcs to turn it (M).")
            self.by = gui.add_vector3("Move", (0.0, 0.0, 0.0), step=0.01, hint="Along x, y, z, in scene units.")
            self.degrees = gui.add_slider("Turn", -180, 180, 5, 0, hint="Degrees, about the scene's up.")
            self.size = gui.add_slider("Size", 0.1, 4.0, 0.05, 1.0, hint="Times as large; it stays on its ground.")

    def _add_more(self) -> None:
        gui = self._page.client.gui
        self.apply = gui.add_button("Apply", icon="check", hint="Does what you see, for everybody.")
        self.discard = gui.add_button("Discard", icon="x", color="gray", hint="As it was.")
        self.duplicate = gui.add_button("Duplicate", icon="copy", color="gray", hint="A copy beside it.")
        side_by_side(gui, [self.apply, self.discard, self.duplicate], 3)
        with gui.add_folder("Insert a file", expand_by_default=False):
            self.where = gui.add_dropdown(
                "Where", ("in view", "as in its file"), hint="In the middle of what you see, or at its own coordinates."
            )
            self.whole = gui.add_checkbox(
                "A whole scene", False, hint="It shows the light it was taken in, so it can be matched to this scene's."
            )
            self.match = gui.add_checkbox("Match its light", True, visible=False, hint="Exposure and white balance.")
            self.insert = gui.add_upload_button(
                "Choose a file", icon="file-import", color="gray", mime_type=",".join(SINGLE),
                hint=f"Another scene or object: {', '.join(SINGLE)}, "
                f"at most {LARGEST // 1_000_000} MB.",
            )  # fmt: skip

    def _connect(self) -> None:
        page = self._page
        self.form.on_submit(lambda _: page.do(self._do, "Looking for it …"))
        fields = (
            self.color, self.strength, self.hue, self.exposure, self.warmth, self.opacity,
            self.by, self.degrees, self.size,
        )  # fmt: skip
        for field in fields:
            field.on_update(lambda event: page.do(lambda: self._try(event.target)) if event.client else None)
        self.handles.on_update(lambda event: page.do(self._preview) if event.client else None)
        self.whole.on_update(lambda _: page.do(self._allow_match))
        self.apply.on_click(lambda _: page.do(self._apply))
        self.discard.on_click(lambda _: page.do(self._discard))
        self.duplicate.on_click(lambda _: page.do(self._duplicate))
        self.insert.on_upload(lambda event: page.do(lambda: self._insert(event.target.value), "Reading the file …"))
        page.client.gui.add_command("Handles: move and turn what is picked", hotkey="M", icon="arrows-move").on_trigger(
            lambda _: page.do(self._turn_handles)
        )

    def _show(self) -> None:
        session, picked = self._page.session, len(self._page.look.picked)
        able = bool(picked) and not session.locked
        self.hint.visible = not able
        self.hint.content = f"*{session.locked}*" if session.locked else PICK_FIRST
        self.looks.visible = self.placing.visible = able
        self.duplicate.disabled = not able
        self.insert.disabled = bool(session.locked)
        self.apply.disabled = self.discard.disabled = not (able and self.trial.any)

    def _try(self, changed: Any) -> None:
        """One field was changed: see what it would do."""
        if not len(self._page.look.picked):
            return
        red, green, blue = (part / 255 for part in self.color.value)
        painted = self.trial.color is not None or changed in (self.color, self.strength)
        x, y, z = (float(part) for part in self.by.value)
        self.trial = Trial(
            (red, green, blue) if painted else None, float(self.strength.value), float(self.hue.value),
            float(self.exposure.value), float(self.warmth.value), float(self.opacity.value),
            (x, y, z), float(self.degrees.value), float(self.size.value),
        )  # fmt: skip
        self._preview(places_only=changed in (self.by, self.degrees, self.size))

    def _preview(self, places_only: bool = False) -> None:
        page, ids = self._page, self._page.look.picked
        if places_only and self.lifted.out and self.trial.places:
            self.lifted.place(self.trial)
        elif len(ids) and (self.handles.value or self.trial.places):
            self.lifted.take(ids, self.trial, bool(self.handles.value))
        else:
            self.lifted.put_back()
            page.look.trial = self.trial.looks(ids) if len(ids) else ()
        self._show()
        page.redraw()

    def _drop(self) -> None:
        """Nothing is tried; the handles stay with what is picked."""
        page = self._page
        tried, self.trial = self.trial.any, Trial()
        if tried:
            self.strength.value, self.hue.value, self.opacity.value = 1.0, 0, 1.0
            self.exposure.value, self.warmth.value = 0.0, 0.0
            self.by.value, self.degrees.value, self.size.value = (0.0, 0.0, 0.0), 0, 1.0
        self.lifted.put_back()
        page.look.trial = ()
        if self.handles.value and len(page.look.picked) and not page.session.locked:
            self.lifted.take(page.look.picked, self.trial, True)

    def _discard(self) -> None:
        self._drop()
        self._show()
        self._page.redraw()

    def _apply(self) -> None:
        page, ids = self._page, self._page.look.picked
        edits = self.trial.all(page.session, ids, called(page.session, ids, page.look.asked)) if len(ids) else []
        for edit, name in edits:
            page.edit(edit, name)

    def _let_go(self, edits: list[Edit]) -> None:
        page = self._page
        for edit in edits:
            page.edit(edit, label(edit, called(page.session, page.look.picked, page.look.asked)))
        if not edits:
            self._discard()

    def _turn_handles(self) -> None:
        self.handles.value = not self.handles.value
        self._preview()

    def _do(self) -> None:
        """Carry out what the field says; it is emptied when all was done."""
        page = self._page
        for command in parse_all(self.words.value):
            if command.verb in ("undo", "redo"):
                step = page.session.undo if command.verb == "undo" else page.session.redo
                entry = step(page)
                page.say("Taken back" if command.verb == "undo" else "Done again", entry.label if entry else "Nothing")
                continue
            if command.verb == "fill":
                self._filling.begin(command)
                continue
            edit, name = carry_out(page.session, command, page.look.picked, page.camera())
            page.edit(edit, name)
            page.say("Done", f"{name}.")
        self.words.value = ""

    def _duplicate(self) -> None:
        page, ids = self._page, self._page.look.picked
        if not len(ids):
            return
        edit = Duplicate(ids, beside(page.session, ids, page.camera()))
        page.edit(edit, f"Duplicate {called(page.session, ids, page.look.asked)}")
        made = page.session.now.history.last
        if made is not None and isinstance(made.edit, Duplicate):
            page.pick(made.edit.minted)

    def _insert(self, file: Any) -> None:
        """Through a file on the disk, so that it is read as any file."""
        name, content = Path(file.name).name, file.content
        if len(content) > LARGEST:
            raise InputError(f"{name} has {len(content):,} bytes; at most {LARGEST:,} are taken.")
        formats.check(name)
        page = self._page
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"file{Path(name).suffix.lower()}"
            path.write_bytes(content)
            try:
                source = formats.read(path)
            except InputError as error:
                raise InputError(str(error).replace(str(path), name)) from error
        if not len(source):
            raise InputError(f"{name} holds no Gaussians.")
        light = light_of(source) if self.whole.value else None
        here = self.where.value == "in view"
        edit = Insert.at(source, self._ahead(), name, light=light) if here else Insert(source, name, light=light)
        page.edit(edit, f"Insert {name}")
        made = page.session.now.history.last
        if light is not None and self.match.value:
            page.edit(*carry_out(page.session, parse_all("match its light")[0]))
        if made is not None and isinstance(made.edit, Insert):
            page.pick(made.edit.minted)

    def _allow_match(self) -> None:
        self.match.visible = self.whole.value

    def _ahead(self) -> tuple[float, float, float]:
        """The point of the scene in the middle of the view; where nothing is, what the page orbits about."""
        page, camera = self._page, self._page.camera()
        hit = page.session.click(camera, (camera.width / 2, camera.height / 2)) if camera is not None else None
        point = hit.point if hit is not None and hit.point is not None else torch.tensor(page.client.camera.look_at)
        x, y, z = point.tolist()
        return x, y, z
