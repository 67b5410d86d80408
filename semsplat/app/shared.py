"""A scene that several people look at and change: the edits, the named things, and who is told about changes."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..distill import objects
from ..distill.objects import Thing
from ..splatting import history_files
from ..splatting.edit import Edit
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.history import History
from .live import Facts


@dataclass(frozen=True, eq=False)
class Now:
    """The scene at one moment. Never changes: whoever works on it is not disturbed by others' edits."""

    version: int  # grows with every change
    gaussians: Gaussians  # edited, finite, with the codes of the fields as features
    history: History
    things: tuple[Thing, ...]  # named, some of whose Gaussians may be gone


@dataclass(frozen=True)
class Change:
    """What happened to a scene, for those who look at it."""

    what: Literal["edits", "things", "scene", "work"]  # scene: new Gaussians, or fields; work: how a fit goes
    said: str  # a sentence
    by: object  # whoever asked for it: compared by identity only


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
        self._lock = threading.RLock()
        self._listeners: list[Callable[[Change], None]] = []
        self.original, self.left_out = _finite(gaussians)
        edits = (history_files.read(folder) if folder else History()).beyond(self.original)
        things = tuple(objects.read(folder)) if folder else ()
        self._now = Now(0, edits.fold(self.original), edits, things)

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
        self._edited(lambda edits: edits.do(edit, label), label, by)

    def undo(self, by: object = None) -> None:
        """Take the last edit back; nothing when there is none."""
        self._edited(lambda edits: edits.undo() if edits.can_undo else edits, "The last edit was undone", by)

    def redo(self, by: object = None) -> None:
        """Do again what was undone last; nothing when there is none."""
        self._edited(lambda edits: edits.redo() if edits.can_redo else edits, "An edit was done again", by)

    def switch(self, number: int, on: bool, by: object = None) -> None:
        """Leave one edit out, or take it in again; the others mean the same."""
        self._edited(lambda edits: edits.switch(number, on), "An edit was switched " + ("on" if on else "off"), by)

    def change_things(self, edit: Callable[[list[Thing]], Sequence[Thing]], said: str, by: object = None) -> None:
        """Replace the named things by what ``edit`` makes of them, and save them.

        Raises:
            InputError: they cannot be so (names, parents), or cannot be saved.
        """
        with self._lock:
            things = objects.change(self.folder, edit) if self.folder else objects.settled(edit(list(self.now.things)))
            self._now = replace(self._now, version=self._now.version + 1, things=tuple(things))
        self._tell(Change("things", said, by))

    def renew(self, gaussians: Gaussians, said: str = "") -> None:
        """Put newer Gaussians in the place of the original, as a fit makes them."""
        with self._lock:
            self.original, self.left_out = _finite(gaussians)
            edits = self._now.history
            self._now = replace(self._now, version=self._now.version + 1, gaussians=edits.fold(self.original))
        self._tell(Change("scene", said, None))

    def work_told(self, facts: Facts | None) -> None:
        """Somebody works on the scene, and says how far that is; None: nobody does."""
        self.work = facts
        self._tell(Change("work", "", None))

    def tell(self, said: str) -> None:
        """Tell everybody something about the scene."""
        self._tell(Change("work", said, None))

    def _edited(self, edit: Callable[[History], History], said: str, by: object) -> None:
        with self._lock:
            if self.locked:
                raise InputError(self.locked)
            before = self._now.history
            after = edit(before)
            if after is before:
                return
            gaussians = after.fold(self.original)
            self._now = replace(self._now, version=self._now.version + 1, gaussians=gaussians, history=after)
        self._tell(Change("edits", said, by))
        if self.folder is not None:
            history_files.write(self.folder, after)

    def _tell(self, change: Change) -> None:
        for heard in list(self._listeners):
            heard(change)


def _finite(gaussians: Gaussians) -> tuple[Gaussians, int]:
    good = gaussians.is_finite()
    return gaussians.detach()[good], int((~good).sum())
