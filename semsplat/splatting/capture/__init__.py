"""Everything between a source on disk and frames ready for fitting."""

from pathlib import Path

from ..errors import InputError
from .colmap import find_model, load_colmap
from .photos import prepare
from .pictures import SUFFIXES
from .transforms import load_transforms
from .types import Capture, Frame, Lens, Photo, split

__all__ = ["Capture", "Frame", "Lens", "Photo", "load", "prepare", "split"]

_VIDEO = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
_POSES = "poses are needed for now: run COLMAP and give its project, or give a transforms.json"


def load(source: str | Path) -> Capture:
    """What lies at ``source``: a folder with transforms.json, such a file, Blender's transforms_train.json, or COLMAP.

    Raises:
        InputError: one sentence about what cannot be used.
    """
    source = Path(source)
    if not source.exists():
        raise InputError(f"{source} does not exist.")
    if source.is_file():
        return _load_file(source)
    for name in ("transforms.json", "transforms_train.json"):
        if (source / name).is_file():
            return _load_file(source / name)
    model = find_model(source)
    if model is not None:
        return load_colmap(source, model)
    raise _no_poses(source)


def _load_file(path: Path) -> Capture:
    if path.suffix.lower() in _VIDEO:
        raise InputError(f"{path} is a video; {_POSES}.")
    if path.suffix.lower() != ".json":
        raise InputError(f"{path} is no capture; give a transforms.json, its folder, or a COLMAP project.")
    if path.name == "transforms_train.json":
        others = [path.with_name(name) for name in ("transforms_test.json", "transforms_val.json")]
        test = next((other for other in others if other.is_file()), None)
        return load_transforms([(path, False), *([(test, True)] if test else [])])
    return load_transforms([(path, None)])


def _no_poses(source: Path) -> InputError:
    """Why a folder cannot be used."""
    files = [p for folder in (source, source / "images") if folder.is_dir() for p in folder.iterdir()]
    photos = sum(p.suffix.lower() in SUFFIXES for p in files)
    if photos:
        return InputError(f"{source} holds {photos} photos without poses; {_POSES}.")
    if any(p.suffix.lower() in _VIDEO for p in files):
        return InputError(f"{source} holds a video; {_POSES}.")
    return InputError(f"{source} holds no photos, no transforms.json and no COLMAP project.")
