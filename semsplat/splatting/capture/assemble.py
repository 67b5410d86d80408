"""What every kind of source goes through: poses checked, pictures and masks found on disk, lenses fitted to them."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from ..errors import InputError
from . import lens as lenses
from . import pictures
from .types import Capture, Lens, Photo

_HUGE = 1e12  # no coordinate is beyond: float32 would not hold its square


@dataclass(frozen=True)
class View:
    """A photo as a source states it, not yet held against the disk."""

    stated: str  # the name in the source
    path: Path  # exists
    camera_to_world: np.ndarray  # (4, 4) float64, OpenCV axes
    lens: Lens
    mask_path: Path | None = None
    held_out: bool | None = None
    upright: bool = False  # as in Photo


def assemble(
    source: Path,
    root: Path,
    views: Sequence[View],
    points: tuple[np.ndarray, np.ndarray],
    notes: Sequence[str],
) -> Capture:
    """The capture: views in the order of their names, lenses at the size of the files, masks/ used if it is there.

    Raises:
        InputError: a pose that is no pose, a picture that cannot be opened, fewer than two views.
    """
    notes = list(notes)
    views = _once(views, source, notes)
    photos, odd, resized, scales = [], [], [], []
    with pictures.quietly():
        for view in sorted(views, key=lambda v: natural(_name(v.path, root))):
            pose, scale = rigid(view.camera_to_world, f"{source}, {view.stated!r}")
            lens = _fitted(lenses.check(view.lens, f"{source}, {view.stated!r}"), pictures.sizes(view.path))
            if lens is None:
                odd.append(view.stated)
                continue
            resized += [view.stated] if lens != view.lens else []
            scales += [scale] if abs(scale - 1) > 0.01 else []
            world_to_camera = torch.from_numpy(np.linalg.inv(pose)).float()
            name = _name(view.path, root)
            photos.append(Photo(name, view.path, world_to_camera, lens, view.mask_path, view.held_out, view.upright))
    if resized:
        notes.append(f"{_photos(len(resized))} not of the stated size: the lens was scaled to the file.")
    if odd:
        notes.append(f"{_photos(len(odd))} left out, its shape is not the stated one: {some(odd)}.")
    if scales:
        notes.append(f"The poses carry a scale of {np.median(scales):.4g}, which was removed from their rotations.")
    photos = _with_masks_folder(photos, root, notes)
    enough(photos)
    if (least := min(map(lenses.kept, {photo.lens for photo in photos}))) < 0.9:
        notes.append(f"Undistorting keeps {least:.0%} of a picture: the rest does not fit into a flat rectangle.")
    xyz, rgb = _finite(points, notes)
    return Capture(tuple(photos), torch.from_numpy(xyz), torch.from_numpy(rgb), tuple(notes))


def enough(photos: Sequence[Photo]) -> None:
    """Raises InputError when there are fewer than the two views that fitting needs."""
    if len(photos) < 2:
        raise InputError(f"Only {_photos(len(photos))} can be used; fitting a scene needs at least two views.")


def find(stated: str, folders: Sequence[Path]) -> Path | None:
    """The picture that a source means: as stated, with its extension supplied, or by the end of its path.

    The first of ``folders`` is what relative paths are relative to; absolute paths that are gone and paths of another
    system are tried by their last parts in each.
    """
    clean = stated.replace("\\", "/")
    parts = [p for p in PurePosixPath(clean).parts if p not in (".", "/")]
    tries = [folders[0] / clean]
    for start in range(len(parts)):
        tries += [folder / "/".join(parts[start:]) for folder in folders]
    for path in tries:
        if path.is_file():
            return path
        if path.suffix.lower() not in pictures.SUFFIXES:
            for suffix in pictures.SUFFIXES:
                for candidate in (path.with_name(path.name + suffix), path.with_name(path.name + suffix.upper())):
                    if candidate.is_file():
                        return candidate
    return None


def rigid(pose: np.ndarray, where: str) -> tuple[np.ndarray, float]:
    """(the pose with an exact rotation, the scale that was in it); camera to world, (4, 4) float64.

    Raises:
        InputError: not finite, singular, mirrored, or sheared by more than 1 %.
    """
    if not (np.abs(pose) < _HUGE).all():
        raise InputError(f"{where} has a pose with numbers that are not finite; remove the frame or mend it.")
    left, stretch, right = np.linalg.svd(pose[:3, :3])
    if stretch[2] < 1e-6 * max(stretch[0], 1e-12) or not np.allclose(pose[3], [0, 0, 0, 1], atol=1e-6):
        raise InputError(f"{where} has a singular pose; remove the frame or mend it.")
    if np.linalg.det(left @ right) < 0:
        raise InputError(f"{where} has a mirrored pose (determinant -1); mend it.")
    if stretch[0] > 1.01 * stretch[2]:
        text = ", ".join(f"{s:.4g}" for s in stretch)
        raise InputError(f"{where} has a pose that is not rigid (its axes are stretched by {text}); mend it.")
    result = pose.copy()
    result[:3, :3] = left @ right
    return result, float(stretch.mean())


def missing_note(missing: Sequence[str], total: int) -> list[str]:
    """The sentence about pictures that a source names and that do not exist.

    Raises:
        InputError: none exists.
    """
    if missing and len(missing) == total:
        raise InputError(f"None of the {total} pictures that the source names exists, for instance {missing[0]!r}.")
    return [f"{len(missing)} of {total} pictures do not exist and were left out: {some(missing)}."] if missing else []


def mask_for(path: Path, name: str, folder: Path) -> Path | None:
    """The mask of a photo in a masks/ folder: a.jpg.png, a.png, a_mask.png, or the same number (000 for 000000)."""
    relative = PurePosixPath(name)
    inner = [PurePosixPath(*relative.parts[1:]), relative] if len(relative.parts) > 1 else [relative]
    for stem in [s for r in inner for s in (r, r.with_suffix(""), r.with_name(r.stem + "_mask"))]:
        for suffix in pictures.SUFFIXES:
            for candidate in (folder / f"{stem}{suffix}", folder / f"{stem.name}{suffix}"):
                if candidate.is_file() and candidate != path:
                    return candidate
    return None


def _with_masks_folder(photos: list[Photo], root: Path, notes: list[str]) -> list[Photo]:
    """Photos that have no mask get theirs from masks/, if there is such a folder."""
    folder = root / "masks"
    if not folder.is_dir() or any(p.mask_path for p in photos):
        return photos
    numbers = {int(p.stem): p for p in folder.iterdir() if p.stem.isdecimal() and p.suffix.lower() in pictures.SUFFIXES}
    result = []
    for photo in photos:
        mask = mask_for(photo.path, photo.name, folder)
        if mask is None and photo.path.stem.isdecimal():
            mask = numbers.get(int(photo.path.stem))
        result.append(dataclasses.replace(photo, mask_path=mask))
    found = sum(p.mask_path is not None for p in result)
    notes.append(
        f"{found} of {len(photos)} photos have a mask in masks/: white is kept."
        if found
        else "The folder masks/ has no file named like a photo and is not used."
    )
    return result


def _once(views: Sequence[View], source: Path, notes: list[str]) -> list[View]:
    """Views whose picture is named twice, once."""
    first: dict[Path, View] = {}
    for view in views:
        known = first.setdefault(view.path, view)
        if not np.allclose(known.camera_to_world, view.camera_to_world, atol=1e-6, equal_nan=True):
            raise InputError(f"{source} names {view.stated!r} twice with different poses; keep one of them.")
    if twice := len(views) - len(first):
        notes.append(f"{twice} frames name a picture a second time and were left out.")
    return list(first.values())


def _fitted(lens: Lens, stored: list[tuple[int, int]]) -> Lens | None:
    """The lens at the size of the file, turned by EXIF only if the lens says so; None if the shapes disagree."""
    for size in stored:
        if size == (lens.width, lens.height):
            return lens
    for width, height in stored:
        if abs(width * lens.height - height * lens.width) <= 0.01 * width * lens.height:
            return lenses.scaled(lens, width, height)
    return None


def _finite(points: tuple[np.ndarray, np.ndarray], notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    xyz, rgb = (np.asarray(a, np.float32).reshape(-1, 3) for a in points)
    good = (np.abs(xyz) < _HUGE).all(1) & np.isfinite(rgb).all(1)
    if not good.all():
        notes.append(f"{(~good).sum()} sparse points are not finite and were left out.")
    return np.ascontiguousarray(xyz[good]), np.ascontiguousarray(rgb[good].clip(0, 1))


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix().lstrip("/")


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts r_2 before r_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _photos(count: int) -> str:
    return f"{count} photo" if count == 1 else f"{count} photos"


def some(names: Sequence[str]) -> str:
    """The first three names, and how many more there are."""
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
