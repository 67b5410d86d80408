"""``semsplat take``: from photos to a file of one thing, by way of a scene folder that is used again.

Four stages, each of which is one of the other commands: train, distill, ask, export. What is there is not made again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from ..distill import field as fields
from ..distill.teachers import card, open_teacher
from ..distill.teachers.base import Options
from ..splatting import formats
from ..splatting.errors import InputError
from ..splatting.files import replacing
from . import ask, distill, export, train
from . import scene as scenes
from .cli_export import Export
from .cli_meaning import Ask, Distill
from .cli_take import Take
from .export_parts import Part, Source, stem_of
from .overlays import selection_sheet
from .plan import Request, pick_device
from .progress import clock, say
from .views import pick_views

DEFAULT = "tipsv2"  # teacher that reads any words
STAGES = 4


@dataclass
class Taken:
    """What came of it."""

    scene: Path
    name: str  # of the object in the scene; any text
    files: list[Path] = field(default_factory=list)
    picture: Path | None = None
    gaussians: int = 0
    seconds: dict[str, float] = field(default_factory=dict)  # by stage


def run(request: Take, console: Console) -> int:
    """Carry it out and sum it up; returns the exit status: 2 when nothing was found, 130 after Ctrl-C.

    Raises:
        SemsplatError: anything that the person at the keyboard can mend.
    """
    status, taken = take(request, console)
    if status or not taken.files:
        return status
    sizes = ", ".join(f"{path} ({path.stat().st_size / 1e6:.2f} MB)" for path in taken.files)
    say(console, f"\nTaken: {taken.name}, {taken.gaussians:,} Gaussians: {sizes}")
    say(console, f"Look at it: {taken.picture}")
    spent = ", ".join(f"{stage} {clock(seconds)}" for stage, seconds in taken.seconds.items())
    say(console, f"Time: {spent}; in all {clock(sum(taken.seconds.values()))}. The scene: {taken.scene}")
    return 0


def take(request: Take, console: Console) -> tuple[int, Taken]:
    """(exit status, what came of it); see :func:`run`."""
    how = check(request)
    folder = home(request)
    taken = Taken(folder, " ".join(request.words.split()))
    teacher, options = teacher_of(request, folder), _options(request)
    if not _has(folder, teacher, request):
        open_teacher(teacher, options)  # says what is missing before anything is fitted
    with _stage(taken, 1, "scene", console):
        status, fresh = make_scene(request, folder, teacher, console)
    if status:
        say(console, "The same command goes on from there.")
        return status, taken
    with _stage(taken, 2, "features", console):
        if fresh or not _has(folder, teacher, request):
            distill.run(Distill(folder, teacher, **_about_teacher(request)), console)
        else:
            say(console, f"The features of {teacher} are there already.")
    with _stage(taken, 3, "question", console):
        asked = Ask(folder, (request.words,), teacher, threshold=request.threshold, name=taken.name)
        status = ask.run(replace(asked, device=request.device), console)
    if status:
        say(console, f"Nothing was written. The scene is kept: semsplat view {folder}")
        return status, taken
    with _stage(taken, 4, "files", console):
        write(request, how, taken, console)
    return 0, taken


def check(request: Take) -> list[tuple[str, str, bool]]:
    """(kind, suffix, True) of each file; says no before any work.

    Raises:
        InputError: no words, no file, a file that cannot be written, or no source.
    """
    if not request.words.strip():
        raise InputError('Nothing was asked for; say what to take: semsplat take photos/ "red chair" -o chair.glb')
    if not request.out:
        raise InputError("Say where the thing goes: -o chair.glb (or .ply .spz .splat .sog .gltf .obj .stl).")
    if not request.source.exists():
        raise InputError(f"There is no {request.source}; give photos, a video, a scene folder or a file of Gaussians.")
    found = [export.kind_of(_export(request, Path("scene"), path)) for path in request.out]
    for (kind, _, one_file), path in zip(found, request.out, strict=True):
        if not one_file or export.KINDS[kind].per_view:
            raise InputError(f"{path}: one thing becomes one file; give a suffix such as .glb, and no --kind {kind}.")
        with replacing(path.with_name(f".{path.name}.writable")) as probe:
            probe.touch()
        path.with_name(f".{path.name}.writable").unlink()
    return found


def home(request: Take) -> Path:
    """The folder of the scene: the source, if it is one; else --scene, or beside the first file.

    Raises:
        InputError: there is another scene in it.
    """
    if request.source.is_dir() and scenes.is_scene(request.source):
        if request.scene is not None and request.scene.resolve() != request.source.resolve():
            raise InputError(f"{request.source} is a scene itself: leave --scene out.")
        return request.source
    name = stem_of(request.source.resolve().stem if request.source.is_file() else request.source.resolve().name)
    folder = request.scene or request.out[0].absolute().parent / f"{name}-scene"
    if scenes.is_scene(folder) and (folder / scenes.CONFIG).exists():
        known = scenes.read_json(folder / scenes.CONFIG).get("source")
        if known is not None and Path(str(known)).resolve() != request.source.resolve():
            raise InputError(f"{folder} is the scene of {known}, not of {request.source}; give another with --scene.")
    return folder


def teacher_of(request: Take, folder: Path) -> str:
    """Whose features are asked: the named teacher's; else of a field that is there; else what the options are for."""
    if request.teacher is not None:
        return card(request.teacher).name
    if request.labels is not None or request.maps is not None:
        return "labels" if request.labels is not None else "folder"
    there = sorted(path.stem for path in (folder / fields.FIELDS).glob("[!.]*.safetensors"))
    readers = [name for name in there if card(name).words and name != "appearance"]
    return readers[0] if readers else DEFAULT


