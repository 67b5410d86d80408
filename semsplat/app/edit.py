"""``semsplat edit``: change a scene in words; what was done is kept in its folder, and every edit can be undone."""

import time

from rich.console import Console

from ..splatting import history_files
from ..splatting.camera import Camera
from ..splatting.edit_base import counted
from ..splatting.errors import InputError
from ..splatting.history import Entry
from .carrying import Say, carry_out
from .cli_meaning import Edit
from .commands import Command, parse_all
from .progress import say
from .scene import Scene
from .session import Session
from .views import find_view

TOLD_EVERY = 3.0  # seconds


def run(request: Edit, console: Console) -> int:
    """Carry the commands out, one after another; returns the exit status.

    Raises:
        SemsplatError: a command is not understood (then none is carried out) or its thing is not there.
    """
    commands = [command for text in request.commands for command in parse_all(text)]
    opened = Scene.open(request.scene)
    session = Session.of(opened)
    training = [view for view in opened.views if not view.held_out] or list(opened.views)
    here = find_view(opened.views, request.viewpoint) if request.viewpoint else next(iter(training), None)
    commands += [Command("undo")] * request.undo + [Command("redo")] * request.redo
    changes = [*commands, *request.off, *request.on]
    if not changes and not request.list and not request.clear:
        raise InputError('Nothing was said to do; such as: semsplat edit SCENE "delete the mug", or --list')
    for command in commands:
        _carry_out(session, command, here.camera if here else None, console)
    for numbers, on in ((request.off, False), (request.on, True)):
        for number in numbers:
            session.switch(number, on)
    if request.clear:
        session.clear_edits()
        say(console, "All edits were taken back.")
    if request.list:
        for line in listed(session.now.history.entries, session.now.history.done):
            say(console, line)
    if changes or request.clear:
        say(console, f"{counted(len(session.gaussians))} now; the edits are in {opened.folder / history_files.EDITS}")
    return 0


def listed(entries: tuple[Entry, ...], done: int) -> list[str]:
    """The list of edits, the first first."""
    if not entries:
        return ["No edits yet."]
    lines = []
    for at, entry in enumerate(entries):
        state = "undone" if at >= done else "" if entry.on else "off"
        lines.append(f"{entry.number:4}  {state:6}  {entry.when[:16]:16}  {entry.label}: {entry.edit.describe()}")
    return lines


def _telling(console: Console) -> Say:
    """Says what is going on when something takes long."""
    last = [time.monotonic(), ""]

    def told(share: float, what: str) -> None:
        if what != last[1] and time.monotonic() - last[0] > TOLD_EVERY:
            last[:] = [time.monotonic(), what]
            say(console, f"{share:4.0%} {what}")

    return told


def _carry_out(session: Session, command: Command, camera: Camera | None, console: Console) -> None:
    if command.verb in ("undo", "redo"):
        entry = session.undo() if command.verb == "undo" else session.redo()
        if entry is None:
            raise InputError(f"There is nothing to {command.verb}.")
        say(console, f"{'Taken back' if command.verb == 'undo' else 'Done again'}: {entry.label}")
        return
    edit, label = carry_out(session, command, camera=camera, files=True, say=_telling(console))
    session.do(edit, label)
    say(console, f"{label}: {edit.describe()}")
