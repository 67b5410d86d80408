"""A module of ours run in a process of its own, which says line by line how far it is."""

import subprocess
import sys
import tempfile
from collections.abc import Callable

from ..errors import InputError
from ..files import reason


def run(module: str, arguments: list[str], hear: Callable[[str], None], failure: str) -> None:
    """``python -m module arguments`` to its end; when this process is interrupted, so is the other.

    Args:
        hear: told each line that the child writes.
        failure: the sentence when the child fails, with {} for its last words.

    Raises:
        InputError: it cannot be started, or failed.
    """
    with tempfile.TemporaryFile("w+", errors="replace") as words:
        command = [sys.executable, "-m", module, *arguments]
        try:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=words, text=True) as child:
                try:
                    for line in child.stdout or ():
                        hear(line.rstrip("\n"))
                except BaseException:
                    child.kill()
                    raise
        except OSError as error:
            raise InputError(f"Cannot run COLMAP: {reason(error)}.") from error
        if child.returncode:
            words.seek(0)
            last = (words.read().strip().splitlines() or [f"it ended with status {child.returncode}"])[-1]
            raise InputError(failure.format(last))


def tell(*words: object) -> None:
    """In the child: say a line."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()
