"""From Gaussians and a camera to a :class:`Blend`: the device of the tensors picks the rasterizer."""

import torch

from .blend import Blend, Limits
from .camera import Camera
from .errors import DeviceError
from .gaussians import Gaussians


def splat(gaussians: Gaussians, camera: Camera, limits: Limits | None = None) -> Blend:
    """W of one camera.

    Args:
        gaussians: on ``cpu`` (tiled CPU rasterizer, float32 or float64) or on ``cuda`` (gsplat, float32).
        camera: pinhole; moved to the device of the Gaussians.
        limits: where alpha and transmittance are cut off; on a GPU as gsplat is compiled.

    Raises:
        DeviceError: no rasterizer for the device, or its tools are missing.
    """
    device = gaussians.means.device.type
    if device == "cpu":
        from ._cpu import cpu_blend

        return cpu_blend(gaussians, camera, limits or Limits())
    if device == "cuda":
        from ._gsplat import gsplat_blend

        return gsplat_blend(gaussians, camera, limits)
    raise DeviceError(f"No rasterizer for device '{device}'; move the Gaussians to cpu or cuda.")


def rasterizer(device: torch.device) -> str:
    """What draws on a device, in a few words for the log."""
    if device.type != "cuda":
        return "our CPU rasterizer"
    from ._gsplat_operations import description

    return description()
