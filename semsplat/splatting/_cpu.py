"""The CPU rasterizer as a blend: exact tiles of 16 x 16 pixels, any number of channels, gradients for everything.

float32 or float64, any number of calling threads. The same input gives the same bits, whatever the number of threads:
gradients are kept per (Gaussian, tile) pair and summed in a fixed order.
"""

from typing import Any, Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ._cpu_project import footprints
from ._cpu_raster import Raster
from .blend import Blend, Limits
from .camera import Camera
from .errors import DeviceError
from .gaussians import Gaussians
from .project import Footprints


class _Composite(torch.autograd.Function):
    """W @ values with gradients to values, centers, conics and opacities.

    The context keeps the raster and not the blend: a blend remembers its coverage, whose graph would keep the blend.
    """

    @staticmethod
    def forward(ctx: Any, raster: Raster, centers: Tensor, conics: Tensor, opacities: Tensor, values: Tensor):
        image = raster.draw(values, stored=False)
        ctx.raster = raster
        ctx.save_for_backward(values, image)
        return image

    @staticmethod
    def backward(ctx: Any, g_image: Tensor):
        values, image = ctx.saved_tensors
        gradients = ctx.raster.pull(values, image, g_image)
        ctx.raster.center_gradients += gradients[:, 6:8]
        return None, gradients[:, 0:2], gradients[:, 2:5], gradients[:, 5], gradients[:, 8:]


class _Product(torch.autograd.Function):
    """W @ values (or W.T @ image) for a W that has no gradient of its own; each is the other's gradient."""

    @staticmethod
    def forward(ctx: Any, raster: Raster, given: Tensor, transposed: bool):
        ctx.raster, ctx.transposed = raster, transposed
        return raster.gather(given) if transposed else raster.draw(given, stored=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor):
        raster, gradient = ctx.raster, gradient.contiguous()
        return None, raster.draw(gradient, stored=True) if ctx.transposed else raster.gather(gradient), None


class CpuBlend(Blend):
    """W of one camera on the CPU."""

    def __init__(
        self, gaussians: Gaussians, camera: Camera, footprints: Footprints, limits: Limits, raster: Raster
    ) -> None:
        super().__init__(gaussians, camera, footprints, limits)
        self.raster = raster

    @property
    def center_gradients(self) -> Float[Tensor, "n 2"]:
        """After a backward pass: sums over pixels of the absolute gradients of ``footprints.centers``."""
        return self.raster.center_gradients

    @property
    def bytes(self) -> int:
        return self.raster.bytes

    def __matmul__(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "h w c"]:
        self._check_values(values)
        f = self.footprints
        if f.centers.requires_grad:
            return _Composite.apply(self.raster, f.centers, f.conics, f.opacities, values)
        return _Product.apply(self.raster, values, False)

    def transposed_product(self, image: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        self._check_image(image)
        return _Product.apply(self.raster, image, True)

    def detach(self) -> Self:
        f = self.footprints
        still = Footprints(
            *(t.detach() for t in (f.centers, f.conics, f.depths, f.opacities, f.visible, f.covariances))
        )
        return type(self)(self.gaussians.detach(), self.camera, still, self.limits, self.raster)

    def row(self, x: int, y: int) -> tuple[Int64[Tensor, " k"], Float[Tensor, " k"]]:
        self._check_pixel(x, y)
        rows, weights = self.raster.row(x, y)
        return self.gaussians.ids[torch.from_numpy(rows)], torch.from_numpy(weights)


def cpu_blend(gaussians: Gaussians, camera: Camera, limits: Limits) -> CpuBlend:
    """W of one camera, on the CPU; differentiable for the geometry when its columns require a gradient."""
    if gaussians.means.dtype not in (torch.float32, torch.float64):
        raise DeviceError(f"The CPU rasterizer wants float32 or float64 Gaussians, not {gaussians.means.dtype}.")
    found, levels = footprints(gaussians, camera, limits)
    return CpuBlend(gaussians, camera, found, limits, Raster(found, levels, camera, limits))
