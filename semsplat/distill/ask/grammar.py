"""The small grammar of questions: things, their attributes, and how they stand to other things.

    question   = [where is | find | show me | select] phrase [?]
    phrase     = [the | a | all ...] {attribute} noun [relation phrase]
    attribute  = colour          red, dark blue, reddish ... (semsplat.distill.colours)
               | size            big large small tall short wide thick ..., the largest, smallest, tallest, widest ...
               | place           the leftmost, rightmost, highest, lowest, nearest, farthest
    relation   = on (on top of, lying on)             under (beneath, underneath)   above (over)   below
               | left of | right of (to the left of)  in front of | behind
               | next to (near, by, beside, close to, at, against)
               | in (inside)                          with (has on it, in it, or by it)
               | between phrase and phrase
    noun       = the rest: one or more words, handed to the teacher as they are ("ceramic coffee mug")

"that is", "which are", "standing", "lying" and the like before a relation mean nothing. A relation belongs to the noun
before it, and its phrase goes on to the end: "mug on the table near the window" is a mug on (a table near the window).
A phrase that is itself a name the teacher knows ("chair by the window") is that name and is not taken apart. Colours
alone ("red", "the red thing") ask for whatever has that colour. "the" with a relation, and words like largest, mean
the one that fits best; without "the" all that fit.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ...splatting.errors import InputError
from .. import colours

LONGEST = 32  # words in a question

# size words: (what is measured, +1 the more the better or -1 the less)
_GRADES = {
    "big": ("size", 1), "large": ("size", 1), "huge": ("size", 1), "small": ("size", -1), "little": ("size", -1),
    "tiny": ("size", -1), "tall": ("height", 1), "high": ("height", 1), "short": ("height", -1), "low": ("height", -1),
    "wide": ("width", 1), "broad": ("width", 1), "long": ("width", 1), "narrow": ("width", -1),
    "thick": ("thickness", 1), "fat": ("thickness", 1), "thin": ("thickness", -1), "slim": ("thickness", -1),
}  # fmt: skip
_EXTREMES = {
    "biggest": ("size", 1), "largest": ("size", 1), "smallest": ("size", -1), "littlest": ("size", -1),
    "tallest": ("height", 1), "shortest": ("height", -1), "widest": ("width", 1), "broadest": ("width", 1),
    "longest": ("width", 1), "narrowest": ("width", -1), "thickest": ("thickness", 1), "thinnest": ("thickness", -1),
    "leftmost": ("right", -1), "rightmost": ("right", 1), "highest": ("up", 1), "topmost": ("up", 1),
    "lowest": ("up", -1), "nearest": ("distance", -1), "closest": ("distance", -1), "farthest": ("distance", 1),
    "furthest": ("distance", 1),
}  # fmt: skip
_RELATIONS = {
    "on": ("on", "on top of", "upon", "atop"),
    "under": ("under", "beneath", "underneath"),
    "below": ("below", "lower than"),
    "above": ("above", "over", "higher than"),
    "left of": ("left of", "to the left of", "on the left of", "on the left side of", "left from"),
    "right of": ("right of", "to the right of", "on the right of", "on the right side of", "right from"),
    "in front of": ("in front of", "before"),
    "behind": ("behind", "in back of"),
    "next to": ("next to", "near", "near to", "by", "beside", "besides", "close to", "at", "against", "alongside"),
    "in": ("in", "inside", "inside of", "within", "into"),
    "with": ("with", "having", "that has", "that have"),
    "between": ("between", "in between"),
}
_WAYS = sorted(
    ((tuple(way.split()), name) for name, ways in _RELATIONS.items() for way in ways), key=lambda pair: -len(pair[0])
)
_ARTICLES = {"the", "a", "an", "all", "any", "every", "some", "this", "that", "these", "those", "my", "your", "our"}
_ONE = {"the", "this", "that"}
_OPENINGS = (
    "where is",
    "where are",
    "where's",
    "find",
    "find me",
    "show",
    "show me",
    "select",
    "point to",
    "highlight",
)
_HOLLOW = {"thing", "things", "object", "objects", "something", "anything", "everything", "one", "ones", "stuff"}
_LINKS = {
    "that", "which", "who", "is", "are", "was", "were", "standing", "lying", "sitting", "hanging", "placed", "put",
    "located", "positioned", "right", "directly", "just", "leaning",
}  # fmt: skip


@dataclass(frozen=True)
class Attribute:
    """One word before the noun."""

    word: str  # as said
    kind: str  # "colour", "grade" or "extreme"
    measure: str  # the colour as colours.likeness wants it, or what is measured
    sign: int = 1  # +1 the more the better, -1 the less


@dataclass(frozen=True)
class Phrase:
    """What was asked for."""

    noun: str  # for the teacher; empty: anything that has the attributes
    attributes: tuple[Attribute, ...] = ()
    relation: str = ""  # one of RELATIONS, or empty
    anchors: "tuple[Phrase, ...]" = ()  # what the relation is to: one, for "between" two
    only_one: bool = False  # said with "the"

    def __str__(self) -> str:
        """The phrase as it was understood, with brackets where it was taken apart."""
        words = " ".join([*(attribute.word for attribute in self.attributes), self.noun or "thing"])
        if not self.relation:
            return words
        anchors = " and ".join(f"({anchor})" if anchor.relation else str(anchor) for anchor in self.anchors)
        return f"{words} | {self.relation} | {anchors}"


RELATIONS = tuple(_RELATIONS)


def tidy(question: str) -> str:
    """The question in small letters, without control characters, punctuation at the ends and openings.

    Raises:
        InputError: nothing is left of it, or it is longer than 32 words.
    """
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in unicodedata.normalize("NFKC", question))
    words = re.sub(r"[,;:!?\"“”„«»()\[\]{}]+|\.(?=\s|$)", " ", kept).casefold().split()
    if not any(c.isalnum() for word in words for c in word):
        said = f"There is no word in '{' '.join(words)[:40]}'" if words else "The question is empty"
        raise InputError(f'{said}; say what to look for, such as "red mug" or "mug on the table".')
    if len(words) > LONGEST or len(kept) > 400:
        start = " ".join(words[:4])[:60]
        raise InputError(f"The question '{start} ...' has {len(words)} words; at most {LONGEST} can be understood.")
    text = " ".join(words)
    for opening in sorted(_OPENINGS, key=len, reverse=True):
        if text.startswith(f"{opening} "):
            return text[len(opening) + 1 :]
    return text


def parse(question: str, knows: Callable[[str], bool]) -> Phrase:
    """Take a question apart.

    Args:
        knows: whether words are exactly a name that the teacher was given; such a name is not taken apart.

    Raises:
        InputError: the question is empty or too long, or ends where a thing should follow.
    """
    return _phrase(tidy(question).split(), knows)


def _phrase(words: Sequence[str], knows: Callable[[str], bool]) -> Phrase:
    whole = " ".join(words)
    body, only_one = _without_articles(words)
    if not body:
        if knows(whole):
            return Phrase(whole)
        raise InputError(f"'{whole}' names no thing; say what to look for.")
    if knows(" ".join(body)):
        return Phrase(" ".join(body), only_one=only_one)
    for start, end, relation in _splits(body, knows):
        anchors = _anchors(body[end:], relation, " ".join(body[start:end]), whole, knows)
        head = _head(_without_links(body[:start]), only_one, knows)
        return Phrase(head.noun, head.attributes, relation, anchors, only_one)
    return _head(body, only_one, knows)


def _splits(words: Sequence[str], knows: Callable[[str], bool]) -> Iterator[tuple[int, int, str]]:
    """(start, end, relation) of the relation words between head and anchor: the one after the longest known name
    first, then from the left."""
    found = []
    at = 1
    while at < len(words):
        way = next(((way, name) for way, name in _WAYS if tuple(words[at : at + len(way)]) == way), None)
        if way is not None:
            found.append((at, at + len(way[0]), way[1]))
        at += len(way[0]) if way else 1
    named = [split for split in found if knows(" ".join(words[: split[0]]))]
    yield from [*named[::-1], *(split for split in found if split not in named)]


def _anchors(
    words: Sequence[str], relation: str, said: str, whole: str, knows: Callable[[str], bool]
) -> tuple[Phrase, ...]:
    if not words:
        raise InputError(f"'{whole}' ends after '{said}'; say of what, as in 'mug on the table'.")
    if relation != "between":
        return (_phrase(words, knows),)
    for at, word in enumerate(words):
        if word == "and" and 0 < at < len(words) - 1:
            return _phrase(words[:at], knows), _phrase(words[at + 1 :], knows)
    return (_phrase(words, knows),)  # between the chairs: two of them


def _head(words: Sequence[str], only_one: bool, knows: Callable[[str], bool]) -> Phrase:
    """Attributes and noun; attributes are peeled off from the left until a known name or one word is left."""
    attributes: list[Attribute] = []
    words = list(words)
    while words and not knows(" ".join(words)):
        attribute, used = _attribute(words)
        if attribute is None or (used == len(words) and attribute.kind != "colour"):
            break
        attributes.append(attribute)
        words = words[used:]
    if words and all(word in _HOLLOW for word in words):
        words = []
    if any(attribute.kind == "extreme" for attribute in attributes):
        only_one = True
    return Phrase(" ".join(words), tuple(attributes), only_one=only_one)


def _attribute(words: Sequence[str]) -> tuple[Attribute | None, int]:
    """The attribute that the words begin with, and how many words it takes."""
    for used in (2, 1):
        said = " ".join(words[:used])
        color = colours.parse(said) if len(words) >= used else None
        if color is not None:
            return Attribute(said, "colour", color), used
    for kind, table in (("grade", _GRADES), ("extreme", _EXTREMES)):
        if words[0] in table:
            measure, sign = table[words[0]]
            return Attribute(words[0], kind, measure, sign), 1
    return None, 0


def _without_articles(words: Sequence[str]) -> tuple[list[str], bool]:
    at = 0
    while at < len(words) and words[at] in _ARTICLES:
        at += 1
    return list(words[at:]), any(word in _ONE for word in words[:at])


def _without_links(words: Sequence[str]) -> list[str]:
    end = len(words)
    while end > 1 and words[end - 1] in _LINKS:
        end -= 1
    return list(words[:end])
