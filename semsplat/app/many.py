"""The command line as one of several processes that torchrun started. Alone it costs nothing: torch is not imported."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..splatting.errors import InputError


def others() -> bool:
    """Whether this is one of the processes that write nothing and say nothing but what went wrong."""
    return _started() > 1 and os.environ.get("RANK") != "0"


@contextlib.contextmanager
def quiet_others() -> Iterator[None]:
    """What all processes say alike, such as a complaint about the options, is said by the first one."""
    if not others():
        yield
        return
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


@contextlib.contextmanager
def joined(command: Any) -> Iterator[None]:
    """The context in which a command runs, together with the other processes where there are some.

    Raises:
        InputError: the command is for one process.
    """
    if _started() == 1:
        yield
        return
    from ..splatting import processes

    with processes.joined():
        if not getattr(command, "MANY", False):
            name = type(command).__name__.lower()
            raise InputError(f"semsplat {name} works in one process, not in {_started()}; start it without torchrun.")
        yield


def _started() -> int:
    """How many processes torchrun says that it started; 1 without it."""
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    return int(os.environ["WORLD_SIZE"]) if all(os.environ.get(name) for name in names) else 1
