"""The one idea: for a fixed camera, alpha compositing is a matrix W, and W does not depend on what is composited.

``image = blend @ values`` and ``values = blend.T @ image``. Everything the product draws, lifts, selects or asks is one
of these two products. Linear before the blend, everything else after; there is no constant term (no background here).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .camera import Camera
from .errors import InputError
from .gaussians import Gaussians
from .project import Footprints

MANY = 32  # channels: more than gsplat draws in a pass; on a GPU they are drawn, kept and moved in other ways


@dataclass(frozen=True)
class Limits:
    """Where compositing cuts off; the defaults are those of gsplat 1.5.3 and of Kerbl et al. 2023."""

    alpha_min: float = 1.0 / 255.0  # contributions with a smaller alpha are not drawn
    alpha_max: float = 0.999  # alphas are cut off here, so that 1 - alpha never is zero
    transmittance_min: float = 1e-4  # a pixel is finished before it would fall to this


class Blend(ABC):
    """W of one camera: ``W[p, i]`` is how much of Gaussian i is in pixel p. Rows sum to the coverage, in [0, 1].

    Products are differentiable for the values; unless detached, also for the geometry behind W.
    """

    def __init__(self, gaussians: Gaussians, camera: Camera, footprints: Footprints, limits: Limits) -> None:
        self.gaussians, self.camera, self.footprints, self.limits = gaussians, camera, footprints, limits

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, N): the picture's pixels times the Gaussians."""
        return self.camera.height, self.camera.width, len(self.gaussians)

    @property
    def bytes(self) -> int:
        """Memory that it keeps, so that its next products are fast; it grows with the first of them."""
        return 0

    @abstractmethod
    def __matmul__(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "h w c"]:
        """W @ values: what the camera sees of the values. ``c`` is anything from 0 upwards."""

    @abstractmethod
    def transposed_product(self, image: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        """W.T @ image: what the Gaussians get of the image. Usually written ``blend.T @ image``."""

    @abstractmethod
    def detach(self) -> Self:
        """The same W without gradient to the geometry: products for values alone are much faster."""

    @abstractmethod
    def row(self, x: int, y: int) -> tuple[Int64[Tensor, " k"], Float[Tensor, " k"]]:
        """The Gaussians behind pixel (column x, row y), front to back: their ids and their weights in W."""

    @property
    @abstractmethod
    def center_gradients(self) -> Float[Tensor, "n 2"]:
        """Since the last backward pass: sums over pixels of the absolute gradients of ``footprints.centers``.

        For density control (Ye et al. 2024, AbsGS), which wants pulls in opposite directions not to cancel.
        """

    @property
    def T(self) -> "Transposed":
        """W.T, for ``blend.T @ image``."""
        return Transposed(self)

    @cached_property
    def alpha(self) -> Float[Tensor, "h w 1"]:
        """Coverage W @ 1, in [0, 1]; :meth:`composite` fills it in the same pass as the values."""
        return self @ self.gaussians.means.new_ones(len(self.gaussians), 1)

    def composite(self, values: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "h w c"], Float[Tensor, "h w 1"]]:
        """(W @ values, W @ 1); in one pass where values are not wide."""
        if values.shape[1] > MANY:  # a copy with one column more would cost more than a pass
            return self @ values, self.alpha
        ones = values.new_ones(len(values), 1)
        both = self @ torch.cat([values, ones], dim=1)
        image, self.alpha = both[..., :-1], both[..., -1:]
        return image, self.alpha

    def means(self, values: Float[Tensor, "n c"], height: int, width: int) -> Float[Tensor, "{height} {width} c"]:
        """A W @ values: means over the cells of a coarser grid (:mod:`.average`)."""
        from .average import average

        return average(self @ values, height, width)

    def composite_means(
        self, values: Float[Tensor, "n c"], height: int, width: int
    ) -> tuple[Float[Tensor, "{height} {width} c"], Float[Tensor, "{height} {width} 1"]]:
        """(A W @ values, A W @ 1) in one pass."""
        from .average import average

        image, alpha = self.composite(values)
        return average(image, height, width), average(alpha, height, width)

    def gather_means(self, cells: Float[Tensor, "u v c"]) -> Float[Tensor, "n c"]:
        """W.T A.T @ cells, the transpose of :meth:`means`."""
        from .average import spread_back

        return self.T @ spread_back(cells, *self.shape[:2]).contiguous()

    def gather_into(self, total: Float[Tensor, "n c"], image: Float[Tensor, "u v c"]) -> None:
        """total += W.T @ image, or W.T A.T @ image where it is coarser than the picture; in place, without gradient."""
        total += self.gather_means(image) if image.shape[:2] != self.shape[:2] else self.T @ image

    def depth(self) -> Float[Tensor, "h w 1"]:
        """Mean depth W @ depths / W @ 1 along the camera's axis, world units; 0 where nothing is."""
        depth, alpha = self.composite(self.footprints.depths[:, None])
        return torch.where(alpha > 1e-6, depth / alpha.clamp_min(1e-6), torch.zeros_like(depth))

    def _check_pixel(self, x: int, y: int) -> None:
        if not (0 <= x < self.camera.width and 0 <= y < self.camera.height):
            size = f"{self.camera.width} x {self.camera.height}"
            raise InputError(f"Pixel ({x}, {y}) is outside the picture of {size} pixels.")

    def _check_values(self, values: Tensor) -> None:
        if values.ndim != 2 or len(values) != len(self.gaussians):
            raise ValueError(f"blend @ values wants ({len(self.gaussians)}, c) values, not {tuple(values.shape)}.")

    def _check_image(self, image: Tensor) -> None:
        if image.ndim != 3 or image.shape[:2] != self.shape[:2]:
            raise ValueError(f"blend.T @ image wants {self.shape[:2]} pixels, not {tuple(image.shape)}.")


@dataclass(frozen=True)
class Transposed:
    """W.T of a blend."""

    blend: Blend

    def __matmul__(self, image: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        return self.blend.transposed_product(image)


def compact(values: Float[Tensor, "n c"]) -> Float[Tensor, "n c"]:
    """In half precision where a picture of all channels would take gigabytes: many of them, on a GPU."""
    return values.half() if values.is_cuda and values.shape[1] > MANY else values
