"""The command ``semsplat``: its subcommands for geometry, and main. Heavy imports wait until a subcommand runs."""

import errno
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from .. import __version__
from ..splatting.errors import InputError, SemsplatError
from ..splatting.files import reason
from . import cli_export, cli_meaning, cli_take, cli_world
from .arguments import (
    Count,
    Density,
    Device,
    File,
    Number,
    OnOff,
    Out,
    Outside,
    Positional,
    Protocol,
    Text,
    parse,
    sayer,
)
from .many import joined, others, quiet_others

if TYPE_CHECKING:
    from rich.console import Console

DESCRIPTION = """Fit a scene of 3D Gaussians from photographs, look at it, and ask for the things in it.

examples:
  semsplat demo                                   the bundled capture, about a minute, needs nothing
  semsplat train photos/ -o room                  a folder of photos, a video, a COLMAP project, a transforms.json set
  semsplat train photos/ -o room --minutes 10     within a time budget
  semsplat train -o room --resume                 go on after Ctrl-C, a crash or a power cut
  semsplat take walk.mp4 "the red chair" -o chair.glb   all of it in one command: fit, distil, ask, export
  semsplat view room                              http://127.0.0.1:8080
  semsplat distill room --teacher tipsv2          give the Gaussians meaning; semsplat models lists teachers
  semsplat ask room "red mug"                     find a thing by words
  semsplat select room --click 03:160,120         or by a click, a box, a stroke
  semsplat upright room                           stand it on its floor; semsplat scale room: in metres
  semsplat edit room "delete the mug"             change it in words; --undo takes it back
  semsplat eval room                              PSNR and SSIM of the held-out photos
  semsplat render room --path orbit --video a.mp4
  semsplat export room -o room.ply                for other programs
  semsplat bench                                  how fast this machine is, against a rival

Every command explains itself: semsplat train --help"""


@dataclass(frozen=True)
class Demo:
    """Fit the capture that comes with semsplat, score it, and write a turntable video and a contact sheet.

    In a terminal it ends by showing the page.
    """

    out: Out = Path("demo-scene")  # folder of the scene; an earlier demo in it is made anew
    minutes: float = 1.0  # time for fitting
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one, and says so
    host: str = "127.0.0.1"  # address of the page
    port: int = 8080  # of the page

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import demo

        status = demo.run(self.out, self.minutes, self.device, console)
        if status == 0 and demo.has_person():
            from .viewer import serve

            serve(self.out, self.host, self.port, say=sayer(console))
        elif status == 0:
            sayer(console)(f"Page:          semsplat view {self.out}")
        return status


@dataclass(frozen=True)
class Train:
    """Fit a scene from a folder of photos, a video, a COLMAP project, or a transforms.json and its folder.

    Where there are no poses, COLMAP finds them first; masks/ beside the photos (white is the thing) or transparency say
    what counts, and are needed where a thing turns before a camera on a tripod. Ctrl-C saves and stops; --resume goes
    on. Several processes, on one machine or many that share the folder:
    torchrun --nproc-per-node 2 --no-python semsplat train ...
    """

    MANY: ClassVar = True

    out: Out  # folder of the scene
    source: Positional[File] = None  # the photos; --resume remembers them
    resume: bool = False  # go on with the fit in the folder
    overwrite: bool = False  # begin anew in a folder that holds a scene
    steps: Count = None  # optimizer steps, --batch photos each (until 3000 photos are looked at; 30000 on a GPU)
    minutes: Number = None  # time budget instead of a number of steps
    cap: Count = None  # never more Gaussians than this (30000; 1000000 on a GPU)
    resolution: Count = None  # pixels on the longest side of the photos (512; 1600 on a GPU)
    eval: Count = None  # hold every n-th photo out for scoring, 0 none (what the source says, else 8)
    outside_mask: Outside = (
        None  # what lies outside masks: unknown, empty (fits the object alone), or kept (fits it all)
    )
    frames: Count = None  # use so many frames of a video (what its motion asks for), or photos without poses (all)
    points: bool = True  # triangulate points first where the capture has none
    density: Density = None  # how Gaussians are added and removed (mcmc)
    sh_degree: Count = None  # how much colours change with the side one looks from, 0 to 3 (3)
    depth_distortion: Number = None  # weight of a loss that makes depth sharper, for depth maps: try 0.004 (0)
    seed: Count = None  # of all that is random (0)
    exposure: OnOff = None  # photos get affine colour maps of their own, off at render: their lights may differ (off)
    batch: Count = None  # photos looked at in a step, by all processes together (one each)
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one, and says so
    tensorboard: bool = False  # also write TensorBoard files, to the scene folder
    view: bool = False  # show the scene in the browser while it grows, and afterwards until Ctrl-C
    port: int = 8080  # of --view

    def run(self, console: "Console") -> int:
        """Carry it out."""
        import dataclasses

        from . import train
        from .plan import Request

        options = dataclasses.asdict(self)
        view, port = options.pop("view"), options.pop("port")
        options["exposure"] = None if self.exposure is None else self.exposure == "on"
        if view and not others():
            from .viewer import beside

            request = Request(folder=options.pop("out"), **options)
            return beside(request.folder, port, sayer(console), lambda: train.run(request, console))
        return train.run(Request(folder=options.pop("out"), **options), console)


