"""Named things: saved and read back whole, whatever their names, whenever the process ends."""

import json
import multiprocessing
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import cloud

from semsplat.distill import objects
from semsplat.distill.objects import Thing, clean_name, free_name, put, read, remove, write
from semsplat.distill.palette import color_of
from semsplat.splatting import id_sets
from semsplat.splatting.errors import InputError


def thing(name: str = "mug", *ids: int, parent: str | None = None, **facts: object) -> Thing:
    return Thing(name, torch.tensor(ids or (1, 2, 3)), facts, parent)


def test_things_come_back_as_they_were(tmp_path: Path) -> None:
    assert read(tmp_path) == []
    write(tmp_path, [thing("mug", 5, 3, 3, score=0.5, question="red mug"), thing("handle", 3, parent="mug")])
    mug, handle = read(tmp_path)
    assert (mug.name, mug.ids.tolist(), mug.facts) == ("mug", [3, 5], {"score": 0.5, "question": "red mug"})
    assert handle.parent == "mug" and mug.parent is None
    assert mug.color and handle.color and mug.color != handle.color


def test_put_adds_or_replaces_and_keeps_the_colour(tmp_path: Path) -> None:
    put(tmp_path, thing("a", 1))
    (before,) = read(tmp_path)
    put(tmp_path, thing("b", 2), thing("a", 7, 8))
    a, b = read(tmp_path)
    assert a.ids.tolist() == [7, 8] and a.color == before.color and b.name == "b"


def test_a_thing_of_a_selection_selects_the_same_rows_again() -> None:
    scene = cloud(20)
    chosen = torch.rand(20) > 0.5
    made = Thing.of("half", scene, chosen, how="by hand")
    order = torch.randperm(20)
    assert torch.equal(made.selection(scene[order]), chosen[order]) and made.facts == {"how": "by hand"}


def test_parts_of_a_removed_thing_go_to_its_whole(tmp_path: Path) -> None:
    write(tmp_path, [thing("room"), thing("desk", parent="room"), thing("drawer", parent="desk"), thing("x")])
    left = remove(tmp_path, ["desk", "x"])
    assert [(one.name, one.parent) for one in left] == [("room", None), ("drawer", "room")]
    with pytest.raises(InputError, match=r"no object 'desk' in .*; the objects are: room, drawer"):
        remove(tmp_path, ["room", "desk"])
    assert len(read(tmp_path)) == 2
    assert remove(tmp_path, ["room", "drawer"]) == [] == read(tmp_path)


@pytest.mark.parametrize(
    ("things", "said"),
    [
        ([thing("a"), thing("a ")], "two are called 'a'"),
        ([Thing("a", torch.zeros(0, dtype=torch.int64))], "'a' has no Gaussians"),
        ([thing("a", parent="b")], "'a' is a part of 'b', which is not there"),
        ([thing("a", parent="b"), thing("b", parent="a")], "is a part of itself"),
        ([thing("\u202e \n")], "is no name"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(tmp_path: Path, things: list[Thing], said: str) -> None:
    put(tmp_path, thing("before"))
    with pytest.raises(InputError, match=said):
        write(tmp_path, things)
    assert [one.name for one in read(tmp_path)] == ["before"]


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=[]), max_size=200))
def test_any_text_is_a_name_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("scene")
    try:
        name = clean_name(text)
    except InputError as error:
        assert "is no name for an object" in str(error)
        return
    assert clean_name(name) == name and len(name) <= 120 and name.splitlines() == [name]
    put(folder, thing(text))
    assert [one.name for one in read(folder)] == [name]


def test_a_free_name_has_the_first_free_number() -> None:
    assert free_name(" a  chair\n", ["a chair", "a chair 2"]) == "a chair 3"
    assert free_name("x", []) == "x"
    long = "x" * 500
    assert len(free_name(long, [clean_name(long)])) == 120


def test_facts_that_json_lacks_are_saved_as_it_can(tmp_path: Path) -> None:
    put(tmp_path, thing(score=float("nan"), at=torch.tensor([1.0, 2.0]), path=Path("a"), views=("x", 1)))
    assert read(tmp_path)[0].facts == {"score": None, "at": [1.0, 2.0], "path": "a", "views": ["x", 1]}


