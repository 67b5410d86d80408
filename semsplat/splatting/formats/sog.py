"""``.sog`` of PlayCanvas, version 2: a zip of meta.json and lossless WebP pictures, one pixel a Gaussian.

Web pages have the same without the zip, side by side in a folder; see :mod:`.sog_folder`.

Source: developer.playcanvas.com, "The SOG format". A picture lists the Gaussians row by row.

| picture | holds | quantisation |
|---|---|---|
| means_l, means_u | low and high byte of x y z | sign(v) log(1 + abs(v)), 65535 steps between ends |
| quats | the smallest three of wxyz; alpha - 252 is the index of the largest | sqrt(2) / 255 a step |
| scales | log scales | 256 values in meta.json |
| sh0 | degree-0 coefficients; alpha is the opacity | 256 values in meta.json; 1/255 |
| shN_labels, shN_centroids | a row of a palette; 64 rows side by side | up to 65536 rows of 256 values |

:mod:`.sog_writing` writes it.
"""

import io
import json
import math
import struct
import warnings
import zipfile
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError
from ..gaussians import Gaussians
from . import reading
from .reading import Reading
from .sog_writing import ACROSS, representable, tolerance, write

__all__ = ["read", "read_with_notes", "representable", "tolerance", "write"]

_REST = (0, 3, 8, 15)  # coefficients above degree 0, by ``bands``
_PICTURES = {"means": 2, "scales": 1, "quats": 1, "sh0": 1}  # parts of meta.json and their files
_LONGEST_META = 8 << 20  # bytes
_LARGEST_LOG = 80.0  # of a coordinate; exp of more is no float32


@dataclass(frozen=True)
class Members(ABC):
    """What a SOG is made of, by name; nothing larger than stated is unpacked."""

    path: Path
    held: int  # bytes of all together

    @abstractmethod
    def bytes_of(self, name: str, most: int) -> bytes:
        """A member; InputError when it is missing, damaged or larger than ``most`` bytes."""

    def pixels(self, name: str, count: int) -> np.ndarray:
        """A picture as (height, width, 4) bytes with at least ``count`` pixels; checked before it is decoded."""
        data = self.bytes_of(name, max(self.held, 1 << 16))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                picture = Image.open(io.BytesIO(data), formats=("WEBP",))
            reading.check_expansion(self.path, 4 * picture.width * picture.height, self.held)
            if picture.width * picture.height < count:
                raise InputError(f"{self.path} is broken: {name} has fewer than {count:,} pixels.")
            return np.asarray(picture.convert("RGBA"))
        except (
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombWarning,
            Image.DecompressionBombError,
        ) as error:
            raise InputError(f"{self.path} is broken: {name} inside it is no WebP picture ({error}).") from error


