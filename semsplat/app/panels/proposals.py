"""Objects that the scene proposes by itself: slide their size, keep those that are meant."""

import torch

from ...distill.objects import Thing
from .. import keeping
from ..browser import side_by_side
from ..keeping import Maybe, Proposed, likest
from ..look import COLOUR, OBJECTS
from ..objects import without_parts
from ..page import Page, What

LISTED = 100  # proposals in the menu
CALM = 0.4  # seconds without a move of the slider after which the proposals are named
CHOOSE = "click one, or choose …"
EXPLAINED = "Parts that stand out by themselves, each in its own colour. **Click one to choose it.**"


class Proposals:
    """Find objects."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._proposed: Proposed | None = None
        self._maybe: Maybe | None = None
        self._things: tuple[Thing, ...] = ()
        self._sliding, self._choosing = False, False
        self._before = COLOUR
        gui = page.client.gui
        with gui.add_folder("Proposals"):
            self.find = gui.add_button("Find objects", icon="sparkles", hint="Parts of the scene that stand out.")
            self.size = gui.add_slider(
                "Part size", 0.0, 1.0, 0.01, 0.5, visible=False, hint="Left: small parts. Right: large wholes."
            )
            self.said = gui.add_markdown("", visible=False)
            self.one = gui.add_dropdown("Proposal", [CHOOSE], visible=False, hint="The largest first. Type to search.")
            self.keep = gui.add_button("Keep this", icon="bookmark", visible=False, disabled=True)
            self.keep_all = gui.add_button(
                "Keep all", icon="bookmarks", visible=False, hint="In place of earlier proposals; your own stay."
            )
            self.close = gui.add_button("Close", icon="x", color="gray", visible=False)
            side_by_side(gui, [self.keep, self.keep_all, self.close], 3)
        self.find.on_click(lambda _: page.do(self._find, "Looking for objects …"))
        self.size.on_update(lambda event: self._slide() if event.client is not None else None)
        self.one.on_update(lambda _: page.do(self._choose))
        self.keep.on_click(lambda _: page.do(self._keep))
        self.keep_all.on_click(lambda _: page.do(self._keep_all, "Naming them …"))
        self.close.on_click(lambda _: page.do(self._close))

    def refresh(self, what: What) -> None:
        """Find the proposal that was clicked; look again when the scene changed."""
        self.find.disabled = not len(self._page.session.gaussians)
        if self._maybe is None or self._proposed is None:
            return
        if what == "picked" and not self._choosing:
            self._recognize()
        if what in ("edits", "scene") and self._proposed.gaussians.ids is not self._page.session.gaussians.ids:
            self._page.do(self._find, "Looking for objects …")

    def _find(self) -> None:
        page = self._page
        self._proposed = Proposed.of(page.session)
        if page.look.shown != OBJECTS:
            self._before = page.look.shown
        self._cut()
        self._name()

    def _slide(self) -> None:
        """Of many places that a slider passes, the newest."""
        if not self._sliding:
            self._sliding = True
            self._page.do(self._slid)

    def _slid(self) -> None:
        self._sliding = False
        if self._proposed is not None:
            self._cut()
            self._page.when_calm(self._name, CALM, "proposals")

    def _cut(self) -> None:
        """The parts of this size, drawn."""
        assert self._proposed is not None  # it was looked for
        self._maybe = self._proposed.at(float(self.size.value))
        self._show()
        gaussians, page = self._proposed.gaussians, self._page
        ids = gaussians.ids.cpu()
        page.look.proposed = tuple(
            Thing(name, ids[rows.cpu()], {}, None, color)
            for name, rows, color in without_parts(self._things, gaussians)
        )
        page.show(OBJECTS)

    def _name(self) -> None:
        if self._proposed is not None and self._maybe is not None:
            self._maybe = self._proposed.named(self._maybe)
            self._show()

    def _show(self) -> None:
        maybe = self._maybe
        for handle in (self.size, self.said, self.one, self.keep, self.keep_all, self.close):
            handle.visible = maybe is not None
        self.find.visible = maybe is None
        if maybe is None:
            return
        self._things = maybe.things()
        count = len(self._things)
        self.said.content = (
            f"**{count} proposal{'s' * (count != 1)}.** {EXPLAINED}" if count else "Nothing of this size."
        )
        self.keep_all.disabled = not count
        self._choosing = True
        self.one.options = [CHOOSE, *(_label(thing) for thing in self._things[:LISTED])]
        self._choosing = False
        self._recognize()

    def _recognize(self) -> None:
        """Choose in the menu what is picked."""
        picked = self._page.look.picked
        number = likest([thing.ids for thing in self._things[:LISTED]], picked) if len(picked) else None
        wanted = CHOOSE if number is None else _label(self._things[number])
        if self.one.value != wanted:
            self.one.value = wanted
        self.keep.disabled = number is None

    def _chosen(self) -> int | None:
        labels = [_label(thing) for thing in self._things[:LISTED]]
        return labels.index(self.one.value) if self.one.value in labels else None

    def _choose(self) -> None:
        number = self._chosen()
        self.keep.disabled = number is None
        if number is not None and not torch.equal(self._things[number].ids, self._page.look.picked):
            self._choosing = True
            self._page.pick(self._things[number].ids)
            self._choosing = False

    def _keep(self) -> None:
        number = self._chosen()
        if number is None or self._maybe is None:
            return
        thing, (_, facts) = self._things[number], self._maybe.names[number]
        facts = {**self._maybe.found[number].facts, **facts, "size": float(self.size.value)}
        name = thing.name if thing.name not in ("thing",) else "object"
        kept = keeping.keep(self._page.session, thing.ids, name, self._page, thing.color, **facts)
        self._page.say("Kept", kept)

    def _keep_all(self) -> None:
        if self._proposed is not None and self._maybe is not None:
            self._maybe = self._proposed.named(self._maybe)
            count = self._proposed.keep_all(self._page.session, self._maybe, float(self.size.value), self._page)
            self._end(OBJECTS)
            self._page.say("Kept", f"{count} objects")

    def _close(self) -> None:
        self._end(self._before)

    def _end(self, shown: str) -> None:
        self._proposed = self._maybe = None
        self._things = self._page.look.proposed = ()
        self._show()
        self._page.show(shown)


def _label(thing: Thing) -> str:
    return f"{thing.name} · {len(thing.ids):,}"
