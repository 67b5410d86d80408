"""Bring a file, or a thing of another scene, into this one: read it, turn it upright, stand it where it is to be."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ..distill.segment.clean import trimmed
from ..splatting import formats
from ..splatting.camera import Camera
from ..splatting.edit import Edit, Insert, Vector
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.ids import rows_of
from ..splatting.light import light_of
from ..splatting.similarity import AXES, Similarity, upright
from .commands import Command
from .look import NOTHING
from .meant import Ids, axes, find, foot, short, things
from .placing import Standing, on_top
from .scene import Scene, is_scene
from .session import Session

BESIDE = 1.1  # of both radii that two things stand apart


@dataclass(frozen=True, eq=False)
class Brought:
    """What is to be inserted, as it is where it comes from."""

    gaussians: Gaussians  # without features
    name: str
    up: Float[Tensor, "3"] | None = None  # None: not known
    light: Vector | None = None  # of its scene; None: not known
    metres: float | None = None  # of a unit; None: not known


def insertion(
    session: Session, command: Command, picked: Ids = NOTHING, camera: Camera | None = None, files: bool = False
) -> tuple[Edit, str]:
    """The edit that an insertion in words asks for, and what it is called.

    Raises:
        InputError: files may not be named here, a file or scene cannot be read, or the place is not found.
    """
    if not files:
        raise InputError("Files of the computer that serves this page are not read here; upload one to insert it.")
    brought = bring(command.source, command.origin)
    if not len(brought.gaussians):
        raise InputError(f"{command.source} holds no Gaussians.")
    up = torch.tensor(AXES[command.axis]) if command.axis else brought.up
    rotation = (1.0, 0.0, 0.0, 0.0) if up is None else upright(up, session.up)
    said, target = "", None
    known = brought.metres is not None and session.world.metric  # then it keeps its true size
    factor = command.amount * (brought.metres or 1.0) / session.world.metres if known else command.amount
    standing = Standing.of(Similarity(rotation, factor).points(brought.gaussians.means), session.up)
    if command.spot == "at" and command.point is not None:
        target, said = torch.tensor(command.point, dtype=torch.float64), f" at {_numbers(command.point)}"
    elif command.spot:
        ids, name = things(session, command.things, picked, camera)
        said = f" {command.spot} {name}"
        target = _place(session, command.spot, ids, standing, camera)
    x, y, z = (0.0, 0.0, 0.0) if target is None else (target - standing.foot).tolist()
    edit = Insert(brought.gaussians, brought.name, rotation, factor, (x, y, z), brought.light)
    return edit, f"Insert {short(brought.name)}{said}"


def bring(source: str, origin: str = "") -> Brought:
    """A file of Gaussians or a whole scene folder; or, with ``origin``, what words mean in that scene.

    Raises:
        InputError: it is not there, cannot be read, or is not found in the scene.
    """
    path = Path(source).expanduser()
    if not origin:
        if path.is_dir():
            session = Session.of(Scene.open(path))
            return _brought(session, plain(session.gaussians), session.title)
        return Brought(_read(path, source), path.name)
    scene = Path(origin).expanduser()
    if not scene.is_dir():
        if path.is_file() and scene.is_file():
            return Brought(_read(path, source), path.name, None, light_of(_read(scene, origin)))
        raise InputError(f"There is no scene folder {origin}, so nothing comes from there; check its name.")
    if not is_scene(scene):
        raise InputError(f"{origin} is not a scene folder; say the one that semsplat train made.")
    session = Session.of(Scene.open(scene))
    if path.is_file():
        return Brought(_read(path, source), path.name, session.up, _light(session))
    ids = find(session, source.casefold())
    whole = session.gaussians
    selection = torch.zeros(len(whole), dtype=torch.bool)
    selection[rows_of(whole.ids, ids)] = True
    return _brought(session, plain(trimmed(whole, selection)), source)


def _brought(session: Session, gaussians: Gaussians, name: str) -> Brought:
    """What is out of an opened scene."""
    metres = session.world.metres if session.world.metric else None
    return Brought(gaussians, name, session.up, _light(session), metres)


def plain(gaussians: Gaussians) -> Gaussians:
    """Without features."""
    return gaussians.replace(features=gaussians.features[:, :0])


def _read(path: Path, said: str) -> Gaussians:
    if not path.exists():
        raise InputError(f"There is no file {said}; give its path, in quotes if it has blanks.")
    return formats.read(path)


def _light(session: Session) -> Vector | None:
    """Of the scene as it was fitted; None where it is too dark to say."""
    try:
        return light_of(session.original, session.importance(session.original))
    except InputError:
        return None


def _place(session: Session, spot: str, ids: Ids, standing: Standing, camera: Camera | None) -> Float[Tensor, "3"]:
    gaussians, up = session.gaussians, session.up.double().cpu()
    rows = rows_of(gaussians.ids, ids)
    if spot == "on":
        below = torch.zeros(len(gaussians), dtype=torch.bool)
        below[rows] = True
        return on_top(gaussians, below, up, standing.radius, standing.height)
    other = Standing.of(gaussians.means[rows], up)
    right = axes(session, ids, camera)[0]
    along = BESIDE * (other.radius + standing.radius)
    ground = torch.tensor(foot(session, ids), dtype=torch.float64)
    return ground + along * right


def _numbers(point: Vector) -> str:
    return ", ".join(f"{part:g}" for part in point)