@dataclass(frozen=True)
class Eval:
    """Score the held-out photos of a scene: PSNR, SSIM; fields against label images, objects against masks."""

    scene: Positional[Path]  # folder of the scene
    data: Positional[File] = None  # with --protocol: the set as it was downloaded, or the scene's part of it
    protocol: Protocol = None  # score against a published set instead, both as published and without what flatters
    labels: File = None  # folder of label images: IoU, accuracy and boundary IoU of each field that knows words
    names: File = None  # what they are called, JSON {"1": ["mug", "cup"]} or a line for each class (names.json)
    masks: File = None  # folder of masks of one object, named as the photos
    object: Text = None  # which object of the scene they are of
    lpips: File = None  # weights for LPIPS: a folder with torchvision's vgg16 and lpips' vgg.pth, or one file of both
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import evaluate, protocols, truth_report

        if self.protocol is not None:
            self._alone()
            return protocols.run(self.protocol, self.scene, self.data, self.device, console)
        if self.data is not None:
            raise InputError(
                f"What is {self.data}? Say which set it is: semsplat eval {self.scene} --protocol NAME DATA"
            )
        wanted = truth_report.Wanted.of(self.scene, self.labels, self.names, self.masks, self.object, self.device)
        status = evaluate.run(self.scene, self.device, console, self.lpips)
        truth_report.run(wanted, console)
        return status

    def _alone(self) -> None:
        """See that nothing is asked for that a protocol has of its own, or does not score."""
        given = [name for name in ("labels", "names", "masks", "object", "lpips") if getattr(self, name) is not None]
        if given:
            raise InputError(f"--protocol has its own truth; leave --{given[0]} out, or run it without --protocol.")


@dataclass(frozen=True)
class Render:
    """Let a camera travel through a scene: a video, a folder of pictures, or both."""

    scene: Positional[Path]  # folder of the scene
    path: Literal["orbit", "interpolate", "spiral"] = "orbit"  # around the middle, through the photos, or about them
    video: File = None  # .mp4 to write
    frames: File = None  # new folder for the pictures, as .png
    layer: Literal["rgb", "depth"] = "rgb"  # what is drawn
    size: Count = None  # pixels on the longest side (as the photos)
    fps: float = 24.0  # pictures a second
    seconds: float = 8.0  # length
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import render

        return render.run(render.Film(**{name: getattr(self, name) for name in self.__dataclass_fields__}), console)


@dataclass(frozen=True)
class View:
    """Show a scene in the browser, until Ctrl-C; also while it is being fitted."""

    scene: Positional[Path]  # folder of the scene, or a file of Gaussians
    host: str = "127.0.0.1"  # address to serve on; others than this computer, such as 0.0.0.0, need a token
    port: int = 8080  # to serve on
    token: Text = None  # what visitors need (random; none on 127.0.0.1); the link that is printed holds it
    open: bool = False  # open the page in the browser
    engine: Literal["auto", "browser", "server"] = "auto"  # who draws the scene; auto: an NVIDIA GPU, else the browser
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one

    def run(self, console: "Console") -> int:
        """Carry it out."""
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch comes: else its threads wait busily, and
        from .viewer import serve  # where a browser and other pages want the processor, pictures take twice as long

        serve(self.scene, self.host, self.port, self.open, sayer(console), self.token, self.engine, self.device)
        return 0


@dataclass(frozen=True)
class Bench:
    """How fast this machine is against a rival in the same run: ratios as a table, and one line of JSON on stdout.

    A training step and features against a rasterizer in plain torch (on an NVIDIA GPU gsplat's own, too), lifting
    against joint training to the same error, bytes to recolour a page against sending all again. At most two minutes.
    """

    quick: bool = False  # a smoke test in seconds; its figures mean nothing
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one, and says so

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from rich.console import Console

        from .bench import run

        return run.run(self.device, self.quick, Console(stderr=True))


COMMANDS = {
    "demo": Demo,
    "train": Train,
    "eval": Eval,
    "render": Render,
    **cli_export.COMMANDS,
    "view": View,
    **cli_meaning.COMMANDS,
    "bench": Bench,
    **cli_world.COMMANDS,
    **cli_take.COMMANDS,
}


def main(arguments: list[str] | None = None) -> None:
    """Entry point: runs a subcommand and exits with its status; what people can mend is one sentence and status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:
        print(f"semsplat {__version__}")
        return
    with quiet_others():
        command = parse(COMMANDS, DESCRIPTION, arguments)
    from rich.console import Console

    try:
        with joined(command):
            status = command.run(Console(quiet=others()))
    except SemsplatError as error:
        status = _complain(str(error))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        status = 130
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES):
            raise
        status = _complain(f"Cannot write {error.filename or 'a file'}: {reason(error)}.")
    _leave(status)


def _leave(status: int) -> None:
    """End the process. Where a thread is still at work in compiled code, Python's own way out would end in abort()."""
    if any(thread.daemon and thread.name.startswith("semsplat-") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _complain(sentence: str) -> int:
    print(f"semsplat: {sentence}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
