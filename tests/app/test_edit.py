"""semsplat edit: what is said, what is kept, and who sees the edited scene."""

from pathlib import Path

import pytest
import torch
from furniture import NAMES, furniture
from rich.console import Console

from semsplat.app import ask, cli, edit, export
from semsplat.app.cli_export import Export
from semsplat.app.cli_meaning import Ask, Edit
from semsplat.app.scene import Scene
from semsplat.distill import objects
from semsplat.splatting import formats
from semsplat.splatting.errors import InputError


def run(*words: str) -> str:
    console = Console(record=True, width=400)
    request = cli.parse(cli.COMMANDS, "", ["edit", *words])
    assert isinstance(request, Edit)
    assert edit.run(request, console) == 0
    return console.export_text()


def mugs(gaussians: object) -> int:
    """How many Gaussians of the kitchen's mugs there are, by their ids."""
    whole, field, _ = furniture(0.08)
    number = next(k for k, names in enumerate(NAMES) if "mug" in names)
    ids = whole.ids[field.codes(whole)[:, number] > 0.5]
    return int(torch.isin(gaussians.ids, ids).sum())


@pytest.mark.slow
def test_what_is_done_is_said_kept_and_taken_back(room: Path, tmp_path: Path) -> None:
    whole = Scene.open(room).gaussians
    said = run(str(room), "delete the mug", "make the small chair red then move it 0.2 up".replace("it", "the apple"))
    for part in ("Delete mug: Delete", "Paint small chair red: Tint", "Move apple 0.2 up: Move", "Gaussians now"):
        assert part in said, said
    assert mugs(whole) > 0 and mugs(Scene.open(room).edited) == 0
    assert len(Scene.open(room).gaussians) == len(whole)  # the fit itself is not touched
    assert "Taken back: Move apple 0.2 up" in run(str(room), "--undo")
    assert "Done again: Move apple 0.2 up" in run(str(room), "--redo")
    listed = run(str(room), "--list")
    assert [line.split()[0] for line in listed.splitlines()] == ["1", "2", "3"]
    run(str(room), "--off", "1")
    assert mugs(Scene.open(room).edited) == mugs(whole)
    assert "off" in run(str(room), "--list").splitlines()[0]
    run(str(room), "--clear")
    assert run(str(room), "--list") == "No edits yet.\n"


def test_export_and_questions_see_the_edited_scene(room: Path, tmp_path: Path) -> None:
    run(str(room), "delete the red mug", "duplicate the bowl 1 up")
    assert export.export(Export(room, tmp_path / "room.ply"), print) == 0
    assert len(formats.read(tmp_path / "room.ply")) == len(Scene.open(room).edited)
    request = cli.parse(cli.COMMANDS, "", ["ask", str(room), "bowl", "--name", "bowls", "--no-refine"])
    assert isinstance(request, Ask)
    ask.run(request, Console(record=True, width=400))
    (thing,) = objects.read(room)
    original = int(torch.isin(thing.ids, Scene.open(room).gaussians.ids).sum())
    assert len(thing.ids) == 2 * original  # the bowl and its copy, by the field alone
    run(str(room), "delete bowls")
    assert not torch.isin(Scene.open(room).edited.ids, thing.ids).any()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Nothing was said to do"),
        (["delete the unicorn"], "'unicorn' is not found"),
        (["delete it"], "Nothing is picked"),
        (["delete the mug", "frobnicate"], "is not understood"),
        (["--undo"], "nothing to undo"),
        (["--off", "7"], "No edit has the number 7"),
        (["delete the mug", "--viewpoint", "b"], "no view 'b'"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(room: Path, words: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        run(str(room), *words)
    assert not (room / "edits.json").exists()
