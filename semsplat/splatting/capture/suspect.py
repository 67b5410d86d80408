"""What is to be said about poses that were found: who is missing, and what looks right but may not be."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from .assemble import some
from .working import Copy

STANDING = "a part of the picture stands still while the rest moves, as when a thing turns before a camera on a tripod"
MASKS = "put masks (white is the thing) into masks/ beside the photos, named like them, or cut it out with transparency"
FOCAL_OFF = 0.25  # of the focal length in EXIF
NARROW, WIDE = 15.0, 120.0  # degrees over the longer side: lenses beyond are rare
BENT = 0.5  # distortion k1: lenses beyond are fisheyes, or wrong
ERROR = 1.5  # pixels of the working copy, mean reprojection error
SEEN = 50  # points: a photo in which fewer are seen is held by little
FEW_PLACED = 0.8  # of the photos
STILL, MOVING = 0.7, 5.0  # pixels: a match that moves less stands still, one that moves more does not
_MIXED = 0.08  # of the matches of a pair stand still beside others that move
_LEAST = 8  # matches of either kind

SUSPECT = "Suspect"  # begins what looks right but may not be
MORE = "Take more photos between them and the others, each showing two thirds of what the next one shows"


def still_and_moving(a: Float[np.ndarray, "m 2"], b: Float[np.ndarray, "m 2"]) -> tuple[int, int]:
    """How many matches of two photos, in pixels, are at the same place in both, and how many clearly are not."""
    moved = np.linalg.norm(a - b, axis=1)
    return int((moved < STILL).sum()), int((moved > MOVING).sum())


def stands_still(pairs: Sequence[Sequence[int]]) -> bool:
    """Whether a part of the picture stands still, to a fraction of a pixel, while the rest moves.

    No camera that is carried around does that in most pairs of photos; a camera on a tripod before a thing that turns
    does, and so do captions drawn into photos.
    """
    moving = [(still, moved) for still, moved in pairs if moved >= _LEAST]
    mixed = sum(still >= max(_LEAST, _MIXED * (still + moved)) for still, moved in moving)
    return len(moving) >= 3 and mixed > 0.5 * len(moving)


def turns(facts: dict[str, Any], copies: Sequence[Copy]) -> bool:
    """Whether something turns, or is drawn into the photos, and no mask says what counts."""
    return not any(copy.masked for copy in copies) and stands_still(facts["still"])


def sentences(facts: dict[str, Any], copies: Sequence[Copy], what: str = "photos") -> list[str]:
    """Everything worth saying, the most important first.

    Args:
        facts: as the worker wrote them, with at least one model.
        copies: all that were to be placed.
        what: photos or frames.
    """
    found = [_placed(facts, copies, what), *_missing(facts, copies, what)]
    if turns(facts, copies):
        found.append(f"{SUSPECT}: {STANDING}. Without masks the poses are wrong even where they look right: {MASKS}.")
    return [*found, *_lenses(facts, copies), *_weak(facts, what)]


def _placed(facts: dict[str, Any], copies: Sequence[Copy], what: str) -> str:
    count = len(facts["placed"])
    return (
        f"{count} of {len(copies)} {what} were placed, with {facts['points']:,} points and a mean reprojection error "
        f"of {facts['error']:.2f} pixels."
    )


def _missing(facts: dict[str, Any], copies: Sequence[Copy], what: str) -> list[str]:
    """Which photos were not placed, why, and what helps."""
    missing = [copy for copy in copies if copy.file not in facts["placed"]]
    if not missing:
        return []
    alone = [copy.name for copy in missing if not facts["matched"].get(copy.file)]
    rest = [copy.name for copy in missing if facts["matched"].get(copy.file)]
    blurred = _blurred(missing, copies)
    found = []
    if alone:
        found.append(f"{len(alone)} {what} show nothing that another shows, too, and were not placed: {some(alone)}.")
    if rest:
        found.append(f"{len(rest)} {what} share too little with the others and were not placed: {some(rest)}.")
    if blurred:
        found.append(f"Of these, {len(blurred)} are much less sharp than the others: {some(blurred)}.")
    others = [size for size in facts["models"][1:] if size > 2]
    if others:
        groups = ", ".join(map(str, others))
        found.append(f"{SUSPECT}: the {what} fall into groups that do not connect ({groups} beside the largest).")
    few = len(missing) > (1 - FEW_PLACED) * len(copies)
    without = "" if few or others else "The scene is fitted without them; if they matter: "
    found.append(f"{without}{MORE}.")
    return found


def _blurred(missing: Sequence[Copy], copies: Sequence[Copy]) -> list[str]:
    typical = float(np.median([copy.sharpness for copy in copies]))
    return [copy.name for copy in missing if copy.sharpness < 0.25 * typical]


def _lenses(facts: dict[str, Any], copies: Sequence[Copy]) -> list[str]:
    """What is odd about the lenses that were found, once for each camera."""
    found, seen = [], set()
    for copy in copies:
        lens = facts["lenses"].get(copy.file)
        if lens is None or copy.camera in seen:
            continue
        seen.add(copy.camera)
        focal, bend = lens[0], lens[3]
        angle = math.degrees(2 * math.atan(max(copy.working) / (2 * focal)))
        if copy.focal is not None and abs(focal / copy.focal - 1) > FOCAL_OFF:
            found.append(
                f"{SUSPECT}: the focal length came out as {focal:.0f} pixels where EXIF says {copy.focal:.0f} "
                f"({copy.name}): the poses may be bent. A turning thing without masks does that, and photos that were "
                "cropped, or zoomed in digitally."
            )
        elif not NARROW < angle < WIDE:
            found.append(f"{SUSPECT}: an angle of view of {angle:.0f} degrees came out ({copy.name}), which is rare.")
        if abs(bend) > BENT:
            found.append(
                f"{SUSPECT}: a distortion of {bend:.2f} came out ({copy.name}), more than lenses have; fisheye photos "
                "need poses of another program, with a lens model of theirs."
            )
    return found[:3]


def _weak(facts: dict[str, Any], what: str) -> list[str]:
    """What the numbers say about how firmly the photos hang together."""
    found = []
    if facts["error"] > ERROR:
        found.append(
            f"{SUSPECT}: the reprojection error of {facts['error']:.2f} pixels is high (0.3 to 1 is usual): things "
            f"moved between the {what}, or the poses are wrong in part."
        )
    seen = float(np.median(list(facts["placed"].values())))
    if seen < SEEN:
        found.append(
            f"{SUSPECT}: only {seen:.0f} points are seen in the typical one of the {what} (hundreds are usual): blank "
            "or shining surfaces, blur, or too little overlap."
        )
    return found
