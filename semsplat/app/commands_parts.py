"""What sentences that tell to edit are made of: things, numbers, colours, ways to go."""

import math
import re

from PIL import ImageColor

from ..splatting.errors import InputError

Way = tuple[float, float, float]  # right, away, up, scene units
DIRECTIONS = {  # (right, away, up)
    "left": (-1, 0, 0), "right": (1, 0, 0), "up": (0, 0, 1), "upwards": (0, 0, 1), "down": (0, 0, -1),
    "downwards": (0, 0, -1), "forward": (0, 1, 0), "forwards": (0, 1, 0), "away": (0, 1, 0), "back": (0, -1, 0),
    "backward": (0, -1, 0), "backwards": (0, -1, 0), "closer": (0, -1, 0), "nearer": (0, -1, 0),
}  # fmt: skip
NUMBER = r"[+-]?(?:\d+(?:[.,]\d+)?|[.,]\d+)"
_WHERE = "|".join(sorted(DIRECTIONS, key=len, reverse=True))
_FAR = rf"(?:by |about |)(?P<number>{NUMBER})(?: (?:scene )?units?)?"
_TO = r"(?:to the |towards? the |to |)"
_REST = r"(?P<rest>.+?),?(?: and)? "
_WAY = re.compile(rf"{_REST}{_FAR} {_TO}(?P<where>{_WHERE})(?: of (?:me|us))?")
_WAY_AFTER = re.compile(rf"{_REST}{_TO}(?P<where>{_WHERE}) {_FAR}")
_LENGTH = re.compile(rf"(.+?)(?: by)? ({NUMBER})(?: (?:scene )?units?)?")
_METRIC = re.compile(rf"{NUMBER} ?(mm|cm|m|km|metres?|meters?|inch|inches|feet|ft)\b")
EXAMPLE = 'such as "delete the mug", "make the chair red" or "move the lamp 0.2 left"'


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


def split_way(rest: str, fixed: str | None = None) -> tuple[str, Way | None, str]:
    """(things, way, its words) of "the lamp 0.2 left and 0.1 up"; no way where none is said.

    Args:
        fixed: the direction, when the verb says it: raise the lamp 0.1.

    Raises:
        InputError: the length is in metres or the like.
    """
    metric = _METRIC.search(rest)
    if metric:
        raise InputError(f"A scene knows no {metric.group(1)}; give lengths in scene units, such as: 0.2 left.")
    if fixed is not None and _LENGTH.fullmatch(rest):
        rest = _LENGTH.sub(rf"\1 \2 {fixed}", rest)
    total, names = [0.0, 0.0, 0.0], []
    while found := _WAY.fullmatch(rest) or _WAY_AFTER.fullmatch(rest):
        rest, length, direction = found["rest"], number_of(found["number"]), found["where"]
        total = [old + length * part for old, part in zip(total, DIRECTIONS[direction], strict=True)]
        names.insert(0, f"{length:g} {direction}")
    x, y, z = total
    return rest, (x, y, z) if names else None, ", ".join(names)
