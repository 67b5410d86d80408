"""Pictures on disk, through Pillow: size, pixels, masks; whatever is wrong with a file ends in one sentence."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ..errors import InputError

_HEIF = (".heic", ".heif")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", *_HEIF)
RAW = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef",
    ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip
_ORIENTATION = 0x0112  # EXIF
_SIDEWAYS = (5, 6, 7, 8)


@contextmanager
def quietly() -> Iterator[None]:
    """Pillow's remarks (large pictures, odd EXIF) are not for the user; what matters becomes an InputError.

    Not to be entered from several threads at once: the filters of ``warnings`` belong to the process.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\..*")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def sizes(path: Path) -> list[tuple[int, int]]:
    """(width, height) as stored, then as turned by its EXIF orientation if that lays it on its side; header only."""
    with opened(path) as image:
        if image.getexif().get(_ORIENTATION) in _SIDEWAYS:
            return [image.size, (image.height, image.width)]
        return [image.size]


def upright_size(path: Path) -> tuple[int, int]:
    """(width, height) after turning by the EXIF orientation; header only."""
    return sizes(path)[-1]


def decode(path: Path, width: int, height: int, upright: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels (h, w, 3) uint8 and, when the file has alpha that is not full everywhere, alpha (h, w) uint8.

    The picture is turned by its EXIF orientation only if the size asked for says so, or if it is to be ``upright``:
    poses belong to that grid.
    """
    with opened(path) as image:
        turn = upright or image.size == (height, width) != (width, height)
        turned = ImageOps.exif_transpose(image) if turn else image
        if turned.size != (width, height):
            raise InputError(f"{path} has {image.size[0]} x {image.size[1]} pixels, not {width} x {height} any more.")
        if turned.mode.startswith("I"):  # 16-bit grayscale, which Pillow would clip
            gray = (np.asarray(turned).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)
            return np.repeat(gray[..., None], 3, axis=2), None
        if turned.mode == "F":
            raise InputError(f"{path} has floating-point pixels; convert it to 8 bits.")
        if not turned.has_transparency_data:
            return np.asarray(turned if turned.mode == "RGB" else turned.convert("RGB")), None
        pixels = np.asarray(turned.convert("RGBA"))
        alpha = pixels[..., 3]
        return pixels[..., :3], None if (alpha == 255).all() else alpha


def decode_mask(path: Path, width: int, height: int) -> np.ndarray:
    """(h, w) uint8: 255 where the picture counts, 0 where not; white (at least 128), or nonzero in dark masks, counts.

    A mask of another size is fitted by nearest neighbours if it has the same shape.
    """
    with opened(path) as image:
        if abs(image.size[0] * height - image.size[1] * width) > 0.02 * image.size[0] * height:
            raise InputError(
                f"The mask {path} has {image.size[0]} x {image.size[1]} pixels, its photo {width} x {height}."
            )
        gray = image if image.mode.startswith("I") else image.convert("L")
        values = np.asarray(gray.resize((width, height), Image.Resampling.NEAREST))
    threshold = 128 if values.max(initial=0) >= 128 else 1
    return np.where(values >= threshold, np.uint8(255), np.uint8(0))


def reduced(pixels: np.ndarray, times: int) -> np.ndarray:
    """Averages of blocks of ``times`` x ``times`` pixels; (h, w, 3) uint8 in and out."""
    return np.asarray(Image.fromarray(pixels).reduce(times))


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture file, its pixels not decoded yet; whatever is wrong with it, also later inside, is one sentence."""
    if path.suffix.lower() in _HEIF:
        _register_heif()
    try:
        with Image.open(path) as image:
            yield image
    except InputError:
        raise
    except Image.UnidentifiedImageError as error:
        raise InputError(f"Cannot read picture {path}: no known format; give JPEG, PNG or WebP.") from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"Cannot read picture {path}: it claims more than 178 million pixels; make it smaller."
        ) from error
    except Exception as error:  # decoders raise SyntaxError, ValueError, struct.error ... on broken files
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"Cannot read picture {path}: {text or type(error).__name__}.") from error


@cache
def _register_heif() -> None:
    """Let Pillow open HEIC; pillow-heif turns pictures upright itself."""
    import pillow_heif

    pillow_heif.register_heif_opener()
