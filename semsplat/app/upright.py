"""``semsplat upright`` and ``semsplat scale``: which way is up in a scene, and how long a metre is."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from rich.console import Console
from torch import Tensor

from ..splatting.camera import Camera
from ..splatting.errors import InputError
from ..splatting.floor import Floor, find_floor
from ..splatting.gaussians import Gaussians
from ..splatting.similarity import AXES
from .cli_world import Scale, Upright
from .measuring import length_of, surface_at
from .plan import pick_device
from .pointing import numbers
from .poses import up_of
from .progress import counter, say
from .scene import Scene, View, write_json
from .world import WORLD, World

SHORTEST = 1e-4  # of a scene's size: nearer points make no length


def upright(request: Upright, console: Console) -> int:
    """Find or take over which way is up, and keep it; returns the exit status.

    Raises:
        InputError: what is given makes no plane or direction, or no floor is found where one is asked for.
    """
    given = [name for name in ("up", "on") if getattr(request, name)]
    if len(given) + (request.by != "auto") > 1:
        raise InputError("--by, --up and --on each say where up is; give one of them.")
    opened = Scene.open(request.scene)
    cameras = list(opened.cameras.values())
    by_cameras = World.of_cameras(cameras)
    if request.forget:
        (opened.folder / WORLD).unlink(missing_ok=True)
        say(console, f"{opened.folder} has no place in the world any more: up is what its cameras say.")
        return 0
    if request.up is not None:
        found = World.standing(torch.tensor(AXES[request.up]), placed=True, up_from=f"--up {request.up}")
    elif request.on:
        gaussians = opened.edited.to(pick_device(request.device))
        places = torch.stack([place(text, opened.views, gaussians) for text in request.on])
        found = World.on(plane(places, cameras, by_cameras.up), placed=True, up_from=f"{len(places)} points")
    else:
        report = counter(console, "looking for the floor")
        gaussians = opened.gaussians.to(pick_device(request.device))
        found, said = stand(gaussians, cameras, request.by, report)
        say(console, said)
    world = opened.world.turned_to(found)
    write_json(opened.folder / WORLD, world.as_json)
    off = math.degrees(math.acos(min(1.0, float(world.up @ by_cameras.up))))
    x, y, z = world.up.tolist()
    say(console, f"Up is ({x:.3f}, {y:.3f}, {z:.3f}) in the scene, {off:.1f} degrees from what its cameras say.")
    say(
        console,
        f"Saved in {opened.folder / WORLD}: the page opens so, and what is exported stands so (--up scene: not).",
    )
    return 0


def stand(
    gaussians: Gaussians,
    cameras: Sequence[Camera],
    by: str = "auto",
    report: Callable[[int, int], None] | None = None,
) -> tuple[World, str]:
    """How a scene stands in the world, placed, and a sentence that says by what that was decided.

    Args:
        by: floor; cameras; auto: a floor where there is one that the cameras agree with.

    Raises:
        InputError: a floor is asked for and there is none.
    """
    up = up_of(cameras)
    floor = find_floor(gaussians.detach(), cameras, up, report) if by != "cameras" else None
    if floor is not None:
        said = f"A level surface fills {floor.share:.0%} of what the cameras see: up is square to it."
        return World.on(floor, placed=True, up_from="floor"), said
    if by == "floor":
        raise InputError(
            "No floor was found: no level surface fills more than a 20th of what the cameras see. Point at three "
            "places on it with --on VIEW:X,Y, or give --by cameras or --up z."
        )
    return World.standing(up, placed=True), "No floor was found: up is how the cameras were held."


def scale(request: Scale, console: Console) -> int:
    """Measure between two points, and let that be a stated length; returns the exit status.

    Raises:
        InputError: a point or a length that cannot be understood, or two points that are one.
    """
    metres = length_of(request.length) if request.length is not None else None
    opened = Scene.open(request.scene)
    gaussians = opened.edited.to(pick_device(request.device))
    a, b = (place(text, opened.views, gaussians) for text in request.between)
    length = float((a - b).norm())
    size = float((gaussians.means.amax(0) - gaussians.means.amin(0)).norm()) if len(gaussians) else 0.0
    if not length > SHORTEST * size:
        raise InputError(f"{request.between[0]} and {request.between[1]} are one point; give two that are far apart.")
    if metres is None:
        say(console, f"Between {request.between[0]} and {request.between[1]}: {opened.world.length(length)}.")
        return 0
    before, world = opened.world, opened.world.scaled(length, metres)
    write_json(opened.folder / WORLD, world.as_json)
    changed = f" (it was {before.metres:.4g} m)" if before.metric else ""
    say(
        console,
        f"{length:.4g} units of the scene are {metres:g} m, so one of its units is {world.metres:.4g} m{changed}.",
    )
    say(console, f"Saved in {opened.folder / WORLD}: lengths are shown in metres, and what is exported is in metres.")
    return 0


def place(text: str, views: Sequence[View], gaussians: Gaussians) -> Float[Tensor, "3"]:
    """A point of the scene: X,Y,Z in its units, or VIEW:X,Y for what a photo shows there; float64.

    Raises:
        InputError: it is neither, or nothing is there.
    """
    parts = text.split(",")
    if ":" not in text and len(parts) == 3:
        try:
            point = torch.tensor([float(part) for part in parts], dtype=torch.float64)
        except ValueError:
            point = torch.full((3,), math.nan)
        if not point.isfinite().all():
            raise InputError(f"'{text}' is no point; give three numbers X,Y,Z in units of the scene, or VIEW:X,Y.")
        return point
    view, (x, y) = numbers(text, views, 2, "VIEW:X,Y (pixels of a photo) or X,Y,Z (units of the scene)")
    camera = view.camera
    if not (0 <= x < camera.width and 0 <= y < camera.height):
        raise InputError(f"'{text}' is outside the photo, which has {camera.width} x {camera.height} pixels.")
    point = surface_at(gaussians, camera, (x, y))
    if point is None:
        raise InputError(f"'{text}': nothing of the scene is there; point at a surface.")
    return point


def plane(places: Float[Tensor, "p 3"], cameras: Sequence[Camera], up: Float[Tensor, "3"]) -> Floor:
    """The level plane through points that somebody pointed at.

    Raises:
        InputError: they are fewer than three, or lie in a line.
    """
    if len(places) < 3:
        raise InputError(f"{len(places)} points make no plane: give at least three on the floor, far apart.")
    middle = places.mean(0)
    arms = places - middle
    spread, vectors = torch.linalg.eigh(arms.T @ arms)
    if not spread[1] > 1e-4 * spread[2]:
        raise InputError("The points lie in a line, so they make no plane: give three on the floor that are far apart.")
    normal = vectors[:, 0]
    eyes = torch.stack([camera.center.double().cpu() for camera in cameras]) if cameras else up.double()[None] + middle
    side = (eyes.mean(0) - middle) @ normal  # a floor is seen from above
    normal = -normal if side < 0 else normal
    return Floor(normal, float(middle @ normal), 1.0, middle)
