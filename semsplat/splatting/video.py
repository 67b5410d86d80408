"""Video files. The only file that imports av."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from .errors import InputError
from .files import replacing


def write_video(path: Path, pictures: Iterable[UInt8[np.ndarray, "h w 3"]], fps: float = 24.0) -> int:
    """Write RGB pictures of one size as H.264 (yuv420p, plays everywhere); returns how many there were.

    An odd row or column at the border is cut off, because the format has none.

    Raises:
        InputError: the suffix is not .mp4, or the file cannot be written.
    """
    import av

    if path.suffix.lower() != ".mp4":
        raise InputError(f"{path} ends in '{path.suffix}'; videos are written as .mp4.")
    count = 0
    with replacing(path) as temporary, av.open(str(temporary), "w") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": "18", "preset": "fast"}
        )
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            height, width = (side // 2 * 2 for side in picture.shape[:2])
            if count == 0:
                stream.width, stream.height = width, height
            even = np.ascontiguousarray(picture[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
            count += 1
        container.mux(stream.encode(None))
    return count


@dataclass(frozen=True)
class Shot:
    """One decoded picture of a video file."""

    number: int  # in the file, from 0
    raw: Any  # PyAV's frame
    turned: int  # quarter turns to the left that show it upright

    def gray(self, side: int) -> UInt8[np.ndarray, "h w"]:
        """Brightness, at most ``side`` pixels on the longer side; not turned."""
        width, height = self.raw.width, self.raw.height
        factor = min(1.0, side / max(width, height))
        size = max(2, round(width * factor)), max(2, round(height * factor))
        return self.raw.reformat(*size, format="gray", interpolation="AREA").to_ndarray()

    def pixels(self) -> UInt8[np.ndarray, "h w 3"]:
        """RGB, upright, full size."""
        return np.ascontiguousarray(np.rot90(self.raw.to_ndarray(format="rgb24"), self.turned))


def read_video(path: Path, said: Callable[[str], None] = lambda text: None) -> Iterator[tuple[Shot, int]]:
    """The pictures of a video in their order, each with about how many there are in all.

    Args:
        said: told when the file breaks off.

    Raises:
        InputError: it cannot be read, has no pictures, or breaks off before the first.
    """
    import av
    from av.error import FFmpegError

    try:
        container = av.open(str(path))
    except (FFmpegError, OSError, ValueError) as error:
        raise InputError(f"Cannot read video {path}: {_words(error)}; give an .mp4 or .mov that plays.") from error
    with container:
        if not container.streams.video:
            raise InputError(f"{path} has no pictures ({_streams(container)}); give a video, or a folder of photos.")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        total = stream.frames or int(float(container.duration or 0) / 1e6 * float(stream.average_rate or 0))
        number = -1
        try:
            for number, raw in enumerate(container.decode(stream)):
                yield Shot(number, raw, round(raw.rotation / 90) % 4), max(total, number + 1)
        except (FFmpegError, OSError, ValueError) as error:
            if number < 0:
                raise InputError(f"Cannot read video {path}: {_words(error)}.") from error
            said(f"{path} breaks off after {number + 1} of about {total} frames ({_words(error)}).")
        if number < 0:
            raise InputError(f"{path} has no frames; give a video that plays.")


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _streams(container: Any) -> str:
    kinds = [stream.type for stream in container.streams]
    return f"only {', '.join(kinds)}" if kinds else "nothing at all"
