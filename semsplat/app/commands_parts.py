"""What sentences that tell to edit are made of: things, numbers, colours, ways to go."""

import math
import re
from dataclasses import dataclass
from typing import Literal

from PIL import ImageColor

from ..splatting.errors import InputError

Verb = Literal[
    "delete", "keep", "tint", "fade", "gain", "move", "turn", "scale", "duplicate", "fill", "insert", "match",
    "rename", "group", "ungroup", "undo", "redo",
]  # fmt: skip
Spot = Literal["", "at", "on", "beside"]
Unit = Literal["", "m", "scene"]
Way = tuple[float, float, float]  # right, away, up
DIRECTIONS = {  # (right, away, up)
    "left": (-1, 0, 0), "right": (1, 0, 0), "up": (0, 0, 1), "upwards": (0, 0, 1), "down": (0, 0, -1),
    "downwards": (0, 0, -1), "forward": (0, 1, 0), "forwards": (0, 1, 0), "away": (0, 1, 0), "back": (0, -1, 0),
    "backward": (0, -1, 0), "backwards": (0, -1, 0), "closer": (0, -1, 0), "nearer": (0, -1, 0),
}  # fmt: skip
NUMBER = r"[+-]?(?:\d+(?:[.,]\d+)?|[.,]\d+)"
_WHERE = "|".join(sorted(DIRECTIONS, key=len, reverse=True))
METRES = {  # units of length by their names
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), 1.0), **dict.fromkeys(("cm",), 0.01),
    **dict.fromkeys(("mm",), 0.001), "km": 1000.0, **dict.fromkeys(("inch", "inches", "in"), 0.0254),
    **dict.fromkeys(("foot", "feet", "ft"), 0.3048),
}  # fmt: skip
_UNIT = rf"(?: ?(?P<unit>{'|'.join(sorted(METRES, key=len, reverse=True))}|(?:scene )?units?)\b)?"
_FAR = rf"(?:by |about |)(?P<number>{NUMBER}){_UNIT}"
_TO = r"(?:to the |towards? the |to |)"
_REST = r"(?P<rest>.+?),?(?: and)? "
_WAY = re.compile(rf"{_REST}{_FAR} {_TO}(?P<where>{_WHERE})(?: of (?:me|us))?")
_WAY_AFTER = re.compile(rf"{_REST}{_TO}(?P<where>{_WHERE}) {_FAR}")
_LENGTH = re.compile(rf"(?P<rest>.+?)(?: by)? (?P<number>{NUMBER}){_UNIT}")
LONGEST_OF_ALL = 3000  # letters
EXAMPLE = 'such as "delete the mug", "make the chair red" or "move the lamp 0.2 left"'

