"""How well a scene does on its photos: PSNR, SSIM, LPIPS where there are weights for it, and pictures to look at."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor

from ..distill.lpips import Lpips
from ..splatting import exposure
from ..splatting.camera import Camera
from ..splatting.capture.types import Frame
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.losses import psnr, ssim
from . import pictures, scene
from . import plan as plans
from .layers import Depth, Rgb
from .progress import counter, say
from .scene import Scene
from .session import Session

SHEET = "contact_sheet.png"


@dataclass(frozen=True)
class Score:
    """How near a rendered view is to its photo."""

    name: str
    psnr: float  # dB
    ssim: float
    lpips: float | None = None  # None: there were no weights
    psnr_corrected: float | None = None  # dB, after the affine map of colours that suits the photo best


@torch.no_grad()
def evaluate(
    gaussians: Gaussians,
    frames: Sequence[Frame],
    report: Callable[[int, int], None] | None = None,
    lpips: Lpips | None = None,
) -> list[Score]:
    """Score every frame; where a mask says unknown, nothing is compared (for LPIPS: the pixels are equal there).

    Args:
        report: told (done, total) after every frame.
    """
    session = Session(gaussians)
    scores = []
    for frame in frames:
        drawn = session.picture(frame.camera, Rgb()).cpu()
        photo, known = compared(frame, drawn)
        # Unknown pixels were made equal: they add nothing to the error, so it is spread over the known share alone.
        decibels = psnr(drawn, photo) + 10.0 * math.log10(known)
        similarity = 1.0 - (1.0 - float(ssim(drawn, photo))) / known
        distance = lpips(drawn, photo) if lpips else None
        scores.append(Score(frame.name, float(decibels), similarity, distance, corrected(frame, drawn)))
        if report:
            report(len(scores), len(frames))
    return scores


def corrected(frame: Frame, drawn: Float[Tensor, "h w 3"]) -> float:
    """PSNR in dB after the affine map of colours that suits the photo best: as if its exposure were known."""
    photo, weight = frame.shown_to(frame.camera, drawn.device)
    if weight is not None and frame.background:
        photo, weight = photo * weight, None
    changed = exposure.best(drawn, photo, weight)
    photo, known = compared(frame, changed)
    return psnr(changed, photo) + 10.0 * math.log10(known)


def compared(
    frame: Frame, drawn: Float[Tensor, "h w 3"], camera: Camera | None = None
) -> tuple[Float[Tensor, "h w 3"], float]:
    """The photo in [0, 1], and the share of it that is known; alpha is over black, masked pixels are as drawn.

    Args:
        camera: with which it was drawn, when that is not the frame's but smaller.
    """
    colors, weight = frame.shown_to(camera or frame.camera, drawn.device)
    if weight is None:
        return colors, 1.0
    if frame.background:
        return colors * weight, 1.0
    known = float(weight.mean())
    if known == 0.0:
        return drawn, 1.0
    return torch.lerp(drawn, colors, weight), known


def summary(scores: Sequence[Score]) -> dict[str, Any]:
    """Means and every view, for metrics.json; empty when nothing was scored."""
    if not scores:
        return {}
    count, distances = len(scores), [score.lpips for score in scores]
    return {
        "psnr": sum(score.psnr for score in scores) / count,
        "psnr_corrected": sum(score.psnr_corrected or score.psnr for score in scores) / count,
        "ssim": sum(score.ssim for score in scores) / count,
        "lpips": None if None in distances else sum(filter(None, distances)) / count,
        "views": [asdict(score) for score in scores],
    }


def worst(scores: Sequence[Score], count: int = 3) -> list[Score]:
    """The views with the lowest PSNR, the lowest first."""
    return sorted(scores, key=lambda score: score.psnr)[:count]


@torch.no_grad()
def contact_sheet(
    path: Path, gaussians: Gaussians, frames: Sequence[Frame], scores: Sequence[Score], rows: int = 8
) -> None:
    """Photo | render | depth of up to ``rows`` of the frames, spread evenly, as a picture."""
    session = Session(gaussians)
    scored = {score.name: score for score in scores}
    table = []
    for frame in frames[:: max(1, math.ceil(len(frames) / rows))]:
        drawn = session.picture(frame.camera, Rgb()).cpu()
        photo, _ = compared(frame, drawn)
        depth = session.picture(frame.camera, Depth().fit(session.gaussians, frame.camera))
        score = scored.get(frame.name)
        text = f"{frame.name}   photo | render | depth" + (f"   {score.psnr:.2f} dB  {score.ssim:.3f}" if score else "")
        table.append((text, [pictures.to_bytes(image) for image in (photo, drawn, depth)]))
    pictures.save(path, pictures.contact_sheet(table))


def held_out_frames(opened: Scene, report: Callable[[int, int], None] | None = None) -> list[Frame]:
    """The held-out frames of a scene; their pixels are prepared again from the source if the cache was deleted.

    Raises:
        InputError: none was held out, or the source is not where it was.
    """
    views = [view for view in opened.views if view.held_out]
    if not views:
        raise InputError(f"No photo of {opened.folder} was held out; fit it again with --eval 8 to have some to score.")
    if any(not view.pixels.is_file() for view in views):
        prepare_again(opened, report)
    return [view.frame for view in views]


def prepare_again(opened: Scene, report: Callable[[int, int], None] | None = None) -> None:
    """Fill the cache of prepared photos from the source that the scene was fitted from."""
    from ..splatting import capture

    source = opened.source
    if not source.exists():
        raise InputError(
            f"The prepared photos of {opened.folder} are gone and so is their source {source}; put it back to score."
        )
    found = plans.unmasked(capture.load(source), str(opened.config.get("outside_mask")))
    capture.prepare(found, opened.folder / scene.CACHE, opened.config.get("resolution"), report)


def run(folder: Path, device: str, console: Console, lpips: Path | None = None) -> int:
    """``semsplat eval``: score the held-out photos, show a table, write metrics.json and the contact sheet.

    Args:
        lpips: file or folder of weights, see :meth:`Lpips.open`.
    """
    opened = Scene.open(folder)
    distance = Lpips.open(lpips, plans.pick_device(device)) if lpips else None
    frames = held_out_frames(opened, counter(console, "preparing photos"))
    gaussians = opened.gaussians.to(plans.pick_device(device))
    scores = evaluate(gaussians, frames, counter(console, "scoring"), distance)
    scene.write_json(folder / scene.METRICS, {**opened.metrics, **summary(scores)})
    contact_sheet(folder / SHEET, gaussians, frames, scores)
    console.print(_table(scores))
    names = ", ".join(f"{score.name} ({score.psnr:.2f} dB)" for score in worst(scores))
    say(console, f"Worst views: {names}")
    say(console, f"Contact sheet: {folder / SHEET}")
    return 0


def _table(scores: Sequence[Score]) -> Table:
    table = Table("held-out photo", show_footer=True)
    means = summary(scores)
    table.columns[0].footer = f"mean of {len(scores)}"
    table.add_column("PSNR (dB)", f"{means['psnr']:.2f}", justify="right")
    table.add_column("colour-corrected", f"{means['psnr_corrected']:.2f}", justify="right")
    table.add_column("SSIM", f"{means['ssim']:.4f}", justify="right")
    table.add_column("LPIPS (VGG)", _written(means["lpips"]), justify="right")
    for score in scores:
        decibels = (f"{value:.2f}" for value in (score.psnr, score.psnr_corrected or score.psnr))
        table.add_row(Text(score.name), *decibels, f"{score.ssim:.4f}", _written(score.lpips))
    return table


def _written(distance: float | None) -> str:
    return "no weights" if distance is None else f"{distance:.4f}"
