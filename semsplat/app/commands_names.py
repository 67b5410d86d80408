"""Sentences about names: rename, call, group, ungroup. Names keep the case that they are written in."""

from ..splatting.errors import InputError
from .commands_parts import Command, bare, cut, is_quoted, things_of, tokens

LONGEST_NAME = 120


def renamed(text: str) -> Command:
    """rename THINGS to NAME; call THINGS NAME; name THINGS NAME.

    Raises:
        InputError: a part of it is missing.
    """
    words = _words(text)
    verb, words = words[0].casefold(), words[1:]
    links = ("to", "as", "into") if verb == "rename" else ("as",)
    things, name = _split(words, links)
    if name is None and verb != "rename" and len(words) > 1:
        things, name = words[:-1], words[-1:]
    if not things or not name:
        raise InputError(f'"{cut(text.strip())}" says not what gets which name; say: {_example(verb)}')
    return Command("rename", _things(things), name=_name(name))


def grouped(text: str) -> Command:
    """group THINGS as NAME.

    Raises:
        InputError: a part of it is missing.
    """
    things, name = _split(_words(text)[1:], ("as", "into", "under"))
    if not things or not name:
        raise InputError(f'"{cut(text.strip())}" gives the group no name; say: group the mug and the bowl as dishes')
    return Command("group", _things(things), name=_name(name))


def ungrouped(text: str) -> Command:
    """ungroup NAME.

    Raises:
        InputError: there is no name.
    """
    words = _words(text)[1:]
    while len(words) > 1 and words[0].casefold() in ("the", "group"):
        words = words[1:]
    if not words:
        raise InputError('"ungroup" needs the name of a group; say: ungroup dishes')
    return Command("ungroup", name=_name(words))


def _split(words: list[str], links: tuple[str, ...]) -> tuple[list[str], list[str] | None]:
    """Before and after the last of the words that link; before a quoted end that nothing links."""
    places = [place for place, word in enumerate(words) if word.casefold() in links and not _next_to(words, place)]
    if places:
        return words[: places[-1]], words[places[-1] + 1 :]
    if len(words) > 1 and is_quoted(words[-1]):
        return words[:-1], words[-1:]
    return words, None


def _next_to(words: list[str], place: int) -> bool:
    return place > 0 and words[place].casefold() == "to" and words[place - 1].casefold() in ("next", "close")


def _things(words: list[str]) -> tuple[str, ...]:
    return things_of(" ".join(bare(word).casefold() for word in words))


def _name(words: list[str]) -> str:
    name = " ".join(bare(word) for word in words).strip()
    if not name or len(name) > LONGEST_NAME:
        raise InputError(f"'{cut(name)}' is no name; give one of 1 to {LONGEST_NAME} letters.")
    return name


def _words(text: str) -> list[str]:
    words = tokens(text)
    while words and words[0].casefold() in ("please", "now"):
        words = words[1:]
    return words


def _example(verb: str) -> str:
    return "rename the mug to cup" if verb == "rename" else f'{verb} the mug "old cup"'
