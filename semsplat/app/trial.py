"""What is tried on a selection before it is done: colours, opacity, place, size. Data, and the edits it comes to."""

import math
from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor

from ..splatting.edit import Edit, Gain, Hue, Move, Opacity, Rotate, Scale, Tint, Vector, pivot, turn
from ..splatting.edit_base import shown
from ..splatting.light import GAMMA
from .carrying import foot, gains_of
from .session import Session

NOWHERE: Vector = (0.0, 0.0, 0.0)
WARMEST = 0.4  # share by which red and blue change at a warmth of 1


@dataclass(frozen=True)
class Trial:
    """Changes that are seen and not yet done. As it is made, it changes nothing."""

    color: Vector | None = None  # RGB in [0, 1]; None: as it is
    strength: float = 1.0  # of the colour
    hue: float = 0.0  # degrees
    exposure: float = 0.0  # stops of the light: brighter, darker
    warmth: float = 0.0  # from -1, bluish, to 1, reddish: white balance
    opacity: float = 1.0  # factor
    by: Vector = NOWHERE  # scene units
    degrees: float = 0.0  # about the scene's up
    size: float = 1.0  # factor

    @property
    def places(self) -> bool:
        """Whether anything moves, turns or grows."""
        return self.by != NOWHERE or self.degrees != 0.0 or self.size != 1.0

    @property
    def any(self) -> bool:
        """Whether it changes anything."""
        return self.places or self.color is not None or (self.hue, *self.light, self.opacity) != (0.0, 0.0, 0.0, 1.0)

    @property
    def light(self) -> tuple[float, float]:
        """Exposure and warmth."""
        return self.exposure, self.warmth

    def looks(self, ids: Int64[Tensor, " k"]) -> tuple[Edit, ...]:
        """The edits of colour and opacity."""
        edits: list[Edit] = []
        if self.color is not None:
            edits.append(Tint(ids, self.color, self.strength))
        if self.hue:
            edits.append(Hue(ids, self.hue))
        if any(self.light):
            shade, (red, green, blue) = 2 ** (self.exposure / GAMMA), gains_of("warmer", WARMEST * self.warmth)
            edits.append(Gain(ids, (shade * red, shade * green, shade * blue)))
        if self.opacity != 1.0:
            edits.append(Opacity(ids, self.opacity))
        return tuple(edits)

    def moves(self, session: Session, ids: Int64[Tensor, " k"]) -> tuple[Edit, ...]:
        """The edits of place: about its middle it turns, from its foot it grows."""
        edits: list[Edit] = []
        if self.degrees:
            edits.append(Rotate(ids, turn(session.up.tolist(), self.degrees), pivot(session.gaussians, ids)))
        if self.size != 1.0:
            edits.append(Scale(ids, self.size, foot(session, ids)))
        if self.by != NOWHERE:
            edits.append(Move(ids, self.by))
        return tuple(edits)

    def all(self, session: Session, ids: Int64[Tensor, " k"], name: str) -> list[tuple[Edit, str]]:
        """The edits, each with what the list calls it."""
        return [(edit, label(edit, name)) for edit in (*self.looks(ids), *self.moves(session, ids))]


def label(edit: Edit, name: str) -> str:
    """What the list of edits calls an edit of something of this name."""
    match edit:
        case Tint():
            color = "".join(f"{round(255 * part):02x}" for part in edit.color)
            return f"Paint {name} #{color}" + (f" {edit.strength:.0%}" if edit.strength < 1.0 else "")
        case Hue():
            return f"Turn the hue of {name} {edit.degrees:g}°"
        case Gain():
            return f"Light of {name} × {shown(edit.gains)}"
        case Opacity():
            return f"Opacity of {name} × {edit.factor:.2g}"
        case Rotate():
            return f"Turn {name} {2 * math.degrees(math.acos(min(1.0, abs(edit.rotation[0])))):.3g}°"
        case Scale():
            return f"Scale {name} × {edit.factor:.3g}"
        case Move():
            return f"Move {name} by {math.hypot(*edit.by):.2g}"
        case _:
            return edit.describe()