def make_scene(request: Take, folder: Path, teacher: str, console: Console) -> tuple[int, bool]:
    """(exit status, whether the Gaussians are new): fit the scene, or go on with it, or find it there."""
    if is_whole(folder):
        say(console, f"The scene is there already: {folder}")
        given = [
            name for name in ("steps", "minutes", "cap", "frames", "resolution") if getattr(request, name) is not None
        ]
        if given:
            say(console, f"--{given[0]} is of a new fit; to go on with this one: semsplat train -o {folder} --resume")
        return 0, False
    if is_gaussians(request.source):
        distill.run(Distill(request.source, teacher, out=folder, **_about_teacher(request)), console)
        return 0, False
    if scenes.is_scene(folder):
        say(console, f"Going on with the fit in {folder}")
        return train.run(Request(folder, resume=True, device=request.device), console), True
    fit = Request(
        folder, request.source, steps=request.steps, minutes=request.minutes, cap=request.cap, frames=request.frames,
        resolution=request.resolution, outside_mask=request.outside_mask, device=request.device,
    )  # fmt: skip
    return train.run(fit, console), True


def is_whole(folder: Path) -> bool:
    """Whether a fit ended in this folder, or a file of Gaussians became a scene there."""
    if not scenes.is_scene(folder) or not (folder / scenes.GAUSSIANS).exists():
        return False
    config = scenes.read_json(folder / scenes.CONFIG)
    return (
        (folder / scenes.METRICS).exists() or not (folder / scenes.CHECKPOINT).exists() or scenes.OWN_CAMERAS in config
    )


def is_gaussians(source: Path) -> bool:
    """Whether the source is a file of Gaussians, by its suffix."""
    return source.is_file() and any(source.name.lower().endswith(suffix) for suffix in formats.FORMATS)


def write(request: Take, how: list[tuple[str, str, bool]], taken: Taken, console: Console) -> None:
    """Write the thing that was found, as the object that ask has saved, and a picture of it in the photos."""
    source = Source.open(taken.scene)
    part = source.named(taken.name)
    taken.picture = request.out[0].with_name(f"{request.out[0].stem}-taken.png")
    _draw(source, part, taken.picture)
    clean = part if request.raw else source.cleaned(part)
    for chosen, path in zip(how, request.out, strict=True):
        export.carry_out(_export(request, taken.scene, path), chosen, source, [clean], lambda text: say(console, text))
        taken.files.append(path)
    taken.gaussians = len(clean.gaussians)


def _draw(source: Source, part: Part, path: Path) -> None:
    gaussians, scene = source.gaussians, source.scene
    selection = torch.isin(gaussians.ids, part.ids)
    if scene is not None and scene.views:
        known = torch.isin(scene.edited.ids, part.ids)
        selection_sheet(path, gaussians, pick_views(scene, (), known), selection, part.name)


def _has(folder: Path, teacher: str, request: Take) -> bool:
    """Whether the scene has this teacher's features, made from what is given now."""
    path = folder / fields.FIELDS / f"{teacher}.safetensors"
    if not is_whole(folder) or not path.exists():
        return False
    given, known = request.labels or request.maps, fields.load(path).memory.get("source")
    return given is None or (known is not None and Path(str(known)).resolve() == given.resolve())


def _about_teacher(request: Take) -> dict[str, Any]:
    names = ("labels", "names", "maps", "weights", "variant", "device")
    return {name: getattr(request, name) for name in names}


def _options(request: Take) -> Options:
    source = request.labels or request.maps
    return Options(pick_device(request.device), request.weights, source, request.names, request.variant)


def _export(request: Take, folder: Path, path: Path) -> Export:
    return Export(folder, path, kind=request.kind, center=True, up="upright", raw=request.raw)


@contextmanager
def _stage(taken: Taken, number: int, name: str, console: Console) -> Iterator[None]:
    say(console, f"{'' if number == 1 else chr(10)}[{number}/{STAGES}] {name}")
    began = time.monotonic()
    yield
    taken.seconds[name] = time.monotonic() - began
