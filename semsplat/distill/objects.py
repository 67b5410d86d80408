"""Named things of a scene: which Gaussians (by id), a colour, where from, and whose part; saved in the scene folder.

    objects.json            names, colours, parents, facts; names the tensors that hold the ids
    selections.safetensors  ids, one tensor for each set of them, named by its digest

Both change as one: see :mod:`semsplat.splatting.id_sets`.
"""

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ..splatting import id_sets
from ..splatting.errors import InputError
from ..splatting.files import reason
from ..splatting.gaussians import Gaussians
from ..splatting.lock import alone
from ..splatting.tensors import load_tensors
from .palette import Color, color_of, from_hex, next_colors, to_hex

__all__ = [
    "Color",
    "Thing",
    "change",
    "clean_name",
    "color_of",
    "free_name",
    "put",
    "read",
    "remove",
    "settled",
    "with_new",
    "without",
    "write",
]

OBJECTS, SELECTIONS, LOCK = "objects.json", "selections.safetensors", ".objects.lock"
LONGEST_NAME = 120  # characters
VERSION = 1
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # turn the direction of what follows


@dataclass(frozen=True, eq=False)
class Thing:
    """A named set of Gaussians."""

    name: str
    ids: Int64[Tensor, " k"]  # ascending, each once, when read
    facts: dict[str, Any] = field(default_factory=dict)  # how it was made, teacher, question, score ... (JSON)
    parent: str | None = None  # name of the thing that this is a part of
    color: Color | None = None  # RGB in [0, 1]; None: chosen when it is written

    @classmethod
    def of(cls, name: str, gaussians: Gaussians, selection: Bool[Tensor, " n"], **facts: Any) -> Self:
        """The thing that a selection over these Gaussians is."""
        return cls(clean_name(name), gaussians.ids[selection].cpu(), facts)

    def selection(self, gaussians: Gaussians) -> Bool[Tensor, " n"]:
        """Which of these Gaussians belong to it."""
        return torch.isin(gaussians.ids, self.ids.to(gaussians.ids.device))


def clean_name(text: str) -> str:
    """A name as it is saved: one line, no control characters, composed (NFC), at most 120 characters.

    Raises:
        InputError: nothing is left of it.
    """
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text if c not in _TURNING)
    kept = "".join(c for c in kept if unicodedata.category(c) != "Cs")  # half a character: no file can hold it
    name = " ".join(unicodedata.normalize("NFC", kept).split())
    name = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1].rstrip() + "…"
    if not name:
        raise InputError(f"{text!r} is no name for an object; give it some letters.")
    return name


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """``wanted``, cleaned, or with the first free number after it: chair, chair 2, chair 3."""
    name, taken, number = clean_name(wanted), set(taken), 1
    free = name
    while free in taken:
        number += 1
        ending = f" {number}"
        free = name[: LONGEST_NAME - len(ending)].rstrip() + ending
    return free


def read(folder: str | Path) -> list[Thing]:
    """The named things of a scene folder, in the order they were made; none when there is no objects.json.

    Raises:
        InputError: a file is missing, truncated, damaged, or says what cannot be.
    """
    path = Path(folder) / OBJECTS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = content["objects"] if content["version"] == VERSION else None
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"Cannot read {path}: {reason(error)}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(entries, list):
        raise _damaged(path, "it is of another version" if entries is None else "its objects are no list")
    if not entries:
        return []
    tensors, _ = load_tensors(Path(folder) / SELECTIONS, f"remove {path} to begin without objects")
    things = [_thing(path, entry, tensors) for entry in entries]
    complaint = _complaint(things)
    if complaint:
        raise _damaged(path, complaint)
    return things


def write(folder: str | Path, things: Sequence[Thing]) -> list[Thing]:
    """Replace all named things of a scene folder; returns them as they are saved, each with a colour.

    Raises:
        InputError: two of one name, a name that is none, no Gaussians, a parent that is not there, a ring of parents;
            or the folder cannot be written.
    """
    with alone(Path(folder) / LOCK):
        return _write(Path(folder), things)


def change(folder: str | Path, edit: Callable[[list[Thing]], Sequence[Thing]]) -> list[Thing]:
    """Replace all named things by what ``edit`` makes of them, with nobody else writing in between; see :func:`write`.

    A parent that is no longer there is forgotten.
    """
    with alone(Path(folder) / LOCK):
        things = edit(read(folder))
        names = {clean_name(thing.name) for thing in things}
        return _write(
            Path(folder), [thing if thing.parent in names else replace(thing, parent=None) for thing in things]
        )


def put(folder: str | Path, *new: Thing) -> list[Thing]:
    """Add things, each in place of the one of its name; returns all, as they are saved. See :func:`write`."""
    with alone(Path(folder) / LOCK):
        return _write(Path(folder), with_new(read(folder), new))


