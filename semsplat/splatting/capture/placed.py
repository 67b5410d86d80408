"""Poses that we found, read as a capture: COLMAP's model of the working copies, and which photos those are."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import replacing
from . import colmap_files as files
from . import lens as lenses
from .assemble import View, assemble, missing_note
from .colmap import lens_of, pose_of
from .types import Capture
from .working import Copy

FILE = "placed.json"


def write(
    folder: Path, poses: Path, made_from: dict[str, Any], root: Path, copies: Sequence[Copy], notes: Sequence[str]
) -> None:
    """Say which photos the model in ``folder`` is of.

    Args:
        poses: the folder in which it will lie; paths below are relative to it.
        made_from: tells later whether it is still of the same photos.
        root: names of photos are relative to it.
        notes: sentences that are shown each time.
    """
    content = {
        "made_from": made_from,
        "root": _stored(root, poses),
        "photos": [copy.as_json() | {"path": _stored(copy.path, poses)} for copy in copies],
        "notes": list(notes),
    }
    with replacing(folder / FILE) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _stored(path: Path, poses: Path) -> str:
    """Relative to the poses where it lies below, so that a scene can be moved; else absolute."""
    path, poses = path.resolve(), poses.resolve()
    return path.relative_to(poses).as_posix() if path.is_relative_to(poses) else str(path)


def made_from(folder: Path) -> dict[str, Any] | None:
    """What the poses in a folder were made from; None when there are none, or they are damaged."""
    try:
        return json.loads((folder / FILE).read_text(encoding="utf-8"))["made_from"] if files.is_model(folder) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load(folder: Path) -> Capture:
    """The capture: lenses at the size of the photos, which are turned upright.

    Raises:
        InputError: a damaged file, or photos that are gone.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        copies = {copy.file: copy for copy in map(Copy.from_json, content["photos"])}
        root, notes = folder / content["root"], [str(note) for note in content["notes"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / FILE} is not whole ({error}); remove {folder} to find the poses again.") from error
    cameras, views, missing = files.read_cameras(folder), [], []
    images = [image for image in files.read_images(folder) if image.name in copies]
    for image in images:
        copy = copies[image.name]
        path = folder / copy.path
        if not path.is_file():
            missing.append(copy.name)
            continue
        lens = lenses.scaled(lens_of(cameras[image.camera], f"{folder}"), copy.width, copy.height)
        pose = np.linalg.inv(pose_of(image, folder))
        views.append(View(copy.name, path, pose, lens, copy.mask, upright=True))
    notes = [*missing_note(missing, len(images)), *notes]
    return assemble(folder, root, views, files.read_points(folder), notes)
