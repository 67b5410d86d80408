"""Edits in words: what is understood, what is done to which Gaussians, and what is said when it is not possible."""

import pytest

from semsplat.app.commands import Command, parse, parse_all
from semsplat.splatting.errors import InputError

RED, HALF = (1.0, 0.0, 0.0), 0.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("delete the mug", Command("delete", ("the mug",))),
        ("Please remove it.", Command("delete", ("it",))),
        ("take away the red mug on the table", Command("delete", ("the red mug on the table",))),
        ("delete the mug and the book", Command("delete", ("the mug", "the book"))),
        ("delete the mug between the book and the lamp", Command("delete", ("the mug between the book and the lamp",))),
        ("delete everything but the mug", Command("delete", ("the mug",), all_but=True)),
        ("keep only the table", Command("keep", ("the table",))),
        ("extract this", Command("keep", ("this",))),
        ("make the chair red", Command("tint", ("the chair",), color=RED, color_name="red")),
        ("turn the chair red", Command("tint", ("the chair",), color=RED, color_name="red")),
        ("paint the wall #ff0000 50%", Command("tint", ("the wall",), color=RED, color_name="#ff0000", amount=HALF)),
        ("paint it 50% red", Command("tint", ("it",), color=RED, color_name="red", amount=HALF)),
        ("make the orange blue", Command("tint", ("the orange",), color=(0, 0, 1), color_name="blue")),
        ("make it dark blue", Command("tint", ("it",), color=(0, 0, 139 / 255), color_name="dark blue")),
        ("make the mug 75% transparent", Command("fade", ("the mug",), amount=0.25)),
        ("make the mug half transparent", Command("fade", ("the mug",), amount=HALF)),
        ("make the mug transparent", Command("fade", ("the mug",), amount=HALF)),
        ("make the mug 30% opaque", Command("fade", ("the mug",), amount=0.3)),
        ("fade it by 50%", Command("fade", ("it",), amount=HALF)),
        ("move the lamp 0.2 left", Command("move", ("the lamp",), way=(-0.2, 0, 0), way_name="0.2 left")),
        ("move the lamp by 0,2 to the left", Command("move", ("the lamp",), way=(-0.2, 0, 0), way_name="0.2 left")),
        (
            "move it up by .5 units",
            Command("move", ("it",), way=(0, 0, 0.5), way_unit="scene", way_name="0.5 units up"),
        ),
        (
            "move the lamp 20 cm left and 0.1m up",
            Command("move", ("the lamp",), way=(-0.2, 0, 0.1), way_unit="m", way_name="20 cm left, 0.1 m up"),
        ),
        ("lift it 3 mm", Command("move", ("it",), way=(0, 0, 0.003), way_unit="m", way_name="3 mm up")),
        ("move it 1 back and 0.5 up", Command("move", ("it",), way=(0, -1, 0.5), way_name="1 back, 0.5 up")),
        ("raise the mug 0.1", Command("move", ("the mug",), way=(0, 0, 0.1), way_name="0.1 up")),
        ("move the left lamp 2 away", Command("move", ("the left lamp",), way=(0, 2, 0), way_name="2 away")),
        ("rotate the chair 30 degrees", Command("turn", ("the chair",), amount=30.0)),
        ("turn the chair by 30° to the right", Command("turn", ("the chair",), amount=-30.0)),
        ("rotate it 90 about x", Command("turn", ("it",), amount=90.0, axis="x")),
        ("scale the mug 1.5", Command("scale", ("the mug",), amount=1.5)),
        ("scale it to 50%", Command("scale", ("it",), amount=HALF)),
        ("shrink the mug by 20%", Command("scale", ("the mug",), amount=0.8)),
        ("make the mug twice as big", Command("scale", ("the mug",), amount=2.0)),
        ("make it 2 times smaller", Command("scale", ("it",), amount=HALF)),
        ("make it bigger", Command("scale", ("it",), amount=1.25)),
        ("duplicate the book", Command("duplicate", ("the book",))),
        ("copy the book 0.3 up", Command("duplicate", ("the book",), way=(0, 0, 0.3), way_name="0.3 up")),
        ("undo", Command("undo")),
        ("Redo!", Command("redo")),
    ],
)
def test_what_is_understood(text: str, expected: Command) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Say what to do"),
        ("  ?! ", "Say what to do"),
        ("x" * 400, "400 letters"),
        ("frobnicate the mug", 'such as "delete the mug"'),
        ("delete", "needs a thing, such as: delete the mug"),
        ("deleted mug", "is not understood"),
        ("move the lamp left", "says not how far"),
        ("move the lamp 20 cm left and 0.1 up", "lengths of two kinds"),
        ("paint the chair", "ends with no colour"),
        ("make the chair better", "make the chair red"),
        ("make it 120% transparent", "from 0% to 100%"),
        ("make it opaque", "needs a share"),
        ("scale the mug", "says not how much"),
        ("scale the mug 0", "above 0"),
        ("rotate the chair", "says not how far"),
        ("hide the mug", "Hiding is no edit"),
        ("find the mug", "Finding is no edit"),
        ("undo the last five edits", "one edit at a time"),
    ],
)
def test_what_is_not_understood_gets_one_sentence(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 220


def test_several_commands_are_done_one_after_another() -> None:
    assert [c.verb for c in parse_all("delete the mug; make it red, then undo")] == ["delete", "tint", "undo"]
