"""Working copies: what COLMAP gets to see of photos. Upright, of moderate size, JPEG, with masks beside them.

Every format and orientation is dealt with here, once. A copy's name tells what it was made from, so a photo that
changed is another copy, and features that are known under a name belong to it.
"""

import dataclasses
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import InputError
from ..files import reason, replacing
from . import exif, pictures
from .assemble import mask_for, some
from .photos import slug

VERSION = 1  # of the recipe
SIDE = 1024  # pixels of the longer side: features are found to a fraction of a pixel, and the time grows with the area
_THREADS = 4


@dataclass(frozen=True)
class Copy:
    """One photo and its working copy."""

    name: str  # of the photo, relative to the source
    path: Path  # of the photo
    mask: Path | None  # of the photo; in the source
    file: str  # name of the copy; ASCII
    width: int  # of the photo, upright
    height: int
    working: tuple[int, int]  # width and height of the copy
    camera: str  # what was said of it by EXIF, with the size: photos of one camera share a lens
    focal: float | None  # in pixels of the copy, by EXIF
    place: tuple[float, float, float] | None  # m, by GPS
    masked: bool  # by its mask or by alpha
    sharpness: float  # mean square of what a 3 x 3 Laplacian leaves; compares within a source
    digest: str  # of the copy's pixels

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return dataclasses.asdict(self) | {"path": str(self.path), "mask": str(self.mask) if self.mask else None}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> "Copy":
        """Back from a file."""
        place = tuple(entry["place"]) if entry["place"] else None
        paths = {"path": Path(entry["path"]), "mask": Path(entry["mask"]) if entry["mask"] else None}
        return cls(**{**entry, **paths, "working": tuple(entry["working"]), "place": place})


def make(
    photos: Sequence[tuple[str, Path]], masks: Path | None, folder: Path, report: Callable[[int, int], None]
) -> tuple[list[Copy], list[str]]:
    """(copies in the order of the photos, sentences about photos that were left out: broken, or the same as others).

    Args:
        photos: names and files.
        masks: a folder of masks; alpha counts, too.
        folder: gets images/ and masks/; what is there already is not made again.
        report: told (done, total).

    Raises:
        InputError: the folder cannot be written.
    """
    made: dict[int, Copy | str] = {}
    for name in ("images", "masks"):
        try:
            (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"Cannot write {folder}: {reason(error)}.") from error
    pool = ThreadPoolExecutor(max_workers=max(1, min(_THREADS, os.cpu_count() or 1)))
    with pictures.quietly():
        try:
            jobs = {pool.submit(_made, name, path, masks, folder): i for i, (name, path) in enumerate(photos)}
            for done, job in enumerate(as_completed(jobs), 1):
                made[jobs[job]] = job.result()
                report(done, len(photos))
        finally:
            pool.shutdown(cancel_futures=True)
    return _useful([made[i] for i in range(len(photos))])


def _useful(made: Sequence[Copy | str]) -> tuple[list[Copy], list[str]]:
    """What can be used, each picture once, and what is to be said about the rest."""
    broken = [entry for entry in made if isinstance(entry, str)]
    first: dict[str, Copy] = {}
    twice = []
    for copy in made:
        if isinstance(copy, Copy) and first.setdefault(copy.digest, copy) is not copy:
            twice.append(copy.name)
    notes = [f"Left out: {sentence}" for sentence in broken[:3]]
    if len(broken) > 3:
        notes.append(f"Left out, too: {len(broken) - 3} more photos that cannot be read.")
    if twice:
        notes.append(f"{len(twice)} photos are the same picture as another and were left out: {some(twice)}.")
    return list(first.values()), notes


def _made(name: str, path: Path, masks: Path | None, folder: Path) -> Copy | str:
    """The copy of one photo, or why it cannot be used."""
    mask = mask_for(path, name, masks) if masks else None
    try:
        identity = [str(p.stat().st_size) + str(p.stat().st_mtime_ns) for p in (path, mask) if p]
    except OSError as error:
        return f"Cannot read picture {path}: {reason(error)}."
    file = f"{slug(name)}-{zlib.crc32(json.dumps([VERSION, SIDE, identity]).encode()):08x}.jpg"
    facts = folder / "images" / f"{file}.json"
    known = _known(facts, name, path, mask)
    if known is not None and (folder / "images" / file).is_file():
        return known
    try:
        copy, pixels, kept = _looked_at(name, path, mask, file)
    except InputError as error:
        return str(error)
    with replacing(folder / "images" / file) as temporary:
        Image.fromarray(pixels).save(temporary, quality=95, subsampling=0)
    with replacing(folder / "masks" / f"{file}.png") as temporary:
        Image.fromarray(kept).save(temporary)
    with replacing(facts) as temporary:
        temporary.write_text(json.dumps(copy.as_json()), encoding="utf-8")
    return copy


def _known(facts: Path, name: str, path: Path, mask: Path | None) -> Copy | None:
    try:
        known = Copy.from_json(json.loads(facts.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dataclasses.replace(known, name=name, path=path, mask=mask)


def _looked_at(name: str, path: Path, mask: Path | None, file: str) -> tuple[Copy, np.ndarray, np.ndarray]:
    """The facts of a photo, the pixels (h, w, 3) of its copy, and (h, w) 255 where they count."""
    with pictures.opened(path) as image:
        known = exif.facts(image)
    width, height = pictures.upright_size(path)
    pixels, alpha = pictures.decode(path, width, height, upright=True)
    kept = np.full((height, width), 255, np.uint8) if alpha is None else np.where(alpha > 127, 255, 0).astype(np.uint8)
    if mask is not None:
        kept = np.minimum(kept, pictures.decode_mask(mask, width, height))
    factor = min(1.0, SIDE / max(width, height))
    working = max(1, round(width * factor)), max(1, round(height * factor))
    small = np.asarray(Image.fromarray(pixels).resize(working, Image.Resampling.LANCZOS, reducing_gap=2.0))
    small_kept = np.asarray(Image.fromarray(kept).resize(working, Image.Resampling.NEAREST))
    copy = Copy(
        name, path, mask, file, width, height, working,
        camera=f"{known.camera} {width}x{height} {known.focal or 0:.3f}",
        focal=known.focal * max(working) if known.focal else None,
        place=known.place, masked=mask is not None or alpha is not None,
        sharpness=sharpness(small), digest=hashlib.blake2b(small.tobytes(), digest_size=16).hexdigest(),
    )  # fmt: skip
    return copy, small, small_kept


def sharpness(pixels: np.ndarray) -> float:
    """Mean square of the Laplacian of the brightness; pixels (h, w, 3) or (h, w), uint8."""
    gray = pixels.astype(np.float32)
    gray = gray.mean(axis=2) if gray.ndim == 3 else gray
    inner = gray[1:-1, 1:-1]
    around = gray[:-2, 1:-1] + gray[2:, 1:-1] + gray[1:-1, :-2] + gray[1:-1, 2:]
    return float(np.square(around - 4 * inner).mean()) if inner.size else 0.0
