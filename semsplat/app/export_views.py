"""What is exported for each view: which views, the folder that takes them, and going on where it was broken off."""

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .. import __version__
from ..splatting.camera import Camera
from ..splatting.capture.writing import Posed, write_transforms
from ..splatting.errors import InputError
from ..splatting.files import reason
from ..splatting.gaussians import Gaussians
from ..splatting.train import one_torch_thread
from .plan import pick_device
from .progress import paced
from .render import LARGEST, travel
from .scene import read_json, write_json

if TYPE_CHECKING:
    from .export import Work

RECORD, CAMERAS = "export.json", "transforms.json"
PATH_LENGTH = 120  # pictures of a path


@dataclass(frozen=True)
class Shot:
    """One view to export."""

    stem: str  # of its files: a path without suffix, forward slashes
    photo: str  # name of the photo; the stem where it is none
    camera: Camera
    held_out: bool = False
    pixels: Path | None = None  # the prepared photo, where it is still there
    background: bool = False  # as in Frame


def shots(work: "Work", least: int = 2) -> list[Shot]:
    """The views that are asked for: photos, every n-th of them, or a path; at the size that is asked for.

    Raises:
        InputError: a file of Gaussians, which has no cameras; an option that makes no sense; no views.
    """
    request, scene = work.request.views, work.source.scene
    if scene is None:
        raise InputError(
            f"--kind {work.kind} needs cameras, and {work.source.path} is a file of Gaussians without cameras; make a "
            f"scene of it first: semsplat distill {work.source.path} --teacher appearance -o SCENE"
        )
    if request.size is not None and request.size < least:
        raise InputError(f"--size {request.size} is too small; give at least {least} pixels for the longest side.")
    if request.size is not None and request.size > LARGEST:
        raise InputError(f"--size {request.size} is too large: {LARGEST} pixels are the most for the longest side.")
    if request.path is not None:
        if request.every is not None:
            raise InputError("--every thins the photos; a path has --count pictures instead.")
        count = PATH_LENGTH if request.count is None else request.count
        if count < 1:
            raise InputError(f"A path of {count} pictures is not possible; give --count 1 or more.")
        path = travel(list(scene.cameras.values()), request.path, count, request.size, work.source.up)
        return [Shot(f"{number:05}", f"{number:05}", camera) for number, camera in enumerate(path)]
    if request.count is not None:
        raise InputError("--count is the number of pictures of a --path; --every 2 takes every second photo.")
    every = 1 if request.every is None else request.every
    if every < 1:
        raise InputError(f"--every {every} is not possible; 1 takes every photo, 2 every second one.")
    if not scene.views:
        raise InputError(f"{work.source.path} has no views.")
    names = stems([view.name for view in scene.views])
    return [
        Shot(stem, view.name, _sized(view.camera, request.size), view.held_out, view.pixels, view.background)
        for stem, view in list(zip(names, scene.views, strict=True))[::every]
    ]


def stems(photos: Sequence[str]) -> list[str]:
    """A path for the files of each photo: its own without suffix, and without the folders that all are in.

    Photos that differ by their suffix only keep it; no two are alike, however letters are written.
    """
    paths = [[part for part in PurePosixPath(name).parts if part not in ("/", "..", ".")] for name in photos]
    shared = 0
    while all(len(path) > shared + 1 and path[shared] == paths[0][shared] for path in paths):
        shared += 1
    full = ["/".join(path[shared:]) for path in paths]
    bare = [str(PurePosixPath(name).with_suffix("")) for name in full]
    counts: dict[str, int] = {}
    for name in bare:
        counts[name.casefold()] = counts.get(name.casefold(), 0) + 1
    return [short if counts[short.casefold()] == 1 else name for short, name in zip(bare, full, strict=True)]


def drawn(work: "Work") -> tuple[Gaussians, bool]:
    """(what is drawn, whether it is a part alone): everything, or only the objects that are asked for, without the
    halo of what is around them."""
    request = work.request
    if not (request.object or request.ask or request.all_objects):
        return work.source.gaussians, False
    part = work.source.together(work.parts)
    return (part if request.raw else work.source.cleaned(part)).gaussians, True


