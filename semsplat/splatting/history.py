"""The list of edits: immutable, with undo, redo and a switch at each; the scene that is shown is its fold.

The original is never touched. Undo is one edit fewer, and an edit that is switched off is as if it had never been done.
"""

import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import torch

from .edit_base import Edit, number_above
from .edit_table import Table
from .errors import InputError
from .gaussians import Gaussians

BUDGET = 2**30  # bytes of folds that may be kept in any case, so that undo is quick
COPIES, SHARE = 8, 0.2  # more is kept of large scenes: this many times the original, up to this share of the memory
OVERHEAD = 1000  # what an edit costs beside the Gaussians that it names, in Gaussians

Key = tuple[Edit, ...]  # edits in force, each by who it is: two lists may go apart and give one number to two edits


@dataclass(frozen=True, eq=False)
class Entry:
    """An edit in a list."""

    number: int  # its own, from 1; never given twice, also not after an undo
    edit: Edit
    label: str  # for people
    on: bool = True
    who: str = ""
    when: str = ""  # ISO 8601

    @property
    def work(self) -> int:
        """What it costs to apply, about, in Gaussians."""
        return self.edit.work + OVERHEAD


class Folds:
    """Folds that are kept: for quick undo, redo and switching. Shared by all versions of one list; any thread."""

    def __init__(self, budget: int | None = None) -> None:
        """No folds yet.

        Args:
            budget: bytes that are kept at most, but two folds in any case; see :data:`BUDGET` when it is not given.
        """
        self._lock = threading.Lock()
        self._asked, self._budget = budget, BUDGET
        self._original: Gaussians | None = None
        self._kept: dict[Key, Gaussians] = {}  # the latest is last

    def fold(self, original: Gaussians, entries: Sequence[Entry]) -> Gaussians:
        """``original`` after the edits of ``entries``, all of them in force."""
        with self._lock:
            if self._original is not original:
                self._original, self._kept = original, {}
                self._budget = _budget(original) if self._asked is None else self._asked
            wanted = tuple(entry.edit for entry in entries)
            if not wanted:
                return original
            known = max((key for key in self._kept if wanted[: len(key)] == key), key=len, default=())
            if known != wanted:
                self._work(self._kept.get(known, original), entries, len(known))
            self._kept[wanted] = self._kept.pop(wanted)
            return self._kept[wanted]

    def _work(self, start: Gaussians, entries: Sequence[Entry], done: int) -> None:
        """Apply ``entries[done:]``; keep the end, and on the way what halves the work that is left, for later undos."""
        table, unit = Table(start), max(len(start) // 2, 1)
        edits = tuple(entry.edit for entry in entries)
        left = sum(entry.work for entry in entries[done:])
        for at, entry in enumerate(entries[done:], done + 1):
            entry.edit.on(table)
            before, left = left, left - entry.work
            halved = (left // unit).bit_length() < (before // unit).bit_length()
            if halved or at == len(entries):
                self._kept[edits[:at]] = table.gaussians()
                self._forget(edits, entries)

    def _forget(self, wanted: Key, entries: Sequence[Entry]) -> None:
        """Stay within the budget: first goes what is no earlier state, then what is quickly made again."""
        while len(self._kept) > 2 and self._bytes() > self._budget:
            others = [key for key in self._kept if key != wanted]
            aside = [key for key in others if wanted[: len(key)] != key]
            del self._kept[aside[0] if aside else _least_missed(sorted(others, key=len), entries)]

    def _bytes(self) -> int:
        return _bytes(self._kept.values())


def _bytes(states: Iterable[Gaussians]) -> int:
    """Memory of all their tensors, each counted once."""
    storages = [tensor.untyped_storage() for state in states for _, tensor in state.tensors()]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _budget(original: Gaussians) -> int:
    try:
        if original.means.is_cuda:
            memory = torch.cuda.mem_get_info(original.means.device)[1]
        else:
            memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on every system
        memory = 0
    return max(BUDGET, int(min(COPIES * _bytes([original]), SHARE * memory)))


def _least_missed(keys: Sequence[Key], entries: Sequence[Entry]) -> Key:
    """Of earlier states, the one whose loss adds least work, relative to how far back it is."""
    until = [0]
    for entry in entries:
        until.append(until[-1] + entry.work)
    before = [0, *(until[len(key)] for key in keys)]
    missed = {
        key: (until[len(key)] - last) / (until[-1] - until[len(key)] + OVERHEAD)
        for key, last in zip(keys, before, strict=False)
    }
    return min(missed, key=lambda key: missed[key])


@dataclass(frozen=True, eq=False)
class History:
    """Edits in the order they were done. Every method gives a new list and leaves this one as it is."""

    entries: tuple[Entry, ...] = ()  # the first ``done`` of them are done, the others were undone
    done: int = 0
    next_number: int = 1
    folds: Folds = field(default_factory=Folds, repr=False)

    @classmethod
    def over(cls, original: Gaussians) -> Self:
        """An empty list for these Gaussians, whose edits will mint none of their ids."""
        return cls().beyond(original)

    def beyond(self, original: Gaussians) -> Self:
        """The same list, whose later edits will mint none of the ids of these Gaussians either."""
        return replace(self, next_number=max(self.next_number, number_above(original.ids)))

    def do(self, edit: Edit, label: str = "", who: str = "", when: str = "") -> Self:
        """Add an edit at the end of what is done; what was undone is dropped.

        Args:
            label: for people; what the edit says of itself when it is empty.
            when: ISO 8601.
        """
        number = self.next_number
        entry = Entry(number, edit.numbered(number), label or edit.describe(), True, who, when)
        entries = (*self.entries[: self.done], entry)
        return replace(self, entries=entries, done=len(entries), next_number=number + 1)

    def undo(self) -> Self:
        """One edit fewer; an edit that is switched off counts as well.

        Raises:
            InputError: nothing is done.
        """
        if not self.can_undo:
            raise InputError("There is nothing to undo.")
        return replace(self, done=self.done - 1)

    def redo(self) -> Self:
        """The edit that was undone last, again.

        Raises:
            InputError: nothing was undone.
        """
        if not self.can_redo:
            raise InputError("There is nothing to redo.")
        return replace(self, done=self.done + 1)

    def switch(self, number: int, on: bool) -> Self:
        """Put an edit out of force or back into force; it stays in the list.

        Raises:
            InputError: no edit has this number.
        """
        at = self._at(number)
        entries = (*self.entries[:at], replace(self.entries[at], on=on), *self.entries[at + 1 :])
        return replace(self, entries=entries)

    def remove(self, number: int) -> Self:
        """Take an edit off the list for good; see :meth:`switch` for a way back.

        Raises:
            InputError: no edit has this number.
        """
        at = self._at(number)
        return replace(self, entries=self.entries[:at] + self.entries[at + 1 :], done=self.done - (at < self.done))

    def cleared(self) -> Self:
        """No edits at all; numbers are not given again."""
        return replace(self, entries=(), done=0)

    @property
    def can_undo(self) -> bool:
        """Whether anything is done."""
        return self.done > 0

    @property
    def can_redo(self) -> bool:
        """Whether anything was undone."""
        return self.done < len(self.entries)

    @property
    def last(self) -> Entry | None:
        """What the next undo takes back."""
        return self.entries[self.done - 1] if self.can_undo else None

    @property
    def next(self) -> Entry | None:
        """What the next redo does again."""
        return self.entries[self.done] if self.can_redo else None

    @property
    def in_force(self) -> tuple[Entry, ...]:
        """The edits that are done and switched on."""
        return tuple(entry for entry in self.entries[: self.done] if entry.on)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits in force, without their entries."""
        return tuple(entry.edit for entry in self.in_force)

    def fold(self, original: Gaussians) -> Gaussians:
        """The Gaussians after all edits in force; ``original`` itself when there are none.

        What was folded before is kept (within :data:`BUDGET`), as long as ``original`` is the same object.

        Raises:
            InputError: an edit would mint ids that ``original`` has: these are edits of another scene.
        """
        return self.folds.fold(original, self.in_force)

    def _at(self, number: int) -> int:
        for at, entry in enumerate(self.entries):
            if entry.number == number:
                return at
        raise InputError(f"No edit has the number {number}; the list has {len(self.entries)} edits.")
