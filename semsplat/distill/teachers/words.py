"""Which of some names a text means, without any model: spelling, grammar of words, and a short list of synonyms."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from ...splatting.errors import InputError

LONGEST = 12  # words in a name that is asked for

_ARTICLES = {"the", "a", "an", "my", "your", "our", "this", "that", "these", "those", "some", "any", "all"}
_AFTER_HEAD = {"with", "on", "in", "by", "at", "from", "near", "under", "behind", "beside", "for", "without"}
_IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse", "feet": "foot",
    "teeth": "tooth", "geese": "goose", "grey": "gray", "colour": "color", "aeroplane": "airplane",
}  # fmt: skip
# Words for one thing, as indoor annotations (Replica, ScanNet, ADE20K) and people have them. No broader or narrower
# terms: whoever asks for a chair does not mean the sofa.
_SYNONYMS = (
    ("sofa", "couch", "settee"), ("tv", "television", "tv screen", "telly", "television set"),
    ("rug", "carpet"), ("bin", "trash can", "trash bin", "rubbish bin", "waste bin", "garbage can", "wastebasket"),
    ("lamp", "light", "light fixture"), ("mug", "cup", "beaker"), ("curtain", "drape", "drapery"),
    ("blinds", "window blind", "shutter"), ("picture", "painting", "framed picture", "wall art"),
    ("fridge", "refrigerator"), ("cupboard", "cabinet"), ("wardrobe", "closet", "armoire"),
    ("nightstand", "bedside table", "night table"), ("duvet", "comforter", "quilt"), ("pillow", "cushion"),
    ("tap", "faucet"), ("sink", "washbasin", "basin"), ("toilet", "loo", "wc"), ("bathtub", "bath", "tub"),
    ("phone", "telephone", "mobile phone", "cell phone", "smartphone"), ("laptop", "notebook computer"),
    ("monitor", "computer monitor", "screen", "display"), ("bookshelf", "bookcase", "book shelf"),
    ("plant", "potted plant", "house plant", "houseplant", "indoor plant"), ("plant pot", "flowerpot", "flower pot"),
    ("power outlet", "socket", "wall plug", "power socket"), ("vent", "air vent", "air conditioning vent"),
    ("stairs", "staircase", "stairway", "steps"), ("bike", "bicycle"), ("car", "automobile"),
    ("box", "carton", "cardboard box"), ("cookie", "biscuit"), ("plush toy", "soft toy", "stuffed animal"),
    ("teddy", "teddy bear"), ("baseboard", "skirting board", "skirting"), ("stove", "cooker", "hob", "cooktop"),
    ("tablecloth", "table cloth"), ("person", "human", "human being"), ("airplane", "plane", "aircraft"),
    ("pavement", "sidewalk"), ("teapot", "tea kettle", "tea pot"), ("glasses", "spectacles", "eyeglasses"),
    ("tangerine", "mandarin", "clementine"), ("tumbler", "drinking glass"), ("bag", "handbag", "purse"),
)  # fmt: skip


@dataclass(frozen=True)
class Match:
    """Which classes a text means, and how the text was taken."""

    classes: tuple[int, ...]  # their numbers, from 0; several where several things have the name
    name: str  # as the names have it
    sure: float  # in (0, 1]: 1 the name itself, less for synonyms, parts of names, near spellings
    how: str  # "" for the name itself, else as in "a synonym"


class Names:
    """The names of some classes, ready to be asked."""

    def __init__(self, names: Sequence[Sequence[str]]):
        self._names: dict[str, str] = {}  # by key: as written
        self._classes: dict[str, list[int]] = {}  # by key: whose name it is
        for number, given in enumerate(names):
            for name in given:
                found = key(name) or name.strip()
                self._names.setdefault(found, name)
                if number not in self._classes.setdefault(found, []):
                    self._classes[found].append(number)
        self._spellings = {found: _grams(found) for found in self._classes}

    def match(self, text: str) -> Match:
        """The classes that a text means.

        Raises:
            InputError: an empty text, too long a text, or one that means none of them; it lists the nearest names.
        """
        asked = key(text) or " ".join(text.split())
        if not asked:
            raise InputError("The text is empty; ask for a name, such as: " + self._some(list(self._names.values())))
        words = asked.split()
        if len(words) > LONGEST:
            raise InputError(f"'{text.strip()[:40]}...' has {len(text.split())} words; ask for one name at a time.")
        if asked in self._classes:
            return self._found([asked], 1.0, "")
        return self._synonym(asked) or self._part(words) or self._near(asked, fold(text)) or self._refuse(text, asked)

    def nearest(self, text: str, count: int = 5) -> list[str]:
        """Names that are spelt most like a text, or share a word with it."""
        asked = key(text)
        words = set(asked.split())
        order = sorted(self._names, key=lambda name: (-len(words & set(name.split())), -self._likeness(asked, name)))
        return [self._names[name] for name in order[:count]]

    def _found(self, keys: Sequence[str], sure: float, how: str) -> Match:
        classes = sorted({number for found in keys for number in self._classes[found]})
        return Match(tuple(classes), self._names[keys[0]], sure, how)

    def _synonym(self, asked: str) -> Match | None:
        keys = [name for name in _SYNONYM_KEYS.get(asked, ()) if name in self._classes]
        return self._found(keys, 0.9, "a synonym") if keys else None

    def _part(self, words: Sequence[str]) -> Match | None:
        """Names that end as the text ends: an office chair is a chair, and a chair may be an office chair."""
        wider = [name for name in self._classes if _head(name.split())[-len(words) :] == list(words)]
        if wider:
            return self._found(sorted(wider, key=len), 0.8, "one kind of it")
        head = _head(words)
        for start in range(0 if len(head) < len(words) else 1, len(head)):  # the longest part first
            part = " ".join(head[start:])
            known = [part] if part in self._classes else [n for n in _SYNONYM_KEYS.get(part, ()) if n in self._classes]
            if known:
                return self._found(known, 0.7, "the nearest that has a name")
        return None

    def _near(self, asked: str, plain: str) -> Match | None:
        slips: dict[str, float] = {}
        for name, written in self._names.items():
            shares = [_slip(asked, name), _slip(plain, fold(written))]  # stems may be short, and plurals differ
            slips |= {name: min(share for share in shares if share is not None)} if any(shares) else {}
        keys = sorted(slips, key=lambda name: (slips[name], -self._likeness(asked, name)))
        keys = [name for name in keys if slips[name] == slips[keys[0]]]
        return self._found(keys, round(0.9 - slips[keys[0]], 2), "a near spelling") if keys else None

    def _likeness(self, asked: str, name: str) -> float:
        """Of two spellings, in [0, 1]: the share of pairs of letters that they have in common (Dice 1945)."""
        grams, own = _grams(asked), self._spellings[name]
        return 2 * len(grams & own) / max(1, len(grams) + len(own))

    def _refuse(self, text: str, asked: str) -> Match:
        near = self.nearest(asked)
        alike = any(self._likeness(asked, key(name) or name.strip()) for name in near)
        what = "the nearest names" if alike else "the names"
        raise InputError(f"Nothing here is called '{text.strip()[:40]}'; {what}: {self._some(near)}")

    def _some(self, names: Sequence[str]) -> str:
        rest = len(self._names) - len(names[:5])
        return ", ".join(names[:5]) + (f" (and {rest} more)." if rest > 0 else ".")


def key(text: str) -> str:
    """A text without what does not matter: what :func:`fold` drops, and plural endings."""
    return " ".join(map(_stem, fold(text).split()))


def fold(text: str) -> str:
    """A text without case, accents, punctuation and articles at the front."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=\w)['’]s?\b", "", plain))
    while len(words) > 1 and words[0] in _ARTICLES:
        words = words[1:]
    return " ".join(words)


