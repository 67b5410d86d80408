"""Edits in words: the small grammar of what can be told to a scene. Knows no scene; :mod:`.carrying` does.

    delete THINGS                      remove, erase, take away; "delete everything but THINGS" keeps them
    keep [only] THINGS                 extract
    make THINGS COLOUR [50%]           paint, colour, turn; red, dark blue, tomato, #ff8800 ... (CSS names)
    make THINGS [50%] transparent      or opaque; half when no share is given
    move THINGS 0.2 left [0.1 up]      right, up, down, forward, back (closer), as one sees the scene; in metres where
                                       the scale is known (20 cm left, too), else in units of the scene
    rotate THINGS 30 degrees [left]    turn; left is counter-clockwise seen from above; or: about x, y, z
    scale THINGS 1.5                   make THINGS bigger, smaller, 20% larger, twice as big; it stays on its ground
    duplicate THINGS [0.3 up]          copy; beside the thing when nothing is said
    make THINGS [20%] brighter         darker, warmer, cooler; brighten, darken
    fill the hole [of THINGS]          what was deleted last, or those things; delete THINGS and fill the hole
    insert FILE [on THINGS]            at X Y Z, beside THINGS; else where it is in its file; THING from SCENE takes a
      [scaled 0.5] [with z up]         thing out of another scene's folder; or: insert FILE from SCENE
      [and match its light]            exposure and white balance of the scene it came from; later: match its light
    rename THINGS to NAME              call, name: call it "the old mug"
    group THINGS as NAME               ungroup NAME
    undo | redo

FILE, SCENE and NAME keep their case; in quotes they may have blanks and any words in them. THINGS are: it, this, the
selection (what is picked); everything; the name of an object of the scene; or a question as for
:mod:`semsplat.distill.ask` ("mug on the table"); several with "and" between them. "then" or ";" begins the next.
"""

import re
from collections.abc import Callable

from ..splatting.errors import InputError
from .commands_insert import inserted, is_insertion
from .commands_light import brightened, lit, matching
from .commands_names import grouped, renamed, ungrouped
from .commands_parts import (
    EXAMPLE,
    NUMBER,
    Command,
    color_of_words,
    cut,
    factor_of,
    number_of,
    pieces,
    share_of,
    split_way,
    things_of,
)  # fmt: skip

LONGEST = 300  # letters
STEP, FADE = 1.25, 0.5  # bigger, transparent: when it is not said how much

_VERBS: dict[str, tuple[str, ...]] = {
    "delete": ("delete", "remove", "erase", "take away", "get rid of", "cut out", "clear away"),
    "keep": ("keep only", "keep just", "keep", "extract", "only keep", "cut to"),
    "make": ("make",),
    "tint": ("paint", "colour", "color", "recolour", "recolor", "tint", "dye"),
    "fade": ("fade",),
    "move": ("move", "shift", "push", "slide", "put", "lift", "raise", "lower"),
    "turn": ("rotate", "spin", "turn"),
    "scale": ("scale", "resize", "enlarge", "grow", "shrink", "double", "halve"),
    "duplicate": ("duplicate", "copy", "clone"),
    "gain": ("brighten", "lighten", "darken"),
    "fill": ("fill in", "fill up", "fill", "close"),
    "match": ("match", "adapt", "adjust"),
    "undo": ("undo",),
    "redo": ("redo",),
}
_OTHERS = {  # what is no edit, and where it is done
    "hide": "Hiding is no edit; use the eye of an object, or say: make it 100% transparent.",
    "show": 'Showing is no edit; type what you look for where it says Find, or say "undo".',
    "find": 'Finding is no edit; type the thing where it says Find, or use: semsplat ask SCENE "mug"',
    "select": "Selecting is no edit; type the thing where it says Find, or click on it.",
    "add": "Nothing can be made from words alone; duplicate a thing, or insert a file: insert chair.ply on the table.",
}
_BIGGER = "bigger|larger|taller|greater"
_SMALLER = "smaller|tinier|littler"


def parse_all(text: str) -> list[Command]:
    """The commands between "then" and ";", in their order. Raises InputError as :func:`parse`."""
    return [parse(part) for part in pieces(text)] or [parse(text)]


def parse(text: str) -> Command:
    """What a sentence tells to do.

    Raises:
        InputError: it is empty, too long or not understood; the sentence says how it may be said.
    """
    words = _tidy(text)
    if is_insertion(text):
        return inserted(text)
    namer = _NAMERS.get(words.split(" ", 1)[0])
    if namer is not None:
        return namer(text)
    for prefix, remedy in _OTHERS.items():
        if words.split(" ", 1)[0] == prefix:
            raise InputError(remedy)
    for verb, said, rest in _openings(words):
        if verb in ("undo", "redo"):
            if rest not in ("", "it", "that", "this", "last", "the last edit", "the last"):
                raise InputError(f'"{verb}" takes back one edit at a time; say just: {verb}')
            return Command("undo" if verb == "undo" else "redo")
        if not rest and verb not in ("fill", "match"):
            raise InputError(f'"{said}" needs a thing, {_example(verb)}.')
        return _PARSERS[verb](said, rest)
    raise InputError(f'"{cut(words)}" is not understood; say what to do, {EXAMPLE}.')


