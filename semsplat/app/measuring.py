"""How far apart two points of a scene are, as people point at them, and lengths as people write them."""

import math
import re

import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting.camera import Camera
from ..splatting.depth import median_depth
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.splat import splat
from .commands_parts import METRES, NUMBER, number_of
from .poses import point_at

SIDE = 512  # pixels of the pictures that points are looked up in


def surface_at(gaussians: Gaussians, camera: Camera, xy: tuple[float, float]) -> Float[Tensor, "3"] | None:
    """The surface that a picture shows at ``xy`` (pixels), by median depth; float64; None where nothing is."""
    small = camera.scaled(min(1.0, SIDE / max(camera.width, camera.height)))
    x, y = xy[0] * small.width / camera.width, xy[1] * small.height / camera.height
    with torch.no_grad():
        depth = median_depth(splat(gaussians.detach(), small.to(gaussians.means.device)).detach())[..., 0]
    found = float(depth[min(int(y), small.height - 1), min(int(x), small.width - 1)])
    return point_at(small.to("cpu"), (x, y), found).double() if found > 0 else None


def length_of(text: str) -> float:
    """Metres of 1.2m, 80 cm or 0.8 (metres).

    Raises:
        InputError: it is no length.
    """
    found = re.fullmatch(rf"({NUMBER}) ?({'|'.join(METRES)})?", text.strip().lower())
    metres = number_of(found[1]) * METRES.get(found[2] or "m", 1.0) if found else math.nan
    if not 1e-6 <= metres <= 1e6:
        raise InputError(f"'{text}' is no length; give one such as 1.2m, 80cm or 0.8 (metres).")
    return metres