def _stem(word: str) -> str:
    """One form for singular and plural: not a word, only the same for both."""
    word = _IRREGULAR.get(word, word)
    if not word.isascii() or len(word) < 4:
        return word
    if word.endswith(("sses", "xes", "ches", "shes", "zes")) or (word.endswith("ies") and len(word) > 4):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    if word.endswith("y") and word[-2:-1] not in tuple("aeiou"):
        word = word[:-1] + "i"
    return word[:-1] + "f" if word.endswith("v") else word


def _head(words: Sequence[str]) -> list[str]:
    """A noun with what stands before it, without what is said after it: chair, of chair by the window."""
    for place, word in enumerate(words):
        if place and word in _AFTER_HEAD:
            return list(words[:place])
    return list(words)


def _grams(text: str) -> set[str]:
    padded = f" {text} "
    return {padded[i : i + 2] for i in range(len(padded) - 1)}


def _slip(asked: str, name: str) -> float | None:
    """The share of letters that are wrong if one is a slip of the pen for the other, else None.

    One slip for every four letters. Words of up to five letters with a letter changed for another are other words (bear
    and pear), those of three with one more or less, too (bow and bowl): there only swapped letters are slips.
    """
    length = min(len(asked), len(name))
    if length < 3 or len(set(asked) ^ set(name)) > 2 * max(1, length // 4):
        return None
    distance, changed = _distance(asked, name)
    if distance == 0 or distance > max(1, length // 4) or (changed and length < 6):
        return None
    if length == 3 and sorted(asked) != sorted(name):
        return None
    return distance / max(len(asked), len(name))


def _distance(one: str, other: str) -> tuple[int, bool]:
    """Letters left out, put in, changed or swapped with the next (optimal string alignment), and if any was changed."""
    if abs(len(one) - len(other)) > max(len(one), len(other)) // 4 + 1:
        return max(len(one), len(other)), True
    rows = [[(j, False) for j in range(len(other) + 1)]]
    for i in range(1, len(one) + 1):
        row = [(i, False)]
        for j in range(1, len(other) + 1):
            same = one[i - 1] == other[j - 1]
            cost, changed = rows[i - 1][j - 1]
            options = [(cost + (not same), changed or not same)]
            options += [(steps + 1, was) for steps, was in (rows[i - 1][j], row[j - 1])]
            if i > 1 and j > 1 and one[i - 2 : i] == other[j - 1] + other[j - 2]:
                steps, was = rows[i - 2][j - 2]
                options.append((steps + 1, was))
            row.append(min(options))
        rows.append(row)
    return rows[-1][-1]


_SYNONYM_KEYS: dict[str, tuple[str, ...]] = {}
for _group in _SYNONYMS:
    for _word in _group:
        _SYNONYM_KEYS[key(_word)] = (*_SYNONYM_KEYS.get(key(_word), ()), *map(key, _group))