def _openings(words: str) -> list[tuple[str, str, str]]:
    """(verb, as said, rest) that the words may begin with, the longest first."""
    found = [
        (verb, way, words[len(way) :].strip())
        for verb, ways in _VERBS.items()
        for way in ways
        if words == way or words.startswith(f"{way} ")
    ]
    return sorted(found, key=lambda one: -len(one[1]))


def _tidy(text: str) -> str:
    if len(text) > LONGEST:
        raise InputError(f"That has {len(text)} letters; at most {LONGEST} are understood, {EXAMPLE}.")
    kept = "".join(c if c.isprintable() else " " for c in text)
    kept = re.sub(r"[\"“”„«»!?:]+|[.,](?=\s|$)", " ", kept).replace("−", "-").casefold()
    words = " ".join(kept.split())
    words = re.sub(r"^(please|can you|could you|now) ", "", words).removesuffix(" please")
    if not words:
        raise InputError(f"Say what to do, {EXAMPLE}.")
    return words


def _delete(_: str, rest: str) -> Command:
    but = re.fullmatch(r"(?:everything|all)(?: else)? (?:but|except(?: for)?|apart from) (.+)", rest)
    return Command("delete", things_of(but.group(1) if but else rest), all_but=but is not None)


def _keep(_: str, rest: str) -> Command:
    return Command("keep", things_of(rest.removeprefix("only ").removeprefix("just ")))


def _make(_: str, rest: str) -> Command:
    for ending in (_faded, _sized, lit, _painted):
        command = ending(rest)
        if command is not None:
            return command
    raise InputError(
        f'"make {cut(rest)}" is not understood; say: make the chair red, make it 50% transparent, make it bigger.'
    )


def _paint(said: str, rest: str) -> Command:
    command = _painted(rest)
    if command is None:
        raise InputError(f'"{cut(rest)}" ends with no colour; say: {said} the chair dark red, or with #ff8800.')
    return command


def _fade(_: str, rest: str) -> Command:
    share = re.fullmatch(rf"(.+?)(?: by| to|) ({NUMBER}) ?%", rest)
    part = 1.0 - share_of(share.group(2)) if share else FADE
    return Command("fade", things_of(share.group(1) if share else rest), amount=part)


def _move(said: str, rest: str) -> Command:
    things, way, name, unit = split_way(rest, {"lift": "up", "raise": "up", "lower": "down"}.get(said))
    if way is None:
        raise InputError(
            f'"{said} {cut(rest)}" says not how far and where; say: {said} the lamp 0.2 left '
            "(right, up, down, forward, back; in metres or cm where the scene's scale is known)."
        )
    return Command("move", things_of(things), way=way, way_unit=unit, way_name=name)


def _duplicate(_: str, rest: str) -> Command:
    things, way, name, unit = split_way(rest, None)
    return Command("duplicate", things_of(things), way=way, way_unit=unit, way_name=name)


def _turn(said: str, rest: str) -> Command:
    sides = "counter ?-?clockwise|anti ?-?clockwise|clockwise|left|right"
    ending = rf"(?: by)? ({NUMBER}) ?(?:degrees?|deg|°)?(?: (?:to the )?({sides}))?"
    found = re.fullmatch(rf"(.+?){ending}(?: (?:about|around) (?:the )?([xyz])(?: axis|-axis)?)?", rest)
    if found is None:
        command = _painted(rest) if said == "turn" else None
        if command is None:
            raise InputError(f'"{said} {cut(rest)}" says not how far; say: {said} the chair 30 degrees.')
        return command
    degrees = number_of(found.group(2)) * (-1.0 if found.group(3) in ("right", "clockwise") else 1.0)
    return Command("turn", things_of(found.group(1)), amount=degrees, axis=found.group(4) or "")


def _scale(said: str, rest: str) -> Command:
    if said in ("double", "halve"):
        things = rest.removesuffix(" in size").removeprefix("the size of ")
        return Command("scale", things_of(things), amount=2.0 if said == "double" else 0.5)
    found = re.fullmatch(rf"(.+?)(?: (by|to))? ({NUMBER})( ?%| ?x| times)?", rest)
    if found is None:
        if said in ("enlarge", "grow", "shrink"):
            return Command("scale", things_of(rest), amount=1.0 / STEP if said == "shrink" else STEP)
        raise InputError(f'"{said} {cut(rest)}" says not how much; say: {said} the mug 1.5.')
    number, percent = number_of(found.group(3)), "%" in (found.group(4) or "")
    if percent and found.group(2) == "by" and said != "scale":
        factor = 1.0 - number / 100 if said == "shrink" else 1.0 + number / 100
    else:
        factor = number / 100 if percent else number
        factor = 1.0 / factor if said == "shrink" and factor > 1.0 else factor
    return Command("scale", things_of(found.group(1)), amount=factor_of(factor))


