"""Sources without poses: the photos of a folder, or a video. What cannot be used is said in a sentence."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .assemble import natural
from .pictures import RAW, SUFFIXES

VIDEO = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".3gp", ".mts", ".ts", ".wmv")
_RAW = "RAW is not read; develop the photos to JPEG or PNG first"


@dataclass(frozen=True)
class Unposed:
    """Photos, or the one video, of a source; how they were found."""

    source: Path
    photos: tuple[Path, ...] = ()  # in the natural order of their names
    video: Path | None = None
    masks: Path | None = None  # the folder of masks
    notes: tuple[str, ...] = ()


def find(source: Path) -> Unposed:
    """The photos below a folder (in it, in its images/, else anywhere below), or a video file.

    Raises:
        InputError: there are none, or only what cannot be used.
    """
    if source.is_file():
        return _of_file(source)
    for folder in (source, source / "images"):
        photos = _photos(folder, folder.iterdir()) if folder.is_dir() else []
        if photos:
            break
    else:
        photos = _photos(source, source.rglob("*"))
    if photos:
        masks = next((m for m in (source / "masks", photos[0].parent / "masks") if m.is_dir()), None)
        return Unposed(source, tuple(photos), masks=masks, notes=tuple(_raw_note(source, len(photos))))
    raise _nothing(source)


def _of_file(path: Path) -> Unposed:
    suffix = path.suffix.lower()
    if suffix in VIDEO:
        return Unposed(path, video=path)
    if suffix in RAW:
        raise InputError(f"{path} is a RAW photo; {_RAW}, and give their folder.")
    if suffix in SUFFIXES:
        raise InputError(f"{path} is one photo; a scene needs many, from different places: give their folder.")
    raise InputError(
        f"{path} is no capture; give a folder of photos, a video, a transforms.json, its folder, or a COLMAP project."
    )


def _photos(folder: Path, paths: Iterable[Path]) -> list[Path]:
    """Pictures among ``paths`` that are no masks and not hidden, in natural order of their names below ``folder``."""
    found = []
    for path in paths:
        inner = path.relative_to(folder)
        if (
            path.suffix.lower() in SUFFIXES
            and "masks" not in inner.parts[:-1]
            and not any(p[0] == "." for p in inner.parts)
        ):
            found.append((natural(inner.as_posix()), path))
    return [path for _, path in sorted(found)]


def _raw_note(source: Path, photos: int) -> list[str]:
    raw = sum(path.suffix.lower() in RAW for path in source.rglob("*"))
    return [f"{raw} RAW files are left out, the {photos} other photos are used."] if raw else []


def _nothing(source: Path) -> InputError:
    """Why a folder cannot be used."""
    files = sorted(path for path in source.rglob("*") if path.is_file() and path.name[0] != ".")
    raw = sum(path.suffix.lower() in RAW for path in files)
    videos = [path for path in files if path.suffix.lower() in VIDEO]
    if raw:
        return InputError(f"{source} holds {raw} RAW photos; {_RAW}.")
    if videos:
        return InputError(f"{source} holds no photos but a video; give the file itself: {videos[0]}")
    return InputError(f"{source} holds no photos, no transforms.json and no COLMAP project.")
