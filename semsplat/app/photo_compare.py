"""A photo against the scene: both seen by its camera, and the photo laid over a page that stands where it was taken."""

import base64
import io
import math
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from ..splatting.camera import Camera
from ..splatting.losses import psnr
from .evaluate import compared
from .layers import Rgb, ramp
from .layers_meaning import LOW_TO_HIGH
from .pictures import to_bytes
from .scene import View
from .session import Session

LONGEST = 640  # pixels of a side: larger photos are compared in small
SENT = 1600  # and of a photo that is laid over the page
WORST = 0.5  # mean difference of the colours, in [0, 1], that is drawn in the last colour


@dataclass(frozen=True, eq=False)
class Comparison:
    """A photo, the scene from there, and how they differ, all of one size."""

    photo: UInt8[np.ndarray, "h w 3"]
    drawn: UInt8[np.ndarray, "h w 3"]
    difference: UInt8[np.ndarray, "h w 3"]  # dark where they agree
    psnr: float  # dB, where the photo is known


@torch.no_grad()
def compare(session: Session, view: View, longest: int = LONGEST) -> Comparison:
    """Draw the scene, as it is now, from where a photo was taken.

    Raises:
        InputError: the photo's prepared pixels are not there any more.
    """
    camera = view.camera.scaled(min(1.0, longest / max(view.camera.width, view.camera.height)))
    drawn = session.picture(camera, Rgb()).cpu()
    photo, known = compared(view.frame, drawn, camera)
    decibels = float(psnr(drawn, photo)) + 10.0 * math.log10(known)
    difference = ramp((drawn - photo).abs().mean(-1) / WORST, LOW_TO_HIGH)
    return Comparison(to_bytes(photo), to_bytes(drawn), to_bytes(difference), decibels)


@dataclass(frozen=True)
class Placed:
    """Where a photo lies on a page that stands at its place; lengths are shares of the page's height."""

    left: float  # of its upper left corner from the middle of the page
    top: float
    width: float
    height: float
    across: float  # from that corner to the point around which it is turned
    down: float
    turned: float  # degrees, clockwise

    @classmethod
    def of(cls, photo: Camera, page: Camera) -> "Placed":
        """For a page whose camera is at the same place and looks the same way, but may hold its head otherwise."""
        focal = page.intrinsics[1, 1].item() / page.height
        wide, high = focal / photo.intrinsics[0, 0].item(), focal / photo.intrinsics[1, 1].item()
        across, down = photo.intrinsics[0, 2].item() * wide, photo.intrinsics[1, 2].item() * high
        turn = photo.world_to_camera[:3, :3] @ page.world_to_camera[:3, :3].to(photo.world_to_camera).T
        angle = -math.degrees(math.atan2(turn[1, 0].item(), turn[0, 0].item()))
        return cls(-across, -down, photo.width * wide, photo.height * high, across, down, angle)

    def as_json(self) -> dict[str, float]:
        """For the page's script."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


def as_address(view: View, longest: int = SENT) -> str:
    """The photo as a JPEG inside an address, to be laid over a page.

    Raises:
        InputError: the photo's prepared pixels are not there any more.
    """
    image = Image.fromarray(view.frame.read()[..., :3].contiguous().numpy())
    image.thumbnail((longest, longest))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()