def _fill(_: str, rest: str) -> Command:
    """The hole that was made last, or that of things."""
    found = re.fullmatch(
        r"(?:(?:the|a|its|that|this) )?(?:holes?|gaps?)(?: (?:of|from|behind|under|left by) (.+))?", rest
    )
    where = re.fullmatch(r"(?:in )?where (.+?) (?:was|were|stood|is gone)", rest)
    if found is None and where is None and rest not in ("", "it", "it in", "in"):
        raise InputError(f'"fill {cut(rest)}" is not understood; say: fill the hole, or: fill the hole of the mug.')
    meant = where or found
    said = meant.group(1) if meant else None
    return Command("fill", things_of(said) if said else ())


def _faded(rest: str) -> Command | None:
    found = re.fullmatch(
        rf"(.+?)(?: ({NUMBER}) ?%| (half))? (?:more )?(transparent|see-through|opaque|invisible)", rest
    )
    if found is None:
        return None
    things, percent, half, how = found.groups()
    if how == "invisible":
        return Command("fade", things_of(things), amount=0.0)
    if how == "opaque":
        if percent is None and half is None:
            raise InputError('"opaque" needs a share, such as: make the mug 50% opaque; or say: undo')
        return Command("fade", things_of(things), amount=0.5 if percent is None else share_of(percent))
    return Command("fade", things_of(things), amount=1.0 - (share_of(percent) if percent else FADE))


def _sized(rest: str) -> Command | None:
    found = re.fullmatch(rf"(.+?) (twice|half|({NUMBER}) times) as (?:big|large|small|tall)", rest)
    if found:
        factor = {"twice": 2.0, "half": 0.5}.get(found.group(2)) or number_of(found.group(3))
        factor = 1.0 / factor if rest.endswith("small") and factor > 1.0 else factor
        return Command("scale", things_of(found.group(1)), amount=factor_of(factor))
    found = re.fullmatch(rf"(.+?)(?: (a bit|a little|much|({NUMBER}) ?(%|times|x)))? ({_BIGGER}|{_SMALLER})", rest)
    if found is None:
        return None
    things, _, number, unit, how = found.groups()
    share = number_of(number) / 100 if number is not None else 0.0
    factor = STEP if number is None else 1.0 + share if unit == "%" else 100 * share
    if re.fullmatch(_SMALLER, how):
        factor = 1.0 - share if unit == "%" else 1.0 / factor_of(factor)
    return Command("scale", things_of(things), amount=factor_of(factor))


def _painted(rest: str) -> Command | None:
    share = re.fullmatch(rf"(.+?)(?: by)? ({NUMBER}) ?%", rest)
    strength, rest = (share_of(share.group(2)), share.group(1)) if share else (1.0, rest)
    before = re.fullmatch(rf"(.+?) ({NUMBER}) ?% (.+)", rest)  # 50% blue
    if share is None and before is not None:
        strength, rest = share_of(before.group(2)), f"{before.group(1)} {before.group(3)}"
    words = rest.split()
    for count in (3, 2, 1):
        name = " ".join(words[-count:])
        color = color_of_words(name) if len(words) > count else None
        if color is not None:
            return Command("tint", things_of(" ".join(words[:-count])), color=color, color_name=name, amount=strength)
    return None


def _example(verb: str) -> str:
    return {
        "make": "such as: make the chair red", "tint": "such as: paint the chair red", "move": "such as: move the "
        "lamp 0.2 left", "turn": "such as: rotate the chair 30 degrees", "scale": "such as: scale the mug 1.5",
        "duplicate": "such as: duplicate the book 0.3 up", "keep": "such as: keep only the table",
        "fade": "such as: fade the mug 50%", "gain": "such as: brighten the mug 20%",
    }.get(verb, "such as: delete the mug")  # fmt: skip


_PARSERS: dict[str, Callable[[str, str], Command]] = {
    "delete": _delete, "keep": _keep, "make": _make, "tint": _paint, "fade": _fade, "move": _move, "turn": _turn,
    "scale": _scale, "duplicate": _duplicate, "gain": brightened, "fill": _fill, "match": matching,
}  # fmt: skip
_NAMERS: dict[str, Callable[[str], Command]] = {
    "rename": renamed, "call": renamed, "name": renamed, "group": grouped, "ungroup": ungrouped, "dissolve": ungrouped,
}  # fmt: skip
