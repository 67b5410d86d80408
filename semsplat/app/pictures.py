"""Pictures for people: contact sheets, text, curves, files; what a camera sees comes from layers. Has matplotlib."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..splatting.files import replacing

Row = tuple[str, Sequence[UInt8[np.ndarray, "_h _w 3"]]]  # a line of text, and the pictures below it
_LINE, _GAP = 18, 4  # pixels
PAPER, INK = (16, 16, 18), (220, 220, 220)
LETTERS = 12  # pixels: size of the font
STRIP = 32  # rows that stay in the cache


def to_bytes(image: Float[Tensor, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """A picture in [0, 1] as 8-bit RGB."""
    image = image.detach()
    if image.device.type != "cpu":  # a quarter of the bytes to fetch
        return (image.clamp(0, 1) * 255.0).round().to(torch.uint8).cpu().numpy()
    numbers, coded = image.numpy(), np.empty(image.shape, np.uint8)
    for k in range(0, len(numbers), STRIP):  # not with torch's threads, which wait for each other busily
        strip = numbers[k : k + STRIP] * 255.0
        coded[k : k + STRIP] = np.fmin(np.fmax(np.rint(strip, out=strip), 0.0, out=strip), 255.0, out=strip)
    return coded


def save(path: Path, picture: UInt8[np.ndarray, "h w c"]) -> None:
    """Write a picture, RGB or RGBA, in the format of the suffix, in one step."""
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary)


def contact_sheet(rows: Sequence[Row], width: int = 320) -> UInt8[np.ndarray, "h w 3"]:
    """Rows of pictures below each other, every picture ``width`` pixels wide."""
    strips = [_strip(text, [_fitted(picture, width) for picture in pictures]) for text, pictures in rows]
    height = sum(strip.height + _GAP for strip in strips) - _GAP
    sheet = Image.new("RGB", (max(strip.width for strip in strips), height), PAPER)
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height + _GAP
    return np.asarray(sheet)


@lru_cache
def font(size: int = LETTERS) -> ImageFont.FreeTypeFont:
    """DejaVu Sans: Latin, Greek, Cyrillic, Arabic and more; other scripts are drawn as boxes."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def one_line(text: str) -> str:
    """Any text as one line that can be drawn: line breaks and control characters become spaces."""
    return "".join(" " if unicodedata.category(letter) in ("Cc", "Zl", "Zp", "Cs") else letter for letter in text)


def curves(path: Path, curve: Sequence[tuple[int, float, float]]) -> None:
    """Loss and PSNR of the training views over the steps, as a picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, column, name in zip(figure.subplots(1, 2), (1, 2), ("loss", "PSNR of training views (dB)"), strict=True):
        axes.plot([point[0] for point in curve], [point[column] for point in curve], linewidth=1)
        axes.set_xlabel("step")
        axes.set_title(name, fontsize=10)
        axes.grid(alpha=0.3)
    with replacing(path) as temporary:
        figure.savefig(temporary)


def _fitted(picture: UInt8[np.ndarray, "h w 3"], width: int) -> Image.Image:
    image = Image.fromarray(picture)
    return image.resize((width, max(1, round(image.height * width / image.width))), Image.Resampling.LANCZOS)


def _strip(text: str, images: list[Image.Image]) -> Image.Image:
    width = sum(image.width + _GAP for image in images) - _GAP
    strip = Image.new("RGB", (width, _LINE + max(image.height for image in images)), PAPER)
    ImageDraw.Draw(strip).text((4, 2), one_line(text), fill=INK, font=font())
    left = 0
    for image in images:
        strip.paste(image, (left, _LINE))
        left += image.width + _GAP
    return strip
