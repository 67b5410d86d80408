"""The subcommand that goes all the way: from photos to a file of one thing."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import Count, Device, File, Kind, Number, Outs, Outside, Positional, Text

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Take:
    """Take one thing out of photos or a video as a file: fits the scene, gives it features, asks, cleans, writes.

    The scene is kept beside the file (walk-scene) and used again: another thing out of the same photos takes seconds,
    and what Ctrl-C or a power cut broke off goes on with the same command. A file stands upright on the origin.

    examples:
      semsplat take walk.mp4 "the red chair" -o chair.glb
      semsplat take photos/ "mug on the table" -o mug.ply mug.spz --teacher labels --labels annotations/
      semsplat take room "teddy bear" -o bear.stl                    a fitted scene
      semsplat take photos/ "red thing" -o red.ply --teacher appearance
    """

    source: Positional[Path]  # photos or a video, as for semsplat train; or a scene folder; or a file of Gaussians
    words: Positional[str]  # what to take, as for semsplat ask
    out: Outs = ()  # files to write, each in the format of its suffix
    scene: File = None  # folder of the scene (beside the first file, named after the source)
    teacher: Text = None  # whose features are asked (those that the scene has, else tipsv2); semsplat models lists them
    labels: File = None  # labels: folder of annotation images, one for each photo that has one
    names: File = None  # labels: their names, JSON {"1": ["mug", "cup"]} or a line for each class (names.json)
    maps: File = None  # folder: precomputed maps, one for each photo
    weights: File = None  # file or folder of the teacher's weights (where semsplat models get puts them)
    variant: Text = None  # size of the model, where there are several
    steps: Count = None  # optimizer steps of the fit (3000; 30000 on a GPU)
    minutes: Number = None  # time budget of the fit instead
    cap: Count = None  # never more Gaussians than this (30000; 1000000 on a GPU)
    frames: Count = None  # of a video, about so many (as its motion needs)
    resolution: Count = None  # pixels on the longest side of the photos (512; 1600 on a GPU)
    outside_mask: Outside = None  # what lies outside masks: unknown, empty or kept
    threshold: Number = None  # of the answer (chosen from the scores)
    kind: Kind = None  # mesh, points: of .ply and .glb, which hold Gaussians otherwise
    raw: bool = False  # as selected; else borders are mended, so that no halo of neighbours shows
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import take

        return take.run(self, console)


COMMANDS = {"take": Take}
