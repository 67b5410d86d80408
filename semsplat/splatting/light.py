"""The light that Gaussians were taken in, and matching one to another: exposure and white balance, for compositing.

Colours are those that are shown: sRGB, which is about ``light ** (1 / 2.2)``. A camera's exposure and white balance
multiply the light of red, green and blue each by a factor (von Kries' diagonal model), so they multiply the shown
colours too, by its 2.2th root: exactly where the encoding is a power, nearly in sRGB, not where a photo is burnt out.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from .edit_base import Vector
from .edit_color import LUMINANCE
from .errors import InputError
from .gaussians import Gaussians
from .sh import C0

GAMMA = 2.2  # of the displays that photos are made for
DARKEST, MOST = 0.02, 4.0  # shown colour below which nothing can be said; the largest gain that is believed


def light_of(gaussians: Gaussians, weights: Float[Tensor, " n"] | None = None) -> Vector:
    """The light that a scene was taken in, as the colour that something of its usual reflectance is shown in.

    Brightness is the weighted median of luminance, colour that of the mean (grey world, Buchsbaum 1980). This takes
    many things together: of a whole scene it says much, of a single thing little but what colour the thing has.

    Args:
        weights: how much each Gaussian is seen; opacity times area when not given.

    Returns: red, green, blue; if all colours of the scene are multiplied by gains, so is this.

    Raises:
        InputError: nothing is seen, or it is too dark to say.
    """
    if weights is None:
        weights = gaussians.opacities * gaussians.scales.topk(2, dim=-1).values.prod(-1)
    weights = weights.detach().cpu().double().clamp_min(0.0).nan_to_num(0.0, 0.0, 0.0)
    colors = (0.5 + C0 * gaussians.sh[:, 0].detach().cpu().double()).clamp_min(0.0)
    if not float(weights.sum()) > 0.0:
        raise InputError("Nothing is seen of these Gaussians, so their light cannot be estimated.")
    shares = weights / weights.sum()
    luminances = torch.tensor(LUMINANCE, dtype=torch.float64)
    brightness = _median(colors @ luminances, shares)
    tint = shares @ colors
    if brightness < DARKEST or float(tint.min()) < DARKEST:
        raise InputError("These Gaussians are too dark to estimate their light.")
    red, green, blue = (brightness * tint / (tint @ luminances)).tolist()
    return red, green, blue


def matched(inserted: Vector, scene: Vector) -> Vector:
    """The gains (:class:`.edit.Gain`) that bring what was taken in one light into another: :func:`light_of` of each."""
    gains = (min(max(aim / own, 1.0 / MOST), MOST) for own, aim in zip(inserted, scene, strict=True))
    red, green, blue = gains
    return red, green, blue


def stops(gains: Vector) -> float:
    """Photographic stops (powers of two of the light) by which gains change the exposure."""
    luminance = sum(part * gain for part, gain in zip(LUMINANCE, gains, strict=True))
    return GAMMA * math.log2(luminance)


def _median(values: Float[Tensor, " n"], shares: Float[Tensor, " n"]) -> float:
    ordered, order = values.sort()
    at = int(torch.searchsorted(shares[order].cumsum(0), 0.5))
    return ordered[min(at, len(ordered) - 1)].item()