@dataclass(frozen=True)
class _Archive(Members):
    """A zip."""

    zip: zipfile.ZipFile

    def bytes_of(self, name: str, most: int) -> bytes:
        """A member; InputError when it is missing, damaged or larger than ``most`` bytes."""
        try:
            member = self.zip.getinfo(name)
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InputError(f"{self.path} is broken: {name} inside it is packed in an unusual way.")
            if member.file_size > most:
                raise InputError(f"{self.path} is broken or a trap: {name} inside it has {member.file_size:,} bytes.")
            with self.zip.open(member) as stream:
                data = stream.read(most + 1)
        except KeyError as error:
            raise InputError(f"{self.path} is no SOG file: there is no {name} in it.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise InputError(f"{self.path} is broken: {name} inside it cannot be unpacked ({error}).") from error
        if len(data) > most:
            raise InputError(f"{self.path} is broken or a trap: {name} inside it has more than {most:,} bytes.")
        return data


def read(path: str | Path) -> Gaussians:
    """The Gaussians of a .sog, float32; see :func:`read_with_notes`."""
    return read_with_notes(path).gaussians


@np.errstate(all="ignore")
def read_with_notes(path: str | Path) -> Reading:
    """Read a .sog of version 2.

    Raises:
        InputError: no such zip, another version, damaged, or its parts claim more than they can hold.
    """
    data = reading.contents(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            gaussians = decoded(_Archive(Path(path), len(data), file))
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, OSError) as error:
        raise InputError(f"{path} is no SOG file: it cannot be opened as a zip ({error}).") from error
    return reading.finished(path, gaussians)


def decoded(archive: Members) -> Gaussians:
    """The Gaussians, some of which may not be finite.

    Raises:
        InputError: another version, damaged, or its parts claim more than they can hold.
    """
    meta = _meta(archive)
    return _decode(archive, meta, meta["count"])


def _meta(archive: Members) -> dict[str, Any]:
    """meta.json, with everything in it that is used checked for type and size."""
    try:
        meta = json.loads(archive.bytes_of("meta.json", _LONGEST_META))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{archive.path} is broken: its meta.json cannot be read ({error}).") from error
    version = meta.get("version", 1) if isinstance(meta, dict) else None
    if version != 2:
        raise InputError(
            f"{archive.path} is SOG of version {version}; only version 2 can be read, so convert it first."
        )
    count = meta.get("count")
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise InputError(f"{archive.path} is broken: its meta.json says count {str(count)[:40]}.")
    reading.check_expansion(archive.path, 20 * count, archive.held)
    for part, files in _PICTURES.items():
        _check_files(archive, meta, part, files)
    ends = meta["means"]
    if _numbers(archive, ends.get("mins")).shape != (3,) or _numbers(archive, ends.get("maxs")).shape != (3,):
        raise InputError(f"{archive.path} is broken: the ends of its means are not three numbers.")
    if meta.get("shN") is not None:
        _check_files(archive, meta, "shN", 2)
        if meta["shN"].get("bands") not in (1, 2, 3):
            raise InputError(f"{archive.path} is broken: its spherical harmonics have no degree from 1 to 3.")
    return meta


def _check_files(archive: Members, meta: dict[str, Any], part: str, count: int) -> None:
    section = meta.get(part)
    names = section.get("files") if isinstance(section, dict) else None
    if not isinstance(names, list) or len(names) != count or not all(isinstance(name, str) for name in names):
        raise InputError(f"{archive.path} is broken: its meta.json names no {count} files of {part!r}.")


def _numbers(archive: Members, values: object) -> np.ndarray:
    """A list of numbers in meta.json."""
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        raise InputError(f"{archive.path} is broken: its meta.json has no list of numbers where one is needed.")
    try:
        return np.array(values, np.float64)
    except OverflowError as error:
        raise InputError(f"{archive.path} is broken: its meta.json has a number that is too large.") from error


def _codebook(archive: Members, section: dict[str, Any]) -> np.ndarray:
    """256 values; bytes beyond those that the file gives stand for nothing."""
    values = _numbers(archive, section.get("codebook"))
    if not 1 <= len(values) <= 256:
        raise InputError(f"{archive.path} is broken: a codebook of {len(values)} values; 1 to 256 are possible.")
    return np.concatenate([values, np.full(256 - len(values), np.nan)]).astype(np.float32)


def _decode(archive: Members, meta: dict[str, Any], count: int) -> Gaussians:
    def listed(part: str, i: int = 0) -> np.ndarray:
        return archive.pixels(meta[part]["files"][i], count).reshape(-1, 4)[:count]

    low, high = listed("means", 0)[:, :3].astype(np.uint16), listed("means", 1)[:, :3].astype(np.uint16)
    least, most = (_numbers(archive, meta["means"][end]) for end in ("mins", "maxs"))
    logs = least + (most - least) * ((low | high << 8) / 65535.0)
    means = np.sign(logs) * np.expm1(np.minimum(np.abs(logs), _LARGEST_LOG))
    turns = listed("quats")
    quats = reading.fourth((turns[:, :3] / 255.0 - 0.5) * math.sqrt(2.0), turns[:, 3].astype(np.int64).clip(252) - 252)
    quats[turns[:, 3] < 252] = (1.0, 0.0, 0.0, 0.0)
    scales = _codebook(archive, meta["scales"])[listed("scales")[:, :3]]
    colors = listed("sh0")
    sh = _codebook(archive, meta["sh0"])[colors[:, None, :3]]
    if meta.get("shN") is not None:
        sh = np.concatenate([sh, _rest(archive, meta["shN"], count)], axis=1)
    return reading.build(means, quats, scales, reading.logits_of(colors[:, 3] / 255.0), sh)[0]


def _rest(archive: Members, section: dict[str, Any], count: int) -> np.ndarray:
    """Coefficients above degree 0, (count, k - 1, 3), by way of the palette."""
    coefficients = _REST[section["bands"]]
    labels = archive.pixels(section["files"][1], count).reshape(-1, 4)[:count].astype(np.int64)
    label = labels[:, 0] | labels[:, 1] << 8
    palette = archive.pixels(section["files"][0], 0)
    if palette.shape[1] != ACROSS * coefficients or label.max(initial=0) >= ACROSS * palette.shape[0]:
        raise InputError(
            f"{archive.path} is broken: its palette of {palette.shape[1]} x {palette.shape[0]} is too small."
        )
    return _codebook(archive, section)[palette.reshape(-1, coefficients, 4)[label][..., :3]]
