"""A scene that several people look at and change: the edits, the named things, and who is told about changes."""

import datetime
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..distill import naming, objects
from ..distill.objects import Thing
from ..splatting import history_files
from ..splatting.edit import Edit
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.history import Entry, History
from .live import Facts

Step = tuple[History, Entry | None, str]  # the list after it; the edit that it is about, and what became of it


@dataclass(frozen=True, eq=False)
class Now:
    """The scene at one moment. Never changes: whoever works on it is not disturbed by others' edits."""

    version: int  # grows with every change
    gaussians: Gaussians  # edited, finite, with the codes of the fields as features
    history: History
    things: tuple[Thing, ...]  # named, after the edits; some of their Gaussians may be gone


@dataclass(frozen=True)
class Change:
    """What happened to a scene, for those who look at it."""

    what: Literal["edits", "things", "scene", "work", "world"]  # scene: new Gaussians, or fields; work: how a fit goes
    said: str  # a sentence
    by: object  # whoever asked for it: compared by identity only
    author: object = None  # who did the edit that was undone, redone or switched; None: not known


class SharedScene:
    """The Gaussians, their edits and their names. Edits are a list that is folded over the original."""

    def __init__(self, gaussians: Gaussians, folder: Path | None) -> None:
        """Take a scene, with the edits and things of its folder.

        Raises:
            InputError: the folder's objects or edits are damaged.
        """
        self.folder = folder
        self.locked: str | None = None  # a sentence, while edits are not possible
        self.work: Facts | None = None  # what goes on in the folder
        self._lock, self._saving = threading.RLock(), threading.Lock()
        self._unsaved = 0  # changes of the list of edits that are not in the folder yet
        self._listeners: list[Callable[[Change], None]] = []
        self._authors: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()  # by number of the edit
        self.original, self.left_out = _finite(gaussians)
        edits = (history_files.read(folder) if folder else History()).beyond(self.original)
        self._kept = objects.read(folder) if folder else []  # things before the edits of names
        self._now = self._moment(0, edits)

    @property
    def now(self) -> Now:
        """The scene as it is at this moment."""
        return self._now

    @property
    def gaussians(self) -> Gaussians:
        """The Gaussians as they are at this moment."""
        return self._now.gaussians

    def listen(self, heard: Callable[[Change], None]) -> Callable[[], None]:
        """Call ``heard`` after every change, on the thread that made it; returns what ends this."""
        self._listeners.append(heard)
        return lambda: self._listeners.remove(heard) if heard in self._listeners else None

    def do(self, edit: Edit, label: str, by: object = None) -> None:
        """Edit the scene; ``label`` says in the list of edits what was done.

        Raises:
            InputError: editing is off at the moment, or it cannot be saved (it is done all the same).
        """
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._edited(lambda edits: (edits.do(edit, label, when=when), None, label), by)

    def undo(self, by: object = None) -> Entry | None:
        """Take the last edit back, whoever did it; None when there is none."""
        return self._edited(
            lambda edits: (edits.undo(), edits.last, "was undone") if edits.can_undo else (edits, None, ""), by
        )

    def redo(self, by: object = None) -> Entry | None:
        """Do again what was undone last; None when there is none."""
        return self._edited(
            lambda edits: (edits.redo(), edits.next, "was done again") if edits.can_redo else (edits, None, ""), by
        )

    def switch(self, number: int, on: bool, by: object = None) -> None:
        """Leave one edit out, or take it in again; the others mean the same.

        Raises:
            InputError: no edit has this number, or see :meth:`do`.
        """

        def switched(edits: History) -> Step:
            after = edits.switch(number, on)
            entry = next(entry for entry in after.entries if entry.number == number)
            return after, entry, "was switched " + ("on" if on else "off")

        self._edited(switched, by)

    def clear_edits(self, by: object = None) -> None:
        """Show the original again and forget all edits, for good."""
        self._edited(lambda edits: (edits.cleared() if edits.entries else edits, None, "All edits were taken back"), by)

    def reread_edits(self) -> None:
        """Take over the edits of the folder when another program changed them; edits of this one are not lost.

        Raises:
            InputError: they are damaged.
        """
        if self.folder is None:
            return
        with self._lock:
            if self._unsaved:  # they are about to be written: that is the news
                return
            edits = history_files.read(self.folder).beyond(self.original)
            if _listed(edits) == _listed(self._now.history):
                return
            self._now = self._moment(self._now.version + 1, edits)
        self._tell(Change("edits", "Edits were made outside of this page", None))

    def author(self, number: int) -> object:
        """Who did an edit since the session began; None: not known."""
        return self._authors.get(number)

    def change_things(self, edit: Callable[[list[Thing]], Sequence[Thing]], said: str, by: object = None) -> None:
        """Replace the named things by what ``edit`` makes of them, and save them.

        Raises:
            InputError: they cannot be so (names, parents), or cannot be saved.
        """

        def keep(kept: list[Thing]) -> Sequence[Thing]:
            return naming.changed(kept, self._now.history.edits, edit)

        with self._lock:
            self._kept = objects.change(self.folder, keep) if self.folder else objects.settled(keep(self._kept))
            things = naming.named(self._kept, self._now.history.edits)
            self._now = replace(self._now, version=self._now.version + 1, things=tuple(things))
        self._tell(Change("things", said, by))

    def renew(self, gaussians: Gaussians, said: str = "") -> None:
        """Put newer Gaussians in the place of the original, as a fit makes them."""
        with self._lock:
            self.original, self.left_out = _finite(gaussians)
            self._now = self._moment(self._now.version + 1, self._now.history)
        self._tell(Change("scene", said, None))

    def work_told(self, facts: Facts | None) -> None:
        """Somebody works on the scene, and says how far that is; None: nobody does."""
        self.work = facts
        self._tell(Change("work", "", None))

    def tell(self, said: str) -> None:
        """Tell everybody something about the scene."""
        self._tell(Change("work", said, None))

    def _moment(self, version: int, edits: History) -> Now:
        """The scene after a list of edits; names are folded anew when it is about names what changed."""
        names = naming.of_names(edits.edits)
        if version and names == naming.of_names(self._now.history.edits):
            return Now(version, edits.fold(self.original), edits, self._now.things)
        return Now(version, edits.fold(self.original), edits, tuple(naming.named(self._kept, names)))

    def _edited(self, edit: Callable[[History], Step], by: object) -> Entry | None:
        with self._lock:
            if self.locked:
                raise InputError(self.locked)
            before = self._now.history
            after, entry, said = edit(before)
            if after is before:
                return None
            self._now = self._moment(self._now.version + 1, after)
            if by is not None and entry is None and after.last is not None:
                self._authors[after.last.number] = by
            self._unsaved += self.folder is not None
        author = self.author(entry.number) if entry else None
        self._tell(Change("edits", f"{entry.label}: this edit {said}" if entry else said, by, author))
        if self.folder is not None:
            try:
                with self._saving:
                    history_files.write(self.folder, self._now.history)
            finally:
                with self._lock:
                    self._unsaved -= 1
        return entry

    def _tell(self, change: Change) -> None:
        for heard in list(self._listeners):
            heard(change)


def _listed(edits: History) -> tuple[object, ...]:
    """What a list of edits is, without the ids that its edits name."""
    return edits.done, *((entry.number, entry.on, entry.label, entry.when) for entry in edits.entries)


def _finite(gaussians: Gaussians) -> tuple[Gaussians, int]:
    good = gaussians.is_finite()
    return gaussians.detach()[good], int((~good).sum())
