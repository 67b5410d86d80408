"""The named things of a scene after the edits of names: rename, group, ungroup.

A scene folder keeps the things as they were made; what people see is the fold of the edits in force over them, as it is
with Gaussians, so undo takes names back. Whatever else is changed about things is changed where it is kept: see
:func:`changed`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ..splatting.edit import Edit
from ..splatting.edit_names import Group, Naming, Rename, Ungroup
from ..splatting.errors import InputError
from . import objects
from .objects import Thing, clean_name, free_name, settled

MADE_BY = "an edit"


@dataclass(frozen=True, eq=False)
class _Seen:
    """A thing after edits, and the one that is kept; None: an edit made it."""

    thing: Thing
    kept: Thing | None


def named(kept: Sequence[Thing], edits: Iterable[Edit]) -> list[Thing]:
    """The things after these edits, all of them in force; each has a colour if all that are kept have."""
    seen = _fold(kept, edits)
    things = [one.thing for one in seen]
    return things if all(one.kept for one in seen) else settled(things)


def of_names(edits: Iterable[Edit]) -> tuple[Naming, ...]:
    """Those of some edits that are about names."""
    return tuple(edit for edit in edits if isinstance(edit, Naming))


def read(folder: str | Path, edits: Iterable[Edit]) -> list[Thing]:
    """The named things of a scene folder after its edits in force.

    Raises:
        InputError: a file is missing, truncated, damaged, or says what cannot be.
    """
    return named(objects.read(folder), edits)


def change(folder: str | Path, edits: Sequence[Edit], by: Callable[[list[Thing]], Sequence[Thing]]) -> list[Thing]:
    """Replace the named things of a scene folder by what ``by`` makes of them; returns them.

    Raises:
        InputError: they cannot be so: see :func:`.objects.write` and :func:`changed`.
    """
    return named(objects.change(folder, lambda kept: changed(kept, edits, by)), edits)


def changed(kept: Sequence[Thing], edits: Iterable[Edit], by: Callable[[list[Thing]], Sequence[Thing]]) -> list[Thing]:
    """What is to be kept so that, after the edits, the things are what ``by`` makes of them.

    Raises:
        InputError: a thing that an edit made would have to change or go.
    """
    seen = _fold(kept, edits)
    things = settled([one.thing for one in seen])
    seen = [_Seen(thing, one.kept) for thing, one in zip(things, seen, strict=True)]
    after = list(by(things))
    before = _before(after, seen)
    _check(seen, after, before)
    pairs = [(t, old) for t, old in zip(after, before, strict=True) if old is None or old.kept is not None]
    names = _kept_names(pairs)
    renamed = {old.kept.name: names[thing.name] for thing, old in pairs if old is not None and old.kept is not None}
    parents = {thing.name: thing.parent for thing in after}

    def holder(thing: Thing, old: _Seen | None) -> str | None:
        if old is not None and old.kept is not None and thing.parent == old.thing.parent:
            return renamed.get(old.kept.parent or "", old.kept.parent)
        parent = thing.parent
        while parent in parents and parent not in names:
            parent = parents[parent]  # out of what edits made
        return names.get(parent, parent) if parent is not None else None

    result = [_merged(thing, old, names[thing.name], holder(thing, old)) for thing, old in pairs]
    return _with_hidden(result, kept, {id(one.kept) for one in seen}, renamed)


def _check(seen: Sequence[_Seen], after: Sequence[Thing], before: Sequence[_Seen | None]) -> None:
    """What edits made stays as it is, but for what it is a part of."""
    left = {id(old) for old in before}
    for one in seen:
        if one.kept is None and id(one) not in left:
            raise InputError(f"'{one.thing.name}' is a group that an edit made; undo that, or ungroup it.")
    for thing, old in zip(after, before, strict=True):
        if old is None or old.kept is not None:
            continue
        if (thing.name, thing.color, thing.facts) != (old.thing.name, old.thing.color, old.thing.facts):
            raise InputError(f"'{old.thing.name}' is a group that an edit made; it has no colour of its own.")


def _with_hidden(result: list[Thing], kept: Sequence[Thing], seen: set[int], renamed: dict[str, str]) -> list[Thing]:
    """And what an edit ungrouped, where it was: undo brings it back."""
    taken = {thing.name for thing in result}
    for place, thing in enumerate(kept):
        if id(thing) not in seen:
            parent = renamed.get(thing.parent or "", thing.parent)
            result.insert(place, replace(thing, name=free_name(thing.name, taken), parent=parent))
    return result


def _kept_names(pairs: Sequence[tuple[Thing, _Seen | None]]) -> dict[str, str]:
    """For each name that is seen the one that is kept: its own, if no new thing took that one meanwhile."""
    own = {thing.name: old.kept.name for thing, old in pairs if old and old.kept and thing.name == old.thing.name}
    taken = {thing.name for thing, _ in pairs} - own.keys()
    names = {}
    for thing, _ in pairs:
        names[thing.name] = free_name(own[thing.name], taken) if thing.name in own else thing.name
        taken.add(names[thing.name])
    return names


def _merged(thing: Thing, old: _Seen | None, name: str, parent: str | None) -> Thing:
    """What is kept of a thing: only what was changed is taken from it."""
    if old is None or old.kept is None:
        return replace(thing, name=name, parent=parent)
    told = {f: getattr(thing, f) for f in ("ids", "facts", "color") if getattr(thing, f) is not getattr(old.thing, f)}
    return replace(old.kept, name=name, parent=parent, **told)


def _before(after: Sequence[Thing], seen: Sequence[_Seen]) -> list[_Seen | None]:
    """What each thing was before: itself, else that of its name, else that of its very ids whose name is gone."""
    itself = {id(one.thing): one for one in seen}
    names = {one.thing.name: one for one in seen}
    left = {thing.name for thing in after}
    ids = {id(one.thing.ids): one for one in seen if one.thing.name not in left}
    return [itself.get(id(thing)) or names.get(thing.name) or ids.get(id(thing.ids)) for thing in after]


def _fold(kept: Sequence[Thing], edits: Iterable[Edit]) -> list[_Seen]:
    seen = [_Seen(thing, thing) for thing in kept]
    for edit in of_names(edits):
        seen = _after(seen, edit)
    return seen


def _after(seen: list[_Seen], edit: Naming) -> list[_Seen]:
    if isinstance(edit, Group):
        return _grouped(seen, edit)
    same = [one for one in seen if torch.equal(one.thing.ids, edit.ids)]
    called = edit.was if isinstance(edit, Rename) else edit.name
    it = next((one for one in same if one.thing.name == called), same[0] if same else None)
    if it is None:
        return seen
    old, taken = it.thing.name, [one.thing.name for one in seen if one is not it]
    if isinstance(edit, Ungroup):
        return [_with(one, old, it.thing.parent) for one in seen if one is not it]
    new = free_name(edit.name, taken)
    return [_Seen(replace(it.thing, name=new), it.kept) if one is it else _with(one, old, new) for one in seen]


def _with(one: _Seen, parent: str, new: str | None) -> _Seen:
    """The same with another parent, if it had this one."""
    return one if one.thing.parent != parent else _Seen(replace(one.thing, parent=new), one.kept)


def _grouped(seen: list[_Seen], edit: Group) -> list[_Seen]:
    name = free_name(edit.name, (one.thing.name for one in seen))
    inside = {one.thing.name for one in seen if _within(one.thing.ids, edit.ids)}
    parts = [one for one in seen if one.thing.name in inside and one.thing.parent not in inside]
    parents = {one.thing.parent for one in parts}
    whole = Thing(name, edit.ids, {"made by": MADE_BY}, parents.pop() if len(parents) == 1 else None)
    moved = [_Seen(replace(one.thing, parent=name), one.kept) if one in parts else one for one in seen]
    return [*moved, _Seen(whole, None)]


def _within(some: Int64[Tensor, " k"], whole: Int64[Tensor, " m"]) -> bool:
    """Whether ascending ids are all among others. In numpy: torch's threads would wait for each other."""
    one, other = some.numpy(), whole.numpy()
    if len(one) > len(other) or one[0] < other[0] or one[-1] > other[-1]:
        return False
    for few in (one[:: max(1, len(one) // 8)], one):
        if not np.array_equal(other[np.minimum(np.searchsorted(other, few), len(other) - 1)], few):
            return False
    return True


def check_new(name: str, things: Iterable[Thing]) -> str:
    """A name as it will be saved.

    Raises:
        InputError: it is none, or a thing has it.
    """
    new = clean_name(name)
    if any(thing.name == new for thing in things):
        raise InputError(f"There is an object '{new}' already; choose another name.")
    return new
