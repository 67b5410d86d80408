"""Things of other scenes in words: where they stand, in which light they are, and what they are called."""

from pathlib import Path

import pytest
import torch
from furniture import front, furniture
from small_scenes import ball

from semsplat.app.carrying import carry_out, gains_of
from semsplat.app.commands import parse, parse_all
from semsplat.app.meaning import Meaning
from semsplat.app.placing import Standing
from semsplat.app.session import Session
from semsplat.distill import objects
from semsplat.distill.objects import Thing
from semsplat.splatting import formats
from semsplat.splatting.edit import Gain, Group, Insert, Rename, Ungroup, pivot
from semsplat.splatting.errors import InputError

GAUSSIANS, FIELD, NUMBERS = furniture(0.08)
BOWL = GAUSSIANS.ids[torch.isin(NUMBERS, torch.tensor([5, 6, 7, 8, 9]))]
Z = torch.tensor([0.0, 0.0, 1.0])


class Room(Session):
    up = Z


@pytest.fixture
def kitchen() -> Session:
    return Room(GAUSSIANS, title="kitchen", meaning=Meaning({"labels": FIELD}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A green ball, 0.16 across, somewhere."""
    made = ball((5.0, 6.0, 7.0), (0.2, 0.7, 0.3), 400, 0)
    path = tmp_path / "Green Ball.ply"
    means = torch.tensor([5.0, 6.0, 7.0]) + 0.2 * (made.means - torch.tensor([5.0, 6.0, 7.0]))
    formats.write(path, made.replace(means=means, log_scales=made.log_scales - 2.0))
    return path


def said(session: Session, text: str, picked: torch.Tensor | None = None) -> str:
    label = ""
    for command in parse_all(text):
        ids = torch.zeros(0).long() if picked is None else picked
        edit, label = carry_out(session, command, ids, front().camera, files=True)
        session.do(edit, label)
    return label


def last(session: Session) -> Insert:
    return next(e for e in reversed(session.now.history.edits) if isinstance(e, Insert))


def standing(session: Session) -> Standing:
    edit = last(session)
    return Standing.of(session.gaussians.means[torch.isin(session.gaussians.ids, edit.minted)], Z)


def test_without_a_place_it_is_where_its_file_has_it(kitchen: Session, file: Path) -> None:
    assert said(kitchen, f'insert "{file}"') == "Insert Green Ball.ply"
    assert torch.equal(kitchen.gaussians.means[len(GAUSSIANS) :], formats.read(file).means)
    kitchen.undo()
    assert torch.equal(kitchen.gaussians.ids, GAUSSIANS.ids)


def test_on_the_table_it_touches_the_top_and_nothing_else(kitchen: Session, file: Path) -> None:
    assert said(kitchen, f'insert "{file}" on the table') == "Insert Green Ball.ply on table"
    there = standing(kitchen)
    assert there.foot[2].item() == pytest.approx(0.75, abs=0.03)  # lowest points on the table top
    assert there.foot[0].abs() < 1.0 and there.foot[1].abs() < 0.5
    on_table = GAUSSIANS.means[(GAUSSIANS.means[:, 2] > 0.79) & (GAUSSIANS.means[:, 2] < 0.91)]
    assert (on_table[:, :2] - there.foot[:2]).norm(dim=1).min() > 0.06
    assert there.radius == pytest.approx(0.08, rel=0.2)  # scale untouched


def test_beside_scaled_at_a_point(kitchen: Session, file: Path) -> None:
    said(kitchen, f'insert "{file}" beside the bowl scaled 0.5')
    there = standing(kitchen)
    assert there.radius == pytest.approx(0.04, rel=0.2)
    assert there.foot[0] > 0.15 and there.foot[2].item() == pytest.approx(0.75, abs=0.03)
    said(kitchen, f'insert "{file}" at 0.5 -1.5 0')
    torch.testing.assert_close(standing(kitchen).foot, torch.tensor([0.5, -1.5, 0.0]).double(), atol=1e-4, rtol=0)


def test_which_way_is_up_in_a_file(kitchen: Session, tmp_path: Path) -> None:
    tall = ball((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), 300, 0)
    tall = tall.replace(means=tall.means * torch.tensor([0.1, 1.0, 0.1]))
    formats.write(tmp_path / "tall.ply", tall)
    said(kitchen, f"insert {tmp_path}/tall.ply at 0 0 0 with -y up")
    assert standing(kitchen).height == pytest.approx(0.7, rel=0.2)
    said(kitchen, f"insert {tmp_path}/tall.ply at 0 0 0")
    assert standing(kitchen).height < 0.1


def test_a_thing_of_another_scene_comes_upright_with_its_light(kitchen: Session, room: Path) -> None:
    """The same room in another light: what comes from there is as bright as what is here."""
    gains = (1.3, 1.0, 0.7)
    other = Session.at(room)
    other.do(Gain(other.gaussians.ids, gains), "")
    dimmed = other.gaussians
    formats.write(room / "scene.ply", dimmed.replace(features=dimmed.features[:, :0]))
    (room / "edits.json").unlink()
    said(kitchen, f"insert the bowl from {room} on the table and match its light")
    edit = last(kitchen)
    assert edit.name == "bowl" and edit.light is not None
    match = kitchen.now.history.edits[-1]
    assert isinstance(match, Gain) and torch.equal(match.ids, edit.minted)
    torch.testing.assert_close(torch.tensor(match.gains), 1 / torch.tensor(gains), rtol=0.05, atol=0)
    with pytest.raises(InputError, match="matched already"):
        said(kitchen, "match the light of the bowl" if not len(BOWL) else "match its light")
    assert standing(kitchen).foot[2].item() == pytest.approx(0.75, abs=0.04)


def test_what_was_inserted_has_the_name_of_its_file(kitchen: Session, file: Path) -> None:
    said(kitchen, f'insert "{file}" on the table')
    ids = last(kitchen).minted
    assert said(kitchen, "make the green ball red") == "Paint green ball red"
    assert said(kitchen, "call the green ball Grapefruit") == "Call green ball Grapefruit"
    assert [(t.name, len(t.ids)) for t in kitchen.now.things] == [("Grapefruit", len(ids))]
    said(kitchen, "delete the grapefruit")
    assert torch.equal(kitchen.gaussians.ids, GAUSSIANS.ids)


def test_light_in_words(kitchen: Session) -> None:
    assert said(kitchen, "make the bowl 20% darker") == "Make bowl 20% darker"
    rows = torch.isin(GAUSSIANS.ids, kitchen.now.history.edits[-1].ids)
    camera = front().camera
    before, after = GAUSSIANS.colors(camera)[rows], kitchen.gaussians.colors(camera)[rows]
    torch.testing.assert_close(after, 0.8 * before, atol=1e-5, rtol=0)
    red, green, blue = gains_of("warmer", 0.2)
    assert red > green > blue
    assert 0.2126 * red + 0.7152 * green + 0.0722 * blue == pytest.approx(1.0)


def test_names_are_edits_and_undo_takes_them_back(kitchen: Session) -> None:
    kitchen.change_things(lambda _: [Thing("Mug", BOWL[:9]), Thing("bowl", BOWL[9:])], "")
    assert said(kitchen, "rename the mug to Cup") == "Rename Mug to Cup"
    assert said(kitchen, "group the cup and the bowl as dishes") == "Group Cup and bowl as dishes"
    assert {(t.name, t.parent) for t in kitchen.now.things} == {("Cup", "dishes"), ("bowl", "dishes"), ("dishes", None)}
    kinds = [type(edit) for edit in kitchen.now.history.edits]
    assert kinds == [Rename, Group] and kitchen.gaussians is not None
    assert said(kitchen, "ungroup Dishes") == "Ungroup dishes"
    assert {t.name for t in kitchen.now.things} == {"Cup", "bowl"}
    kitchen.undo()
    kitchen.switch(1, False)
    assert {t.name: t.parent for t in kitchen.now.things} == {"Mug": "dishes", "bowl": "dishes", "dishes": None}
    kitchen.clear_edits()
    assert [t.name for t in kitchen.now.things] == ["Mug", "bowl"]
    assert isinstance(carry_out(kitchen, parse("rename the mug to x"))[0], Rename)
    assert not isinstance(carry_out(kitchen, parse("group the mug as x"))[0], Ungroup)


def test_a_part_of_a_thing_that_is_gone_does_not_keep_it_out_of_a_group(kitchen: Session) -> None:
    kitchen.change_things(lambda _: [Thing("mug", BOWL[:9]), Thing("bowl", BOWL[9:])], "")
    said(kitchen, "delete it", BOWL[:3])
    said(kitchen, "group the mug and the bowl as dishes")
    assert {t.parent for t in kitchen.now.things if t.name != "dishes"} == {"dishes"}


def test_names_are_kept_in_the_folder_and_seen_by_everybody(room: Path) -> None:
    session = Session.at(room)
    session.change_things(lambda _: [Thing("mug", session.gaussians.ids[:9])], "")
    session.do(*carry_out(session, parse("rename the mug to Cup")))
    assert [t.name for t in Session.at(room).now.things] == ["Cup"]
    assert [t.name for t in objects.read(room)] == ["mug"]
    session.undo()
    assert [t.name for t in Session.at(room).now.things] == ["mug"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("insert nothing.ply", "There is no file nothing.ply"),
        ("insert chair from nowhere", "no scene folder nowhere"),
        ("insert {file} from {folder}", "is not a scene folder"),
        ("insert {file} on the unicorn", "not found"),
        ("insert {text}", "ends in '.txt'"),
        ("match its light", "Nothing was inserted"),
        ("match the light of the bowl", "belongs to this scene"),
        ("insert {file}; match its light", "its own colours do not tell"),
        ("fill the hole", "Nothing was deleted"),
        ("fill the hole of the mug", "'mug' was not deleted"),
        ("ungroup dishes", "no group 'dishes'"),
        ("make the bowl 100% darker", "leaves nothing to be seen"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    kitchen: Session, file: Path, tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "a.txt").touch()
    text = text.format(file=f'"{file}"', folder=f'"{tmp_path}"', text=f'"{tmp_path / "a.txt"}"')
    with pytest.raises(InputError, match=sentence):
        said(kitchen, text)


def test_a_page_reads_no_files_of_the_computer_that_serves_it(kitchen: Session, file: Path) -> None:
    with pytest.raises(InputError, match="upload one"):
        carry_out(kitchen, parse(f'insert "{file}"'))
    assert pivot(kitchen.gaussians, BOWL)
