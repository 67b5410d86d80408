"""What people point with on the command line: texts and files become prompts in photos of the scene."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from ..distill.segment import Box, Click, MaskPrompt, Prompt, Scribble, Stroke
from ..splatting.camera import Camera
from ..splatting.errors import InputError
from ..splatting.files import reason
from .cli_meaning import Select
from .scene import View
from .views import find_view

KEYS = {"view", "points", "radius", "positive"}  # of a stroke in a JSON file


def prompts_of(request: Select, views: Sequence[View]) -> list[Prompt]:
    """All prompts of a command line.

    Raises:
        InputError: a text or a file that cannot be understood, a photo that there is not.
    """
    prompts: list[Prompt] = []
    for texts, positive in ((request.click, True), (request.not_click, False)):
        for text in texts:
            view, (x, y) = numbers(text, views, 2, "VIEW:X,Y")
            prompts.append(Click(view.camera, x, y, positive))
    for text in request.box:
        view, (x0, y0, x1, y1) = numbers(text, views, 4, "VIEW:X0,Y0,X1,Y1")
        prompts.append(Box(view.camera, x0, y0, x1, y1))
    for text in request.stroke:
        prompts += _strokes(text, views)
    for text in request.mask:
        view, path = _file_of(text, views)
        prompts.append(MaskPrompt(view.camera, _visible(_picture(path, view.camera))))
    return prompts


def numbers(text: str, views: Sequence[View], count: int, form: str) -> tuple[View, list[float]]:
    """The photo and the ``count`` pixels of a text such as 12:120,80.

    Raises:
        InputError: it is not of the form, or there is no such photo.
    """
    name, colon, rest = text.rpartition(":")
    try:
        values = [float(part) for part in rest.split(",")]
    except ValueError:
        values = []
    if not colon or len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(f"'{text}' is not {form}; write for example {views[0].name if views else 'photo'}:120,80")
    return find_view(views, name), values


def _file_of(text: str, views: Sequence[View]) -> tuple[View, Path]:
    name, colon, rest = text.partition(":")
    if not colon or not rest:
        raise InputError(f"'{text}' is not VIEW:FILE; write for example {views[0].name if views else 'photo'}:{text}")
    return find_view(views, name), Path(rest)


def _strokes(text: str, views: Sequence[View]) -> list[Prompt]:
    """The strokes of a JSON file, or of a scribbled picture, painted and red apart."""
    if text.lower().endswith(".json"):
        return [_stroke(Path(text), entry, views) for entry in _entries(Path(text))]
    view, path = _file_of(text, views)
    colors = _picture(path, view.camera).astype(np.int16)
    painted = _visible(colors.astype(np.uint8))
    red = torch.from_numpy((colors[..., 0] > 128) & (colors[..., 1] < 100) & (colors[..., 2] < 100)) & painted
    if not painted.any():
        raise InputError(f"Nothing is painted in {path}; scribble over the thing and save it with transparency.")
    parts = ((painted & ~red, True), (red, False))
    return [Scribble(view.camera, part, positive) for part, positive in parts if part.any()]


def _entries(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {reason(error)}.") from error
    except ValueError as error:
        raise InputError(f"{path} is not a file of strokes ({error}); see semsplat select --help.") from error
    if not isinstance(content, list) or not content:
        raise InputError(f"{path} holds no list of strokes; see semsplat select --help.")
    return content


def _stroke(path: Path, entry: Any, views: Sequence[View]) -> Stroke:
    try:
        unknown = set(entry) - KEYS
        points = torch.tensor(entry["points"], dtype=torch.float32).reshape(-1, 2)
        radius, positive, name = float(entry.get("radius", 4.0)), bool(entry.get("positive", True)), entry["view"]
    except (TypeError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise InputError(f"A stroke of {path} cannot be used ({error!r}); see semsplat select --help.") from error
    if unknown:
        raise InputError(f"A stroke of {path} has '{sorted(unknown)[0]}'; it takes {', '.join(sorted(KEYS))}.")
    return Stroke(find_view(views, str(name)).camera, points, radius, positive)


def _picture(path: Path, camera: Camera) -> UInt8[np.ndarray, "h w c"]:
    """A picture on the camera's grid (nearest pixels), grey, RGB or RGBA as it is; proportions must agree."""
    try:
        with Image.open(path) as image:
            plain = image if image.mode in ("L", "RGB", "RGBA") else image.convert(_mode(image))
            off = image.width * camera.height - image.height * camera.width
            if abs(off) > 0.02 * image.width * camera.height:
                raise InputError(
                    f"{path} has {image.width} x {image.height} pixels, the photo {camera.width} x {camera.height}."
                )
            pixels = np.asarray(plain.resize((camera.width, camera.height), Image.Resampling.NEAREST))
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is no picture.") from error
    except OSError as error:
        raise InputError(f"Cannot read {path}: {reason(error)}.") from error
    return pixels.reshape(camera.height, camera.width, -1)


def _mode(image: Image.Image) -> str:
    """What to make of a palette, 16 bits, one bit ...: transparency is kept."""
    return "RGBA" if "transparency" in image.info or image.mode in ("LA", "PA") else "RGB"


def _visible(pixels: UInt8[np.ndarray, "h w c"]) -> torch.Tensor:
    """Where something is painted: not transparent; in a file without transparency, not black."""
    opaque = pixels[..., 3] > 127 if pixels.shape[-1] == 4 else pixels.max(-1) > 127
    return torch.from_numpy(opaque)
