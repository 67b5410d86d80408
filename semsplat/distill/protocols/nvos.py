"""NVOS (Ren et al. 2022): scribbles in one photo of an LLFF scene, the true mask of another; eight things in all."""

from collections.abc import Sequence
from pathlib import Path

from ...splatting.capture.pictures import SUFFIXES
from ...splatting.errors import InputError
from .places import known_photo, scene_folders
from .types import Pointed

MASKS, REFERENCES, SCRIBBLES = "masks", "reference_image", "scribbles"
TARGETS = 8  # of the whole set


def read(data: Path, scene_names: Sequence[str], photos: Sequence[str]) -> list[Pointed]:
    """The things to be found in a scene: one, or two in horns.

    Args:
        data: the folder that holds masks/, reference_image/ and scribbles/, or the one above labels/llff/.

    Raises:
        InputError: one of the folders or files is missing, or of photos that the scene does not have.
    """
    roots = [root for root in (data, data / "labels" / "llff", data / "llff") if (root / MASKS).is_dir()]
    if not roots:
        raise InputError(
            f"There is no folder {MASKS} in {data}; give NVOS's folder with masks, reference_image, scribbles."
        )
    root = roots[0]
    things = scene_folders(root / MASKS, scene_names, lambda f: any(f.glob("*_mask.png")), "*_mask.png", several=True)
    return [_pointed(root, thing, photos) for thing in things]


def _pointed(root: Path, thing: Path, photos: Sequence[str]) -> Pointed:
    mask = _one(thing, "*_mask.png")
    references = [f for f in _folder(root / REFERENCES / thing.name) if f.suffix.lower() in SUFFIXES]
    if len(references) != 1:
        raise InputError(
            f"{root / REFERENCES / thing.name} has {len(references)} pictures, not one; fetch the set again."
        )
    scribbles = root / SCRIBBLES / thing.name
    return Pointed(
        thing.name,
        known_photo(references[0].name, photos, references[0]),
        _one(scribbles, "pos_*.png"),
        _one(scribbles, "neg_*.png"),
        False,
        ((known_photo(mask.name.removesuffix("_mask.png"), photos, mask), mask),),
    )


def _one(folder: Path, pattern: str) -> Path:
    found = [file for file in _folder(folder) if file.match(pattern)]
    if len(found) != 1:
        raise InputError(f"{folder} has {len(found)} files {pattern}, not one; fetch the set again.")
    return found[0]


def _folder(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; the set is not whole, fetch it again.")
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
