"""Photos made ready for fitting: decoded, undistorted, resized by area averaging, and kept as .npy in a cache folder.

One photo is in memory per thread, as bytes; everything in floats happens in bands of rows. So the peak does not depend
on how many photos there are.
"""

import json
import math
import os
import re
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from .. import processes
from ..camera import Camera, pinhole
from ..errors import InputError
from ..files import reason, replacing
from . import lens as lenses
from . import pictures
from .assemble import enough
from .types import Capture, Frame, Lens, Photo

VERSION = 1  # of the recipe: a cached picture of another version is made again
_THREADS = 4
_BAND = 1 << 19  # pixels of the photo treated at a time
_FINER = 2.0  # photos much larger than what is asked for are undistorted at about twice its size
_KEEP = 1e-3  # weight of fully masked pixels in averages of colour, so that they have one


def prepare(
    capture: Capture,
    cache: str | Path,
    resolution: int | None = None,
    report: Callable[[int, int], None] | None = None,
) -> list[Frame]:
    """The frames of all photos, in their order; made once and read from ``cache`` afterwards.

    Several processes share the photos.

    Args:
        capture: what ``load`` gave.
        cache: a folder for the pixels; made if needed. Each picture has a small JSON that says what it was made from;
            a photo, mask, lens or resolution that changed is made again, and half-written files are harmless.
        resolution: pixels on the longest side; None, or more than the photo has, keeps its size.
        report: called with (done, total), of this process's share, in the caller's thread.

    Raises:
        InputError: fewer than two photos, a picture or mask that cannot be read, a cache that cannot be written.
    """
    enough(capture.photos)
    if resolution is not None and resolution < 1:
        raise InputError(f"A resolution of {resolution} pixels is not possible; ask for at least 1.")
    cache, everything = Path(cache), range(len(capture.photos))
    own = processes.share(everything)
    frames = _frames(capture, own, cache, resolution, report)
    processes.wait()
    frames |= _frames(capture, sorted(set(everything) - set(own)), cache, resolution)  # as the others made them
    return [frames[i] for i in everything]


def _frames(
    capture: Capture,
    numbers: Sequence[int],
    cache: Path,
    resolution: int | None,
    report: Callable[[int, int], None] | None = None,
) -> dict[int, Frame]:
    frames = {}
    pool = ThreadPoolExecutor(max_workers=max(1, min(_THREADS, os.cpu_count() or 1)))
    with pictures.quietly():
        try:
            jobs = {pool.submit(_frame, capture.photos[i], cache, resolution): i for i in numbers}
            for done, job in enumerate(as_completed(jobs), 1):
                frames[jobs[job]] = job.result()
                if report is not None:
                    report(done, len(numbers))
        finally:
            pool.shutdown(cancel_futures=True)
    return frames


def develop(pixels: np.ndarray, lens: Lens, view: Lens, width: int, height: int) -> np.ndarray:
    """The photo (h, w, c) uint8 seen through ``lens``, as the pinhole ``view`` averaged to ``width`` x ``height``.

    With c = 4 the last channel is a weight: colours are averaged by it. Result (height, width, c) uint8.
    """
    result = np.empty((height, width, pixels.shape[2]), np.uint8)
    step = view.height / height
    rows = max(1, int(_BAND / (view.width * step)))
    for start in range(0, height, rows):
        end = min(start + rows, height)
        top, bottom = int(start * step), min(math.ceil(end * step - 1e-9), view.height)
        if lens == view or not lenses.distorts(lens):
            band = pixels[top:bottom].astype(np.float32)
        else:
            band = _seen(pixels, lens, view, top, bottom)
        if bottom - top != end - start or width != view.width:
            band = _averaged(band, start, end, step, top, width)
        np.rint(band, out=band)
        result[start:end] = band.clip(0, 255, out=band)
    return result


def _frame(photo: Photo, cache: Path, resolution: int | None) -> Frame:
    """The frame of one photo, from the cache if what it was made from is unchanged."""
    view = lenses.pinhole_view(photo.lens)
    factor = min(1.0, (resolution or math.inf) / max(view.width, view.height))
    intrinsics = pinhole(view.fx, view.fy, view.cx, view.cy)
    camera = Camera(photo.world_to_camera.float(), intrinsics, view.width, view.height).scaled(factor)
    target = cache / f"{slug(photo.name)}-{resolution or 'full'}.npy"
    facts = target.with_name(f"{target.stem}.json")
    made_from = {
        "version": VERSION,
        "photo": _identity(photo.path),
        "mask": _identity(photo.mask_path) if photo.mask_path else None,
        "lens": asdict(photo.lens) | {"distortion": list(photo.lens.distortion)},
        "resolution": resolution,
    } | ({"upright": True} if photo.upright else {})
    known = _known(facts)
    if known.get("made_from") != made_from or known.get("bytes") != _bytes(target):
        pixels, background = _pixels(photo, view, camera.width, camera.height)
        _discard(facts)  # first, so that a crash between the next two steps leaves pixels without facts
        with replacing(target) as temporary, temporary.open("wb") as stream:
            np.save(stream, pixels)
        known = {"made_from": made_from, "bytes": _bytes(target), "background": background}
        with replacing(facts) as temporary:
            temporary.write_text(json.dumps(known))
    return Frame(photo.name, camera, target, bool(known.get("background")))