def write_cameras(work: "Work", taken: Sequence[Shot], picture: str = "", **others: str) -> None:
    """Write OUT/transforms.json: the camera of each view, placed as files of Gaussians are placed.

    Args:
        picture: where the picture of a view is, * standing for its stem, such as images/*.png; the photo's name where
            there is none. others: more keys of a frame and their files, such as depth_file_path="depth/*.png".
    """
    views = []
    for shot in taken:
        more = {key: where.replace("*", shot.stem) for key, where in others.items()}
        name = picture.replace("*", shot.stem) or shot.photo
        views.append(Posed(name, work.placement.camera(shot.camera), shot.held_out, more))
    write_transforms(work.request.out / CAMERAS, views)


class Folder:
    """OUT of an export that writes many files. One that was broken off goes on; any other thing in it is refused."""

    def __init__(self, work: "Work", taken: Sequence[Shot], **settings: Any) -> None:
        """Begin or go on.

        Args:
            settings: what changes the files (JSON).

        Raises:
            InputError: there is something else in the folder, or it cannot be written.
        """
        self.path, self._say, self._kind = work.request.out, work.say, work.kind
        self._device = pick_device(work.request.views.device)
        facts = {"of": _digest(work), "views": _views(taken), "raw": work.request.raw, **settings}
        self._record = {"semsplat": __version__, "kind": work.kind, "scene": work.source.title, "settings": facts}
        began = self._began()
        if not began:
            write_json(self.path / RECORD, self._record | {"whole": False})
        for stray in self.path.rglob(".*.tmp*"):  # of a run that was killed
            stray.unlink(missing_ok=True)

    def each(self, taken: Sequence[Shot], last: Callable[[Shot], Path], make: Callable[[Shot], None]) -> None:
        """Make the files of every view that are not there yet, and tell how far it is.

        Args:
            last: the file of a view that is written last.
        """
        missing = [shot for shot in taken if not last(shot).is_file()]
        if len(missing) < len(taken):
            self._say(f"{len(taken) - len(missing)} of {len(taken)} views are there already: going on.")
        report = paced(self._say, f"exporting {self._kind}")
        with torch.no_grad(), one_torch_thread(self._device):
            for done, shot in enumerate(missing, 1):
                make(shot)
                report(done, len(missing))

    def finish(self, **facts: Any) -> None:
        """Note that it is whole, and what there is to know about the files (JSON)."""
        write_json(self.path / RECORD, self._record | {"whole": True} | facts)

    def _began(self) -> bool:
        try:
            names = (
                sorted(path.name for path in self.path.iterdir() if path.name[0] != ".") if self.path.exists() else []
            )
        except OSError as error:
            raise InputError(f"Cannot write {self.path}: {reason(error)}.") from error
        if not names:
            return False
        if RECORD not in names:
            raise InputError(f"{self.path} is not an empty folder ({names[0]} is in it); give a new one for the files.")
        before = read_json(self.path / RECORD, "remove the folder, or give a new one")
        same = all(before.get(key) == value for key, value in json.loads(json.dumps(self._record)).items())
        if not same:
            raise InputError(
                f"{self.path} holds another export (of {before.get('kind')}, with other settings or before an edit); "
                "give a new folder, or remove that one."
            )
        return True


def room_for(folder: Path, needed: int, remedy: str) -> None:
    """See that a disk has so many bytes left.

    Raises:
        InputError: it has not.
    """
    import shutil

    place = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise InputError(
            f"The files would take {needed / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB left: {remedy}."
        )


def _sized(camera: Camera, size: int | None) -> Camera:
    return camera if size is None else camera.scaled(size / max(camera.width, camera.height))


def _digest(work: "Work") -> str:
    """Of everything that is drawn and selected: other Gaussians, other numbers."""
    gaussians, total = work.source.gaussians, 0
    columns = (gaussians.means, gaussians.quats, gaussians.log_scales, gaussians.logit_opacities, gaussians.sh)
    for column in (*columns, gaussians.ids, *(part.ids for part in work.parts)):
        total = _crc(column, total)
    total = zlib.crc32(json.dumps([part.name for part in work.parts]).encode(), total)
    return f"{total:08x}"


def _views(taken: Sequence[Shot]) -> dict[str, Any]:
    total = 0
    for shot in taken:
        camera = shot.camera
        total = zlib.crc32(shot.stem.encode(), total)
        total = _crc(camera.world_to_camera, total)
        total = _crc(camera.intrinsics, total)
    first = taken[0].camera
    return {"count": len(taken), "width": first.width, "height": first.height, "digest": f"{total:08x}"}


def _crc(tensor: Tensor, before: int) -> int:
    return zlib.crc32(np.ascontiguousarray(tensor.detach().cpu().numpy()).data, before)
