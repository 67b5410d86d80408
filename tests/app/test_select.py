"""semsplat select: what people type becomes a named object and pictures; what cannot be becomes a sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semsplat.app import cli, scene
from semsplat.app.cli_meaning import Select
from semsplat.app.pointing import prompts_of
from semsplat.distill import objects, segment
from semsplat.splatting.errors import InputError
from semsplat.splatting.splat import splat


def spot(folder: Path) -> tuple[str, int, int]:
    """A photo, and a pixel of it with something opaque in it."""
    opened = scene.Scene.open(folder)
    view = opened.views[1]
    alpha = splat(opened.gaussians, view.camera).alpha[..., 0]
    row, column = divmod(int(alpha.argmax()), view.camera.width)
    return view.name, column, row


def status(*arguments: str) -> int:
    """The exit status of semsplat select."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["select", *arguments])
    return ended.value.code


@pytest.mark.slow
def test_a_click_becomes_an_object_and_a_picture(fitted: Path, capsys: pytest.CaptureFixture) -> None:
    name, x, y = spot(fitted)
    arguments = [str(fitted), "--click", f"{name}:{x + 0.5},{y + 0.5}", "--name", "the thing"]
    assert status(*arguments, "--device", "cpu") == 0
    said = capsys.readouterr().out
    assert "the thing:" in said and "scene units" in said and "Selected in" in said
    (thing,) = objects.read(fitted)
    assert thing.facts["made by"] == "select"
    assert thing.name == "the thing" and thing.facts["way"] == "tree" and len(thing.ids)
    assert torch.isin(thing.ids, scene.Scene.open(fitted).gaussians.ids).all()
    assert (fitted / "answers" / "the-thing.png").is_file()
    assert status(*arguments[:-2], "--no-clean", "--tolerance", "1") == 0
    assert [thing.name for thing in objects.read(fitted)] == ["the thing", "selection"]


def test_files_of_strokes_and_masks(fitted: Path, tmp_path: Path) -> None:
    name, x, y = spot(fitted)
    views = scene.Scene.open(fitted).views
    camera = views[1].camera
    lines = [
        {"view": 1, "points": [[x, y], [x + 2, y]], "radius": 3},
        {"view": "1", "points": [x, y], "positive": False},
    ]
    (tmp_path / "lines.json").write_text(json.dumps(lines))
    painted = np.zeros((camera.height, camera.width, 4), np.uint8)
    painted[y, x], painted[0, 0] = (0, 255, 0, 255), (255, 0, 0, 255)
    Image.fromarray(painted).save(tmp_path / "scribble.png")
    Image.fromarray(painted[..., 3]).resize((2 * camera.width, 2 * camera.height), 0).save(tmp_path / "mask.png")
    request = Select(
        fitted,
        click=(f"{name}:1,2",),
        not_click=("0:3,4",),
        box=("1:1,2,3,4",),
        stroke=(str(tmp_path / "lines.json"), f"1:{tmp_path / 'scribble.png'}"),
        mask=(f"{name}:{tmp_path / 'mask.png'}",),
    )
    prompts = prompts_of(request, views)
    kinds = [type(prompt).__name__ for prompt in prompts]
    assert kinds == ["Click", "Click", "Box", "Stroke", "Stroke", "Scribble", "Scribble", "MaskPrompt"]
    assert [getattr(p, "positive", None) for p in prompts] == [True, False, None, True, False, True, False, None]
    assert prompts[3].radius == 3.0 and prompts[4].points.shape == (1, 2)
    yes, no, mask = prompts[5].painted, prompts[6].painted, prompts[7].mask
    assert yes.nonzero().tolist() == [[y, x]] and no.nonzero().tolist() == [[0, 0]] and int(mask.sum()) == 2
    assert isinstance(prompts[0], segment.Click)


BAD = {
    "VIEW:X,Y": {"click": ("1:2",)},
    "is not VIEW:X,Y": {"click": ("1:a,b",)},
    "VIEW:X0,Y0,X1,Y1": {"box": ("1:1,2,3",)},
    "There is no view 'kitchen'": {"click": ("kitchen:1,2",)},
    "Cannot read": {"stroke": ("nothing.json",)},
    "is not VIEW:FILE": {"stroke": ("scribble.png",)},
    "is no picture": {"mask": ("1:text.png",)},
    "is not a file of strokes": {"stroke": ("text.json",)},
    "holds no list": {"stroke": ("empty.json",)},
    "cannot be used": {"stroke": ("odd.json",)},
    "has 'colour'": {"stroke": ("extra.json",)},
    "Nothing is painted": {"stroke": ("1:black.png",)},
    "the photo": {"mask": ("1:long.png",)},
}


@pytest.mark.parametrize("sentence", BAD)
def test_what_cannot_be_understood(
    sentence: str, fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    views = scene.Scene.open(fitted).views
    camera = views[1].camera
    texts = {
        "text.png": "no",
        "text.json": "no",
        "empty.json": "[]",
        "odd.json": '[{"points": [[1, 2, 3]], "view": 1}]',
    }
    texts["extra.json"] = '[{"points": [[1, 2]], "view": 1, "colour": 1}]'
    for name, text in texts.items():
        Path(name).write_text(text)
    Image.new("RGB", (camera.width, camera.height)).save("black.png")
    Image.new("L", (4 * camera.width, camera.height)).save("long.png")
    with pytest.raises(InputError, match=sentence):
        prompts_of(Select(fitted, **BAD[sentence]), views)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ([], "Nothing was pointed at"),
        (["--click", "1:9999,3"], "outside the picture"),
        (["--click", "1:1,1", "--field", "sam"], "no field 'sam'"),
        (["--not-click", "1:1,1"], "other things"),
    ],
)
def test_bad_input_ends_with_a_sentence(
    arguments: list[str], sentence: str, fitted: Path, capsys: pytest.CaptureFixture
) -> None:
    assert status(str(fitted), *arguments) == 2
    assert sentence in capsys.readouterr().err
    assert objects.read(fitted) == []
