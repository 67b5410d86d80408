"""semsplat export: things as files, where they stand in them, what is told beside them, and what cannot be."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from furniture import furniture

from semsplat.app import cli, export_parts, scene
from semsplat.app.scene import Scene
from semsplat.app.world import World
from semsplat.distill import objects
from semsplat.distill.objects import Thing
from semsplat.splatting import formats
from semsplat.splatting.edit import Delete
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.history import History
from semsplat.splatting.similarity import Similarity


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(["export", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out + err


@pytest.fixture
def named(room: Path) -> Path:
    """The furniture with three objects: a mug, a table, and one with a name that is trouble."""
    gaussians, _, numbers = furniture(0.08)
    things = {"red mug": numbers == 3, "table": numbers < 3, "../Red/MUG": numbers == 4}
    objects.put(room, *(Thing.of(name, gaussians, rows, teacher="labels") for name, rows in things.items()))
    return room


def test_objects_together_in_a_file_or_each_in_its_own(
    capsys: pytest.CaptureFixture[str], named: Path, tmp_path: Path
) -> None:
    both = tmp_path / "new" / "both.ply"
    assert run(capsys, named, "--object", "RED mug", "--object", "table", "-o", both, "--raw")[0] == 0
    gaussians, _, numbers = furniture(0.08)
    assert len(formats.read(both)) == int(((numbers == 3) | (numbers < 3)).sum())
    status, said = run(capsys, named, "--all-objects", "--format", "SPZ", "-o", tmp_path / "things", "--raw")
    assert status == 0 and "red mug: " in said
    assert sorted(path.name for path in (tmp_path / "things").iterdir()) == [
        "Red-MUG-2.spz",
        "red-mug.spz",
        "table.spz",
    ]
    assert not (tmp_path / "Red").exists()
    whole = tmp_path / "all.ply"
    assert run(capsys, named, "-o", whole)[0] == 0 and len(formats.read(whole)) == len(gaussians)


@pytest.mark.slow
def test_a_question_and_clean_borders(capsys: pytest.CaptureFixture[str], named: Path, tmp_path: Path) -> None:
    raw, clean = tmp_path / "raw.ply", tmp_path / "clean.ply"
    assert run(capsys, named, "--ask", "bowl", "-o", raw, "--raw")[0] == 0
    assert run(capsys, named, "--ask", "bowl", "-o", clean)[0] == 0
    before, after = formats.read(raw), formats.read(clean)
    assert 0 < len(after) <= len(before) and not torch.equal(after.log_scales, before.log_scales[: len(after)])
    status, said = run(capsys, named, "--ask", "unicorn", "-o", tmp_path / "none.ply")
    assert status == 2 and "is not found" in said and not (tmp_path / "none.ply").exists()


@pytest.mark.parametrize(
    ("suffix", "axis", "expected"),
    [
        (".ply", "z", (0, 0, 1)),
        (".ply", "upright", (0, -1, 0)),
        (".spz", "upright", (0, 1, 0)),
        (".glb", "y", (0, 1, 0)),
    ],
)
def test_standing_on_the_origin(
    capsys: pytest.CaptureFixture[str], named: Path, tmp_path: Path, suffix: str, axis: str, expected: tuple[int, ...]
) -> None:
    out = tmp_path / f"table{suffix}"
    options = ("--object", "table", "--center", "--up", axis, "--scale", 100, "--metadata", "--raw")
    assert run(capsys, named, *options, "-o", out)[0] == 0
    told = json.loads(Path(f"{out}.json").read_text())
    assert told["name"] == "table" and told["units_per_scene_unit"] == 100
    assert torch.allclose(torch.tensor(told["up"]), torch.tensor(expected).double().float(), atol=1e-3)
    turned = {".ply": (1, 1, 1), ".spz": (1, -1, -1), ".glb": (-1, -1, 1)}[suffix]
    numbers = formats.read(out).means.double() * torch.tensor(turned)  # as they stand in the file
    back = torch.tensor(told["file_to_scene"], dtype=torch.float64)
    in_scene = numbers @ back[:3, :3].T + back[:3, 3]
    gaussians, _, parts = furniture(0.08)
    there = gaussians.means[parts < 3].double()
    assert torch.allclose(in_scene, there, atol=1e-3)
    low, high = torch.tensor(told["bounds"]["low"]), torch.tensor(told["bounds"]["high"])
    assert torch.allclose(numbers.amin(0).float(), low, atol=0.02) and torch.allclose(
        numbers.amax(0).float(), high, atol=0.02
    )
    up = torch.tensor(told["up"], dtype=torch.float64)
    assert abs((numbers @ up).min().item()) < 3.0  # centimetres: it stands there
    assert told["teachers"]["labels"]["licence"]


def test_what_is_told_of_several(capsys: pytest.CaptureFixture[str], named: Path, tmp_path: Path) -> None:
    out = tmp_path / "two.ply"
    options = ("--object", "table", "--ask", "bowl", "--metadata", "--raw")
    assert run(capsys, named, *options, "-o", out)[0] == 0
    told = json.loads(Path(f"{out}.json").read_text())
    assert told["name"] == "table and bowl" and [one["name"] for one in told["selection"]["objects"]] == [
        "table",
        "bowl",
    ]
    assert told["gaussians"] == len(formats.read(out)) and not told["cleaned"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--object", "red mugg", "-o", "{tmp}/a.ply"), "'red mug'"),
        (("--object", "zebra", "-o", "{tmp}/a.ply"), "it has 'red mug', 'table'"),
        (("--all-objects", "-o", "{tmp}/a.ply"), "a file for each object"),
        (("--all-objects", "--ask", "bowl", "--format", "ply", "-o", "{tmp}/a"), "leave --object and --ask out"),
        (("-o", "{tmp}"), "--format spz"),
        (("-o", "{tmp}/a.docx"), "'.docx' cannot be written"),
        (("--format", "docx", "-o", "{tmp}/a"), "'.docx' cannot be written"),
        (("-o", "{tmp}/a.ksplat"), "'.ksplat' cannot be written"),
        (("-o", "{tmp}/file/a.ply"), "a file, not a folder"),
        (("--all-objects", "--format", "ply", "-o", "{tmp}/file"), "a file, not a folder"),
        (("-o", "{tmp}/folder.ply"), "is a folder"),
        (("-o", "/proc/a.ply"), "Cannot write"),
        (("--scale", "0", "-o", "{tmp}/a.ply"), "--scale 0 is not possible"),
        (("--scale", "nan", "-o", "{tmp}/a.ply"), "--scale nan is not possible"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    capsys: pytest.CaptureFixture[str], named: Path, tmp_path: Path, options: tuple[str, ...], text: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.ply").mkdir()
    status, said = run(capsys, named, *(option.format(tmp=tmp_path) for option in options))
    assert status == 2 and text in said and said.startswith("semsplat: ") and said.count("\n") == 1, said
    assert (tmp_path / "file").read_text() == "mine" and not (tmp_path / "a.ply").exists()


def test_a_file_of_gaussians_has_no_objects(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    gaussians, _, _ = furniture(0.1)
    formats.write(tmp_path / "in.ply", gaussians)
    for option in (("--object", "mug"), ("--ask", "mug"), ("--all-objects", "--format", "ply")):
        status, said = run(capsys, tmp_path / "in.ply", *option, "-o", tmp_path / "out.ply")
        assert status == 2 and "it has no objects" in said and said.count("\n") == 1
    assert run(capsys, tmp_path / "in.ply", "-o", tmp_path / "out.spz", "--up", "upright", "--center")[0] == 0
    assert len(formats.read(tmp_path / "out.spz")) == len(gaussians)


def test_notes_of_a_file_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    gaussians, _, _ = furniture(0.1)
    means = gaussians.means.clone()
    means[0, 0] = float("nan")
    formats.write(tmp_path / "in.ply", gaussians.replace(means=means))
    status, said = run(capsys, tmp_path / "in.ply", "-o", tmp_path / "out.splat")
    assert status == 0 and "1 of" in said and "were left out" in said


def test_an_object_that_an_edit_took(capsys: pytest.CaptureFixture[str], named: Path, tmp_path: Path) -> None:
    from semsplat.splatting import history_files

    thing = next(thing for thing in objects.read(named) if thing.name == "table")
    history_files.write(named, History().do(Delete(thing.ids)))
    status, said = run(capsys, named, "--object", "table", "-o", tmp_path / "a.ply")
    assert status == 2 and "--undo" in said


def test_names_of_files() -> None:
    names = ["Mug", "mug", "a/b", "..", "", "con", "мышь 🐭", "x" * 300, "-rf", ".hidden", "é", "e\u0301", "object"]
    found = export_parts.stems(names)
    assert len({stem.casefold() for stem in found}) == len(names)
    assert all(stem and len(stem.encode()) <= 110 and not set(stem) & set("/\\:.* ") for stem in found)
    assert found[:6] == ["Mug", "mug-2", "a-b", "object", "object-2", "con_"] and not found[8].startswith("-")


def test_the_foot_is_under_the_middle() -> None:
    gaussians, _, parts = furniture(0.08)
    table = gaussians[parts < 3]
    up = torch.tensor([0.0, 0.0, 1.0])
    place = export_parts.placement(table, World.standing(up), None, True, 2.0)
    assert place.rotation == Similarity().rotation and place.scale == 2.0
    foot = export_parts.foot(table, up)
    assert abs(foot[2].item() - table.means[:, 2].min().item()) < 0.1
    assert torch.allclose(place.points(foot), torch.zeros(3, dtype=torch.float64), atol=1e-9)


SLOWLY = """
import sys, time
from semsplat.app import cli
from semsplat.splatting import files
real = files.Path.replace
def late(self, target):  # everything is written; only the last step is still to come
    print("written", flush=True)
    time.sleep(60)
    return real(self, target)
