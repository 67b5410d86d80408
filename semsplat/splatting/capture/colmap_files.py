"""The files of a COLMAP model: cameras, images and points3D, binary or text.

Source: COLMAP's documentation, "Output Format". Read here and not through pycolmap, which ends the process or hangs on
damaged files; a count that the file cannot hold ends in a sentence.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import reason

_MODELS = {
    0: ("SIMPLE_PINHOLE", 3), 1: ("PINHOLE", 4), 2: ("SIMPLE_RADIAL", 4), 3: ("RADIAL", 5), 4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8), 6: ("FULL_OPENCV", 12), 7: ("FOV", 5), 8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5), 10: ("THIN_PRISM_FISHEYE", 12), 11: ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
    12: ("SIMPLE_DIVISION", 4), 13: ("DIVISION", 5), 14: ("SIMPLE_FISHEYE", 3), 15: ("FISHEYE", 4), 16: ("EUCM", 6),
    17: ("EQUIRECTANGULAR", 2),
}  # fmt: skip
PINHOLE = 1  # number of the model that is written
_PARAMETERS = dict(_MODELS.values())
_POINT = struct.Struct("<Q3d3BdQ")  # id, position, colour, error, length of the track (pairs of int32 follow)


@dataclass(frozen=True)
class ModelCamera:
    """A camera as the model states it."""

    model: str
    width: int
    height: int
    params: tuple[float, ...]


@dataclass(frozen=True)
class ModelImage:
    """A registered image: world to camera as a quaternion (w, x, y, z) and a translation."""

    name: str
    camera: int
    quaternion: tuple[float, ...]
    translation: tuple[float, ...]


def is_model(folder: Path) -> bool:
    """Whether a folder has cameras and images of a COLMAP model."""
    return _file(folder, "cameras") is not None and _file(folder, "images") is not None


def read_cameras(folder: Path) -> dict[int, ModelCamera]:
    """The cameras by id."""
    path = _file(folder, "cameras")
    assert path is not None
    cameras = dict(_cameras_bin(path) if path.suffix == ".bin" else _cameras_txt(path))
    if not cameras:
        raise InputError(f"{path} has no cameras; run COLMAP's mapper again.")
    return cameras


def read_images(folder: Path) -> list[ModelImage]:
    """The registered images, in the order of the file."""
    path = _file(folder, "images")
    assert path is not None
    images = list(_images_bin(path) if path.suffix == ".bin" else _images_txt(path))
    if not images:
        raise InputError(f"{path} has no registered images; run COLMAP's mapper again.")
    return images


def read_points(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) float32 and colours (n, 3) float32 in [0, 1]; none if the model has no points3D."""
    path = _file(folder, "points3D")
    if path is None:
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)
    return _points_bin(path) if path.suffix == ".bin" else _points_txt(path)


class _Bytes:
    """A file in memory, read from front to back; running out of it is an InputError that says where."""

    def __init__(self, path: Path, things: str):
        self.path, self.things = path, things
        try:
            self.data = path.read_bytes()
        except OSError as error:
            raise InputError(f"Cannot read {path}: {reason(error)}.") from error
        if not self.data:
            raise InputError(f"{path} is empty; copy it again or run COLMAP's mapper again.")
        self.at, self.done, self.count = 0, 0, 0
        (self.count,) = self.take("<Q")

    def records(self) -> Iterator[int]:
        """Counts what was read, for the sentence."""
        for number in range(self.count):
            self.done = number
            yield number

    def take(self, form: str) -> tuple:
        size = struct.calcsize(form)
        if self.at + size > len(self.data):
            raise self.truncated()
        values = struct.unpack_from(form, self.data, self.at)
        self.at += size
        return values

    def skip(self, size: int) -> None:
        if self.at + size > len(self.data):
            raise self.truncated()
        self.at += size

    def text(self) -> str:
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise self.truncated()
        text = self.data[self.at : end].decode("utf-8", errors="replace")
        self.at = end + 1
        return text

    def truncated(self) -> InputError:
        return InputError(
            f"{self.path} is truncated: {self.done} of {self.count} {self.things} could be read; "
            "copy it again or run COLMAP's mapper again."
        )