def with_new(old: Sequence[Thing], new: Sequence[Thing]) -> list[Thing]:
    """Things and new ones, each in place of the one of its name, whose colour it takes over."""
    things = {thing.name: thing for thing in old}
    for thing in new:
        before = things.get(clean_name(thing.name))
        color = thing.color or (before.color if before else None)
        things[clean_name(thing.name)] = replace(thing, color=color)
    return list(things.values())


def remove(folder: str | Path, names: Iterable[str]) -> list[Thing]:
    """Forget things; their parts become parts of what they were part of. Returns all that are left.

    Raises:
        InputError: there is no thing of a name; nothing was removed.
    """
    with alone(Path(folder) / LOCK):
        return _write(Path(folder), without(read(folder), names))


def without(old: Sequence[Thing], names: Iterable[str]) -> list[Thing]:
    """Things but for some; see :func:`remove`."""
    things = {thing.name: thing for thing in old}
    gone = {clean_name(name) for name in names}
    missing = sorted(gone - set(things))
    if missing:
        known = ", ".join(list(things)[:12]) or "none"
        raise InputError(f"There is no object '{missing[0]}' in this scene; the objects are: {known}.")
    return [_reparented(thing, things, gone) for thing in things.values() if thing.name not in gone]


def _reparented(thing: Thing, things: dict[str, Thing], gone: set[str]) -> Thing:
    parent = thing.parent
    while parent in gone:
        parent = things[parent].parent
    return replace(thing, parent=parent)


def settled(things: Sequence[Thing]) -> list[Thing]:
    """The things as they would be saved: names clean, ids ascending, each with a colour.

    Raises:
        InputError: two of one name, a name that is none, no Gaussians, a parent that is not there, a ring of parents.
    """
    colors = next_colors([thing.color for thing in things])
    things = [
        replace(thing, name=clean_name(thing.name), ids=thing.ids.detach().cpu().unique(), color=color)
        for thing, color in zip(things, colors, strict=True)
    ]
    complaint = _complaint(things)
    if complaint:
        raise InputError(f"Objects cannot be saved so: {complaint}.")
    return things


def _write(folder: Path, things: Sequence[Thing]) -> list[Thing]:
    things = settled(things)
    keys = [id_sets.digest(thing.ids) for thing in things]
    sets = {key: thing.ids for key, thing in zip(keys, things, strict=True)}
    entries = [_entry(thing, key) for thing, key in zip(things, keys, strict=True)]
    content = {"version": VERSION, "objects": entries}
    id_sets.write(folder / OBJECTS, content, folder / SELECTIONS, sets, _named_now(folder))
    return things


def _complaint(things: Sequence[Thing]) -> str | None:
    """What is wrong with the things as a whole, in words; None when nothing is."""
    parents = {thing.name: thing.parent for thing in things}
    twice = [name for name, count in Counter(thing.name for thing in things).items() if count > 1]
    if twice:
        return f"two are called '{twice[0]}'"
    settled: set[str | None] = {None}
    for thing in things:
        if not len(thing.ids):
            return f"'{thing.name}' has no Gaussians"
        name, path = thing.name, dict[str | None, None]()  # keeps the order
        while name not in settled:
            if name in path:
                return f"'{name}' is a part of itself"
            if name not in parents:
                return f"'{list(path)[-1]}' is a part of '{name}', which is not there"
            path[name] = None
            name = parents[name]
        settled.update(path)
    return None


def _entry(thing: Thing, key: str) -> dict[str, Any]:
    assert thing.color is not None
    return {
        "name": thing.name,
        "count": len(thing.ids),
        "color": to_hex(thing.color),
        "parent": thing.parent,
        "facts": _json(thing.facts),
        "selection": key,
    }


def _thing(path: Path, entry: Any, tensors: dict[str, Tensor]) -> Thing:
    try:
        name, parent, facts = entry["name"], entry["parent"], entry["facts"]
        right = isinstance(name, str) and isinstance(facts, dict) and isinstance(parent, str | None)
        if not right or clean_name(name) != name:
            raise ValueError(f"{str(entry)[:60]} is no object")
        color, ids = from_hex(entry["color"]), tensors[entry["selection"]]
    except (KeyError, TypeError, ValueError, InputError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise _damaged(path, said) from error
    if not id_sets.is_set(ids) or not len(ids):
        raise _damaged(path.with_name(SELECTIONS), f"the ids of '{name}' are no ascending whole numbers")
    return Thing(name, ids, facts, parent, color)


def _named_now(folder: Path) -> set[str]:
    """Tensors that the objects.json on disk names; none when it is not there or no good."""
    try:
        content = json.loads((folder / OBJECTS).read_text(encoding="utf-8"))
        return {entry["selection"] for entry in content["objects"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()


def _json(value: Any) -> Any:
    """As JSON can hold it: numbers that are not finite become null, tensors and arrays lists."""
    if isinstance(value, dict):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_json(item) for item in value]
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return _json(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | None) else str(value)


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path} is not whole ({what}); remove {path.with_name(OBJECTS)} to begin without objects.")
