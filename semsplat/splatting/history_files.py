"""The list of edits in a scene folder: what was done comes back as it was, to the bit.

    edits.json           every edit with its parameters, in words and numbers; which are done, which are switched on
    edits.safetensors    the ids that they name, each set under its digest
    edits/<digest>.ply   Gaussians that were inserted or filled in, each under its digest

A process that ends in the middle of writing leaves what was there before.
"""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from . import id_sets
from .edit import KINDS, Edit, Named, Quaternion, Vector
from .edit_source import Sourced, source_digest
from .errors import InputError
from .files import reason
from .formats import ply
from .gaussians import Gaussians
from .history import Entry, History
from .lock import alone
from .tensors import load_tensors

EDITS, SETS, SOURCES, LOCK = "edits.json", "edits.safetensors", "edits", ".edits.lock"
VERSION = 1


def read(folder: str | Path) -> History:
    """The edits of a scene folder; an empty list when there is no edits.json.

    Raises:
        InputError: a file is missing, truncated, damaged, or says what cannot be.
    """
    folder = Path(folder)
    path = folder / EDITS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != VERSION:
            raise ValueError("it is of another version")
        listed, done, next_number = content["edits"], content["done"], content["next"]
        if not isinstance(listed, list):
            raise TypeError("its edits are no list")
    except FileNotFoundError:
        return History()
    except OSError as error:
        raise InputError(f"Cannot read {path}: {reason(error)}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error
    stored = _Stored(folder, any(isinstance(one, dict) and "ids" in one for one in listed))
    entries = []
    for one in listed:
        try:
            entries.append(_entry(one, stored))
        except (ValueError, KeyError, TypeError, OverflowError, InputError) as error:
            raise _damaged(path, error) from error
    numbers = {entry.number for entry in entries}
    if len(numbers) < len(entries) or not _whole(next_number, max(numbers, default=0) + 1):
        raise _damaged(path, "two edits have one number")
    if not _whole(done, 0) or done > len(entries):
        raise _damaged(path, f"{str(done)[:20]} of {len(entries)} edits are done")
    return History(tuple(entries), done, next_number)


def write(folder: str | Path, history: History) -> None:
    """Save the edits in a scene folder, those that were undone too; what is not named any more is removed.

    Raises:
        InputError: the folder cannot be written.
    """
    folder = Path(folder)
    with alone(folder / LOCK):
        sources = {e.edit.source_key: e.edit.source for e in history.entries if isinstance(e.edit, Sourced)}
        for digest, source in sources.items():
            if not _source_path(folder, digest).exists():
                ply.write(_source_path(folder, digest), source)
        sets = {e.edit.digest: e.edit.ids for e in history.entries if isinstance(e.edit, Named)}
        content = {
            "version": VERSION,
            "done": history.done,
            "next": history.next_number,
            "edits": [_listed(entry) for entry in history.entries],
        }
        id_sets.write(folder / EDITS, content, folder / SETS, sets, _named_now(folder))
        for path in (folder / SOURCES).glob("*.ply"):
            if re.fullmatch("[0-9a-f]{24}", path.stem) and path.stem not in sources:
                path.unlink(missing_ok=True)


def clear(folder: str | Path) -> None:
    """Forget all edits of a scene folder."""
    for name in (EDITS, SETS, LOCK):
        (Path(folder) / name).unlink(missing_ok=True)
    shutil.rmtree(Path(folder) / SOURCES, ignore_errors=True)


def _listed(entry: Entry) -> dict[str, Any]:
    """As it stands in edits.json."""
    edit = entry.edit
    listed: dict[str, Any] = {
        "number": entry.number,
        "on": entry.on,
        "label": entry.label,
        "who": entry.who,
        "when": entry.when,
        "type": type(edit).__name__.lower(),
    }
    if isinstance(edit, Named):
        listed |= {"count": len(edit.ids), "ids": edit.digest}
    if isinstance(edit, Sourced):
        listed |= {"count": len(edit.source), "source": edit.source_key}
    return listed | {name: getattr(edit, name) for name in _parameters(type(edit))}


def _parameters(kind: type[Edit]) -> dict[str, Any]:
    """Fields that are written as they are, with their types."""
    return {f.name: f.type for f in dataclasses.fields(kind) if f.init and f.name not in ("ids", "source", "number")}


def _later(kind: type[Edit]) -> set[str]:
    """Fields that lists of earlier releases lack: what may be nothing is nothing there."""
    return {name for name, form in _parameters(kind).items() if form == Vector | None}


@dataclass
class _Stored:
    """The ids and Gaussians that the list names; each is read and checked once."""

    folder: Path
    has_sets: bool

    def __post_init__(self) -> None:
        self._sets = load_tensors(self.folder / SETS, _remedy(self.folder / EDITS))[0] if self.has_sets else {}
        self._right: set[str] = set()
        self._sources: dict[str, Gaussians] = {}

    def ids(self, key: Any) -> Tensor:
        """The set of a digest."""
        ids = self._sets[_text(key)]
        if key not in self._right and not (id_sets.is_set(ids) and id_sets.digest(ids) == key):
            raise ValueError(f"the ids {key} in {SETS} are damaged")
        self._right.add(key)
        return ids

    def source(self, key: Any) -> Gaussians:
        """The Gaussians of a digest."""
        if not re.fullmatch("[0-9a-f]{24}", _text(key)):
            raise ValueError(f"{key[:40]!r} names no inserted Gaussians")
        if key not in self._sources:
            path = _source_path(self.folder, key)
            found = ply.read(path)
            if source_digest(found) != key:
                raise ValueError(f"{path.name} in {SOURCES} holds something else")
            self._sources[key] = found
        return self._sources[key]


def _entry(listed: Any, stored: _Stored) -> Entry:
    if not isinstance(listed, dict):
        raise TypeError(f"{str(listed)[:60]} is no edit")
    kind, number, on = KINDS[_text(listed["type"])], listed["number"], listed["on"]
    if not isinstance(on, bool) or not _whole(number, 1):
        raise TypeError(f"{str(listed)[:60]} is no edit")
    there = {name: form for name, form in _parameters(kind).items() if name in listed or name not in _later(kind)}
    values = {name: _READERS[form](listed[name]) for name, form in there.items()}
    if issubclass(kind, Named):
        values["ids"] = stored.ids(listed["ids"])
    if issubclass(kind, Sourced):
        values["source"] = stored.source(listed["source"])
    label, who, when = (_text(listed[name]) for name in ("label", "who", "when"))
    return Entry(number, kind(**values).numbered(number), label, on, who, when)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]} is no text")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{str(value)[:40]} is no number")
    return float(value)