@pytest.mark.parametrize("wound", ["", "{", "[]", '{"version": 9, "objects": []}', '{"version": 1, "objects": 3}',
                                   '{"version": 1, "objects": [3]}', "[" * 100000])  # fmt: skip
def test_a_damaged_list_is_one_sentence(tmp_path: Path, wound: str) -> None:
    put(tmp_path, thing())
    (tmp_path / objects.OBJECTS).write_text(wound)
    with pytest.raises(InputError, match=r"objects.json is not whole \(.*\); remove .*objects.json to begin without"):
        read(tmp_path)


def change(folder: Path, **values: object) -> None:
    content = json.loads((folder / objects.OBJECTS).read_text())
    content["objects"][0].update(values)
    (folder / objects.OBJECTS).write_text(json.dumps(content))


@pytest.mark.parametrize("values", [{"name": 3}, {"name": "a\nb"}, {"name": ""}, {"parent": 1}, {"parent": "no"},
                                    {"color": "red"}, {"color": "#12345g"}, {"facts": []}, {"selection": "no"},
                                    {"selection": []}])  # fmt: skip
def test_a_hostile_entry_is_one_sentence(tmp_path: Path, values: dict[str, object]) -> None:
    put(tmp_path, thing())
    change(tmp_path, **values)
    with pytest.raises(InputError, match="is not whole"):
        read(tmp_path)


def test_hostile_selections_are_one_sentence(tmp_path: Path) -> None:
    put(tmp_path, thing())
    path = tmp_path / objects.SELECTIONS
    key = json.loads((tmp_path / objects.OBJECTS).read_text())["objects"][0]["selection"]
    for bad in (torch.tensor([2, 1]), torch.tensor([1.0]), torch.zeros(0, dtype=torch.int64), torch.tensor([[1]])):
        id_sets.save_tensors(path, {key: bad}, {})
        with pytest.raises(InputError, match="no ascending whole numbers"):
            read(tmp_path)
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(InputError, match="not whole"):
        read(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"There is no .*; remove .*objects.json"):
        read(tmp_path)
    (tmp_path / objects.OBJECTS).unlink()
    put(tmp_path, thing("again"))
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize("writes_before", [0, 1, 2])
def test_an_end_between_two_files_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes_before: int
) -> None:
    write(tmp_path, [thing("a", 1), thing("b", 2)])
    done = 0

    def counted(real):
        def call(*args):
            nonlocal done
            if done == writes_before:
                raise KeyboardInterrupt
            done += 1
            return real(*args)

        return call

    monkeypatch.setattr(id_sets, "save_tensors", counted(id_sets.save_tensors))
    monkeypatch.setattr(id_sets, "replacing", counted(id_sets.replacing))
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, [thing("a", 9), thing("c", 3)])
    monkeypatch.undo()
    found = {one.name: one.ids.tolist() for one in read(tmp_path)}
    assert found == ({"a": [9], "c": [3]} if writes_before == 2 else {"a": [1], "b": [2]})
    put(tmp_path, thing("d", 4))
    assert len(id_sets.load_tensors(tmp_path / objects.SELECTIONS, "")[0]) == 3  # and no rubbish stays


def _put_some(folder: Path, name: str) -> None:
    for number in range(5):
        put(folder, thing(f"{name}{number}", number + 1))


@pytest.mark.slow
def test_two_processes_lose_nothing_of_each_other(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=_put_some, args=(tmp_path, name)) for name in "ab"]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert len(read(tmp_path)) == 10


@pytest.mark.slow
def test_ten_thousand_things_come_back_and_have_colours(tmp_path: Path) -> None:
    things = [Thing(f"thing {i}", torch.arange(i, i + 9), parent=f"thing {i - 1}" if i else None) for i in range(10000)]
    write(tmp_path, things)
    found = read(tmp_path)
    assert len(found) == 10000
    assert len({one.color for one in found[:40]}) == 40
    apart = [sum(abs(color_of(i)[k] - color_of(j)[k]) for k in range(3)) for i in range(20) for j in range(i)]
    assert min(apart) > 0.25
