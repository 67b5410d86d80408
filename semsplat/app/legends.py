"""What colours mean: what stands above a sheet of pictures, and legends for a page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image, ImageDraw
from torch import Tensor

from ..distill.palette import to_hex
from .layers import Color
from .layers_meaning import Heat
from .pictures import INK, LETTERS, PAPER, font, one_line, to_bytes

LINE, GAP, BOX = 18, 4, 12  # pixels
LONGEST = 60  # characters of a name
BINS, TALL = 120, 72  # of a histogram: columns, pixels
WHITE, BLACK = (255, 255, 255), (24, 26, 30)  # papers of a light and of a dark page


@dataclass(frozen=True)
class Entry:
    """A line of a legend."""

    name: str  # any text
    color: Color
    count: int  # of Gaussians

    @property
    def hex(self) -> str:
        """The colour as #rrggbb."""
        return to_hex(self.color)


def entries(names: Sequence[str], colors: Sequence[Color], labels: Int64[Tensor, " n"]) -> list[Entry]:
    """The legend of labels, each an index into ``names`` and ``colors`` or -1: what most Gaussians are comes first."""
    counts = torch.bincount(labels[labels >= 0], minlength=len(names)).tolist()
    lines = [Entry(name, color, count) for name, color, count in zip(names, colors, counts, strict=True)]
    return sorted(lines, key=lambda line: -line.count)


def heat_legend(
    heat: Heat, threshold: float | None, kind: str, dark: bool, width: int = 600
) -> UInt8[np.ndarray, "h w 3"]:
    """How many Gaussians have which score, in the colours of the heat, with numbers at the ends: for a page.

    Args:
        threshold: marked; what is below it is pale. kind: what the scores are called. dark: the page is.
        width: pixels; letters are drawn twice as large as usual, for a picture that is shown at half its size.
    """
    paper, ink = (BLACK, INK) if dark else (WHITE, (40, 42, 48))
    low, high, letters = heat.low, heat.high, font(2 * LETTERS - 2)
    scores = torch.linspace(low, high, width)
    colors = heat.heat(scores[:, None]) * 255.0
    tall = _histogram(heat.scores, low, high, width)
    rows = torch.arange(TALL, 0, -1)[:, None] <= (TALL * tall).ceil()[None]
    kept = torch.ones(width) if threshold is None else torch.where(scores >= threshold, 1.0, 0.35)
    columns = torch.lerp(torch.tensor(paper).float(), colors, kept[:, None])
    graph = torch.where(rows[..., None], columns[None], torch.tensor(paper).float())
    strip = colors[None].expand(BOX + 8, -1, -1)
    picture = torch.cat([graph, torch.tensor(paper).expand(4, width, 3), strip]).round().byte().numpy()
    top = 2 * LINE
    image = Image.new("RGB", (width, top + len(picture) + 2 * LINE), paper)
    image.paste(Image.fromarray(picture), (0, top))
    draw = ImageDraw.Draw(image)
    below = top + len(picture) + 2
    draw.text((0, below), f"{0.0 if abs(low) < 0.01 * (high - low) else low:.3g}", fill=ink, font=letters)
    draw.text((width / 2, below), _shortened(kind, 32), fill=ink, font=letters, anchor="ma")
    draw.text((width, below), f"{high:.3g}", fill=ink, font=letters, anchor="ra")
    if threshold is not None:
        place = (width - 1) * min(max((threshold - low) / max(high - low, 1e-12), 0.0), 1.0)
        for color, thick in ((paper, 8), (ink, 3)):
            draw.line([(place, top), (place, top + len(picture))], fill=color, width=thick)
        text = f"{threshold:.3g}"
        half = letters.getlength(text) / 2
        draw.text((min(max(place, half), width - half), 4), text, fill=ink, font=letters, anchor="ma")
    return np.asarray(image)


def title(text: str) -> UInt8[np.ndarray, "h w 3"]:
    """A line in large letters."""
    return _line(text, LETTERS + 4)


def note(text: str) -> UInt8[np.ndarray, "h w 3"]:
    """A line in small letters."""
    return _line(text, LETTERS)


