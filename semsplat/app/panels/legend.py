"""What the colours of a layer mean, as HTML for the panel: it follows the page's theme and is sharp on every screen."""

import html
from collections.abc import Iterable, Sequence

from ...distill.palette import to_hex
from ..layers import NEAR_TO_FAR, Color, Depth, Layer
from ..layers_combined import Around, Split
from ..layers_meaning import LOW_TO_HIGH, Heat
from ..layers_shapes import Normals
from ..world import World

MANY = 24  # names that are listed
FACING: tuple[tuple[str, Color], ...] = (
    ("right", (1.0, 0.5, 0.5)),
    ("up", (0.5, 1.0, 0.5)),
    ("to you", (0.5, 0.5, 1.0)),
    ("left", (0.0, 0.5, 0.5)),
    ("down", (0.5, 0.0, 0.5)),
)
AROUND = "margin:-0.1em 0.9em 0.5em;font-size:0.8em;opacity:0.85;overflow-wrap:anywhere"


def innermost(layer: Layer) -> Layer:
    """The layer that was chosen, without what surrounds it."""
    while isinstance(layer, Around | Split):
        layer = layer.right if isinstance(layer, Split) else layer.layer
    return layer


def legend(layer: Layer, names: Iterable[tuple[str, Color]] = (), world: World | None = None) -> str:
    """What the colours of a fitted layer mean; empty where they need no words.

    Args:
        names: any text, with the colour that stands for it. world: that lengths are told in.
    """
    layer = innermost(layer)
    if isinstance(layer, Depth):
        near, far = (length * (world.metres if world else 1.0) for length in (layer.near, layer.far))
        return bar(NEAR_TO_FAR, f"{near:.3g}", world.unit if world else "scene units", f"{far:.3g}")
    if isinstance(layer, Heat):
        return bar(LOW_TO_HIGH, f"{layer.low:.3g}", "score", f"{layer.high:.3g}")
    if isinstance(layer, Normals):
        return swatches(FACING)
    return swatches(list(names))


def bar(stops: Sequence[Color], left: str, middle: str, right: str) -> str:
    """A strip of colours with words below its ends and its middle."""
    words = "".join(f"<span>{html.escape(text)}</span>" for text in (left, middle, right))
    return (
        f'<div style="{AROUND}"><div style="height:0.8em;border-radius:3px;background:linear-gradient('
        f'to right,{",".join(map(to_hex, stops))})"></div>'
        f'<div style="display:flex;justify-content:space-between">{words}</div></div>'
    )


def swatches(names: Sequence[tuple[str, Color]]) -> str:
    """Names beside their colours."""
    if not names:
        return ""
    dot = "display:inline-block;width:0.8em;height:0.8em;border-radius:3px;margin-right:0.3em;background:"
    shown = "".join(
        f'<span style="margin-right:0.8em;display:inline-block"><span style="{dot}{to_hex(color)}"></span>'
        f"{html.escape(name)}</span>"
        for name, color in names[:MANY]
    )
    more = f"and {len(names) - MANY} more" if len(names) > MANY else ""
    return f'<div style="{AROUND}">{shown}{more}</div>'
