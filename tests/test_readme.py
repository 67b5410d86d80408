"""What the README and docs/ show works: the ten lines of Python run, commands exist, links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from semsplat.app import cli, demo

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = {path: path.read_text(encoding="utf-8") for path in (README, *sorted((ROOT / "docs").glob("*.md")))}


def blocks(language: str, *pages: Path) -> list[str]:
    return [
        block for page in pages or PAGES for block in re.findall(rf"```{language}\n(.*?)```", PAGES[page], flags=re.S)
    ]


@pytest.mark.slow
def test_the_ten_lines_of_python(tmp_path: Path) -> None:
    (code,) = blocks("python", README)
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    assert "steps=500" in code, "the test makes the fit shorter"
    source = demo.bundled()
    code = code.replace("steps=500", "steps=12").replace('"photos"', repr(str(source)))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "room.ply").stat().st_size > 10_000
    assert done.stdout.strip()


def test_every_command_in_it_exists(capsys: pytest.CaptureFixture[str]) -> None:
    options = {}
    for name in cli.COMMANDS:
        with pytest.raises(SystemExit):
            cli.main([name, "--help"])
        options[name] = capsys.readouterr().out
    lines = [line.split("#")[0].split() for block in blocks("sh") for line in block.splitlines()]
    commands = [line for line in lines if line[:1] == ["semsplat"]]
    assert len(commands) >= 6 and {words[1] for words in commands} >= cli.COMMANDS.keys() - {"demo"}
    for words in commands:
        assert words[1] in options, words
        for option in (word for word in words[2:] if word.startswith("-")):
            assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", options[words[1]]), words


def test_links_lead_somewhere_and_pictures_are_small() -> None:
    pictures = 0
    for page, text in PAGES.items():
        for sign, target in re.findall(r"(!?)\[[^\]]*\]\(([^)#]+)[^)]*\)", text):
            if "://" not in target:
                path = page.parent / target
                assert path.exists(), f"{page.name} leads to {target}"
                assert not sign or path.stat().st_size < 200_000, f"{page.name} shows {target}"
                pictures += bool(sign)
    assert pictures >= 4


def test_the_front_page_is_short_and_leads_to_every_other() -> None:
    assert len(PAGES[README].splitlines()) <= 150
    for page in PAGES.keys() - {README}:
        assert f"docs/{page.name}" in PAGES[README], f"nothing on the front page leads to docs/{page.name}"
