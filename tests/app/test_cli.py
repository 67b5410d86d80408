"""The command: help that teaches, one sentence and status 2 for what people can mend, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from semsplat import __version__
from semsplat.app import cli, export
from semsplat.splatting import formats


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(list(arguments))
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for command in ("demo", "train", "view", "eval", "render", "export"):
        assert f"semsplat {command}" in out


@pytest.mark.parametrize("command", ["demo", "train", "view", "eval", "render", "export"])
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    status, out, _ = run(capsys, command, "--help")
    assert status == 0 and "options" in out and "None" not in out


def test_it_starts_light_and_knows_its_version() -> None:
    done = subprocess.run([sys.executable, "-m", "semsplat.app.cli", "--version"], capture_output=True, text=True)
    assert done.stdout.strip() == f"semsplat {__version__}" and done.returncode == 0
    code = "import sys, semsplat.app.cli; print([m for m in ('torch', 'numpy', 'rich', 'viser') if m in sys.modules])"
    light = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert light.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["train", "nowhere", "-o", "{tmp}/a"], "nowhere does not exist"),
        (["train", "-o", "{tmp}/a"], "Give the photos"),
        (["train", "-o", "{tmp}/a", "--resume"], "nothing to resume"),
        (["train", "{photos}", "-o", "{fitted}"], "already holds a scene"),
        (["train", "{photos}", "-o", "{photos}"], "not empty and not a scene"),
        (["train", "{photos}", "-o", "{tmp}/a", "--steps", "0"], "--steps 0 is too small"),
        (["train", "{photos}", "-o", "{tmp}/a", "--sh-degree", "4"], "--sh-degree 4 is too large"),
        (["train", "{photos}", "-o", "{tmp}/a", "--minutes", "-1"], "--minutes -1.0 is too small"),
        (["train", "{photos}", "-o", "{tmp}/a", "--eval", "1"], "All 10 photos would be held out"),
        (["eval", "{tmp}/none"], "no scene folder"),
        (["view", "{tmp}/none"], "no scene folder"),
        (["export", "{fitted}", "-o", "{tmp}/a.dae"], ".ply, .sog, .splat"),
        (["demo", "-o", "{fitted}"], "did not make"),
    ],
)
def test_bad_input_is_one_sentence(
    capsys: pytest.CaptureFixture[str], photos: Path, fitted: Path, tmp_path: Path, arguments: list[str], text: str
) -> None:
    filled = [argument.format(tmp=tmp_path, photos=photos, fitted=fitted) for argument in arguments]
    status, _, err = run(capsys, *filled)
    assert status == 2
    assert text in err and err.startswith("semsplat: ") and err.count("\n") == 1


def test_a_wrong_option_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "train", "photos", "-o", "room", "--stops", "3")
    assert status == 2 and "--stops" in out + err


def test_cuda_where_there_is_none(capsys: pytest.CaptureFixture[str], photos: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is an NVIDIA GPU here")
    status, _, err = run(capsys, "train", str(photos), "-o", str(tmp_path / "a"), "--device", "cuda")
    assert status == 2 and "no NVIDIA GPU" in err
    assert not (tmp_path / "a").exists()


def test_no_space_left_is_a_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for number, text in ((28, "no space is left"), (30, "read-only")):

        def fail(*_: object, number: int = number) -> int:
            raise OSError(number, "refused", "there/file")

        monkeypatch.setattr(export, "export", fail)
        status, _, err = run(capsys, "export", "room", "-o", "a.ply")
        assert status == 2 and text in err and "there/file" in err


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "export", interrupt)
    assert run(capsys, "export", "room", "-o", "a.ply")[0] == 130


def test_export_writes_what_others_read(capsys: pytest.CaptureFixture[str], fitted: Path, tmp_path: Path) -> None:
    status, out, _ = run(capsys, "export", str(fitted), "-o", str(tmp_path / "sub" / "a.ply"))
    assert status == 0 and "60 Gaussians" in out
    assert len(formats.read(tmp_path / "sub" / "a.ply")) == 60
    status, _, _ = run(capsys, "export", str(tmp_path / "sub" / "a.ply"), "-o", str(tmp_path / "b.ply"))
    assert status == 0 and (tmp_path / "b.ply").read_bytes() == (tmp_path / "sub" / "a.ply").read_bytes()