files.Path.replace = late
cli.main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mug.ply", "mug.spz", "mug.glb"])
def test_a_kill_leaves_the_old_file_whole(named: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    formats.write(out, furniture(0.2)[0])
    before = out.read_bytes()
    arguments = [sys.executable, "-c", SLOWLY, "export", str(named), "--object", "red mug", "-o", str(out), "--raw"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        running.kill()
        assert (said, running.wait(20)) == ("written\n", -signal.SIGKILL)
    assert out.read_bytes() == before
    assert len(formats.read(out)) == len(furniture(0.2)[0])


KINDS = (".spz", ".ply", ".compressed.ply", ".splat", ".glb", ".gltf")
FULL = """
import resource, signal, sys
from semsplat.app import cli
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing on then fails with an error, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
cli.main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits for the size of files here")
@pytest.mark.slow
@pytest.mark.parametrize("name", [f"all{suffix}" for suffix in KINDS])
def test_no_space_leaves_the_old_file_whole(named: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out" / name
    formats.write(out, furniture(0.2)[0])
    before = out.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FULL, "export", str(named), "-o", str(out)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and done.stderr.startswith("semsplat: Cannot write"), done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    assert out.read_bytes() == before and [path.name for path in out.parent.iterdir()] == [name]


def test_a_device_that_is_full(capsys: pytest.CaptureFixture[str], named: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    status, said = run(capsys, named, "-o", "/dev/full/a.ply")
    assert status == 2 and "Cannot write" in said and said.count("\n") == 1
    assert isinstance(Scene.open(named).gaussians, Gaussians) and scene.is_scene(named)
