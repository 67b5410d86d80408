"""What a fit will do: what was asked for, what the folder remembers, and defaults, made into one plan or a sentence."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..splatting import capture as captures
from ..splatting import processes
from ..splatting.capture import Capture, Frame
from ..splatting.errors import DeviceError, InputError
from ..splatting.splat import rasterizer
from ..splatting.train_types import TrainConfig
from . import scene

HELD_OUT_EVERY = 8
TOGETHER = "with_features"  # in config.json: codes were fitted with the colours
_FRAME_OPTIONS = ("resolution", "eval", "outside_mask", "frames")
_CHANGEABLE = ("steps", "minutes", "cap", "batch")  # what --resume may give anew


@dataclass(frozen=True)
class Request:
    """What was asked for; None where nothing was said."""

    folder: Path
    source: Path | None = None
    resume: bool = False
    overwrite: bool = False
    resolution: int | None = None
    eval: int | None = None
    outside_mask: str | None = None
    steps: int | None = None
    minutes: float | None = None
    cap: int | None = None
    density: str | None = None
    sh_degree: int | None = None
    depth_distortion: float | None = None  # weight of the loss that draws together what lies apart along a ray
    seed: int | None = None
    batch: int | None = None
    exposure: bool | None = None  # fit maps of colours for each photo
    device: str = "auto"
    tensorboard: bool = False
    frames: int | None = None  # so many photos of a folder, or frames of a video, are used
    points: bool = True  # triangulate points where the capture has none
    generated: bool = False  # the capture was made by a program; people are told so


@dataclass(frozen=True)
class Plan:
    """What will be done: everything decided."""

    source: Path
    resolution: int | None
    eval: int | None  # None: the source's own choice, else every 8th
    outside_mask: str  # unknown (may be anything), empty (the object alone is fitted) or kept (masks are not used)
    generated: bool
    config: TrainConfig
    frames: int | None = None  # of a source without poses: None: all photos, or as many frames as its motion asks for
    unposed: bool = False  # poses have to be found

    def as_json(self, device: torch.device) -> dict[str, Any]:
        """For config.json."""
        return {
            "semsplat": __version__,
            "source": str(self.source.resolve()),
            "frames": self.frames,
            scene.POSES: self.unposed,
            "resolution": self.resolution,
            "eval": self.eval,
            "outside_mask": self.outside_mask,
            "generated": self.generated,
            "device": device.type,
            "train": dataclasses.asdict(self.config),
        }


def pick_device(wanted: str) -> torch.device:
    """The device for ``auto``, ``cpu`` or ``cuda``."""
    if wanted not in ("auto", "cpu", "cuda"):
        raise InputError(f"There is no device '{wanted}'; use auto, cpu or cuda.")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise DeviceError("--device cuda was asked for, but torch sees no NVIDIA GPU; use --device cpu or auto.")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return processes.own_gpu()


def divide(found: Capture, frames: Sequence[Frame], every: int | None) -> tuple[list[Frame], list[Frame]]:
    """(training, held out): what ``every`` says, else what the source says itself, else every 8th is held out."""
    flags = {photo.name: photo.held_out for photo in found.photos}
    if every is None and any(flag is not None for flag in flags.values()):
        held_out = [frame for frame in frames if flags[frame.name]]
        training = [frame for frame in frames if not flags[frame.name]]
    else:
        training, held_out = captures.split(frames, HELD_OUT_EVERY if every is None else every)
    if not training:
        raise InputError(
            f"All {len(frames)} photos would be held out; hold fewer out with --eval, or none with --eval 0."
        )
    return training, held_out


def unmasked(found: Capture, outside_mask: str) -> Capture:
    """The capture, without its masks if what lies outside them is to be fitted like the rest."""
    if outside_mask != "kept":
        return found
    return dataclasses.replace(found, photos=tuple(dataclasses.replace(p, mask_path=None) for p in found.photos))


def masked(frames: Sequence[Frame], outside_mask: str) -> list[Frame]:
    """The frames, with what lies outside their masks taken for empty space if it is said to be."""
    if outside_mask != "empty":
        return list(frames)
    return [dataclasses.replace(frame, background=True) for frame in frames]


def fresh(request: Request, device: torch.device) -> Plan:
    """The plan of a new fit: what was asked for, else what suits the device."""
    if request.source is None:
        raise InputError("Give the photos: semsplat train SOURCE -o FOLDER (photos, a video, COLMAP, transforms.json).")
    cuda = device.type == "cuda"
    resolution = request.resolution if request.resolution is not None else (1600 if cuda else 512)
    defaults = TrainConfig(steps=30_000, cap=1_000_000) if cuda else TrainConfig()
    given = {name: getattr(request, name) for name in _fit_options() if getattr(request, name) is not None}
    _check(request, given)
    outside, unposed = request.outside_mask or "unknown", captures.needs_poses(request.source)
    if request.frames is not None and not unposed:
        raise InputError(f"--frames is for photos without poses and for videos; {request.source} states poses.")
    config = dataclasses.replace(defaults, **{"batch": processes.count(), **given})
    if request.steps is None:  # as many photos are looked at, whatever the batch
        config = dataclasses.replace(config, steps=-(-defaults.steps // config.batch))
    return Plan(request.source, resolution, request.eval, outside, request.generated, config, request.frames, unposed)


def resumed(request: Request) -> Plan:
    """The plan in config.json, with what may change on the way changed."""
    path = request.folder / scene.CONFIG
    saved = scene.read_json(path)
    if saved.get(scene.OWN_CAMERAS):
        raise InputError(f"{request.folder} was made from a file of Gaussians: there are no photos to fit.")
    if saved.get(TOGETHER):
        raise InputError(
            f"{request.folder} was fitted together with features, which --resume cannot go on with; make it again with "
            "semsplat distill --method joint (or decoder) in a new folder."
        )
    try:
        config = TrainConfig(**saved["train"])
        source, generated = Path(saved["source"]), bool(saved.get("generated"))
        own = saved["resolution"], saved["eval"], saved["outside_mask"], generated, config
        plan = Plan(source, *own, saved.get("frames"), bool(saved.get(scene.POSES)))
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is not whole ({error}); fit the scene again with --overwrite.") from error
    wanted = {name: getattr(request, name) for name in (*_fit_options(), *_FRAME_OPTIONS)}
    before = {**dataclasses.asdict(config), **{name: getattr(plan, name) for name in _FRAME_OPTIONS}}
    for name, value in wanted.items():
        if value is not None and value != before[name] and name not in _CHANGEABLE:
            option = "--" + name.replace("_", "-")
            was, now = (("off", "on")[v] if isinstance(v, bool) else v for v in (before[name], value))
            raise InputError(f"{request.folder} was begun with {option} {was}, not {now}; use --overwrite.")
    if request.source is not None and request.source.resolve() != plan.source.resolve():
        raise InputError(f"{request.folder} was fitted from {plan.source}, not {request.source}; use --overwrite.")
    given = {name: wanted[name] for name in _CHANGEABLE if wanted[name] is not None}
    _check(request, given)
    if "steps" in given and "minutes" not in given:
        given["minutes"] = None  # a number of steps takes the place of a time budget
    given.setdefault("batch", max(config.batch, processes.count()))
    return dataclasses.replace(plan, config=dataclasses.replace(config, **given))


def _fit_options() -> list[str]:
    return [field.name for field in dataclasses.fields(TrainConfig)]


def _check(request: Request, given: dict[str, Any]) -> None:
    """Say no to numbers that make no sense, before any work."""
    least = {"steps": 1, "cap": 1, "minutes": 1e-3, "resolution": 8, "eval": 0, "frames": 3, "batch": 1}
    least |= {"sh_degree": 0, "depth_distortion": 0.0}
    most = {"sh_degree": 3, "depth_distortion": 1.0}
    asked = {**given, **{name: getattr(request, name) for name in ("resolution", "eval", "frames")}}
    for name, value in asked.items():
        option = f"--{name.replace('_', '-')} {value}"
        if value is not None and name in least and not value >= least[name]:
            raise InputError(f"{option} is too small; the least is {least[name]:g}.")
        if value is not None and name in most and value > most[name]:
            raise InputError(f"{option} is too large; the most is {most[name]:g}.")
    if given.get("batch", processes.count()) < processes.count():
        raise InputError(
            f"--batch {given['batch']} leaves some of the {processes.count()} processes without a photo; "
            f"give --batch {processes.count()} or more, or start fewer processes."
        )
    if given.get("density", "mcmc") not in ("mcmc", "classic"):
        raise InputError(f"--density {given['density']} is not known; use mcmc or classic.")


def why(device: torch.device, wanted: str) -> str:
    """Why it is this device, for people."""
    if device.type == "cuda":
        reason = "as asked" if wanted != "auto" else "an NVIDIA GPU was found"
        return f"{reason}; {rasterizer(device)}"
    return "as asked" if wanted != "auto" else "no NVIDIA GPU was found; --device says otherwise"
