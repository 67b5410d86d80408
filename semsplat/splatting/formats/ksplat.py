"""``.ksplat`` (mkkellogg/GaussianSplats3D, MIT), version 0.1: read only; most viewers have left it for .spz and .sog.

A header of 4096 bytes, a header of 1024 bytes for each section, then the sections: sizes of the buckets that are not
full, centres of the buckets, rows. Levels of compression:

| level | mean | scale | rotation wxyz | colour, opacity | rest of sh |
|---|---|---|---|---|---|
| 0 | float32 | float32 | float32 | 8 bits | float32 |
| 1 | 16 bits in the bucket's box | float16 | float16 | 8 bits | float16 |
| 2 | the same | float16 | float16 | 8 bits | 8 bits between the header's ends |
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..gaussians import Gaussians
from . import reading
from .reading import Reading

_FILE_HEADER, _SECTION_HEADER = 4096, 1024  # bytes
_FILE = struct.Struct("<BBxxIIIIHxx3fff")
_SECTION = struct.Struct("<IIIIfHxxIIIIH")
_REST = (0, 3, 8, 15)  # coefficients above degree 0
_NUMBERS = (("<f4", "<f4", "<f4"), ("<u2", "<f2", "<f2"), ("<u2", "<f2", "u1"))  # mean, scale and rotation, sh
_DEFAULT_RANGE = 32767
_DEFAULT_SH = (-1.5, 1.5)


@dataclass(frozen=True)
class _Section:
    count: int
    room: int  # rows that there is space for
    bucket_size: int
    buckets: int
    block: float  # edge of a bucket's box, world units
    bucket_bytes: int
    steps: int  # of half an edge
    full: int  # buckets
    partial: int
    degree: int
    start: int  # byte of the section

    def row(self, level: int) -> np.dtype:
        """What a Gaussian takes."""
        mean, scale, rest = _NUMBERS[level]
        fields = [("mean", mean, 3), ("scale", scale, 3), ("rotation", scale, 4), ("color", "u1", 4)]
        return np.dtype([*fields, ("rest", rest, (3 * _REST[self.degree],))])

    @property
    def rows_start(self) -> int:
        """Byte of the first row."""
        return self.start + 4 * self.partial + self.bucket_bytes * self.buckets


def read(path: str | Path) -> Gaussians:
    """The Gaussians of a .ksplat, float32; see :func:`read_with_notes`."""
    return read_with_notes(path).gaussians


@np.errstate(all="ignore")
def read_with_notes(path: str | Path) -> Reading:
    """Read a .ksplat of any level; rows that are not finite are left out, with a note.

    Raises:
        InputError: something else, truncated, longer than it says, or its sections do not fit together.
    """
    data = reading.contents(path)
    if len(data) < _FILE_HEADER:
        raise InputError(f"{path} has {len(data)} bytes, too few for the header of a .ksplat.")
    major, minor, sections, _, _, count, level, _, _, _, low, high = _FILE.unpack_from(data)
    if major != 0 or minor < 1 or level >= len(_NUMBERS):
        raise InputError(f"{path} is no .ksplat that can be read: it says version {major}.{minor}, level {level}.")
    parts = _sections(path, data, sections, level)
    if sum(part.count for part in parts) != count:
        raise InputError(
            f"{path} is broken: it promises {count} Gaussians, its sections {sum(p.count for p in parts)}."
        )
    ends = (low or _DEFAULT_SH[0], high or _DEFAULT_SH[1])
    coefficients = 1 + max((_REST[part.degree] for part in parts if part.count), default=0)
    decoded = [_decode(path, data, part, level, ends, coefficients) for part in parts]
    columns = [np.concatenate(column) for column in zip(*decoded, strict=True)]
    gaussians, _ = reading.build(*columns)
    return reading.finished(path, gaussians)


def _sections(path: str | Path, data: bytes, count: int, level: int) -> list[_Section]:
    """The sections in order, each checked to lie within the file."""
    start = _FILE_HEADER + count * _SECTION_HEADER
    if count < 1 or start > len(data):
        raise InputError(f"{path} is truncated: there is no room for the headers of {count} sections.")
    parts = []
    for i in range(count):
        numbers = _SECTION.unpack_from(data, _FILE_HEADER + i * _SECTION_HEADER)
        rows, room, size, buckets, block, bucket_bytes, steps, _, full, partial, degree = numbers
        if degree >= len(_REST) or rows > room:
            raise InputError(
                f"{path} is broken: section {i} has degree {degree} and {rows} Gaussians, room for {room}."
            )
        part = _Section(
            rows, room, size, buckets, block, bucket_bytes, steps or _DEFAULT_RANGE, full, partial, degree, start
        )
        start = part.rows_start + room * part.row(level).itemsize
        if start > len(data):
            raise InputError(f"{path} is truncated: section {i} ends at byte {start:,} of {len(data):,}.")
        parts.append(part)
    if start != len(data):
        raise InputError(f"{path} is broken: {len(data) - start} bytes follow its last section.")
    return parts


def _decode(
    path: str | Path, data: bytes, part: _Section, level: int, ends: tuple[float, float], coefficients: int
) -> tuple[np.ndarray, ...]:
    """Means, quaternions, log scales, logits and spherical harmonics of a section."""
    rows = np.frombuffer(data, part.row(level), part.count, part.rows_start)
    means = rows["mean"].astype(np.float64)
    if level and part.count:
        step = part.block / 2.0 / part.steps
        means = (means - part.steps) * step + _centers(path, data, part)
    sh = np.zeros((part.count, coefficients, 3))
    sh[:, :1] = reading.sh0_of(rows["color"][:, :3] / 255.0)
    rest = rows["rest"].astype(np.float64)
    if level == 2:
        rest = ends[0] + rest / 255.0 * (ends[1] - ends[0])
    for degree in range(1, part.degree + 1):  # each degree is red, green, blue
        first, last = degree * degree - 1, (degree + 1) ** 2 - 1
        block = rest[:, 3 * first : 3 * last].reshape(part.count, 3, last - first)
        sh[:, 1 + first : 1 + last] = block.transpose(0, 2, 1)
    log_scales = reading.logs_of(rows["scale"])
    return means, rows["rotation"], log_scales, reading.logits_of(rows["color"][:, 3] / 255.0), sh


def _centers(path: str | Path, data: bytes, part: _Section) -> np.ndarray:
    """Centre of each Gaussian's bucket, (count, 3)."""
    fits = part.bucket_bytes == 12 and part.full + part.partial <= part.buckets
    sizes = np.frombuffer(data, "<u4", part.partial if fits else 0, part.start).astype(np.int64)
    full = np.arange(1, part.full + 1 if fits else 1) * part.bucket_size
    ends = np.concatenate([full, part.full * part.bucket_size + sizes.cumsum()])
    if not fits or ends.max(initial=0) < part.count:
        raise InputError(f"{path} is broken: {part.buckets} buckets do not hold its {part.count} Gaussians.")
    centers = np.frombuffer(data, "<f4", 3 * part.buckets, part.start + 4 * part.partial).reshape(-1, 3)
    return centers[np.searchsorted(ends, np.arange(part.count), side="right")].astype(np.float64)
