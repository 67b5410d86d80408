"""The subcommands for where a scene stands in the world."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .arguments import Axis, Device, Positional, Text

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Upright:
    """Stand a scene upright: find its floor (or the ground, or a table top), and keep which way is up.

    semsplat train does this by itself where it found out the poses of the photos. Where poses came with the photos,
    their numbers are left alone until this command is given. From then on files leave upright: --up scene exports as
    the scene was fitted.

    examples:
      semsplat upright room
      semsplat upright room --on 03:60,200 03:250,210 07:120,180     three places on the floor
      semsplat upright room --up z                                      the poses' own z
    """

    scene: Positional[Path]  # folder of the scene
    by: Literal["auto", "floor", "cameras"] = "auto"  # what decides; auto: the floor, else how the cameras were held
    up: Axis = None  # say it: this direction of the scene's own axes
    on: tuple[str, ...] = ()  # VIEW:X,Y: at least three places on the floor in photos, far apart
    forget: bool = False  # neither up nor scale are kept any more: files leave as the scene was fitted
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import upright

        return upright.upright(self, console)


@dataclass(frozen=True)
class Scale:
    """Say how long something is, so that the scene is in metres; or measure, without --length.

    Lengths are then shown in metres, "move the lamp 20 cm left" is understood, and files leave in metres. The longer
    what is measured, the better; corners that several photos see sharply are best.

    examples:
      semsplat scale room --between 03:60,200 03:250,210 --length 1.2m
      semsplat scale room --between 03:60,200 07:120,180                      how far is it?
    """

    scene: Positional[Path]  # folder of the scene
    between: tuple[str, str]  # two points: VIEW:X,Y for what a photo shows there, or X,Y,Z in units of the scene
    length: Text = None  # how far apart they are: 1.2m, 80cm, 3ft; a plain number is metres
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import upright

        return upright.scale(self, console)


COMMANDS = {"upright": Upright, "scale": Scale}
