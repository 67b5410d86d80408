"""Questions about a room in which one knows where everything is."""

import pytest
import torch
from furniture import NAMES, PARTS, front, furniture

from semsplat.distill.ask import Answer, Viewpoint, ask
from semsplat.distill.ask.bodies import bodies, connected
from semsplat.distill.field import FeatureField
from semsplat.distill.teachers import reopen
from semsplat.splatting.errors import InputError

ROOM, FIELD, PART = furniture()
TEACHER = reopen("labels", FIELD.memory, torch.device("cpu"))
RED_MUG, BLUE_MUG, BOX, SMALL_CHAIR, LARGE_CHAIR = 3, 4, 11, 12, 13


def asked(question: str, **options: object) -> Answer:
    return ask(ROOM, FIELD, TEACHER, question, front(), **options)  # type: ignore[arg-type]


def parts(answer: Answer) -> set[int]:
    """The parts of the room that were selected; each must be whole."""
    found = set(PART[answer.selection].tolist())
    assert torch.equal(answer.selection, torch.isin(PART, torch.tensor(sorted(found), dtype=torch.int64)))
    return found


@pytest.mark.parametrize("name", [name for names in NAMES[:-1] for name in names])
def test_every_name_finds_its_things(name: str) -> None:
    answer = asked(name)
    names = next(names for names in NAMES if name in names)
    assert parts(answer) == {number for number, part in enumerate(PARTS) if part[0] in names}
    assert answer.kind == "cosine" and answer.threshold == 0.5
    assert any("names, not pixels" in note for note in answer.notes)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("red mug", {RED_MUG}),
        ("blue cup", {BLUE_MUG}),
        ("mug on the table", {RED_MUG, BLUE_MUG}),
        ("mug left of the bowl", {RED_MUG}),
        ("mug to the right of the bowl", {BLUE_MUG}),
        ("the table next to the large chair", {0, 1, 2}),
        ("chair next to the window", {LARGE_CHAIR}),
        ("the largest chair", {LARGE_CHAIR}),
        ("smallest chair", {SMALL_CHAIR}),
        ("the tall chair", {LARGE_CHAIR}),
        ("leftmost chair", {SMALL_CHAIR}),
        ("box under the table", {BOX}),
        ("table above the box", {0, 1, 2}),
        ("apple in the bowl", {10}),
        ("picture on the wall", {16}),
        ("wall behind the table", {15}),
        ("chair left of the table in front of the wall", {SMALL_CHAIR}),
        ("bowl with the apple", {5, 6, 7, 8, 9}),
        ("bowl between the mugs", {5, 6, 7, 8, 9}),
        ("bowl between the red mug and the window", {5, 6, 7, 8, 9}),
        ("red thing", {RED_MUG, 10}),
        ("the lowest thing under the table", {BOX}),
        ("things on the table", {RED_MUG, BLUE_MUG, 5, 6, 7, 8, 9, 10}),
    ],
)
def test_attributes_and_relations(question: str, expected: set[int]) -> None:
    assert parts(asked(question)) == expected


def test_names_that_are_taken_for_others_are_said() -> None:
    answer = asked("tabel")
    assert parts(answer) == {0, 1, 2}
    assert any("'tabel' was taken as 'table'" in note for note in answer.notes)


@pytest.mark.parametrize(
    "question",
    ["green mug", "mug under the table", "mug next to the window", "unicorn", "mug on the unicorn", "purple thing"],
)
def test_no_result_is_an_answer(question: str) -> None:
    answer = asked(question)
    assert not answer.found and len(answer.notes) >= 1
    assert all("\n" not in note for note in answer.notes)


def test_thresholds_can_be_set() -> None:
    assert asked("mug", threshold=1.0).threshold == 1.0
    assert asked("mug", threshold=-1.0).selection.all()
    assert not asked("mug", threshold=1.1).found


def test_unknown_words_list_near_ones() -> None:
    with pytest.raises(InputError, match="nearest names"):
        asked("hippopotamus")


def test_left_and_right_need_somebody_who_looks() -> None:
    nobody = Viewpoint(torch.tensor([0.0, 0.0, 1.0]))
    with pytest.raises(InputError, match="where one stands"):
        ask(ROOM, FIELD, TEACHER, "mug left of the bowl", nobody)
    assert ask(ROOM, FIELD, TEACHER, "mug on the table", nobody).found


def test_answers_do_not_depend_on_how_the_world_lies() -> None:
    """The same room turned, moved and a hundred times as large."""
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(3)))[0]
    turn *= torch.linalg.det(turn).sign()
    large = ROOM.replace(means=100 * ROOM.means @ turn.T + 5, log_scales=ROOM.log_scales + torch.tensor(100.0).log())
    view = front()
    assert view.camera is not None
    pose = torch.eye(4)
    pose[:3, :3] = view.camera.world_to_camera[:3, :3] @ turn.T
    eye = 100 * turn @ view.camera.center + 5
    pose[:3, 3] = -pose[:3, :3] @ eye
    camera = type(view.camera)(pose, view.camera.intrinsics, 96, 64)
    viewpoint = Viewpoint(turn @ view.up, camera)
    for question in ("mug left of the bowl", "chair next to the window", "box under the table", "apple in the bowl"):
        here, there = asked(question), ask(large, FIELD, TEACHER, question, viewpoint)
        assert torch.equal(here.selection, there.selection), question


def test_an_empty_scene_has_no_things() -> None:
    nothing = ROOM[torch.zeros(len(ROOM), dtype=torch.bool)]
    assert not ask(nothing, FIELD, TEACHER, "mug", front()).found


def test_parts_hang_together() -> None:
    chairs = torch.isin(PART, torch.tensor([SMALL_CHAIR, LARGE_CHAIR]))
    labels = connected(ROOM, chairs.nonzero()[:, 0])
    assert len(labels.unique()) == 2
    assert [set(PART[body.rows].tolist()) for body in bodies(ROOM, chairs, torch.ones(len(ROOM)))] == [
        {LARGE_CHAIR},
        {SMALL_CHAIR},
    ]


def test_features_without_words_say_so() -> None:
    from semsplat.distill.teachers.base import Card, Teacher

    class Mute(Teacher):
        card = Card("sam", "", "", 3, words=False)

        def look(self, image, name=""):  # type: ignore[no-untyped-def]
            return image

        def memory(self) -> dict:
            return {}

    with pytest.raises(InputError, match="cannot be asked in words"):
        ask(ROOM, FeatureField("sam", FIELD.columns, FIELD.decoder), Mute(), "mug", front())
