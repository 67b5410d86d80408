"""The CUDA rasterizer: gsplat (Ye et al. 2025, Apache-2.0) behind our Blend.

Projection, tile lists and sorting are done once a blend; every product goes through the same lists. gsplat's kernels
are compiled for fixed numbers of channels, so more are drawn in passes. Without a gradient to the geometry, and for
more channels than one pass has, products are matrix products on tensor cores instead (:mod:`._triton`). Geometry in
float32, only gsplat's own limits; values and pictures may be in half precision, and the products then are, too.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from ._dense import DenseBlend
from ._gsplat_operations import CHUNK, Operations, operations, split
from ._gsplat_project import project
from .average import average
from .blend import Blend, Limits
from .camera import Camera
from .errors import DeviceError
from .gaussians import Gaussians
from .project import Footprints

if TYPE_CHECKING:
    from ._triton import Lists

TILE = 16  # pixels; what every GPU since 2018 has shared memory for, up to 33 channels a pass
HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Tiles:
    """Per tile of TILE x TILE pixels, the Gaussians whose bounding box touches it, front to back."""

    starts: Int32[Tensor, "1 down across"]
    rows: Int32[Tensor, " pairs"]


class GsplatBlend(Blend):
    """W of one camera on an NVIDIA GPU."""

    def __init__(
        self,
        gaussians: Gaussians,
        camera: Camera,
        footprints: Footprints,
        limits: Limits,
        tiles: Tiles,
        operations: Operations,
    ) -> None:
        super().__init__(gaussians, camera, footprints, limits)
        self.tiles, self.operations = tiles, operations
        self._passes: list[Tensor] = []  # the centers given to each pass: gsplat leaves their absolute gradient on them

    @property
    def bytes(self) -> int:
        """Memory of what W follows from: footprints and tile lists."""
        f, lists = self.footprints, vars(self).get("_lists")
        kept = [
            f.centers,
            f.conics,
            f.depths,
            f.opacities,
            f.visible,
            f.covariances,
            self.tiles.starts,
            self.tiles.rows,
        ]
        kept += [] if lists is None else [lists.table, lists.rows, lists.alpha]
        return sum(tensor.nbytes for tensor in kept)

    def __matmul__(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "h w c"]:
        return self._composite(values)[0]

    def composite(self, values: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "h w c"], Float[Tensor, "h w 1"]]:
        """(W @ values, W @ 1); the coverage comes at no cost."""
        image, alpha = self._composite(values)
        if alpha is not None:
            self.alpha = alpha
        return image, self.alpha

    def transposed_product(self, image: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        self._check_image(image)
        self._check_tensor(image, "blend.T @ image")
        still = self.detach()
        if still._is_wide(image.shape[2]):
            return _products().gather(still._lists, image)
        return _Gather.apply(still, image.float())

    def means(self, values: Float[Tensor, "n c"], height: int, width: int) -> Float[Tensor, "{height} {width} c"]:
        if not self._is_wide(values.shape[1]) or (height, width) == self.shape[:2]:
            return super().means(values, height, width)
        self._check_values(values)
        self._check_tensor(values, "blend.means(values)")
        return _products().draw(self._lists, values, (height, width))

    def composite_means(
        self, values: Float[Tensor, "n c"], height: int, width: int
    ) -> tuple[Float[Tensor, "{height} {width} c"], Float[Tensor, "{height} {width} 1"]]:
        if not self._is_wide(values.shape[1]):
            return super().composite_means(values, height, width)
        return self.means(values, height, width), average(self._lists.alpha, height, width)

    def gather_means(self, cells: Float[Tensor, "u v c"]) -> Float[Tensor, "n c"]:
        still = self.detach()
        if not still._is_wide(cells.shape[2]) or cells.shape[:2] == self.shape[:2]:
            return super().gather_means(cells)
        self._check_tensor(cells, "blend.gather_means(cells)")
        return _products().gather(still._lists, cells, coarse=True)

    def gather_into(self, total: Float[Tensor, "n c"], image: Float[Tensor, "u v c"]) -> None:
        still, coarse = self.detach(), image.shape[:2] != self.shape[:2]
        if not still._is_wide(image.shape[2]) or image.requires_grad:
            return super().gather_into(total, image)
        self._check_tensor(image, "blend.gather_into(total, image)")
        _products().gather_into(total, still._lists, image, coarse)

    def detach(self) -> Self:
        if not self.footprints.centers.requires_grad:
            return self
        f = self.footprints
        still = Footprints(
            f.centers.detach(), f.conics.detach(), f.depths.detach(), f.opacities.detach(), f.visible, f.covariances
        )
        return type(self)(self.gaussians.detach(), self.camera, still, self.limits, self.tiles, self.operations)

    def row(self, x: int, y: int) -> tuple[Int64[Tensor, " k"], Float[Tensor, " k"]]:
        self._check_pixel(x, y)
        starts = self.tiles.starts.flatten()
        tile = (y // TILE) * self.tiles.starts.shape[-1] + x // TILE
        end = int(starts[tile + 1]) if tile + 1 < len(starts) else len(self.tiles.rows)
        listed = self.tiles.rows[int(starts[tile]) : end].long()
        f = self.footprints
        origin = f.centers.new_tensor([x, y])
        columns = (f.centers.detach() - origin, f.conics, f.depths, f.opacities, f.visible, f.covariances)
        near = Footprints(*(column.detach()[listed] for column in columns))
        pixel = Camera(self.camera.world_to_camera, self.camera.intrinsics, 1, 1)
        return DenseBlend(self.gaussians.detach()[listed], pixel, near, self.limits).row(0, 0)

    @property
    def center_gradients(self) -> Float[Tensor, "n 2"]:
        """Sum over pixels of the absolute gradient of each center, after a backward pass; zeros before."""
        total = torch.zeros_like(self.footprints.centers)
        for centers in self._passes:
            pulled = getattr(centers, "absgrad", None)
            total += 0.0 if pulled is None else pulled[0]
        return total

    def _is_wide(self, channels: int) -> bool:
        """Whether a product of so many channels is one for tensor cores."""
        still = not self.footprints.centers.requires_grad
        return self.operations.tensor_cores and channels > CHUNK and still and len(self.tiles.rows) > 0

    @cached_property
    def _lists(self) -> "Lists":
        """What the products on tensor cores follow from."""
        f, alpha_max = self.footprints, self.operations.alpha_max
        return _products().lists(
            f.centers, f.conics, f.opacities, self.tiles.starts[0], self.tiles.rows, self.shape[:2], alpha_max
        )

    def _composite(self, values: Float[Tensor, "n c"]) -> tuple[Tensor, Tensor | None]:
        """(W @ values, W @ 1 where it comes at no cost)."""
        self._check_values(values)
        self._check_tensor(values, "blend @ values")
        if self._is_wide(values.shape[1]):
            return _products().draw(self._lists, values), self._lists.alpha
        image, alpha = self._draw(values.float())
        return image.to(values.dtype), alpha if values.shape[1] else None

    def _draw(self, values: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "h w c"], Float[Tensor, "h w 1"]]:
        """W @ values and W @ 1 by gsplat, with its gradients."""
        height, width, _ = self.shape
        f = self.footprints
        if len(self.tiles.rows) == 0 or values.shape[1] == 0:
            zero = f.centers[:0].sum()  # zeros that autograd can walk through
            return (values[:0].sum(0) + zero).repeat(height, width, 1), zero.repeat(height, width, 1)
        images, alpha = [], f.centers
        for part in split(values, self.operations.channels):
            centers = f.centers[None]
            if centers.requires_grad:
                self._passes.append(centers)
            geometry = centers, f.conics[None], part[None].contiguous(), f.opacities[None]
            lists = self.tiles.starts, self.tiles.rows
            image, alpha = self.operations.rasterize(
                *geometry, width, height, TILE, *lists, packed=False, absgrad=centers.requires_grad
            )[:2]
            images.append(image[0])
        image = images[0] if len(images) == 1 else torch.cat(images, dim=-1)
        return image[..., : values.shape[1]], alpha[0]

    def _gather(self, image: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        """W.T @ image: what values would get if ``image`` were the gradient of W @ values."""
        parts = [image.new_zeros(len(self.gaussians), 0)]
        for part in image.split(CHUNK, dim=2):
            with torch.enable_grad():
                values = part.new_zeros(len(self.gaussians), part.shape[2], requires_grad=True)
                drawn = self @ values
            parts += torch.autograd.grad(drawn, values, part.contiguous())
        return torch.cat(parts, dim=1)

    def _check_tensor(self, tensor: Tensor, what: str) -> None:
        centers = self.footprints.centers
        if tensor.dtype not in (centers.dtype, *HALF) or tensor.device != centers.device:
            want, given = f"{centers.dtype} on {centers.device}", f"{tensor.dtype} on {tensor.device}"
            raise DeviceError(f"{what} wants {want}, as the Gaussians are, or half precision there, not {given}.")


def _products() -> Any:
    """The products on tensor cores; Triton is not everywhere."""
    from . import _triton

    return _triton


class _Gather(torch.autograd.Function):
    """W.T @ image; its gradient for the image is W @."""

    @staticmethod
    def forward(ctx: Any, blend: GsplatBlend, image: Tensor) -> Tensor:
        ctx.blend = blend
        return blend._gather(image)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, ctx.blend @ gradient


def gsplat_blend(gaussians: Gaussians, camera: Camera, limits: Limits | None) -> GsplatBlend:
    """W of one camera on an NVIDIA GPU; differentiable for the geometry when its columns require a gradient.

    Args:
        limits: none for those that gsplat was compiled with: 1.6 cuts alpha off at 0.99, 1.5 at 0.999.

    Raises:
        DeviceError: not float32 on a GPU, limits that gsplat was not compiled with, or its tools are missing.
    """
    if gaussians.means.device.type != "cuda":
        raise DeviceError(f"gsplat draws on NVIDIA GPUs, and the Gaussians are on {gaussians.means.device}.")
    check(gaussians)
    found = operations()
    compiled = Limits(alpha_max=found.alpha_max)
    check(gaussians, limits, compiled)
    return blend_with(found, gaussians, camera, compiled)


def check(gaussians: Gaussians, limits: Limits | None = None, compiled: Limits | None = None) -> None:
    """Say no to what gsplat cannot do; ``compiled`` are its own limits, when they are known."""
    if gaussians.means.dtype != torch.float32:
        given = gaussians.means.dtype
        raise DeviceError(f"The CUDA rasterizer wants float32 Gaussians, not {given}; call .float(), or use the CPU.")
    if None not in (limits, compiled) and limits != compiled:
        raise DeviceError(f"gsplat is compiled with {compiled}; {limits} can be had on the CPU only.")


def blend_with(operations: Operations, gaussians: Gaussians, camera: Camera, limits: Limits) -> GsplatBlend:
    """The blend, with gsplat's functions given."""
    footprints, radii = project(operations, gaussians, camera)
    down, across = -(-camera.height // TILE), -(-camera.width // TILE)
    if len(gaussians) == 0:
        empty = torch.zeros(1, down, across, dtype=torch.int32, device=radii.device)
        return GsplatBlend(gaussians, camera, footprints, limits, Tiles(empty, empty.flatten()[:0]), operations)
    f = footprints
    seen = f.centers.detach()[None], radii[None], f.depths.detach()[None]
    shapes = {"conics": f.conics.detach()[None], "opacities": f.opacities.detach()[None]} if operations.exact else {}
    _, keys, rows = operations.intersect(*seen, TILE, across, down, **shapes)
    tiles = Tiles(operations.offsets(keys, 1, across, down), rows)
    return GsplatBlend(gaussians, camera, footprints, limits, tiles, operations)
