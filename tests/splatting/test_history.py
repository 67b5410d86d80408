"""Laws of the list: undo restores bitwise, off is never done, and folds that were kept are those made anew."""

import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_edit import IDS, every_kind, same, scene

from semsplat.splatting.edit import Delete, Duplicate, Edit, Minting, Move, Opacity, Tint
from semsplat.splatting.edit_base import number_above
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.history import Folds, History


def one_by_one(original: Gaussians, history: History) -> Gaussians:
    """The definition."""
    for entry in history.in_force:
        original = entry.edit(original)
    return original


def with_all() -> History:
    history = History()
    for edit in every_kind():
        history = history.do(edit)
    return history


def test_every_undo_restores_bitwise_and_every_redo_too() -> None:
    original, history = scene(), History()
    states = [original]
    for edit in every_kind():
        history = history.do(edit)
        states.append(history.fold(original))
    for wanted in reversed(states[:-1]):
        history = history.undo()
        assert same(history.fold(original), wanted)
    assert history.fold(original) is original and not history.can_undo
    for wanted in states[1:]:
        history = history.redo()
        assert same(history.fold(original), wanted)
    assert not history.can_redo


def test_switched_off_is_never_done() -> None:
    original, history = scene(), with_all()
    for entry in history.entries:
        if isinstance(entry.edit, Minting):
            continue
        without = History()
        for other in history.entries:
            without = without.do(other.edit) if other is not entry else without
        off = history.switch(entry.number, False)
        assert len(off.in_force) == len(history.entries) - 1
        found, wanted = off.fold(original), without.fold(original)
        for name, tensor in wanted.tensors():  # the ids of copies come from the numbers, which differ
            assert name == "ids" or torch.equal(getattr(found, name), tensor)
        assert same(off.switch(entry.number, True).fold(original), history.fold(original))


def test_edits_of_a_copy_are_passed_over_while_the_copy_is_off() -> None:
    original = scene()
    history = History().do(Duplicate(IDS, (1.0, 0.0, 0.0)))
    copy = history.entries[0].edit.minted
    history = history.do(Tint(copy, (1.0, 0.0, 0.0))).do(Delete(IDS))
    assert same(history.switch(1, False).fold(original), Delete(IDS)(original))
    assert torch.isin(history.fold(original).ids, copy).sum() == torch.isin(original.ids, IDS).sum()


def test_a_new_edit_drops_what_was_undone_and_numbers_are_never_given_twice() -> None:
    history = History().do(Delete(IDS), "first").do(Move(IDS, (1.0, 0.0, 0.0)), "second").undo()
    assert history.next is not None and history.next.label == "second"
    history = history.do(Opacity(IDS, 0.5), who="Ada", when="2026-01-01T00:00:00Z")
    assert [(entry.number, entry.label) for entry in history.entries] == [
        (1, "first"),
        (3, "Opacity of 5 Gaussians times 0.50"),
    ]
    assert not history.can_redo and history.last is not None and history.last.who == "Ada"


def test_the_list_never_changes() -> None:
    history = with_all()
    entries = history.entries
    history.do(Delete(IDS)), history.undo(), history.switch(1, False), history.remove(2)
    assert history.entries is entries and history.done == len(entries)


def test_lists_may_go_apart() -> None:
    original, history = scene(), History().do(Delete(IDS[:1]))
    one, other = history.do(Move(IDS, (1.0, 0.0, 0.0))), history.do(Opacity(IDS, 0.5))
    assert one.entries[-1].number == other.entries[-1].number
    for version in (one, other, one):
        assert same(version.fold(original), one_by_one(original, version))


def test_removing_an_edit() -> None:
    original = scene()
    history = History().do(Delete(IDS[:1])).do(Delete(IDS[1:2])).do(Delete(IDS[2:3])).undo()
    left = history.remove(1)
    assert [entry.number for entry in left.entries] == [2, 3] and left.done == 1
    assert same(left.fold(original), Delete(IDS[1:2])(original))
    assert history.remove(3).done == 2


def test_what_cannot_be_undone_is_a_sentence() -> None:
    with pytest.raises(InputError, match="nothing to undo"):
        History().undo()
    with pytest.raises(InputError, match="nothing to redo"):
        History().redo()
    for call in (lambda: History().switch(3, False), lambda: History().remove(3)):
        with pytest.raises(InputError, match="No edit has the number 3; the list has 0 edits"):
            call()


def test_a_scene_that_was_edited_before_keeps_its_ids() -> None:
    edited = with_all().fold(scene())
    again = History.over(edited).do(Duplicate(edited.ids, (1.0, 0.0, 0.0))).fold(edited)
    assert len(again.ids.unique()) == len(again) == 2 * len(edited)
    assert History.over(scene()).next_number == History.over(scene()[:0]).next_number == 1
    assert History(next_number=99).beyond(edited).next_number == 99
    with pytest.raises(InputError, match="already"):
        History(next_number=number_above(edited.ids) - 1).do(Duplicate(edited.ids, (1.0, 0.0, 0.0))).fold(edited)


def test_another_original_is_folded_anew() -> None:
    first, second = scene(), scene(2)
    history = History().do(Move(IDS, (1.0, 0.0, 0.0)))
    assert history.fold(first).features.shape[1] == 4 and history.fold(second).features.shape[1] == 2
    assert history.fold(second) is history.fold(second)


@given(st.lists(st.tuples(st.sampled_from(["do", "undo", "redo", "switch", "fold"]), st.integers(0, 99)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_kept_folds_are_those_made_anew(actions: list[tuple[str, int]]) -> None:
    original, kinds = scene(), every_kind()
    kinds[1:2] = []  # Keep: little would be left to see
    history = History(folds=Folds(budget=60_000))  # a few states
    for action, pick in actions:
        if action == "do":
            history = history.do(kinds[pick % len(kinds)])
        elif action == "undo" and history.can_undo:
            history = history.undo()
        elif action == "redo" and history.can_redo:
            history = history.redo()
        elif action == "switch" and history.entries:
            entry = history.entries[pick % len(history.entries)]
            history = history.switch(entry.number, not entry.on)
        elif action == "fold":
            assert same(history.fold(original), one_by_one(original, history))
    assert same(history.fold(original), one_by_one(original, history))


@pytest.mark.slow
def test_memory_is_bounded() -> None:
    original = scene()
    size = sum(tensor.nbytes for _, tensor in original.tensors())
    history = History(folds=Folds(budget=5 * size))
    for step in range(60):
        history = history.do(Delete(torch.tensor([step % 40])))
        history.fold(original)
        assert history.folds._bytes() <= 5 * size
    for _ in range(60):
        history = history.undo()
        assert same(history.fold(original), one_by_one(original, history))


@pytest.mark.slow
def test_threads_may_fold_at_once() -> None:
    original, history = scene(), History()
    versions = []
    for edit in [*every_kind()] * 3:
        history = history.do(edit)
        versions.append(history)
    wanted, found = [one_by_one(original, version) for version in versions], {}

    def work(start: int) -> None:
        for at in range(start, len(versions), 2):
            found[at] = versions[at].fold(original)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 0, 1, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(found[at], wanted[at]) for at in range(len(versions)))


def test_an_edit_has_the_type_of_an_edit() -> None:
    assert all(isinstance(entry.edit, Edit) for entry in with_all().entries)
