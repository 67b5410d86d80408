"""Edits of what Gaussians look like: colour, hue, opacity. All of it is linear in the spherical harmonics."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from . import sh as spherical_harmonics
from .edit_base import Named, Vector, as_tensor, between, finite, shown
from .edit_table import Table

LUMINANCE = (0.2126, 0.7152, 0.0722)  # of red, green, blue (Rec. ITU-R BT.709)
DARKEST = 0.05  # mean luminance of something that is recoloured: blacker things would turn their noise into colour
FAINTEST, DENSEST = -20.0, 20.0  # logits; nothing is drawn at the first, and 1 - 2e-9 is as good as 1


@dataclass(frozen=True, eq=False)
class Tint(Named):
    """Give them a colour, all bands of the spherical harmonics together.

    With all the shading, the luminance of each Gaussian in each direction is kept relative to their mean, and the mean
    becomes ``color``: a red chair from a white one, with its shadows and highlights. Without, they are flat paint.
    """

    color: Vector  # RGB in [0, 1]
    strength: float = 1.0  # in [0, 1]: how far from their own colour to the new one
    shading: float = 1.0  # in [0, 1]: how much of light and shadow stays

    def __post_init__(self) -> None:
        super().__post_init__()
        color = tuple(between(part, 0.0, 1.0, "Colour") for part in finite(self.color, 3, "colour"))
        object.__setattr__(self, "color", color)
        object.__setattr__(self, "strength", between(self.strength, 0.0, 1.0, "Strength"))
        object.__setattr__(self, "shading", between(self.shading, 0.0, 1.0, "Shading"))

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        rows = table.rows(self.ids)
        if not len(rows) or not self.strength:
            return
        sh, opacities = table.column("sh", rows), table.column("logit_opacities", rows).sigmoid()
        color = as_tensor(self.color, sh)
        aim = _shaded(sh, opacities, color) if self.shading else _flat(sh, color)
        if 0.0 < self.shading < 1.0:
            aim = torch.lerp(_flat(sh, color), aim, self.shading)
        table.write("sh", rows, aim if self.strength == 1.0 else torch.lerp(sh, aim, self.strength))

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        color = "".join(f"{round(255 * part):02x}" for part in self.color)
        return f"Tint {self.them} #{color}" + (f" by {self.strength:.0%}" if self.strength < 1.0 else "")


@dataclass(frozen=True, eq=False)
class Hue(Named):
    """Turn their hues; greys stay, and so does the luminance of every colour (W3C Filter Effects 1, hueRotate)."""

    degrees: float  # 120 turns red towards green

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "degrees", finite([self.degrees], 1, "angle in degrees")[0])

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        rows = table.rows(self.ids)
        sh = table.column("sh", rows)
        table.write("sh", rows, sh @ hue_matrix(self.degrees).to(sh).T)

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Turn the hue of {self.them} by {shown([self.degrees])} degrees"


@dataclass(frozen=True, eq=False)
class Gain(Named):
    """Multiply the colours of a picture of them, each channel by its own factor: exposure and white balance.

    This is von Kries' diagonal model on colours as they are shown (sRGB), which is what the spherical harmonics hold,
    so all bands follow exactly. A factor f on the light itself is about ``f ** (1 / 2.2)`` here: see :mod:`.light`.
    """

    gains: Vector  # of red, green, blue, each from 1/100 to 100; 1, 1, 1 changes nothing

    def __post_init__(self) -> None:
        super().__post_init__()
        gains = tuple(between(part, 1.0 / 100, 100.0, "A gain of") for part in finite(self.gains, 3, "set of gains"))
        object.__setattr__(self, "gains", gains)

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        rows = table.rows(self.ids)
        sh = table.column("sh", rows)
        gains = as_tensor(self.gains, sh)
        sh = sh * gains
        sh[:, 0] += spherical_harmonics.from_color(0.5 * gains)  # of the 0.5 in front of the spherical harmonics
        table.write("sh", rows, sh)

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Red, green, blue of {self.them} times {shown(self.gains)}"


@dataclass(frozen=True, eq=False)
class Opacity(Named):
    """Multiply their opacities."""

    factor: float  # at least 0; opacities stay below 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "factor", between(self.factor, 0.0, 1e6, "An opacity factor of"))

    def on(self, table: Table) -> None:
        """See :meth:`Edit.on`."""
        rows = table.rows(self.ids)
        if self.factor != 1.0:
            logits = table.column("logit_opacities", rows)
            table.write("logit_opacities", rows, scaled_logits(logits, self.factor))

    def describe(self) -> str:
        """See :meth:`Edit.describe`."""
        return f"Opacity of {self.them} times {shown([self.factor])}"


def scaled_logits(logits: Float[Tensor, " n"], factor: float) -> Float[Tensor, " n"]:
    """The logits of ``factor`` times the opacities, within :data:`FAINTEST` and :data:`DENSEST`."""
    if factor == 0.0:
        return torch.full_like(logits, FAINTEST)
    rest = (1.0 - factor + torch.exp(-logits.double())).clamp_min(1e-300)  # (1 - new opacity) / old opacity
    return (math.log(factor) - rest.log()).clamp(FAINTEST, DENSEST).to(logits)


def hue_matrix(degrees: float) -> Float[Tensor, "3 3"]:
    """Turns RGB about the grey axis and keeps the luminance."""
    red, green, blue = 0.213, 0.715, 0.072
    grey = torch.tensor([[red, green, blue]], dtype=torch.float64).expand(3, 3)
    side = torch.tensor([[-red, -green, 1 - blue], [0.143, 0.140, -0.283], [red - 1, green, blue]], dtype=torch.float64)
    angle = math.radians(degrees)
    return grey + math.cos(angle) * (torch.eye(3, dtype=torch.float64) - grey) + math.sin(angle) * side


def _flat(sh: Float[Tensor, "n k 3"], color: Float[Tensor, "3"]) -> Float[Tensor, "n k 3"]:
    flat = torch.zeros_like(sh)
    flat[:, 0] = spherical_harmonics.from_color(color)
    return flat


def _shaded(
    sh: Float[Tensor, "n k 3"], opacities: Float[Tensor, " n"], color: Float[Tensor, "3"]
) -> Float[Tensor, "n k 3"]:
    """The luminance, relative to its mean by opacity, times ``color``."""
    luminance = sh @ as_tensor(LUMINANCE, sh)  # (n, k): without the 0.5 in front of the spherical harmonics
    seen = (0.5 + spherical_harmonics.C0 * luminance[:, 0]).clamp_min(0.0)
    mean = ((opacities * seen).sum() / opacities.sum().clamp_min(1e-12)).clamp_min(DARKEST)
    gain = color / mean
    shaded = luminance[:, :, None] * gain
    shaded[:, 0] += 0.5 * (gain - 1.0) / spherical_harmonics.C0
    return shaded
