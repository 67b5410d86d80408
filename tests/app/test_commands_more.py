"""Insert, match, brighten, fill, rename, group in words; and hostile words."""

import random
import string

import pytest

from semsplat.app.commands import Command, parse, parse_all
from semsplat.splatting.errors import InputError


def insert(source: str, **more: object) -> Command:
    return Command("insert", more.pop("things", ()), source=source, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("insert chair.ply", insert("chair.ply")),
        ("Insert Chair.PLY at 0.5 -1 2", insert("Chair.PLY", spot="at", point=(0.5, -1.0, 2.0))),
        ("insert a.spz at (1, 2.5, -3).", insert("a.spz", spot="at", point=(1.0, 2.5, -3.0))),
        ("insert a.spz at 1,2,3", insert("a.spz", spot="at", point=(1.0, 2.0, 3.0))),
        ('insert "My Old Chair.ply" on the Table', insert("My Old Chair.ply", spot="on", things=("the table",))),
        ('insert "then on; from.ply" on the table', insert("then on; from.ply", spot="on", things=("the table",))),
        ("insert c.ply on the table by the window", insert("c.ply", spot="on", things=("the table by the window",))),
        ("import c.ply beside the lamp scaled 0.5", insert("c.ply", spot="beside", things=("the lamp",), amount=0.5)),
        ("insert c.ply next to the lamp", insert("c.ply", spot="beside", things=("the lamp",))),
        ("insert c.ply scaled to 50% on the rug", insert("c.ply", spot="on", things=("the rug",), amount=0.5)),
        ("insert the red chair from Office/Room 2", insert("red chair", origin="Office/Room 2")),
        ("insert chair.ply from office with -y up", insert("chair.ply", origin="office", axis="-y")),
        ("add /tmp/a.ply with +z up", insert("/tmp/a.ply", axis="z")),
        ("fill the hole", Command("fill")),
        ("fill it in", Command("fill")),
        ("fill the hole behind the mug", Command("fill", ("the mug",))),
        ("fill in where the mug was", Command("fill", ("the mug",))),
        ("match its light", Command("match")),
        ("match the light of the chair", Command("match", ("the chair",))),
        ("match the chair to the scene", Command("match", ("the chair",))),
        ("make the chair brighter", Command("gain", ("the chair",), amount=0.2, how="brighter")),
        ("make it 30% darker", Command("gain", ("it",), amount=0.3, how="darker")),
        ("make the room a little warmer", Command("gain", ("the room",), amount=0.2, how="warmer")),
        ("brighten the mug and the bowl by 10%", Command("gain", ("the mug", "the bowl"), amount=0.1, how="brighter")),
        ("rename the mug to Cup", Command("rename", ("the mug",), name="Cup")),
        ("rename the mug next to the bowl to cup", Command("rename", ("the mug next to the bowl",), name="cup")),
        ('call it "Way to go"', Command("rename", ("it",), name="Way to go")),
        ("call the red mug cup", Command("rename", ("the red mug",), name="cup")),
        ("name this as Old Chair", Command("rename", ("this",), name="Old Chair")),
        ("group the mug and the bowl as Dishes", Command("group", ("the mug", "the bowl"), name="Dishes")),
        ("ungroup the Dishes", Command("ungroup", name="Dishes")),
    ],
)  # fmt: skip
def test_what_is_understood(text: str, expected: Command) -> None:
    assert parse(text) == expected


def test_one_thing_after_another() -> None:
    def verbs(text: str) -> list[str]:
        return [command.verb for command in parse_all(text)]

    assert verbs("delete the mug and fill the hole") == verbs("delete the mug, and fill") == ["delete", "fill"]
    assert verbs("delete the mug and fill the hole; insert a.ply on the table and match its light, then undo") == [
        "delete", "fill", "insert", "match", "undo",
    ]  # fmt: skip
    assert verbs("delete the mug and the match box") == ["delete"]
    assert parse_all('insert "a; then b.ply"')[0].source == "a; then b.ply"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("insert", "Say which file is inserted"),
        ("insert a.ply at 1 2", "give three numbers"),
        ("insert a.ply at 1 2 inf", "give three numbers"),
        ("insert a.ply scaled big", "is no size"),
        ("insert a.ply scaled 0", "above 0"),
        ("insert a.ply on", "which thing"),
        ("insert chair from", "from which scene"),
        ("insert a.ply with q up", "which way is up"),
        ("insert a.ply at 1 2 3 at 1 2 3", "three numbers"),
        ("insert a.ply scaled 2 scaled 3", "says twice scaled"),
        ("add a chair", "Nothing can be made from words alone"),
        ("rename the mug", "which name"),
        ("rename", "which name"),
        ("call it", "which name"),
        ('call it ""', "is no name"),
        ("rename it to " + "x" * 130, "is no name"),
        ("group the mug and the bowl", "gives the group no name"),
        ("ungroup", "needs the name"),
        ("fill the bath with water", "fill the hole"),
        ("make it 200% brighter", "from 0% to 100%"),
        ("adjust the chair", "match its light"),
    ],
)
def test_what_is_not_understood_gets_one_sentence(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 260


PLAIN = """insert import add delete keep make fill match rename call name group ungroup undo the mug on at beside next
to from scaled with up z -y 0.5 1e9 -3 50% 2x and then ; , . a.ply ../../x.ply C:\\x.sog room/ as by its light hole
where was brighter 999999999999999999999999 nan inf ( ) [ ] { } * + ? \\"""
WORDS = (*PLAIN.split(), *"\"'“”«»\0\n\t\u202e\ud800ßİﬁ😀")


@pytest.mark.slow
def test_hostile_words_get_a_command_or_one_sentence() -> None:
    make = random.Random(0)
    understood = 0
    for number in range(20_000):
        if number % 4 == 0:
            text = "".join(make.choice(string.printable + "„“”«»'\"é\u2028\u0000") for _ in range(make.randrange(60)))
        else:
            text = make.choice((" ", "", "  ")).join(make.choice(WORDS) for _ in range(make.randrange(1, 14)))
        try:
            for command in parse_all(text):
                understood += 1
                assert command.amount == command.amount and abs(command.amount) < float("inf")
        except InputError as error:
            assert len(str(error).splitlines()) == 1 and len(str(error)) < 400, repr(text)
    assert understood > 1000


@pytest.mark.parametrize("letter", ['"', " ", "a ", "on ", "and ", "fill ", "0", "to ", "%", "'a", "then ", "as "])
def test_long_rubbish_takes_no_time(letter: str) -> None:
    """At most 300 letters are looked at, and no pattern takes long on those."""
    for start in ("", "make ", "move ", "insert ", "rename ", "scale ", "group ", "fill ", "match "):
        for text in ((start + letter * 300)[:300], start + letter * 100_000):
            with pytest.raises(InputError) if len(text) > 300 else _anything():
                parse_all(text)


class _anything:
    def __enter__(self) -> None: ...

    def __exit__(self, kind: type | None, *_: object) -> bool:
        return kind is InputError