def _pixels(photo: Photo, view: Lens, width: int, height: int) -> tuple[np.ndarray, bool]:
    """(pixels for the cache, whether weight 0 means empty space)."""
    pixels, alpha = pictures.decode(photo.path, photo.lens.width, photo.lens.height, photo.upright)
    weight = alpha
    if photo.mask_path is not None:
        mask = pictures.decode_mask(photo.mask_path, photo.lens.width, photo.lens.height)
        weight = mask if alpha is None else np.minimum(mask, alpha)
    lens, times = photo.lens, int(min(view.width / width, view.height / height) / _FINER)
    if weight is not None:
        pixels = np.dstack([pixels, weight])
    elif times > 1 and lenses.distorts(lens):  # far fewer pixels to undistort
        pixels = pictures.reduced(pixels, times)
        lens = lenses.reduced(lens, times)
        view = lenses.scaled(view, round(view.width / times), round(view.height / times))
    return develop(pixels, lens, view, width, height), alpha is not None and photo.mask_path is None


def _seen(pixels: np.ndarray, lens: Lens, view: Lens, top: int, bottom: int) -> np.ndarray:
    """Rows ``top`` to ``bottom`` of the view, float32, interpolated between four pixels of the photo."""
    u, v = lenses.to_pixels(lens, *lenses.rays(view, top, bottom))
    low = min(max(int(v.min()) - 1, 0), lens.height - 1)
    high = max(min(int(v.max()) + 2, lens.height), low + 1)
    grid = np.empty((*u.shape, 2), np.float32)
    np.subtract(u * np.float32(2 / lens.width), 1, out=grid[..., 0])
    np.subtract((v - low) * np.float32(2 / (high - low)), 1, out=grid[..., 1])
    source = torch.from_numpy(pixels[low:high].transpose(2, 0, 1).astype(np.float32))
    seen = torch.nn.functional.grid_sample(
        source[None], torch.from_numpy(grid)[None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return np.ascontiguousarray(seen[0].permute(1, 2, 0).numpy())


def _averaged(band: np.ndarray, start: int, end: int, step: float, top: int, width: int) -> np.ndarray:
    """Rows ``start`` to ``end`` of the smaller picture: exact averages over the area of each pixel, by weight."""
    weighted = band.shape[2] == 4
    if weighted:
        band[..., :3] *= band[..., 3:] / 255 + _KEEP
    edges = np.arange(start, end + 1)[:, None] * step - top
    cover = np.clip(edges[1:] - np.arange(len(band)), 0, 1) - np.clip(edges[:-1] - np.arange(len(band)), 0, 1)
    cover = (cover / cover.sum(1, keepdims=True)).astype(np.float32)
    columns = (cover @ band.reshape(len(band), -1)).reshape(end - start, *band.shape[1:])
    result = _averaged_columns(columns, width)
    if weighted:
        result[..., :3] /= result[..., 3:] / 255 + _KEEP
    return result


def _averaged_columns(band: np.ndarray, width: int) -> np.ndarray:
    """(h, w, c) to (h, width, c): differences of the running integral at the edges of the new pixels."""
    step = band.shape[1] / width
    edges = np.arange(width + 1) * step
    whole = np.minimum(edges.astype(np.int64), band.shape[1] - 1)
    integral = np.zeros((band.shape[0], band.shape[1] + 1, band.shape[2]))
    np.cumsum(band, axis=1, out=integral[:, 1:])
    at = integral[:, whole] + (edges - whole)[:, None] * band[:, whole]
    return (np.diff(at, axis=1) / step).astype(np.float32)


def slug(name: str) -> str:
    """A file name for a photo: readable, and different for different photos."""
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '_', name)[-80:]}-{zlib.crc32(name.encode()):08x}"


def _identity(path: Path) -> list[str | int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(f"Cannot read picture {path}: {reason(error)}.") from error
    return [str(path.absolute()), stat.st_size, stat.st_mtime_ns]


def _known(facts: Path) -> dict:
    """What the JSON beside a cached picture says; nothing if there is none or it is damaged."""
    try:
        known = json.loads(facts.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def _discard(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"Cannot write {path}: {reason(error)}.") from error
