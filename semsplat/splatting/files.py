"""Writing so that nothing that existed is lost: a temporary file beside the target, then a rename."""

import errno
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; on success it becomes ``path`` in one step, else it is removed.

    The temporary name keeps the suffix, so writers that go by suffix work. Parent folders are made.

    Raises:
        InputError: the folder is read-only, full, or not a folder.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {reason(error)}.") from error
    finally:
        temporary.unlink(missing_ok=True) if _is_reachable(temporary) else None


def reason(error: OSError) -> str:
    """What the operating system refused, in words with the remedy."""
    cut_short = error.errno is None and "requested and" in str(error)  # NumPy drops the number of a full disk
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or cut_short:
        return "no space is left on the disk; free some or choose another folder"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "the folder is read-only for this user; choose another with -o"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):  # the latter where a folder is to be made
        return "a part of the path is a file, not a folder"
    return error.strerror or str(error) or type(error).__name__


def _is_reachable(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
