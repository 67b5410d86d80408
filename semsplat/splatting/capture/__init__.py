"""Everything between a source on disk and frames ready for fitting."""

from pathlib import Path

from ..errors import InputError
from . import placed, unposed
from .colmap import find_model, load_colmap
from .photos import prepare
from .transforms import load_transforms
from .types import Capture, Frame, Lens, Photo, split

__all__ = ["Capture", "Frame", "Lens", "Photo", "load", "needs_poses", "prepare", "split"]

_TRANSFORMS = ("transforms.json", "transforms_train.json")


def load(source: str | Path) -> Capture:
    """What lies at ``source``: a folder with transforms.json, such a file, Blender's transforms_train.json, COLMAP, or
    poses that :mod:`.sfm` found.

    Raises:
        InputError: one sentence about what cannot be used.
    """
    source = Path(source)
    if needs_poses(source):
        unposed.find(source)
        raise InputError(f"{source} has no poses; semsplat train {source} -o FOLDER finds them.")
    if source.is_file():
        return _load_file(source)
    if (source / placed.FILE).is_file():
        return placed.load(source)
    for name in _TRANSFORMS:
        if (source / name).is_file():
            return _load_file(source / name)
    model = find_model(source)
    assert model is not None  # or it would need poses
    return load_colmap(source, model)


def needs_poses(source: str | Path) -> bool:
    """Whether ``source`` states no poses: they have to be found first, see :func:`.sfm.place`.

    Raises:
        InputError: it does not exist.
    """
    source = Path(source)
    if not source.exists():
        raise InputError(f"{source} does not exist.")
    if source.is_file():
        return source.suffix.lower() != ".json"
    stated = any((source / name).is_file() for name in (placed.FILE, *_TRANSFORMS))
    return not stated and find_model(source) is None


def _load_file(path: Path) -> Capture:
    if path.name == "transforms_train.json":
        others = [path.with_name(name) for name in ("transforms_test.json", "transforms_val.json")]
        test = next((other for other in others if other.is_file()), None)
        return load_transforms([(path, False), *([(test, True)] if test else [])])
    return load_transforms([(path, None)])
