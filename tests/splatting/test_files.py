"""Writing in one step: whole or not at all, and a sentence when the disk says no."""

import errno
from pathlib import Path

import pytest

from semsplat.splatting.errors import InputError
from semsplat.splatting.files import reason, replacing


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("one")
        assert temporary.suffix == ".txt" and not path.exists()
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half of t")
        raise RuntimeError
    assert path.read_text() == "one"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "x"), OSError("100 requested and 7 written")])
def test_a_full_disk(tmp_path: Path, error: OSError) -> None:
    with pytest.raises(InputError, match="no space is left"), replacing(tmp_path / "a"):
        raise error


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(InputError, match="Cannot write"), replacing(tmp_path / "a" / "b"):
        pass


def test_other_reasons_are_passed_on() -> None:
    assert "read-only" in reason(OSError(errno.EROFS, "x"))
    assert "read-only" in reason(PermissionError(errno.EACCES, "x"))
    assert reason(OSError(errno.EIO, "Input/output error")) == "Input/output error"
    assert reason(OSError("odd")) == "odd"
