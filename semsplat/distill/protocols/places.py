"""Where in a downloaded set a scene's annotations are, which photo each belongs to, and masks as they lie on disk."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Bool

from ...splatting.capture.pictures import SUFFIXES, opened
from ...splatting.errors import InputError

LISTED = 6


def scene_folders(
    data: Path, scene_names: Sequence[str], has: Callable[[Path], bool], what: str, several: bool = False
) -> list[Path]:
    """The folders in ``data``, or ``data`` itself, that hold the annotations of the scene.

    Args:
        scene_names: what the scene may be called. has: whether a folder holds annotations. what: they are, in words.
        several: folders that go on after the scene's name belong to it, too (horns_left).

    Raises:
        InputError: none, or it is not known which.
    """
    if not data.is_dir():
        raise InputError(f"There is no folder {data}; give the folder of the set as it was downloaded.")
    if has(data):
        return [data]
    found = [folder for folder in sorted(data.iterdir()) if folder.is_dir() and has(folder)]
    if not found:
        raise InputError(f"There is no {what} in {data}; give the folder of the set as it was downloaded.")
    names = [plain(name) for name in scene_names]
    own = [f for f in found if any(_called(plain(f.name), name, several) for name in names)]
    if not own and len(found) > 1:
        raise InputError(
            f"{data} has annotations of {', '.join(folder.name for folder in found[:LISTED])}, and the scene is called "
            f"{' or '.join(dict.fromkeys(scene_names))}; give the folder of the one, such as {found[0]}"
        )
    return own if several and own else (own or found)[:1]


def plain(name: str) -> str:
    """A scene's name without what sets add: "fern (llff)" and "fern_undistort" are "fern"."""
    return re.sub(r"\s*\(.*\)$|_undistort(ed)?$", "", name.casefold()).strip()


def photo_of(name: str, photos: Sequence[str]) -> str | None:
    """The photo of this name, or of this file name without its suffix; None when there is none.

    Raises:
        InputError: several photos are called so.
    """
    stem = PurePosixPath(name).stem if PurePosixPath(name).suffix.lower() in SUFFIXES else PurePosixPath(name).name
    found = [photo for photo in photos if PurePosixPath(photo).stem == stem]
    if name in photos:
        return name
    if len(found) > 1:
        raise InputError(f"'{name}' may be the photo {' or '.join(found[:3])}; the set's photos have unique names.")
    return found[0] if found else None


def known_photo(name: str, photos: Sequence[str], where: Path) -> str:
    """The same, when it must be there.

    Raises:
        InputError: the scene has no such photo.
    """
    photo = photo_of(name, photos)
    if photo is None:
        such = f", such as {photos[0]}" if photos else ""
        raise InputError(
            f"{where} is of the photo {name}, which is not among the {len(photos)} of the scene{such}; "
            "fit the scene from the photos of the set."
        )
    return photo


def numbered_photo(number: int, photos: Sequence[str], where: Path) -> str:
    """The photo at this place in the order of names, from 0.

    Raises:
        InputError: there are not so many.
    """
    if number >= len(photos):
        raise InputError(f"{where} is of photo number {number}, counted from 0; the scene has {len(photos)}.")
    return sorted(photos)[number]


def read_mask(path: Path) -> Bool[np.ndarray, "h w"]:
    """Where a picture is white (at least 128), or not black when all of it is dark.

    Raises:
        InputError: missing, or no picture.
    """
    if not path.is_file():
        raise InputError(f"There is no mask {path}; the set is not whole, fetch it again.")
    with opened(path) as image:
        gray = image if image.mode.startswith("I") else image.convert("L")
        values = np.asarray(gray)
    return values >= (128 if values.max(initial=0) >= 128 else 1)


def _called(folder: str, name: str, several: bool) -> bool:
    return folder == name or (several and folder.startswith(f"{name}_"))
