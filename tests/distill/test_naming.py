"""Edits of names: renamed, grouped, ungrouped, taken back; and what is changed about things while they are in force."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semsplat.distill.naming import change, changed, named, read
from semsplat.distill.objects import Thing, settled, write
from semsplat.splatting.edit import Delete, Edit, Group, Rename, Ungroup
from semsplat.splatting.errors import InputError

MUG, BOWL, TABLE = torch.arange(3), torch.arange(3, 8), torch.arange(20)
BOTH = torch.arange(8)
KEPT = settled([Thing("mug", MUG, {"made by": "ask"}), Thing("bowl", BOWL), Thing("table", TABLE)])


def tree(things: list[Thing]) -> dict[str, str | None]:
    return {thing.name: thing.parent for thing in things}


def test_renamed_and_taken_back() -> None:
    renamed = named(KEPT, [Rename(MUG, "cup", "mug")])
    assert tree(renamed) == {"cup": None, "bowl": None, "table": None}
    assert renamed[0].facts == {"made by": "ask"} and renamed[0].color == KEPT[0].color
    assert named(KEPT, []) == KEPT and named(KEPT, [Delete(MUG)]) == KEPT


def test_any_of_them_can_be_switched_off() -> None:
    first, second = Rename(MUG, "cup", "mug"), Rename(MUG, "goblet", "cup")
    assert "goblet" in tree(named(KEPT, [first, second]))
    assert "goblet" in tree(named(KEPT, [second]))
    assert tree(named(KEPT, [Rename(torch.arange(2), "cup")])) == tree(KEPT)  # no such thing


def test_a_name_that_is_taken_gets_a_number() -> None:
    assert "bowl 2" in tree(named(KEPT, [Rename(MUG, "bowl", "mug")]))
    assert "table 2" in tree(named(KEPT, [Group(BOTH, "table")]))


def test_grouped_and_ungrouped() -> None:
    grouped = named(KEPT, [Group(BOTH, "dishes")])
    assert tree(grouped) == {"mug": "dishes", "bowl": "dishes", "table": None, "dishes": None}
    assert all(thing.color for thing in grouped) and torch.equal(grouped[-1].ids, BOTH)
    assert tree(named(KEPT, [Group(BOTH, "dishes"), Ungroup(BOTH, "dishes")])) == tree(KEPT)
    assert tree(named(KEPT, [Group(BOTH, "dishes"), Rename(BOTH, "china", "dishes")]))["mug"] == "china"
    nested = named(KEPT, [Group(BOTH, "dishes"), Group(TABLE, "all")])
    assert tree(nested) == {"mug": "dishes", "bowl": "dishes", "table": "all", "dishes": None, "all": None} or (
        tree(nested)["table"] == "all" and tree(nested)["dishes"] == "all"
    )


def test_a_group_inside_a_whole_stays_inside_and_its_parts_go_back_to_the_whole() -> None:
    inside = settled([replace(KEPT[0], parent="table"), replace(KEPT[1], parent="table"), KEPT[2]])
    grouped = [Group(BOTH, "dishes")]
    assert tree(named(inside, grouped)) == {"mug": "dishes", "bowl": "dishes", "table": None, "dishes": "table"}
    assert tree(named(inside, [*grouped, Ungroup(BOTH, "dishes")])) == tree(inside)


def test_a_thing_that_somebody_made_is_ungrouped_too_and_comes_back() -> None:
    whole = settled([replace(KEPT[0], parent="set"), replace(KEPT[1], parent="set"), Thing("set", BOTH)])
    assert tree(named(whole, [Ungroup(BOTH, "set")])) == {"mug": None, "bowl": None}


def test_gaussians_without_a_name_get_one() -> None:
    assert tree(named([], [Group(MUG, "cup")])) == {"cup": None}


def test_what_is_no_name() -> None:
    for name in ("", "  ", "\n", "\u202e", "x" * 121):
        with pytest.raises(InputError, match="is no name"):
            Rename(MUG, name)
    with pytest.raises(InputError, match="Nothing is picked"):
        Group(MUG[:0], "nothing")


RENAMED: list[Edit] = [Rename(MUG, "cup", "mug"), Group(BOTH, "dishes")]


def test_colours_and_new_things_are_kept_under_edits() -> None:
    def paint(things: list[Thing]) -> list[Thing]:
        painted = [replace(t, color=(1.0, 0.0, 0.0)) if t.name == "cup" else t for t in things]
        return [*painted, Thing("handle", MUG[:1], {}, "cup")]

    kept = changed(KEPT, RENAMED, paint)
    assert tree(kept) == {"mug": None, "bowl": None, "table": None, "handle": "mug"}
    assert kept[0].color == (1.0, 0.0, 0.0) and kept[1].color == KEPT[1].color
    assert tree(named(kept, RENAMED))["handle"] == "cup"


def test_a_new_thing_may_have_a_name_that_was_given_up() -> None:
    kept = changed(KEPT, RENAMED, lambda things: [*things, Thing("mug", BOWL)])
    assert tree(kept) == {"mug 2": None, "bowl": None, "table": None, "mug": None}
    assert {"cup", "mug"} <= set(tree(named(kept, RENAMED)))


def test_what_is_forgotten_is_forgotten_with_its_name_by_an_edit() -> None:
    kept = changed(KEPT, RENAMED, lambda things: [thing for thing in things if thing.name != "cup"])
    assert tree(kept) == {"bowl": None, "table": None}
    assert tree(named(kept, RENAMED)) == {"bowl": "dishes", "table": None, "dishes": None}


def test_a_group_goes_by_an_edit_only() -> None:
    with pytest.raises(InputError, match="'dishes' is a group that an edit made; undo that"):
        changed(KEPT, RENAMED, lambda things: [thing for thing in things if thing.name != "dishes"])
    with pytest.raises(InputError, match="no colour of its own"):
        changed(KEPT, RENAMED, lambda things: [*things[:-1], replace(things[-1], color=(0.0, 0.0, 0.0))])


def test_in_a_folder(tmp_path) -> None:
    write(tmp_path, KEPT)
    assert "cup" in tree(read(tmp_path, RENAMED)) and "mug" in tree(read(tmp_path, []))
    after = change(tmp_path, RENAMED, lambda things: [thing for thing in things if thing.name != "table"])
    assert set(tree(after)) == {"cup", "bowl", "dishes"} and set(tree(read(tmp_path, []))) == {"mug", "bowl"}


EDITS = st.builds(
    lambda kind, low, size, name: kind(torch.arange(low, low + size), name),
    st.sampled_from([Rename, Group, Ungroup]), st.integers(0, 6), st.integers(1, 12), st.sampled_from("abc"),
)  # fmt: skip


@pytest.mark.slow
@given(st.lists(EDITS, max_size=8))
@settings(max_examples=150, deadline=None)
def test_whatever_is_edited_names_are_sound_and_nothing_that_stays_changes_what_is_kept(edits: list[Edit]) -> None:
    things = [Thing(n, torch.arange(k, k + s)) for n, k, s in (("a", 0, 4), ("b", 2, 4), ("mug", 0, 8), ("d", 0, 4))]
    kept = settled([replace(things[0], parent="mug"), *things[1:]])
    after = named(kept, edits)
    assert tree(settled(after)) == tree(after)  # unique names, parents there, no rings
    assert tree(changed(kept, edits, lambda found: found)) == tree(kept)