def _numbers(count: int) -> Callable[[Any], tuple[float, ...]]:
    def read(value: Any) -> tuple[float, ...]:
        if not isinstance(value, list) or len(value) != count:
            raise TypeError(f"{str(value)[:40]} are not {count} numbers")
        return tuple(_number(part) for part in value)

    return read


def _light(value: Any) -> tuple[float, ...] | None:
    return None if value is None else _numbers(3)(value)


_READERS: dict[Any, Callable[[Any], Any]] = {
    str: _text, float: _number, Vector: _numbers(3), Quaternion: _numbers(4), Vector | None: _light,
}  # fmt: skip


def _named_now(folder: Path) -> set[str]:
    """Sets that the edits.json on disk names; none when it is not there or no good."""
    try:
        content = json.loads((folder / EDITS).read_text(encoding="utf-8"))
        return {listed["ids"] for listed in content["edits"] if "ids" in listed}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()


def _source_path(folder: Path, key: str) -> Path:
    return folder / SOURCES / f"{key}.ply"


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _damaged(path: Path, error: Exception | str) -> InputError:
    said = f"{error} is missing" if isinstance(error, KeyError) else str(error).rstrip(".")
    return InputError(f"{path} is not whole ({said}); {_remedy(path)}.")


def _remedy(path: Path) -> str:
    return f"remove {path} to begin without edits"
