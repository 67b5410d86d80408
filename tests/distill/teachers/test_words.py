"""Words matched to names without a model: what is taken, how sure, and what is refused."""

import pytest

from semsplat.distill.teachers.words import Names, key
from semsplat.splatting.errors import InputError

NAMES = Names(
    [
        ("chair", "blue chair"),
        ("chair", "chair with the teddy bear"),
        ("rug", "carpet"),
        ("coffee mug", "mug"),
        ("potted plant",),
        ("cookies",),
        ("teapot",),
        ("bear",),
        ("knives",),
        ("Café au lait",),
        ("стол", "机"),
        ("books",),
        ("skirting board",),
        ("apple",),
        ("bowl",),
    ]
)


@pytest.mark.parametrize(
    "text, classes",
    [
        ("chair", (0, 1)),
        ("The Chairs", (0, 1)),
        ("blue-chair!", (0,)),
        ("cookie", (5,)),
        ("knife", (8,)),
        ("cafe au lait", (9,)),
        ("CAFÉ AU LAIT", (9,)),
        ("стол", (10,)),
        ("机", (10,)),
        ("a book", (11,)),
        ("chair with the teddy bear", (1,)),
    ],
)
def test_the_name_itself_however_it_is_written(text: str, classes: tuple[int, ...]) -> None:
    match = NAMES.match(text)
    assert (match.classes, match.sure, match.how) == (classes, 1.0, "")


@pytest.mark.parametrize(
    "text, classes, how, sure",
    [
        ("cup", (3,), "synonym", 0.9),
        ("baseboards", (12,), "synonym", 0.9),
        ("house plant", (4,), "synonym", 0.9),
        ("plant", (4,), "synonym", 0.9),
        ("lait", (9,), "one kind", 0.8),
        ("office chair", (0, 1), "nearest that", 0.7),
        ("chair by the window", (0, 1), "nearest that", 0.7),
        ("big green mug", (3,), "nearest that", 0.7),
        ("tepot", (6,), "near spelling", 0.7),
        ("teapto", (6,), "near spelling", 0.7),
        ("aple", (13,), "near spelling", 0.6),
        ("mgu", (3,), "near spelling", 0.5),
        ("cokies", (5,), "near spelling", 0.7),
    ],
)
def test_near_misses_are_taken_and_said(text: str, classes: tuple[int, ...], how: str, sure: float) -> None:
    match = NAMES.match(text)
    assert match.classes == classes and how in match.how
    assert sure <= match.sure < 1


@pytest.mark.parametrize(
    "text", ["pear", "bow", "zebra", "chair leg", "book shelf", "tea", "赤い", "стул", "🙂", "x" * 500]
)
def test_other_words_are_refused_with_the_nearest_names(text: str) -> None:
    with pytest.raises(InputError, match=r"Nothing here is called .*; the (nearest )?names: .*more\)\.") as caught:
        NAMES.match(text)
    assert len(str(caught.value)) < 250 and "\n" not in str(caught.value)


def test_where_nothing_is_near_no_name_is_called_near() -> None:
    with pytest.raises(InputError, match="'赤い'; the names: chair"):
        NAMES.match("赤い")


def test_the_nearest_come_first() -> None:
    assert NAMES.nearest("pear")[0] == "bear"
    assert NAMES.nearest("chair leg")[0] == "chair"


@pytest.mark.parametrize("text", ["", "  \n", "\t"])
def test_empty_texts(text: str) -> None:
    with pytest.raises(InputError, match="The text is empty; ask for a name, such as: chair"):
        NAMES.match(text)


def test_a_thousand_words() -> None:
    with pytest.raises(InputError, match="has 1000 words"):
        NAMES.match("chair " * 1000)


@pytest.mark.parametrize(
    "one, many",
    [
        ("box", "boxes"),
        ("vase", "vases"),
        ("berry", "berries"),
        ("shelf", "shelves"),
        ("glass", "glasses"),
        ("bus", "buses"),
        ("dish", "dishes"),
        ("toy", "toys"),
        ("person", "people"),
        ("glove", "gloves"),
        ("leaf", "leaves"),
        ("tie", "ties"),
        ("cookie", "cookies"),
        ("bench", "benches"),
        ("mouse", "mice"),
    ],
)
def test_singular_and_plural_are_one(one: str, many: str) -> None:
    assert key(one) == key(many)


def test_names_of_one_letter_or_of_signs_are_found() -> None:
    names = Names([("A",), ("1",), ("#ff0000",), ("?",)])
    assert [names.match(text).classes for text in ("a", "1", "#FF0000", "?")] == [(0,), (1,), (2,), (3,)]
