"""Frames of a video that are worth fitting: evenly spread over the camera's motion, the sharpest near each place.

Motion between neighbouring frames is the normal flow: how much the brightness changed over how steep it is. It needs no
tracking, and is right for the small steps between frames of a video.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from ..errors import InputError
from ..files import replacing
from ..video import read_video
from .working import sharpness

VERSION = 1  # of the recipe
LEAST, MOST = 24, 160  # frames, when no number is asked for
STEP = 0.05  # of the picture's longer side between chosen frames, when no number is asked for
_SIDE, _THUMBNAIL = 480, 120  # pixels, for sharpness and for motion
_FILE = "frames.json"

Report = Callable[[str, int, int], None]


def frames(
    video: Path, wanted: int | None, folder: Path, report: Report, said: Callable[[str], None]
) -> list[tuple[str, Path]]:
    """(name, file) of the chosen frames, as JPEG in ``folder``; made once for a video and a number.

    Args:
        wanted: how many; None goes by the motion.
        report: told (stage, done, total).
        said: told sentences.

    Raises:
        InputError: the video cannot be used, or the folder not be written.
    """
    stat = video.stat()
    made_from = [VERSION, str(video.resolve()), stat.st_size, stat.st_mtime_ns, wanted]
    listed = folder / _FILE
    names = _known(listed, made_from)
    if names is None or not all((folder / name).is_file() for name in names):
        motion, sharp = _measured(video, report, said)
        if len(motion) < 2:
            raise InputError(f"{video} has one frame; a scene needs many, from different places.")
        numbers = choose(motion, sharp, wanted)
        names = _kept(video, numbers.tolist(), len(motion), folder, report)
        with replacing(listed) as temporary:
            temporary.write_text(json.dumps({"made_from": made_from, "names": names}))
    return [(name, folder / name) for name in names]


def choose(
    motion: Float[np.ndarray, " n"], sharp: Float[np.ndarray, " n"], wanted: int | None = None
) -> Int[np.ndarray, " m"]:
    """The numbers of the frames to use, rising.

    The way the camera went is cut into equal parts; from each part comes its sharpest frame. Where the camera stood
    still there is one part at most.

    Args:
        motion: of each frame since the one before, in parts of the picture's longer side; the first is 0.
        sharp: of each frame, any measure.
        wanted: how many; None: one for each 5 % of the picture, 24 to 160.
    """
    way = np.cumsum(motion)
    if wanted is None:
        wanted = int(np.clip(round(way[-1] / STEP), LEAST, MOST))
    wanted = min(wanted, len(motion))
    if way[-1] <= 0:
        way = np.arange(len(motion), dtype=float)
    part = np.minimum((way / way[-1] * wanted).astype(int), wanted - 1)
    best = [max(np.flatnonzero(part == p).tolist(), key=lambda i: (sharp[i], -i)) for p in np.unique(part)]
    return np.array(best, dtype=np.int64)


def flow(before: UInt8[np.ndarray, "h w"], after: UInt8[np.ndarray, "h w"]) -> float:
    """Mean motion of two thumbnails, in parts of the longer side; what changed in brightness alone is left out."""
    a, b = (np.asarray(t, np.float32) for t in (before, after))
    a, b = ((t - t.mean()) / max(float(t.std()), 1.0) for t in (a, b))
    middle = (a + b) / 2
    steep = np.abs(np.diff(middle, axis=0)).mean() + np.abs(np.diff(middle, axis=1)).mean()
    return float(np.abs(b - a).mean() / max(float(steep), 1e-6)) / max(before.shape)


def _measured(
    video: Path, report: Report, said: Callable[[str], None]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Motion and sharpness of every frame."""
    motion, sharp, before = [], [], None
    for shot, total in read_video(video, said):
        thumbnail = shot.gray(_THUMBNAIL)
        motion.append(flow(before, thumbnail) if before is not None and before.shape == thumbnail.shape else 0.0)
        sharp.append(sharpness(shot.gray(_SIDE)))
        before = thumbnail
        report("looking through the video", shot.number + 1, total)
    return np.array(motion), np.array(sharp)


def _kept(video: Path, numbers: Sequence[int], count: int, folder: Path, report: Report) -> list[str]:
    """Write the chosen frames; their names."""
    wanted, names = set(numbers), []
    for old in folder.glob("frame_*.jpg"):
        old.unlink()
    digits = max(4, len(str(count)))
    for shot, _ in read_video(video):
        if shot.number in wanted:
            names.append(f"frame_{shot.number:0{digits}}.jpg")
            with replacing(folder / names[-1]) as temporary:
                Image.fromarray(shot.pixels()).save(temporary, quality=95, subsampling=0)
            report("keeping frames", len(names), len(numbers))
        if len(names) == len(numbers):
            break
    return names


def _known(listed: Path, made_from: list[object]) -> list[str] | None:
    try:
        content = json.loads(listed.read_text())
        return [str(name) for name in content["names"]] if content["made_from"] == made_from else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