def _cameras_bin(path: Path) -> Iterator[tuple[int, ModelCamera]]:
    source = _Bytes(path, "cameras")
    for _ in source.records():
        key, model, width, height = source.take("<IiQQ")
        if model not in _MODELS:
            raise InputError(
                f"{path} has a camera of model number {model}, which is not supported; undistort the photos."
            )
        name, count = _MODELS[model]
        yield key, ModelCamera(name, width, height, source.take(f"<{count}d"))


def _images_bin(path: Path) -> Iterator[ModelImage]:
    source = _Bytes(path, "images")
    for _ in source.records():
        _, *pose, camera = source.take("<I7dI")
        name = source.text()
        (features,) = source.take("<Q")
        source.skip(24 * features)
        yield ModelImage(name, camera, tuple(pose[:4]), tuple(pose[4:]))


def _points_bin(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Tracks have any length, so the starts are walked one by one and everything else is gathered at once."""
    source = _Bytes(path, "points")
    data, size, at, starts = source.data, len(source.data), source.at, []
    track = struct.Struct("<Q").unpack_from
    for _ in source.records():
        end = at + _POINT.size
        starts.append(at)
        at = end + 8 * track(data, end - 8)[0] if end <= size else size + 1
        if at > size:
            raise source.truncated()
    raw = np.frombuffer(data, np.uint8)
    rows = np.empty((len(starts), 27), np.uint8)  # position and colour
    first = np.array(starts, np.int64) + 8
    for begin in range(0, len(first), 1 << 16):
        part = first[begin : begin + (1 << 16), None] + np.arange(27)
        rows[begin : begin + len(part)] = raw[part]
    with np.errstate(over="ignore"):
        xyz = np.ascontiguousarray(rows[:, :24]).view("<f8").astype(np.float32)
    return xyz.reshape(-1, 3), rows[:, 24:].astype(np.float32) / 255


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number, line) of a text file without comments; empty lines stay, they mean something in images.txt."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                if not line.startswith("#"):
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        raise InputError(f"Cannot read {path}: {reason(error)}.") from error


def _numbers(path: Path, number: int, words: list[str], count: int) -> list[float]:
    """The first ``count`` words as finite numbers."""
    try:
        values = [float(word) for word in words[:count]]
    except ValueError:
        values = []
    if len(values) < count or not all(map(math.isfinite, values)):
        raise InputError(f"{path}, line {number} cannot be read: {' '.join(words)[:60]!r}; copy the file again.")
    return values


def _cameras_txt(path: Path) -> Iterator[tuple[int, ModelCamera]]:
    for number, line in _lines(path):
        words = line.split()
        if not words:
            continue
        name = words[1] if len(words) > 1 else ""
        count = _PARAMETERS.get(name, 0)
        key, width, height, *params = _numbers(path, number, [words[0], *words[2:]], 3 + count)
        yield int(key), ModelCamera(name, int(width), int(height), tuple(params))


def _images_txt(path: Path) -> Iterator[ModelImage]:
    """Two lines an image; the second (its features, perhaps none) is skipped."""
    lines = _lines(path)
    for number, line in lines:
        words = line.split(maxsplit=9)
        if not words:
            continue
        _, *pose, camera = _numbers(path, number, words, 9)
        if len(words) < 10:
            raise InputError(f"{path}, line {number} cannot be read: {line[:60]!r}; copy the file again.")
        next(lines, None)
        yield ModelImage(words[9].strip(), int(camera), tuple(pose[:4]), tuple(pose[4:]))


def _points_txt(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = [_numbers(path, number, words, 7) for number, line in _lines(path) if (words := line.split(maxsplit=7))]
    table = np.array(rows, np.float32).reshape(-1, 7)
    return np.ascontiguousarray(table[:, 1:4]), table[:, 4:] / 255


def _file(folder: Path, name: str) -> Path | None:
    return next((p for p in (folder / f"{name}.bin", folder / f"{name}.txt") if p.is_file()), None)
