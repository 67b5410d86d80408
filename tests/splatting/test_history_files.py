"""Edits on disk: the same list and the same picture after reading, whatever ended in between; damage is a sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from scenes import cloud
from test_edit import IDS, every_kind, same, scene

from semsplat.splatting import history_files, id_sets
from semsplat.splatting.edit import Delete, Duplicate, Edit, Insert, Move, Named, Tint
from semsplat.splatting.errors import InputError
from semsplat.splatting.history import History


def with_all() -> History:
    history = History()
    for edit in every_kind()[::-1]:
        history = history.do(edit)
    return history


def saved(folder: Path, history: History) -> History:
    history_files.write(folder, history)
    return history_files.read(folder)


def test_no_file_is_no_edits(tmp_path: Path) -> None:
    found = history_files.read(tmp_path)
    assert not found.entries and found.next_number == 1


def test_every_kind_is_replayed_bitwise(tmp_path: Path) -> None:
    history = with_all().undo().undo().switch(3, False)
    history = history.switch(2, True)
    found = saved(tmp_path, history)
    assert found.done == history.done and found.next_number == history.next_number
    for one, other in zip(history.entries, found.entries, strict=True):
        assert (one.number, one.on, one.label, one.who, one.when) == (
            other.number, other.on, other.label, other.who, other.when,
        )  # fmt: skip
        assert type(one.edit) is type(other.edit) and one.edit.describe() == other.edit.describe()
    original = scene()
    for one, other in ((history, found), (history.redo().redo(), found.redo().redo())):
        assert same(one.fold(original), other.fold(original))
    first = (tmp_path / history_files.EDITS).read_bytes()
    saved(tmp_path, found)
    assert (tmp_path / history_files.EDITS).read_bytes() == first


def test_texts_come_back(tmp_path: Path) -> None:
    history = History().do(Delete(IDS), "Lösche <b>\n\u202e", "Ada\ud800", "2026-01-01T00:00:00Z")
    entry = saved(tmp_path, history).entries[0]
    assert (entry.label, entry.who, entry.when) == ("Lösche <b>\n\u202e", "Ada\ud800", "2026-01-01T00:00:00Z")


def test_the_list_can_be_read_by_people(tmp_path: Path) -> None:
    saved(tmp_path, History().do(Move(IDS, (0.2, 0.0, 0.0)), who="Ada"))
    listed = json.loads((tmp_path / history_files.EDITS).read_text())["edits"]
    key = id_sets.digest(IDS)
    assert listed == [{"number": 1, "on": True, "label": "Move 5 Gaussians by 0.20, 0, 0", "who": "Ada", "when": "",
                       "type": "move", "count": 5, "ids": key, "by": [0.2, 0.0, 0.0]}]  # fmt: skip


def test_what_is_not_named_any_more_goes(tmp_path: Path) -> None:
    history = History().do(Insert(cloud(3))).do(Delete(IDS)).do(Insert(cloud(4, seed=2))).do(Duplicate(IDS, (1, 0, 0)))
    (tmp_path / history_files.SOURCES).mkdir()
    (tmp_path / history_files.SOURCES / "mine.ply").touch()
    saved(tmp_path, history)
    assert len(list((tmp_path / history_files.SOURCES).iterdir())) == 3
    saved(tmp_path, history.remove(3))
    assert len(list((tmp_path / history_files.SOURCES).iterdir())) == 2
    saved(tmp_path, history.remove(3).remove(2).remove(4))
    assert not (tmp_path / history_files.SETS).exists()
    saved(tmp_path, history)
    history_files.clear(tmp_path)
    assert not list(tmp_path.iterdir()) and not history_files.read(tmp_path).entries


def test_an_empty_scene_and_an_empty_selection_can_be_saved(tmp_path: Path) -> None:
    history = History().do(Delete(IDS[:0])).do(Insert(cloud(3)[:0]))
    assert [entry.edit.describe() for entry in saved(tmp_path, history).entries] == [
        "Delete 0 Gaussians",
        "Insert another scene (0 Gaussians)",
    ]


@pytest.mark.parametrize("writes_before", range(4))
def test_an_end_between_two_files_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes_before: int
) -> None:
    before = History().do(Delete(IDS)).do(Insert(cloud(3, seed=1)))
    after = before.undo().undo().do(Move(IDS + 1, (1.0, 0.0, 0.0))).do(Insert(cloud(3, seed=2)))
    saved(tmp_path, before)
    done = 0

    def counted(real: Any) -> Any:
        def call(*args: Any) -> Any:
            nonlocal done
            if done == writes_before:
                raise KeyboardInterrupt
            done += 1
            return real(*args)

        return call

    monkeypatch.setattr(id_sets, "save_tensors", counted(id_sets.save_tensors))
    monkeypatch.setattr(id_sets, "replacing", counted(id_sets.replacing))
    monkeypatch.setattr(history_files.ply, "write", counted(history_files.ply.write))
    with pytest.raises(KeyboardInterrupt):
        history_files.write(tmp_path, after)
    monkeypatch.undo()
    wanted = after if writes_before == 3 else before
    assert same(history_files.read(tmp_path).fold(scene()), wanted.fold(scene()))
    found = saved(tmp_path, after)
    assert same(found.fold(scene()), after.fold(scene()))
    assert len(id_sets.load_tensors(tmp_path / history_files.SETS, "")[0]) == 1  # and no rubbish stays
    assert len(list((tmp_path / history_files.SOURCES).iterdir())) == 1


# --------------------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("wound", ["", "{", "[]", "3", '{"version": 9}', '{"version": 1}', "[" * 100000,
                                   '{"version": 1, "edits": 3, "done": 0, "next": 1}',
                                   '{"version": 1, "edits": [3], "done": 0, "next": 1}'])  # fmt: skip
def test_a_damaged_list_is_one_sentence(tmp_path: Path, wound: str) -> None:
    (tmp_path / history_files.EDITS).write_text(wound)
    with pytest.raises(InputError, match=r"edits.json is not whole \(.*\); remove .*edits.json to begin without edits"):
        history_files.read(tmp_path)


TINT, INSERT = Tint(IDS, (1.0, 0.0, 0.0)), Insert(cloud(3))


@pytest.mark.parametrize(("edit", "values"), [
    (TINT, {"number": 0}), (TINT, {"number": "1"}), (TINT, {"number": True}), (TINT, {"on": 1}), (TINT, {"label": 3}),
    (TINT, {"who": None}), (TINT, {"type": "explode"}), (TINT, {"type": []}), (TINT, {"type": "move"}),
    (TINT, {"color": "red"}), (TINT, {"color": [1, 2, 3]}), (TINT, {"color": [0.1]}), (TINT, {"color": None}),
    (TINT, {"strength": float("nan")}), (TINT, {"strength": "1"}), (TINT, {"strength": [1]}), (TINT, {"ids": "no"}),
    (TINT, {"ids": []}), (TINT, {"ids": None}), (TINT, {"number": 2**70}), (INSERT, {"source": "../../scene"}),
    (INSERT, {"source": "0" * 24}), (INSERT, {"source": 3}), (INSERT, {"name": 3}), (INSERT, {"scale": 0}),
    (INSERT, {"rotation": [0, 0, 0, 0]}), (INSERT, {"by": [1, 2, float("inf")]}), (INSERT, {"number": 2**20}),
])  # fmt: skip
def test_a_hostile_entry_is_one_sentence(tmp_path: Path, edit: Edit, values: dict[str, object]) -> None:
    history_files.write(tmp_path, History().do(edit))
    content = json.loads((tmp_path / history_files.EDITS).read_text())
    content["edits"][0].update(values)
    (tmp_path / history_files.EDITS).write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"^[^\n]* is not whole [^\n]*\.$"):
        history_files.read(tmp_path)


@pytest.mark.parametrize(
    "values", [{"done": 2}, {"done": -1}, {"done": None}, {"done": True}, {"next": 1}, {"next": "9"}]
)
def test_hostile_counts_are_one_sentence(tmp_path: Path, values: dict[str, object]) -> None:
    history_files.write(tmp_path, History().do(TINT))
    content = json.loads((tmp_path / history_files.EDITS).read_text()) | values
    (tmp_path / history_files.EDITS).write_text(json.dumps(content))
    with pytest.raises(InputError, match="is not whole"):
        history_files.read(tmp_path)


def test_one_number_twice_is_one_sentence(tmp_path: Path) -> None:
    history_files.write(tmp_path, History().do(TINT))
    content = json.loads((tmp_path / history_files.EDITS).read_text())
    content["edits"] *= 2
    (tmp_path / history_files.EDITS).write_text(json.dumps(content))
    with pytest.raises(InputError, match="two edits have one number"):
        history_files.read(tmp_path)


def test_hostile_ids_are_one_sentence(tmp_path: Path) -> None:
    history_files.write(tmp_path, History().do(TINT))
    path, key = tmp_path / history_files.SETS, id_sets.digest(IDS)
    for bad in (IDS.flip(0), IDS.double(), IDS[None], IDS + 1):
        id_sets.save_tensors(path, {key: bad}, {})
        with pytest.raises(InputError, match="are damaged"):
            history_files.read(tmp_path)
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(InputError, match=r"not whole.*begin without edits\.$"):
        history_files.read(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"There is no .*begin without edits\.$"):
        history_files.read(tmp_path)


def test_hostile_sources_are_one_sentence(tmp_path: Path) -> None:
    history_files.write(tmp_path, History().do(INSERT))
    (path,) = (tmp_path / history_files.SOURCES).iterdir()
    whole = path.read_bytes()
    for bad in (whole[:-1], whole[:40], whole[:-4] + b"\0\0\0\0", b""):
        path.write_bytes(bad)
        with pytest.raises(InputError, match=r"^[^\n]*edits.json is not whole [^\n]*begin without edits\.$"):
            history_files.read(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="begin without edits"):
        history_files.read(tmp_path)
    history_files.write(tmp_path, History().do(INSERT))
    assert history_files.read(tmp_path).entries


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write"):
        history_files.write(tmp_path / "file", History().do(TINT))


def test_numbers_above_are_kept_though_their_edits_are_gone(tmp_path: Path) -> None:
    history = History().do(TINT).do(TINT).undo().do(TINT).undo().undo()
    assert saved(tmp_path, history).do(TINT).entries[-1].number == 4


def test_one_set_for_all_edits_of_a_selection(tmp_path: Path) -> None:
    history = History()
    for step in range(20):
        history = history.do(Move(IDS.clone(), (float(step), 0.0, 0.0)))
    found = saved(tmp_path, history)
    assert len(id_sets.load_tensors(tmp_path / history_files.SETS, "")[0]) == 1
    assert all(isinstance(e.edit, Named) and torch.equal(e.edit.ids, IDS) for e in found.entries)


def test_a_list_of_an_earlier_release_opens(tmp_path: Path) -> None:
    saved(tmp_path, History().do(Insert(cloud(3, sh_degree=1), "old.ply", light=(0.4, 0.5, 0.6))))
    path = tmp_path / history_files.EDITS
    content = json.loads(path.read_text())
    assert content["edits"][0].pop("light") == [0.4, 0.5, 0.6]
    path.write_text(json.dumps(content))
    edit = history_files.read(tmp_path).entries[0].edit
    assert isinstance(edit, Insert) and edit.light is None and edit.name == "old.ply"
