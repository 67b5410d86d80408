"""semsplat ask: what is written, what is said, and what hostile questions get."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from semsplat.app import ask, cli
from semsplat.app.cli_meaning import Ask
from semsplat.distill import field as fields
from semsplat.distill import objects
from semsplat.splatting import formats
from semsplat.splatting.errors import InputError


def run(*words: str) -> tuple[int, str]:
    console = Console(record=True, width=400)
    request = cli.parse(cli.COMMANDS, "", ["ask", *words])
    assert isinstance(request, Ask)
    return ask.run(request, console), console.export_text()


@pytest.mark.slow
def test_an_answer_is_saved_drawn_said_and_exported(room: Path, tmp_path: Path) -> None:
    status, said = run(str(room), "red mug on the table", "--export", str(tmp_path / "mug.ply"))
    assert status == 0
    (thing,) = objects.read(room)
    assert thing.name == "red mug on the table" and thing.facts["teacher"] == "labels"
    assert thing.facts["understood"] == "red mug | on | table" and thing.facts["kind"] == "cosine x fit"
    assert len(formats.read(tmp_path / "mug.ply")) == len(thing.ids) > 0
    assert (room / "answers" / "red-mug-on-the-table.png").stat().st_size > 1000
    for part in ("cosine", "Threshold: cosine 0.50", "red 1.00", "on table 1.00", "names, not pixels"):
        assert part in said, said


def test_refined_by_the_views(room: Path) -> None:
    for how in ([], ["--no-refine"]):
        status, said = run(str(room), "bowl", *how)
        assert status == 0 and "Object 'bowl'" in said


def test_left_and_right_say_whose(room: Path) -> None:
    status, said = run(str(room), "mug left of the bowl")
    assert status == 0 and "those of photo a.jpg" in said
    with pytest.raises(InputError, match="no view 'b'"):
        run(str(room), "mug left of the bowl", "--viewpoint", "b")


def test_several_names_share_the_scene_out(room: Path) -> None:
    status, said = run(str(room), "mug", "chair", "apple")
    assert status == 0 and "probability" in said
    assert [thing.name for thing in objects.read(room)] == ["mug", "chair", "apple"]
    assert (room / "answers" / "mug-chair-apple.png").exists()


def test_nothing_found_is_status_2_and_loses_nothing(room: Path) -> None:
    run(str(room), "mug")
    before = (room / objects.OBJECTS).read_text()
    status, said = run(str(room), "green mug", "--name", "mug")
    assert status == 2 and "'green'" in said
    assert (room / objects.OBJECTS).read_text() == before


@pytest.mark.parametrize(
    "question",
    ["", "   ", "\x00\x07", "杯子", "красная кружка", "mug " * 1000, "hippopotamus", "mug on", "thing on thing on"],
)
def test_hostile_questions_are_one_sentence_and_status_2(
    room: Path, question: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in room.rglob("*"))
    with pytest.raises(SystemExit) as caught:
        cli.main(["ask", str(room), question])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("semsplat: ") and error.count("\n") == 1 and len(error) < 400
    assert sorted((path.name, path.stat().st_mtime_ns) for path in room.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["mug", "--teacher", "lseg"], "no field of 'lseg'"),
        (["mug", "--threshold", "7"], "threshold of 7"),
        (["mug", "--export", "mug.xyz"], "xyz"),
        (["mug", "--views", "nowhere"], "nowhere"),
        (["mug", "chair", "--threshold", "0.4"], "single question"),
    ],
)
def test_options_that_make_no_sense(room: Path, options: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        run(str(room), *options)
    assert objects.read(room) == []


def test_fields_that_know_no_words_say_so(room: Path) -> None:
    path = room / "fields" / "labels.safetensors"
    stored = fields.load(path)
    path.unlink()
    with pytest.raises(InputError, match="no fields yet"):
        run(str(room), "mug")
    fields.save(room, fields.StoredField("sam", stored.ids, stored.codes, stored.reliability, stored.decoder))
    with pytest.raises(InputError, match="cannot be asked in words"):
        run(str(room), "mug")


def test_the_help_explains_the_grammar(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["ask", "--help"])
    text = capsys.readouterr().out
    assert "left of" in text and "attribute" in text and json.dumps("red thing") in text
