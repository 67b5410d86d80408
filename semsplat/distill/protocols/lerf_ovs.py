"""LERF-OVS (Qin et al. 2024, LangSplat): label/SCENE/frame_*.json with a polygon, a box and a phrase for each thing."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from ...splatting.errors import InputError
from ...splatting.files import reason
from .places import known_photo, scene_folders
from .types import Annotated, Box, Masks

LARGEST = 1 << 14  # pixels a side; more is damage


def read(data: Path, scene_names: Sequence[str], photos: Sequence[str]) -> list[Annotated]:
    """The annotated photos of a scene.

    Args:
        data: the set (with label/), its folder label, or that of the scene in it.

    Raises:
        InputError: none there, damaged, or of photos that the scene does not have.
    """
    root = data / "label" if (data / "label").is_dir() else data
    (folder,) = scene_folders(root, scene_names, lambda f: any(f.glob("frame_*.json")), "frame_*.json")
    found = [_annotated(file, photos) for file in sorted(folder.glob("frame_*.json"))]
    if not any(photo.boxes for photo in found):
        raise InputError(f"No thing is annotated in {folder}; fetch the set again.")
    return found


def _annotated(file: Path, photos: Sequence[str]) -> Annotated:
    content = _content(file)
    try:
        info = content["info"]
        size = int(info["height"]), int(info["width"])
        things = [_thing(thing) for thing in content["objects"]]
        name = str(info["name"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            f"{file} is not as LERF-OVS has it ({type(error).__name__}: {error}); fetch it again."
        ) from error
    if not 0 < min(size) <= max(size) <= LARGEST:
        raise InputError(f"{file} states a picture of {size[1]} x {size[0]} pixels; fetch it again.")
    boxes: dict[str, list[Box]] = {}
    for phrase, box, _ in things:
        boxes.setdefault(phrase, []).append(box)
    outlines = [(phrase, points) for phrase, _, points in things]
    masks = functools.partial(_masks, size, outlines)
    return Annotated(known_photo(name, photos, file), file, tuple(boxes), masks, boxes)


def _content(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {file}: {reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not whole JSON ({error}); fetch it again.") from error


def _thing(thing: dict[str, Any]) -> tuple[str, Box, list[tuple[float, float]]]:
    points = np.asarray(thing["segmentation"], dtype=np.float64).reshape(-1, 2)
    box = np.asarray(thing["bbox"], dtype=np.float64).reshape(4)
    phrase = " ".join(str(thing["category"]).split())
    if len(points) < 3 or not phrase or not np.isfinite(points).all() or not np.isfinite(box).all():
        raise ValueError(f"a thing called '{phrase}' with {len(points)} points")
    (x0, y0), (x1, y1) = np.sort(box.reshape(2, 2), axis=0).tolist()
    return phrase, (x0, y0, x1, y1), [(x, y) for x, y in points.tolist()]


def _masks(size: tuple[int, int], outlines: Sequence[tuple[str, list[tuple[float, float]]]]) -> Masks:
    """Several polygons of one phrase are one mask."""
    drawn: dict[str, Bool[np.ndarray, "h w"]] = {}
    for phrase, points in outlines:
        picture = Image.new("1", (size[1], size[0]))
        ImageDraw.Draw(picture).polygon([(int(x), int(y)) for x, y in points], fill=1)
        mask = np.asarray(picture)
        drawn[phrase] = drawn[phrase] | mask if phrase in drawn else mask
    return drawn
