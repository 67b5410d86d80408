"""3D-OVS (Liu et al. 2023): SCENE/segmentations/classes.txt and FRAME/CLASS.png, white where the class is."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from ...splatting.errors import InputError
from ...splatting.files import reason
from .places import numbered_photo, photo_of, read_mask, scene_folders
from .types import Annotated, Masks

CLASSES = "classes.txt"


def read(data: Path, scene_names: Sequence[str], photos: Sequence[str]) -> list[Annotated]:
    """The annotated photos of a scene, each with all classes.

    A frame's folder is called as its photo, or by the photo's place in the order of names (00, 04 ...).

    Args:
        data: the set, the scene's folder in it, or its folder segmentations.

    Raises:
        InputError: none there, damaged, or of photos that the scene does not have.
    """
    (folder,) = scene_folders(data, scene_names, _has_classes, f"segmentations/{CLASSES}")
    folder = folder if (folder / CLASSES).is_file() else folder / "segmentations"
    classes = _classes(folder / CLASSES)
    frames = sorted(frame for frame in folder.iterdir() if frame.is_dir())
    if not frames:
        raise InputError(f"There is no frame in {folder}; fetch the set again.")
    found = []
    for frame in frames:
        missing = [name for name in classes if not (frame / f"{name}.png").is_file()]
        if missing:
            raise InputError(f"{frame} has no {missing[0]}.png; the set is not whole, fetch it again.")
        masks = functools.partial(_masks, frame, classes)
        found.append(Annotated(_photo(frame, photos), frame, tuple(classes), masks))
    return found


def _has_classes(folder: Path) -> bool:
    return (folder / CLASSES).is_file() or (folder / "segmentations" / CLASSES).is_file()


def _classes(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8; fetch it again.") from error
    except OSError as error:
        raise InputError(f"Cannot read {path}: {reason(error)}.") from error
    classes = [line.strip() for line in lines if line.strip()]
    if not classes or len(set(classes)) < len(classes):
        raise InputError(f"{path} names {'a class twice' if classes else 'no class'}; fetch it again.")
    if outside := [name for name in classes if Path(name).name != name]:
        raise InputError(f"{path} names '{outside[0]}', which is no name of a file; fetch it again.")
    return classes


def _photo(frame: Path, photos: Sequence[str]) -> str:
    photo = photo_of(frame.name, photos)
    if photo is None and frame.name.isdecimal():
        return numbered_photo(int(frame.name), photos, frame)
    if photo is None:
        raise InputError(f"{frame} is of no photo of the scene; fit the scene from the photos of the set.")
    return photo


def _masks(frame: Path, classes: Sequence[str]) -> Masks:
    masks: dict[str, Bool[np.ndarray, "h w"]] = {name: read_mask(frame / f"{name}.png") for name in classes}
    if len({mask.shape for mask in masks.values()}) > 1:
        raise InputError(f"The masks in {frame} have different sizes; fetch the set again.")
    return masks
