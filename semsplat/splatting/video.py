"""Video files. The only file that imports av."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

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
