"""Where weights are looked for, what is read of them, and the sentences when they do not fit."""

import os
import sys
from pathlib import Path, PurePosixPath

import pytest
import torch
from safetensors.torch import save_file

from semsplat.distill import teachers
from semsplat.distill.teachers import weights
from semsplat.distill.teachers.base import Card, Options, WeightFile
from semsplat.splatting.errors import InputError

SMALL = WeightFile("small.pth", "https://example.org/small.pth", 12, variant="small")
LARGE = WeightFile("large.pth", "https://example.org/large.pth", 99, variant="large")
SHARED = WeightFile("vocabulary.gz", "https://example.org/vocabulary.gz")
HUB = WeightFile("maker/model", "https://huggingface.co/maker/model", files=("config.json", "model.safetensors"))
CARD = Card("made-up", "for a test", "none", 3, False, (SMALL, LARGE, SHARED))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEMSPLAT_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_the_usual_place_is_the_systems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SEMSPLAT_WEIGHTS")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    if os.name == "posix":
        monkeypatch.setattr(sys, "platform", "linux")
        assert weights.home() == tmp_path / ".local" / "share" / "semsplat" / "weights"
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        assert weights.home() == tmp_path / "data" / "semsplat" / "weights"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert weights.home() == tmp_path / "Library" / "Application Support" / "semsplat" / "weights"


def test_a_variant_has_its_own_files_and_the_shared_ones() -> None:
    assert weights.variants(CARD) == ("small", "large")
    assert weights.chosen(CARD, None) == (SMALL, SHARED) and weights.chosen(CARD, "large") == (LARGE, SHARED)
    with pytest.raises(InputError, match=r"no variant 'huge'; it has small, large\."):
        weights.chosen(CARD, "huge")
    with pytest.raises(InputError, match=r"no variant 'huge': there is only one\."):
        weights.chosen(Card("a", "", "", 1, False, (SHARED,)), "huge")


def test_found_in_the_usual_place_or_where_the_person_says(home: Path, tmp_path: Path) -> None:
    (home / "large.pth").touch()
    (home / "vocabulary.gz").touch()
    assert weights.find(CARD, Options(variant="large")) == home / "large.pth"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "small.pth").touch()
    (mine / "renamed.pth").touch()
    for given, expected in ((mine, mine / "small.pth"), (mine / "renamed.pth", mine / "renamed.pth")):
        assert weights.find(CARD, Options(weights=given)) == expected
        assert weights.find(CARD, Options(weights=given), "vocabulary.gz") == home / "vocabulary.gz"
    (mine / "vocabulary.gz").touch()
    assert weights.find(CARD, Options(weights=mine / "renamed.pth"), "vocabulary.gz") == mine / "vocabulary.gz"
    card = Card("hub", "", "", 3, False, (HUB,))
    with pytest.raises(InputError, match=r"There is no .*config\.json, which the teacher 'hub' needs; check --weights"):
        weights.find(card, Options(weights=mine))
    for name in HUB.files:
        (mine / name).touch()
    assert weights.find(card, Options(weights=mine)) == mine


@pytest.mark.parametrize(
    "card, options, says",
    [
        (
            CARD,
            Options(),
            r"weights of 'made-up' are not here: fetch them with: semsplat models get made-up "
            r"\(or download https://example.org/small.pth and put it at {home}/small.pth\)",
        ),
        (CARD, Options(variant="large"), "semsplat models get made-up --variant large "),
        (
            Card("hub", "", "", 3, False, (HUB,)),
            Options(),
            r"download config.json, model.safetensors from https://huggingface.co/maker/model into {home}/maker--model",
        ),
        (CARD, Options(weights=Path("/none.pth")), r"There is no /none\.pth, which the teacher 'made-up' needs"),
    ],
)
def test_what_is_missing_is_told_with_the_way_to_get_it(card: Card, options: Options, says: str, home: Path) -> None:
    with pytest.raises(InputError, match=says.replace("{home}", str(home))):
        weights.find(card, options)


@pytest.mark.parametrize("kind", ["plain", "old", "lightning", "model", "safetensors"])
def test_tensors_are_read_from_every_usual_file(tmp_path: Path, kind: str) -> None:
    state = {"a.weight": torch.rand(2, 3), "b": torch.rand(4)}
    path = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pth")
    if kind == "safetensors":
        save_file(state, path)
    else:
        whole = {"lightning": {"state_dict": state, "epoch": 3}, "model": {"model": state}}.get(kind, state)
        torch.save(whole, path, _use_new_zipfile_serialization=kind != "old")
    found = weights.read_state(path)
    assert found.keys() == state.keys() and all(torch.equal(found[key], state[key]) for key in state)


@pytest.mark.parametrize(
    "content, says",
    [
        (None, "There is no file"),
        (b"", "damaged"),
        (b"hello world", "damaged"),
        (b"PK\x03\x04x", "damaged"),
        ({"a": PurePosixPath("x")}, "more than tensors"),
        ({"epoch": 3}, "no named tensors"),
        ([1, 2], "no named tensors"),
    ],
)
def test_other_files_are_one_sentence(tmp_path: Path, content: object, says: str) -> None:
    path = tmp_path / "a.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(InputError, match=says) as caught:
        weights.read_state(path)
    assert "\n" not in str(caught.value)


def test_wrong_keys_and_shapes_name_the_first_three(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    found = {"a": torch.zeros(2, 3), "b": torch.zeros(()), "more": torch.zeros(1)}
    weights.check_keys({"a": (2, 3), "b": ()}, found, path)
    with pytest.raises(
        InputError, match=r"a\.pth is not a file for this model: it lacks w, x, y and 1 more; it has a, b"
    ):
        weights.check_keys({"a": (2, 3), "w": (), "x": (), "y": (), "z": ()}, found, path)
    with pytest.raises(InputError, match=r"of another size: a is 2x3, not 3x2; b is a single number, not 1\."):
        weights.check_keys({"a": (3, 2), "b": (1,)}, found, path)


def test_the_registry_knows_its_teachers_and_near_spellings() -> None:
    assert tuple(card.name for card in teachers.cards()) == teachers.NAMES
    assert all(card.licence and card.what for card in teachers.cards())
    with pytest.raises(InputError, match=r"no teacher 'tipsv': .*; did you mean tipsv2"):
        teachers.card("tipsv")
    with pytest.raises(InputError, match=r"no teacher 'x': the teachers are labels, sam,"):
        teachers.open_teacher("x", Options())
    with pytest.raises(InputError, match="no teacher ''"):
        teachers.reopen("", {}, torch.device("cpu"))


@pytest.mark.slow
def test_listing_teachers_loads_no_model_library() -> None:
    import subprocess

    code = (
        "import sys; from semsplat.distill import teachers; teachers.cards(); "
        "print([m for m in ('transformers', 'segment_anything', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
