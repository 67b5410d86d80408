"""Edits of a session: from commands in words, or from what is picked, to an edit and what the list calls it."""

from collections.abc import Callable

import torch

from ..distill.naming import check_new
from ..splatting.camera import Camera
from ..splatting.edit import (
    Delete,
    Duplicate,
    Edit,
    Gain,
    Group,
    Keep,
    Move,
    Opacity,
    Rename,
    Rotate,
    Scale,
    Tint,
    Ungroup,
    pivot,
    turn,
)  # fmt: skip
from ..splatting.edit_base import Vector, shown
from ..splatting.edit_color import LUMINANCE
from ..splatting.errors import InputError
from ..splatting.ids import union
from ..splatting.light import light_of, matched
from .commands import Command
from .inserting import insertion
from .look import NOTHING
from .meant import Ids, axes, bare, beside, called, find, foot, inserts, short, things
from .session import Session

__all__ = ["Say", "axes", "beside", "called", "carry_out", "find", "foot", "removed"]

Say = Callable[[float, str], None]  # (share done in [0, 1], what is done)


def carry_out(
    session: Session,
    command: Command,
    picked: Ids = NOTHING,
    camera: Camera | None = None,
    files: bool = False,
    say: Say | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[Edit, str]:
    """The edit that a command asks for, and what it is called.

    Args:
        picked: what "it" and "the selection" mean. camera: from where left and right are meant.
        files: whether the command may name files of this computer: not for whoever looks at a page.
        say: told how far a filling is, which takes up to a minute. stop: asked now and then; True gives it up.

    Raises:
        InputError: the things are not found, nothing is picked, or the command is undo or redo, which are no edits.
    """
    verb = command.verb
    if verb in ("undo", "redo"):
        raise InputError(f'"{verb}" is no edit of its own; it goes back or forth in the list of edits.')
    if verb == "insert":
        return insertion(session, command, picked, camera, files)
    if verb == "fill":
        return _filling(session, command, say, stop)
    if verb == "match":
        return _matching(session, command, picked, camera)
    if verb in ("rename", "group", "ungroup"):
        return _naming(session, command, picked, camera)
    ids, name = things(session, command.things, picked, camera)
    if verb == "delete":
        return removed(ids, name, command.all_but)
    if verb == "keep":
        return Keep(ids), f"Keep only {name}"
    if verb == "tint":
        assert command.color is not None  # the grammar gives it one
        share = "" if command.amount == 1.0 else f" {command.amount:.0%}"
        return Tint(ids, command.color, command.amount), f"Paint {name} {command.color_name}{share}"
    if verb == "fade":
        return Opacity(ids, command.amount), f"Make {name} {1.0 - command.amount:.0%} transparent"
    if verb == "gain":
        return Gain(ids, gains_of(command.how, command.amount)), f"Make {name} {command.amount:.0%} {command.how}"
    return _placed(session, command, ids, name, camera)


def gains_of(how: str, share: float) -> Vector:
    """Gains for brighter, darker, warmer or cooler by a share in [0, 1]; the latter two keep the luminance of grey.

    Raises:
        InputError: nothing would be left.
    """
    if share > 0.99 and how != "brighter":
        raise InputError(f"{share:.0%} {how} leaves nothing to be seen; give a smaller share, such as 20%.")
    if how in ("brighter", "darker"):
        gain = 1.0 + share if how == "brighter" else 1.0 - share
        return gain, gain, gain
    red, blue = (1.0 + share, 1.0 - share) if how == "warmer" else (1.0 - share, 1.0 + share)
    grey = LUMINANCE[0] * red + LUMINANCE[1] + LUMINANCE[2] * blue
    return red / grey, 1.0 / grey, blue / grey


def removed(ids: Ids, name: str, all_but: bool = False) -> tuple[Edit, str]:
    """Without some Gaussians, or with nothing else."""
    return (Keep(ids), f"Delete all but {name}") if all_but else (Delete(ids), f"Delete {name}")


def _filling(session: Session, command: Command, say: Say | None, stop: Callable[[], bool] | None) -> tuple[Edit, str]:
    """Fill the hole that the last deletion left, or the one of things."""
    from ..splatting.fill import fill  # compiles

    deleted = [entry for entry in reversed(session.now.history.in_force) if isinstance(entry.edit, Delete)]
    wanted = " and ".join(short(bare(phrase)) for phrase in command.things)
    for entry in deleted:
        name = entry.label.removeprefix("Delete ")
        if not wanted or wanted in (name.casefold(), entry.label.casefold()):
            break
    else:
        what = f"'{wanted}' was not deleted" if wanted else "Nothing was deleted"
        raise InputError(f"{what}, so there is no hole to fill; say: delete the mug and fill the hole.")
    before = session.now.history.switch(entry.number, False).fold(session.original)
    frames = [view.frame for view in session.views if view.pixels.is_file() and not view.held_out]
    assert isinstance(entry.edit, Delete)
    return fill(before, entry.edit.ids, frames, say, stop), f"Fill where {name} was"


def _matching(session: Session, command: Command, picked: Ids, camera: Camera | None) -> tuple[Edit, str]:
    """Bring what was inserted into the light of the scene."""
    ids, name = things(session, command.things, picked, camera)
    known = [edit for edit in inserts(session) if not command.things or bool(torch.isin(ids, edit.minted).any())]
    if not known:
        what = f"{name} belongs to this scene" if command.things else "Nothing was inserted"
        raise InputError(f"{what}, so there is no other light to match; or say: make it 20% brighter.")
    edit = known[0]
    if edit.light is None:
        raise InputError(
            f"In which light '{edit.name}' was taken is not known: its own colours do not tell. Insert it with its "
            f"scene, such as: insert {edit.name} from SCENE; or say: make it 20% brighter, or warmer."
        )
    ids = ids if command.things else edit.minted[torch.isin(edit.minted, session.gaussians.ids.cpu())]
    gains = matched(edit.light, light_of(session.original, session.importance(session.original)))
    for other in session.now.history.edits:
        if isinstance(other, Gain) and other.gains == Gain(ids, gains).gains and torch.equal(other.ids, ids):
            raise InputError(f"The light of {name or edit.name} is matched already.")
    return Gain(ids, gains), f"Match the light of {name or short(edit.name)} ({shown(gains)})"


def _naming(session: Session, command: Command, picked: Ids, camera: Camera | None) -> tuple[Edit, str]:
    """Names of things are given, exchanged, gathered."""
    known = {thing.name.casefold(): thing for thing in session.now.things}
    if command.verb == "ungroup":
        thing = known.get(command.name.casefold())
        if thing is None:
            raise InputError(f"There is no group '{command.name}'; the objects are: {', '.join(known) or 'none'}.")
        return Ungroup(thing.ids, thing.name), f"Ungroup {thing.name}"
    named = [known.get(bare(phrase)) or known.get(phrase) for phrase in command.things]
    if command.verb == "rename" and len(named) == 1 and named[0] is not None:
        others = [thing for thing in session.now.things if thing is not named[0]]
        name = check_new(command.name, others)
        return Rename(named[0].ids, name, named[0].name), f"Rename {named[0].name} to {name}"
    name = check_new(command.name, session.now.things)
    ids, called_so = NOTHING, []
    for phrase, thing in zip(command.things, named, strict=True):
        found = thing.ids if thing is not None else find(session, phrase, picked, camera)  # whole, if partly deleted
        ids = union(ids, found)
        called_so.append(short(thing.name if thing is not None else bare(phrase)))
    what = " and ".join(called_so)
    return Group(ids, name), f"Group {what} as {name}" if command.verb == "group" else f"Call {what} {name}"


def _unit(session: Session, command: Command) -> float:
    """How many of what a command's lengths are in are a unit of the scene."""
    if command.way_unit == "m" and not session.world.metric:
        where = session.folder or "SCENE"
        raise InputError(
            f'"{command.way_name}": this scene knows no {command.way_name.split()[1]} yet; give lengths in its own '
            f"units, such as 0.2 left, or tell how long something is: semsplat scale {where} --between A B --length 1m"
        )
    return 1.0 if command.way_unit == "scene" else session.world.metres


def _placed(session: Session, command: Command, ids: Ids, name: str, camera: Camera | None) -> tuple[Edit, str]:
    if command.verb == "turn":
        axis = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)}.get(command.axis) or session.up.tolist()
        edit: Edit = Rotate(ids, turn(axis, command.amount), pivot(session.gaussians, ids))
        return edit, f"Turn {name} {command.amount:g}°" + (f" about {command.axis}" if command.axis else "")
    if command.verb == "scale":
        return Scale(ids, command.amount, foot(session, ids)), f"Scale {name} × {command.amount:.3g}"
    if command.way is None:
        return Duplicate(ids, beside(session, ids, camera)), f"Duplicate {name}"
    way = torch.tensor(command.way, dtype=torch.float64) @ axes(session, ids, camera) / _unit(session, command)
    x, y, z = way.tolist()
    if command.verb == "duplicate":
        return Duplicate(ids, (x, y, z)), f"Duplicate {name}, {command.way_name}"
    return Move(ids, (x, y, z)), f"Move {name} {command.way_name}"
