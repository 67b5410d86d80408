"""The sentence that inserts a file or a thing of another scene: its words, which are file names for a part."""

import math
import re
from pathlib import PurePath

from ..splatting.errors import InputError
from ..splatting.formats import FORMATS
from .commands_parts import NUMBER, Command, Spot, bare, cut, factor_of, is_quoted, number_of, things_of, tokens

VERBS = ("insert", "import", "add")
EXAMPLE = "such as: insert chair.ply on the table, or: insert chair from SCENE beside the lamp"
_SPOTS: dict[str, Spot] = {"at": "at", "on": "on", "onto": "on", "beside": "beside", "by": "beside"}
_AXIS = re.compile("[+-]?[xyz]")
_SCALES = ("scaled", "scale")


def is_insertion(text: str) -> bool:
    """Whether a sentence is about a file; "add a chair" is not."""
    words = _words(text)
    if not words or words[0].casefold() not in VERBS:
        return False
    if words[0].casefold() != "add":
        return True
    return any(is_quoted(word) or _is_path(word) or word.casefold() == "from" for word in words[1:])


def inserted(text: str) -> Command:
    """What it tells to insert, and where.

    Raises:
        InputError: it is not understood.
    """
    words = _words(text)[1:]
    keys = [word.casefold() if not is_quoted(word) else "" for word in words]
    starts = _starts(keys)
    source, origin = _source(words[: starts[0][0] if starts else len(words)])
    found: dict[str, list[str]] = {}
    for number, (place, clause) in enumerate(starts):
        if clause in found:
            raise InputError(f'"{cut(text.strip())}" says twice {clause}; say it once, {EXAMPLE}.')
        end = starts[number + 1][0] if number + 1 < len(starts) else len(words)
        found[clause] = words[place + (2 if keys[place] in ("next", "near") else 1) : end]
    axis = _axis(found.get("with", []))
    factor = _factor(found.get("scaled", []))
    if not source:
        raise InputError(f"Say which file is inserted, {EXAMPLE}.")
    spot: Spot = next((spot for spot in ("at", "on", "beside") if spot in found), "")  # type: ignore[assignment]
    point = _point(found["at"]) if spot == "at" else None
    things = things_of(" ".join(bare(word).casefold() for word in found[spot])) if spot in ("on", "beside") else ()
    return Command("insert", things, amount=factor, axis=axis, source=source, origin=origin, spot=spot, point=point)


def _words(text: str) -> list[str]:
    words = tokens(text)
    while words and words[0].casefold() in ("please", "now"):
        words = words[1:]
    return words[:-1] if words and words[-1].casefold() == "please" else words


def _is_path(word: str) -> bool:
    return "/" in word or "\\" in word or PurePath(word).suffix.casefold() in {f".{s.split('.')[-1]}" for s in FORMATS}


def _starts(keys: list[str]) -> list[tuple[int, str]]:
    """Where the clauses begin, and which they are; not before the second word, which is the file."""
    found: list[tuple[int, str]] = []
    for place, key in enumerate(keys):
        if place == 0:
            continue
        spotted = any(name in ("at", "on", "beside") for _, name in found)  # what follows belongs to that thing
        if not spotted and key in ("next", "near") and keys[place + 1 : place + 2] == ["to"]:
            found.append((place, "beside"))
        elif not spotted and key in _SPOTS:
            found.append((place, _SPOTS[key]))
        elif key in _SCALES and len(keys) > place + 1:
            found.append((place, "scaled"))
        elif key == "with" and keys[place + 2 : place + 3] == ["up"]:
            found.append((place, "with"))
    return found


def _source(words: list[str]) -> tuple[str, str]:
    """(what, out of which scene)."""
    plain = [word.casefold() if not is_quoted(word) else "" for word in words]
    at = len(plain) - 1 - plain[::-1].index("from") if "from" in plain else len(words)
    what, origin = words[:at], [bare(word) for word in words[at + 1 :]]
    if "from" in plain and not origin:
        raise InputError(f"Say from which scene it comes, {EXAMPLE}.")
    while len(what) > 1 and what[0].casefold() in ("the", "a", "an"):
        what = what[1:]
    return " ".join(bare(word) for word in what).strip(), " ".join(origin).strip()


def _point(words: list[str]) -> tuple[float, float, float]:
    parts = [word for word in re.split(r"[\s;()]+|,(?=\s)|,$", " ".join(words)) if word]
    if len(parts) == 1:
        parts = parts[0].split(",")
    if len(parts) != 3 or not all(re.fullmatch(NUMBER, part) for part in parts):
        raise InputError(f'"at {cut(" ".join(words))}" is no place; give three numbers in scene units: at 0.5 0 1.2')
    x, y, z = (number_of(part) for part in parts)
    if not all(map(math.isfinite, (x, y, z))):
        raise InputError("A place has three finite numbers, such as: at 0.5 0 1.2")
    return x, y, z


def _factor(words: list[str]) -> float:
    words = [word for word in words if word.casefold() not in ("by", "to", "times", "and", ",")]
    if not words:
        return 1.0
    found = re.fullmatch(rf"({NUMBER})(%|x)?,?", "".join(words))
    if found is None:
        raise InputError(f'"scaled {cut(" ".join(words))}" is no size; give a number: scaled 0.5')
    value = number_of(found.group(1))
    return factor_of(value / 100 if found.group(2) == "%" else value)


def _axis(words: list[str]) -> str:
    if not words:
        return ""
    axis, rest = words[0].casefold(), [word.casefold().strip(",") for word in words[2:]]
    if not _AXIS.fullmatch(axis) or [word for word in rest if word != "and"]:
        raise InputError(f'"with {cut(" ".join(words))}" is not understood; say which way is up in it: with -y up')
    return axis.lstrip("+")