def bar(heat: Heat, kind: str, threshold: float | None, width: int = 400) -> UInt8[np.ndarray, "h w 3"]:
    """The colours of a heat picture, from its lowest score to its highest, with the threshold marked."""
    low, high = heat.low, heat.high
    scores = torch.linspace(low, high, width)[None, :, None]
    colors = to_bytes(heat.heat(scores.expand(BOX, -1, -1)))
    left, right = f"{kind} {low:.3g}", f"{high:.3g}"
    start = round(font().getlength(left)) + 3 * GAP
    end = start + width + 2 * GAP
    image = Image.new("RGB", (end + round(font().getlength(right)) + 300, 2 * LINE), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((GAP, 2), left, fill=INK, font=font())
    image.paste(Image.fromarray(colors), (start, 3))
    draw.text((end, 2), right, fill=INK, font=font())
    if threshold is not None:
        place = start + round(width * min(max((threshold - low) / max(high - low, 1e-12), 0.0), 1.0))
        draw.line([(place, 0), (place, LINE + 2)], fill=(255, 255, 255), width=2)
        beyond = " (below the bar)" if threshold < low else " (above the bar)" if threshold > high else ""
        draw.text((place + 2, LINE), f"threshold {threshold:.3g}{beyond}", fill=INK, font=font())
    return np.asarray(image)


def names(things: Sequence[tuple[str, Color]], width: int, dark: bool = True) -> UInt8[np.ndarray, "h w 3"]:
    """Names beside boxes in their colours, in as many lines as ``width`` pixels ask for; on dark or on white paper."""
    paper, ink = (PAPER, INK) if dark else (WHITE, (40, 42, 48))
    places, left, top, widest = [], GAP, 0, 1
    shown = [(_shortened(name), color) for name, color in things]
    for name, _ in shown:
        needed = BOX + 2 * GAP + round(font().getlength(name)) + 2 * GAP
        if left > GAP and left + needed > width:
            left, top = GAP, top + LINE
        places.append((left, top))
        left += needed
        widest = max(widest, left)
    image = Image.new("RGB", (widest, top + LINE + GAP), paper)
    draw = ImageDraw.Draw(image)
    for (x, y), (name, color) in zip(places, shown, strict=True):
        fill = tuple(round(255 * min(max(part, 0.0), 1.0)) for part in color)
        draw.rectangle([x, y + 3, x + BOX, y + 3 + BOX], fill=fill)
        draw.text((x + BOX + GAP, y + 2), name, fill=ink, font=font())
    return np.asarray(image)


def below_each_other(parts: Sequence[UInt8[np.ndarray, "_h _w 3"]]) -> UInt8[np.ndarray, "h w 3"]:
    """One picture of several, as wide as the last (the sheet) or as what stands above it needs, up to twice that."""
    width = max(parts[-1].shape[1], min(2 * parts[-1].shape[1], max(part.shape[1] for part in parts)))
    image = Image.new("RGB", (width, sum(part.shape[0] for part in parts)), PAPER)
    top = 0
    for part in parts:
        image.paste(Image.fromarray(part), (0, top))
        top += part.shape[0]
    return np.asarray(image)


def _histogram(scores: Float[Tensor, " n"], low: float, high: float, width: int) -> Float[Tensor, " w"]:
    """Height of each of ``width`` columns, in [0, 1]: the square root of how many scores there are around it."""
    inside = scores[(scores >= low) & (scores <= high)].float().cpu()
    counts = torch.histc(inside, BINS, low, high).sqrt()
    counts = counts / counts.max().clamp_min(1.0)
    return counts[(torch.arange(width) * BINS) // width]


def _shortened(text: str, longest: int = LONGEST) -> str:
    text = one_line(text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _line(text: str, size: int) -> UInt8[np.ndarray, "h w 3"]:
    text = one_line(text)
    image = Image.new("RGB", (max(1, round(font(size).getlength(text)) + 2 * GAP), size + 10), PAPER)
    ImageDraw.Draw(image).text((GAP, 3), text, fill=INK, font=font(size))
    return np.asarray(image)
