"""What the command line's options are made of. Only this file knows tyro."""

import functools
import operator
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg, subcommand

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Positional"]  # the one thing that is only passed on

Device = Literal["auto", "cpu", "cuda"]
Out = Annotated[Path, arg(aliases=["-o"])]
Outs = Annotated[tuple[Path, ...], arg(aliases=["-o"], metavar="PATH ...", help_behavior_hint="(required)")]
OutFile = Annotated[Path | None, arg(aliases=["-o"], metavar="PATH", help_behavior_hint="")]
Count = Annotated[int | None, arg(metavar="N", help_behavior_hint="")]  # None: nothing was said
Density = Annotated[Literal["mcmc", "classic"] | None, arg(metavar="{mcmc,classic}", help_behavior_hint="")]
Outside = Annotated[
    Literal["unknown", "empty", "kept"] | None, arg(metavar="{unknown,empty,kept}", help_behavior_hint="")
]
OnOff = Annotated[Literal["on", "off"] | None, arg(metavar="{on,off}", help_behavior_hint="")]
Kind = Annotated[str | None, arg(metavar="KIND", help_behavior_hint="")]  # which there are is known where it is run
Protocol = Annotated[
    Literal["lerf-ovs", "lerf-ovs-3d", "3d-ovs", "nvos", "spin-nerf", "replica-feature3dgs"] | None,
    arg(metavar="NAME", help_behavior_hint="(lerf-ovs, lerf-ovs-3d, 3d-ovs, nvos, spin-nerf, replica-feature3dgs)"),
]
Path3D = Annotated[
    Literal["orbit", "interpolate", "spiral"] | None, arg(metavar="{orbit,interpolate,spiral}", help_behavior_hint="")
]
Grouped = tyro.conf.OmitArgPrefixes  # options with a heading of their own
Up = Annotated[
    Literal["upright", "scene", "y", "z", "-y", "-z"] | None,
    arg(metavar="{upright,scene,y,z,-y,-z}", help_behavior_hint=""),
]
Axis = Annotated[
    Literal["x", "y", "z", "-x", "-y", "-z"] | None, arg(metavar="{x,y,z,-x,-y,-z}", help_behavior_hint="")
]
Number = Annotated[float | None, arg(metavar="X", help_behavior_hint="")]
File = Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")]
Names = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, arg(metavar="NAME", help_behavior_hint="may be repeated")]
Questions = Annotated[
    tuple[str, ...], tyro.conf.UseAppendAction, arg(metavar="WORDS", help_behavior_hint="may be repeated")
]
Text = Annotated[str | None, arg(metavar="TEXT", help_behavior_hint="")]


def parse(commands: dict[str, type], description: str, arguments: list[str]) -> Any:
    """The subcommand that the arguments ask for; prints help or a complaint and exits where they ask for none."""
    union: Any = functools.reduce(operator.or_, (Annotated[kind, subcommand(name)] for name, kind in commands.items()))
    settings = (tyro.conf.FlagCreatePairsOff,)
    return tyro.cli(union, prog="semsplat", description=description, args=arguments or ["--help"], config=settings)


def sayer(console: "Console") -> Callable[[str], None]:
    """Says plain sentences on the console."""
    from .progress import say

    return lambda text: say(console, text)
