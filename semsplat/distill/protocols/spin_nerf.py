"""SPIn-NeRF's masks for segmentation (Mirzaei et al. 2023): a true mask for many photos of a scene.

In Multiview-Segmentation-Data a scene is a folder such as "fern (llff)" with NAME.png (the mask), NAME_cutout.png and
NAME_pseudo.png for each photo. Four scenes count their photos (image000.png), two put 0_ or 1_ before the name.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ...splatting.errors import InputError
from .places import known_photo, numbered_photo, photo_of, scene_folders
from .types import Pointed

_COUNTED = re.compile(r"image(\d{1,6})", re.IGNORECASE)
_SPLIT = re.compile(r"^[01]_(?=.)")


def read(data: Path, scene_names: Sequence[str], photos: Sequence[str]) -> list[Pointed]:
    """The thing to be found in a scene: shown by the mask of the first annotated photo, looked for in all of them.

    Args:
        data: the folder of the scene's masks, or the one above.

    Raises:
        InputError: none there, fewer than two, or of photos that the scene does not have.
    """
    (folder,) = scene_folders(data, scene_names, lambda f: bool(_masks(f)), "mask NAME.png")
    masks = _masks(folder)
    if len(masks) < 2:
        raise InputError(f"{folder} has one mask; the first shows the thing, so that at least two are needed.")
    targets = tuple((_photo(mask, photos), mask) for mask in masks)
    if len({photo for photo, _ in targets}) < len(targets):
        raise InputError(f"Two masks in {folder} are of one photo; fetch the set again.")
    return [Pointed(folder.name, targets[0][0], masks[0], None, True, targets)]


def _masks(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.glob("*.png") if not file.name.startswith("."))
    return [file for file in files if not file.stem.endswith(("_cutout", "_pseudo"))]


def _photo(mask: Path, photos: Sequence[str]) -> str:
    found = photo_of(mask.name, photos) or photo_of(_SPLIT.sub("", mask.name), photos)
    counted = _COUNTED.fullmatch(mask.stem)
    if found is None and counted:
        return numbered_photo(int(counted[1]), photos, mask)
    return found or known_photo(mask.name, photos, mask)
