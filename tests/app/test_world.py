"""Where a scene stands in the world: one file that decides it for the page, questions, edits and exports."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from small_scenes import three_balls, views

from semsplat.app import cli, scene, upright
from semsplat.app.carrying import carry_out
from semsplat.app.commands import parse
from semsplat.app.inserting import insertion
from semsplat.app.scene import Scene
from semsplat.app.session import Session
from semsplat.app.world import World
from semsplat.splatting import formats
from semsplat.splatting.errors import InputError
from semsplat.splatting.floor import Floor


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main([*map(str, arguments)])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out + err


def keep(folder: Path, world: World) -> None:
    scene.write_json(folder / "world.json", world.as_json)


def floor() -> Floor:
    up = torch.nn.functional.normalize(torch.tensor([0.1, -0.9, 0.2], dtype=torch.float64), dim=0)
    return Floor(up, 0.7, 0.4, 0.7 * up + torch.linalg.cross(up, torch.tensor([1.0, 2.0, 0.5]).double()))


def test_the_floor_of_the_world_is_at_zero_and_up_is_z() -> None:
    world = World.on(floor(), placed=True)
    assert torch.allclose(world.up.double(), floor().up, atol=1e-6)
    moved = world.to_world.points(floor().middle[None])[0]
    assert torch.allclose(moved, torch.zeros(3, dtype=torch.float64), atol=1e-9)
    higher = world.scaled(0.5, 2.0).to_world.points((floor().middle + 0.25 * floor().up)[None])[0]
    assert torch.allclose(higher, torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), atol=1e-9)


def test_a_world_is_kept_whole(fitted: Path) -> None:
    assert torch.allclose(Scene.open(fitted).world.up, torch.tensor([0.0, 0.0, 1.0]), atol=5e-3)
    world = World.on(floor(), up_from="floor").scaled(2.0, 0.5)
    keep(fitted, world)
    assert Scene.open(fitted).world == world and world.metric and world.metres == 0.25
    assert Session.of(Scene.open(fitted)).up.equal(world.up)
    for damage in ("", "{}", '{"scene_to_world": {"rotation": [0, 0, 0, 0], "scale": 1, "translation": [0, 0, 0]}}',
                   (fitted / "world.json").read_text().replace("0.25", "NaN")):  # fmt: skip
        (fitted / "world.json").write_text(damage)
        with pytest.raises(InputError, match=r"world\.json is not whole .*--forget"):
            _ = Scene.open(fitted).world


@pytest.mark.slow
def test_upright_and_scale_on_the_command_line(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (fitted / "scene.ply").read_bytes(), (fitted / "cameras.json").read_bytes()
    status, said = run(capsys, "upright", fitted)
    assert status == 0 and "No floor was found: up is how the cameras were held" in said
    assert run(capsys, "upright", fitted, "--by", "floor")[0] == 2
    status, said = run(capsys, "upright", fitted, "--up", "-y")
    assert status == 0 and "90.0 degrees from what its cameras say" in said
    assert torch.allclose(Scene.open(fitted).world.up, torch.tensor([0.0, -1.0, 0.0]), atol=1e-6)
    status, said = run(capsys, "scale", fitted, "--between", "0,0,0", "0,0,2")
    assert status == 0 and ": 2 scene units." in said
    status, said = run(capsys, "scale", fitted, "--between", "0,0,0", "0,0,2", "--length", "50 cm")
    assert status == 0 and "is 0.25 m" in said
    assert run(capsys, "scale", fitted, "--between", "0,0,0", "0,0,2")[1].count(": 0.5 m.") == 1
    run(capsys, "upright", fitted, "--by", "cameras")
    assert Scene.open(fitted).world.metres == pytest.approx(0.25)  # another up, the same scale
    assert before == ((fitted / "scene.ply").read_bytes(), (fitted / "cameras.json").read_bytes())
    (fitted / "world.json").write_text("rubbish")
    assert run(capsys, "upright", fitted, "--forget")[0] == 0 and not (fitted / "world.json").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("upright", "--by", "floor", "--up", "z"), "give one of them"),
        (("upright", "--on", "0,0,0", "1,0,0"), "2 points make no plane"),
        (("upright", "--on", "0,0,0", "1,0,0", "2,0,0"), "lie in a line"),
        (("upright", "--on", "nowhere:1,1", "1,0,0", "0,1,0"), "no view 'nowhere'"),
        (("scale", "--between", "0,0", "0,0,1"), "is not VIEW:X,Y"),
        (("scale", "--between", "0,0,nan", "0,0,1"), "'0,0,nan' is no point"),
        (("scale", "--between", "0:999,0", "0,0,1"), "has 64 x 48 pixels"),
        (("scale", "--between", "0:0,0", "0,0,1"), "nothing of the scene is there"),
        (("scale", "--between", "0,0,1", "0,0,1"), "are one point"),
        (("scale", "--between", "0,0,0", "0,0,1", "--length", "wide"), "'wide' is no length"),
        (("scale", "--between", "0,0,0", "0,0,1", "--length", "-3m"), "'-3m' is no length"),
    ],
)
def test_bad_input_is_one_sentence(fitted: Path, capsys: pytest.CaptureFixture[str], arguments, sentence) -> None:
    command, *rest = arguments
    status, said = run(capsys, command, fitted, *rest)
    assert status == 2 and sentence in said and not (fitted / "world.json").exists()


def test_points_in_photos_make_a_floor_and_a_length(fitted: Path) -> None:
    opened = Scene.open(fitted)
    view = opened.views[1]
    middle = upright.surface_at(opened.gaussians, view.camera, (32.0, 24.0))
    assert middle is not None and middle.norm() < 0.6  # the blobs are around the origin
    assert upright.place(f"{view.name}:32,24", opened.views, opened.gaussians).equal(middle)
    cameras = list(opened.cameras.values())
    corners = torch.tensor([[1.0, 0.0, 0.2], [0.0, 1.0, 0.2], [-1.0, 0.0, 0.2], [0.0, 0.0, 0.2]], dtype=torch.float64)
    found = upright.plane(corners, cameras, torch.tensor([0.0, 0.0, 1.0]))
    assert found.height == pytest.approx(0.2) and found.up[2] == pytest.approx(1.0)  # cameras are above


def test_files_leave_upright_and_in_metres(fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = Scene.open(fitted).gaussians
    run(capsys, "export", fitted, "-o", tmp_path / "as_before.ply")
    assert formats.read(tmp_path / "as_before.ply").means.equal(whole.means)  # nobody placed it
    keep(fitted, World.standing(torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, -0.5]), placed=True))
    run(capsys, "export", fitted, "-o", tmp_path / "up.ply")
    up = formats.read(tmp_path / "up.ply").means
    assert torch.allclose(-up[:, 1], whole.means[:, 2] + 0.5, atol=1e-5)  # -y is up in a .ply, the floor at 0
    run(capsys, "scale", fitted, "--between", "0,0,0", "0,0,1", "--length", "3m")
    run(capsys, "export", fitted, "-o", tmp_path / "metres.glb", "--metadata")
    tall = formats.read(tmp_path / "metres.glb").means
    assert torch.allclose(-tall[:, 1], 3 * (whole.means[:, 2] + 0.5), atol=1e-4)  # y is up in a .glb, read as -y
    facts = json.loads((tmp_path / "metres.glb.json").read_text())
    assert facts["unit"] == "metre" and facts["units_per_scene_unit"] == pytest.approx(3.0)
    assert np.allclose(facts["up"], [0.0, 1.0, 0.0], atol=1e-6)
    run(capsys, "export", fitted, "-o", tmp_path / "raw.ply", "--up", "scene")
    assert formats.read(tmp_path / "raw.ply").means.equal(whole.means)
    run(capsys, "export", fitted, "--kind", "depth", "--every", "5", "-o", tmp_path / "depth")
    assert json.loads((tmp_path / "depth" / "depth.json").read_text())["unit"] == "metre"
    posed = json.loads((tmp_path / "depth" / "transforms.json").read_text())["frames"][0]["transform_matrix"]
    assert posed[2][3] == pytest.approx(3 * (0.8 + 0.5), abs=1e-3)  # a camera is 0.8 high; z is up there


def test_lengths_in_words_are_metres_where_the_scale_is_known(tmp_path: Path) -> None:
    session = Session(three_balls(), views(tmp_path))
    every = session.gaussians.ids

    def way(words: str) -> float:
        return math.hypot(*carry_out(session, parse(words), every)[0].by)

    assert way("move it 0.2 left") == pytest.approx(0.2)
    with pytest.raises(InputError, match="knows no cm yet"):
        way("move it 20 cm left")
    session.place(session.world.scaled(1.0, 4.0))  # a unit is four metres
    assert way("move it 0.2 left") == pytest.approx(0.05) == way("move it 20 cm left") == way("move it 200mm left")
    assert way("move it 0.2 units left") == pytest.approx(0.2)


def test_a_thing_of_another_scene_keeps_its_size(fitted: Path, tmp_path: Path) -> None:
    keep(fitted, World.of_cameras(list(Scene.open(fitted).cameras.values())).scaled(1.0, 0.5))
    session = Session(three_balls(), views(tmp_path))
    edit, _ = insertion(session, parse(f'insert "{fitted}"'), files=True)
    assert edit.scale == 1.0  # the scale of one of them alone says nothing
    session.place(session.world.scaled(1.0, 2.0))
    edit, _ = insertion(session, parse(f'insert "{fitted}"'), files=True)
    assert edit.scale == pytest.approx(0.25)


def test_another_world_is_told_once(tmp_path: Path) -> None:
    session, heard = Session(three_balls(), views(tmp_path)), []
    session.listen(heard.append)
    session.place(session.world.scaled(1.0, 2.0))
    session.placed(session.world)
    assert [change.what for change in heard] == ["world"]
