"""The photos of a fit with their poses: as the source states them, or found first, watched."""

from collections.abc import Callable

from rich.console import Console

from ..splatting import capture as captures
from ..splatting import processes
from ..splatting.capture import Capture, placed, sfm
from ..splatting.errors import InputError
from . import scene
from .plan import Plan, Request
from .progress import counter, say


def capture_of(plan: Plan, request: Request, console: Console) -> Capture:
    """The capture of a plan. Poses that were found for the folder are used again.

    Of several processes the first one finds them.

    Raises:
        InputError: the source cannot be used, or its photos cannot be placed.
    """
    poses = request.folder / scene.POSES
    if not plan.unposed:
        return captures.load(plan.source)
    if request.resume:
        if not (poses / placed.FILE).is_file():
            raise InputError(f"{poses} is gone, to which the scene was fitted; begin anew with --overwrite.")
        return captures.load(poses)
    say(console, f"{plan.source} states no poses: finding them (COLMAP).")
    options = sfm.Options(plan.frames, plan.outside_mask != "kept")
    try:
        cache, report = request.folder / scene.CACHE, staged(console)
        processes.first(sfm.place, plan.source, cache, poses, options, report, lambda text: say(console, text))
    except KeyboardInterrupt:
        say(console, "Stopped while finding poses; the same command goes on where it was.")
        raise
    return captures.load(poses)


def staged(console: Console) -> Callable[[str, int, int], None]:
    """A report(stage, done, total) with the time left of each stage."""
    reports: dict[str, Callable[[int, int], None]] = {}

    def report(stage: str, done: int, total: int) -> None:
        reports.setdefault(stage, counter(console, stage))(done, total)

    return report