_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|(?<!\S)'[^']*'(?!\w)")
_THEN = re.compile(
    r";|\n|(?:,? and)? \bthen\b|,? and (?=fill(?: in| up)?(?: (?:the|its|that) (?:hole|gap))?\s*[.!]?\s*(?:;|\n|$))"
    r"|,? and (?=match (?:its|the|their) (?:light|brightness|exposure|white balance|colou?rs?)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Command:
    """One thing to be done, as it was understood."""

    verb: Verb
    things: tuple[str, ...] = ()  # each as said, without article; empty for undo and redo, and for what was done last
    all_but: bool = False  # delete: everything else
    color: tuple[float, float, float] | None = None  # tint: RGB in [0, 1]
    color_name: str = ""
    amount: float = 1.0  # tint: strength; fade: factor on opacities; gain: share; turn: degrees; scale, insert: factor
    way: Way | None = None  # move, duplicate: right, away, up
    way_unit: Unit = ""  # of the way: metres; units of the scene; empty: metres where the scene's scale is known
    way_name: str = ""
    axis: str = ""  # turn: x, y, z; empty: up; insert: the source's up, such as -y; empty: known or left as it is
    how: str = ""  # gain: brighter, darker, warmer, cooler
    name: str = ""  # rename, group, ungroup: as it was written
    source: str = ""  # insert: a file, or what is taken out of the scene ``origin``
    origin: str = ""  # insert: a scene folder or file
    spot: Spot = ""  # insert: where, about ``things``; empty: where it is in its file
    point: tuple[float, float, float] | None = None  # insert at: scene units

    @property
    def what(self) -> str:
        """The things, for people."""
        return " and ".join(self.things)


def pieces(text: str) -> list[str]:
    """The sentences between ";", "then" and the like; not where these are inside quotes.

    Raises:
        InputError: it is too long.
    """
    if len(text) > LONGEST_OF_ALL:
        raise InputError(
            f"That has {len(text):,} letters; at most {LONGEST_OF_ALL:,} are understood at once, {EXAMPLE}."
        )
    covered = _QUOTED.sub(lambda found: "\0" * len(found.group()), text)
    ends = [found.span() for found in _THEN.finditer(covered)]
    starts = [0, *(end for _, end in ends)]
    parts = [text[start:end] for start, end in zip(starts, [*(begin for begin, _ in ends), len(text)], strict=True)]
    return [part for part in parts if part.strip()]


def tokens(text: str) -> list[str]:
    """Words and quoted parts, as they were written, the latter with their quotes; without , . ! ? at the end."""
    found = re.findall(rf"{_QUOTED.pattern}|\S+", "".join(c if c.isprintable() else " " for c in text))
    if found and not is_quoted(found[-1]):
        found[-1] = found[-1].rstrip(".!?") or found[-1]
    return found


def is_quoted(token: str) -> bool:
    """Whether a token was written in quotes."""
    return _QUOTED.fullmatch(token) is not None


def bare(token: str) -> str:
    """A token without its quotes."""
    return token[1:-1] if is_quoted(token) else token


def cut(text: str) -> str:
    """Not too long to be shown."""
    return text if len(text) <= 60 else text[:59] + "…"


def things_of(text: str) -> tuple[str, ...]:
    """The phrases that "and" and commas separate; "between ... and ..." is one.

    Raises:
        InputError: there is none.
    """
    parts = [text] if " between " in f" {text} " else re.split(r",? and |, | & ", text)
    cleaned = tuple(part.strip() for part in parts if part.strip())
    if not cleaned:
        raise InputError(f"Say which thing is meant, {EXAMPLE}.")
    return cleaned


def number_of(text: str) -> float:
    """0.2, .2 or 0,2 as a number."""
    return float(text.replace(",", "."))


def share_of(text: str) -> float:
    """Percent as a share in [0, 1]. Raises InputError outside 0 to 100."""
    value = number_of(text)
    if not 0.0 <= value <= 100.0:
        raise InputError(f"{value:g}% is not possible; give a share from 0% to 100%.")
    return value / 100.0


def factor_of(value: float) -> float:
    """A factor on a size. Raises InputError where it is none."""
    if not math.isfinite(value) or value <= 0.0:
        raise InputError(f"A size of {value:g} times is not possible; give a number above 0, such as 1.5.")
    return value


def color_of_words(words: str) -> tuple[float, float, float] | None:
    """RGB in [0, 1] of a CSS colour: red, dark blue, #ff8800; None when it is none."""
    joined = words.replace(" ", "").replace("-", "")
    joined = joined if joined.startswith("#") else {"grey": "gray"}.get(joined, joined)
    if not re.fullmatch(r"#[0-9a-f]{3}|#[0-9a-f]{6}|[a-z]+", joined):
        return None
    try:
        red, green, blue = ImageColor.getrgb(joined)[:3]
    except ValueError:
        return None
    return red / 255, green / 255, blue / 255


def split_way(rest: str, fixed: str | None = None) -> tuple[str, Way | None, str, Unit]:
    """(things, way, its words, their unit) of "the lamp 20 cm left and 10 cm up"; no way where none is said.

    Args:
        fixed: the direction, when the verb says it: raise the lamp 0.1.

    Raises:
        InputError: some lengths have a unit and others another one, or none.
    """
    if fixed is not None and _LENGTH.fullmatch(rest):
        rest = f"{rest} {fixed}"
    total, names, units = [0.0, 0.0, 0.0], [], list[Unit]()
    while found := _WAY.fullmatch(rest) or _WAY_AFTER.fullmatch(rest):
        rest, length, direction, unit = found["rest"], number_of(found["number"]), found["where"], found["unit"] or ""
        units.append("m" if unit in METRES else "scene" if unit else "")
        factor = METRES.get(unit, 1.0)
        total = [old + factor * length * part for old, part in zip(total, DIRECTIONS[direction], strict=True)]
        names.insert(0, " ".join(filter(None, (f"{length:g}", unit, direction))))
    if len(set(units)) > 1:
        raise InputError(f'"{", ".join(names)}" has lengths of two kinds; give all of them in cm, say, or all in none.')
    x, y, z = total
    return rest, (x, y, z) if names else None, ", ".join(names), units[0] if units else ""
