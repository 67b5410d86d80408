"""Poses for photos or a video that have none: structure from motion by COLMAP, made once and kept in a folder.

cache/images, masks           working copies
cache/features.db             features and matches: a run that was broken off goes on with what is missing
poses/cameras.bin, images.bin, points3D.bin   COLMAP's model of the working copies
poses/frames                  the chosen frames of a video
poses/placed.json             which photos those are; :mod:`.placed` reads it all as a capture
"""

import dataclasses
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import reason, replacing
from ..lock import alone
from . import child, pairs, placed, suspect, unposed, video_frames, working
from .assemble import some
from .unposed import Unposed
from .working import Copy

VERSION = 1  # of the recipe
PLANNED = 100  # photos: with more, the time is estimated before the work begins
_TRIAL = 4  # photos that are timed for it

Report = Callable[[str, int, int], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How poses are looked for."""

    frames: int | None = None  # so many photos, evenly, or frames of a video; None: all photos, frames by the motion
    masks: bool = True  # look only at what masks and alpha keep


def place(source: Path, cache: Path, poses: Path, options: Options, report: Report, say: Say) -> None:
    """Find poses and write them into ``poses``; nothing is done when they are there for the same photos.

    Args:
        source: a folder of photos, or a video.
        cache: a folder for what the work needs; kept, so that it can go on.
        report: told (stage, done, total).
        say: told sentences worth reading while it works.

    Raises:
        InputError: the source has no photos, too few of them, or they cannot be placed.
    """
    found = unposed.find(source)
    with alone(cache / "lock"):
        _sweep(cache)
        photos, root = _pictures(found, poses, options, report, say)
        if len(photos) > PLANNED and not (cache / "features.db").exists():
            _plan(photos, found, options, cache, say)
        masks = found.masks if options.masks else None
        copies, notes = working.make(photos, masks, cache, lambda done, total: report("reading photos", done, total))
        made_from = {"version": VERSION, "source": str(source.resolve()), "files": sorted(copy.file for copy in copies)}
        if placed.made_from(poses) == made_from:
            return
        _enough(copies, notes, source)
        what = "frames" if found.video else "photos"
        with tempfile.TemporaryDirectory(dir=cache, prefix=".poses-") as fresh:
            facts = _work(copies, found, cache, Path(fresh), report)
            _placed_enough(facts, copies, what)
            said = [*found.notes, *notes, *suspect.sentences(facts, copies, what)]
            placed.write(Path(fresh), poses, made_from, root, copies, said)
            _swap(Path(fresh), poses)


def _sweep(cache: Path) -> None:
    """Remove what a killed run left."""
    for pattern in (".poses-*", ".trial-*"):
        for folder in cache.glob(pattern):
            shutil.rmtree(folder, ignore_errors=True)


def _pictures(
    found: Unposed, poses: Path, options: Options, report: Report, say: Say
) -> tuple[list[tuple[str, Path]], Path]:
    """(names and files of what is to be placed, the folder that the names are relative to)."""
    if options.frames is not None and options.frames < 2:
        raise InputError(f"--frames {options.frames} is too few; a scene needs at least 2, and 20 or more do well.")
    if found.video is not None:
        chosen = video_frames.frames(found.video, options.frames, poses / "frames", report, say)
        return chosen, poses / "frames"
    root = found.source
    photos = [(path.relative_to(root).as_posix(), path) for path in found.photos]
    if options.frames is not None and options.frames < len(photos):
        step = len(photos) / options.frames
        photos = [photos[int((i + 0.5) * step)] for i in range(options.frames)]
        say(f"Using {len(photos)} of {len(found.photos)} photos, evenly by name.")
    return photos, root


def _plan(photos: Sequence[tuple[str, Path]], found: Unposed, options: Options, cache: Path, say: Say) -> None:
    """Say how long it will take, from a few photos that are timed."""
    few = photos[:: max(1, len(photos) // _TRIAL)][:_TRIAL]
    with tempfile.TemporaryDirectory(dir=cache, prefix=".trial-") as folder:
        began = time.monotonic()
        copies, _ = working.make(few, found.masks if options.masks else None, Path(folder), lambda done, total: None)
        reading = (time.monotonic() - began) / len(few)
        rates: list[float] = []

        def hear(line: str) -> None:
            if line.startswith("rates "):
                rates.extend(float(word) for word in line.split()[1:])

        _child(copies, found, Path(folder), Path(folder), hear, trial=True)
    count, couples = len(photos), pairs.expected(len(photos), found.video is not None)
    seconds = count * reading + count * rates[0] + couples * rates[1] + count * rates[0] * (1 + count / 300)
    what = "frames" if found.video else "photos"
    fewer = "" if found.video else "; --frames 300 takes 300 of them, evenly"
    say(
        f"Finding poses of {count} {what} means matching about {couples:,} pairs and takes about {_time(seconds)} here "
        f"(judged by {len(few)} of them). Ctrl-C keeps what is done{fewer if count > 300 else ''}."
    )


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return "a minute"
    return f"{minutes} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"


def _enough(copies: Sequence[Copy], notes: Sequence[str], source: Path) -> None:
    if len(copies) < 3:
        why = f" ({notes[0]})" if notes else ""
        raise InputError(
            f"{source} holds {len(copies)} different photos{why}; finding poses needs at least 3 that show the same "
            "things from different places, and 20 or more do well."
        )


def _work(copies: Sequence[Copy], found: Unposed, cache: Path, out: Path, report: Report) -> dict[str, Any]:
    """COLMAP's work; what the worker found out about its result."""
    stages = {
        "features": "finding features", "comparing": "comparing photos", "matches": "matching photos",
        "poses": "placing photos", "again": "placing photos, second try",
    }  # fmt: skip

    def hear(line: str) -> None:
        if line.startswith("stage "):
            _, stage, done, total = line.split()
            report(stages[stage], int(done), int(total))

    _child(copies, found, cache, out, hear)
    return json.loads((out / "facts.json").read_text(encoding="utf-8"))


def _child(
    copies: Sequence[Copy], found: Unposed, folder: Path, out: Path, hear: Callable[[str], None], trial: bool = False
) -> None:
    masked = any(copy.masked for copy in copies)
    job = {
        "trial": trial,
        "folder": str(folder.resolve()),
        "out": str(out.resolve()),
        "video": found.video is not None,
        "masked": masked,
        "copies": [dataclasses.asdict(copy) | {"path": "", "mask": ""} for copy in copies],
    }
    with tempfile.TemporaryDirectory(prefix="semsplat-") as scratch:
        order = Path(scratch) / "job.json"
        order.write_text(json.dumps(job), encoding="utf-8")
        failure = "COLMAP failed while finding poses ({}); the same command goes on where it was."
        child.run(f"{__package__}.sfm_worker", [str(order)], hear, failure)


def _placed_enough(facts: dict[str, Any], copies: Sequence[Copy], what: str) -> None:
    """Raises InputError when nothing came out."""
    if facts["models"] and facts["models"][0] >= 2:
        return
    matched = sum(count > 0 for count in facts["matched"].values())
    advice = f"{suspect.MORE[0].lower()}{suspect.MORE[1:]}".replace("between them and the others", "of the same things")
    if not matched:
        names = some([copy.name for copy in copies])
        raise InputError(
            f"No two of the {len(copies)} {what} ({names}) show the same things, so they cannot be placed; {advice}."
        )
    if suspect.turns(facts, copies):
        raise InputError(f"The {what} cannot be placed: {suspect.STANDING}; {suspect.MASKS}.")
    raise InputError(
        f"{matched} of the {len(copies)} {what} show things that others show, too, but from too nearly the same place, "
        f"or too few of them, so they cannot be placed; walk around the thing, and {advice}."
    )


def _swap(fresh: Path, poses: Path) -> None:
    """Put the new poses where the old ones are."""
    try:
        poses.mkdir(parents=True, exist_ok=True)
        (poses / placed.FILE).unlink(missing_ok=True)  # first: poses without it are none
        for path in sorted(fresh.iterdir(), key=lambda path: path.name == placed.FILE):
            if path.suffix == ".bin" or path.name == placed.FILE:
                with replacing(poses / path.name) as temporary:
                    shutil.copyfile(path, temporary)
    except OSError as error:
        raise InputError(f"Cannot write {poses}: {reason(error)}.") from error
