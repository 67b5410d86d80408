"""The CUDA rasterizer: gsplat 1.5.3 (Ye et al. 2025, Apache-2.0) behind our Blend. The only file that imports gsplat.

Projection, tile lists and sorting are done once a blend; every product goes through the same lists. gsplat's kernels
are compiled for fixed numbers of channels, so more are drawn in passes. Only float32, only gsplat's own limits.
"""

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor

from ._cuda_tools import check_installed, check_tools, gist, missing, needs_build
from ._dense import DenseBlend
from .blend import Blend, Limits
from .camera import Camera
from .errors import DeviceError
from .gaussians import GEOMETRY, Gaussians
from .project import DILATION, LARGEST_RADIUS, NEAR, Footprints

TILE = 16  # pixels; what every GPU since 2018 has shared memory for, up to 33 channels a pass
CHUNK = 32  # channels of one pass
PASSES = (1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33)  # numbers of channels that gsplat is compiled for, up to a pass
LIMITS = Limits()  # gsplat's constants are compiled in; these are they


@dataclass(frozen=True)
class Operations:
    """What we use of gsplat, with the signatures of 1.5.3."""

    project: Callable[..., Any]  # fully_fused_projection
    intersect: Callable[..., Any]  # isect_tiles
    offsets: Callable[..., Any]  # isect_offset_encode
    rasterize: Callable[..., Any]  # rasterize_to_pixels


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

    def __matmul__(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "h w c"]:
        self._check_values(values)
        return self._draw(values)[0]

    def composite(self, values: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "h w c"], Float[Tensor, "h w 1"]]:
        """(W @ values, W @ 1); gsplat has the coverage at no cost."""
        self._check_values(values)
        if values.shape[1] > 0:
            image, self.alpha = self._draw(values)
            return image, self.alpha
        return self @ values, self.alpha

    def transposed_product(self, image: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        self._check_image(image)
        self._check_tensor(image, "blend.T @ image")
        return _Gather.apply(self.detach(), image)

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

    def _draw(self, values: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "h w c"], Float[Tensor, "h w 1"]]:
        """W @ values and W @ 1 by gsplat, with its gradients."""
        self._check_tensor(values, "blend @ values")
        height, width, _ = self.shape
        f = self.footprints
        if len(self.tiles.rows) == 0 or values.shape[1] == 0:
            zero = f.centers[:0].sum()  # zeros that autograd can walk through
            return (values[:0].sum(0) + zero).repeat(height, width, 1), zero.repeat(height, width, 1)
        images, alpha = [], f.centers
        for part in values.split(passes(values.shape[1]), dim=1):
            centers = f.centers[None]
            if centers.requires_grad:
                self._passes.append(centers)
            geometry = centers, f.conics[None], part[None].contiguous(), f.opacities[None]
            lists = self.tiles.starts, self.tiles.rows
            image, alpha = self.operations.rasterize(
                *geometry, width, height, TILE, *lists, packed=False, absgrad=centers.requires_grad
            )[:2]
            images.append(image[0])
        return images[0] if len(images) == 1 else torch.cat(images, dim=-1), alpha[0]

    def _gather(self, image: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        """W.T @ image: what values would get if ``image`` were the gradient of W @ values."""
        parts = [image.new_zeros(len(self.gaussians), 0)]
        for part in image.split(passes(image.shape[2]), dim=2):
            with torch.enable_grad():
                values = part.new_zeros(len(self.gaussians), part.shape[2], requires_grad=True)
                drawn = self @ values
            parts += torch.autograd.grad(drawn, values, part.contiguous())
        return torch.cat(parts, dim=1)

    def _check_tensor(self, tensor: Tensor, what: str) -> None:
        centers = self.footprints.centers
        if tensor.dtype != centers.dtype or tensor.device != centers.device:
            want, given = f"{centers.dtype} on {centers.device}", f"{tensor.dtype} on {tensor.device}"
            raise DeviceError(f"{what} wants {want}, as the Gaussians are, not {given}.")


class _Gather(torch.autograd.Function):
    """W.T @ image; its gradient for the image is W @."""

    @staticmethod
    def forward(ctx: Any, blend: GsplatBlend, image: Tensor) -> Tensor:
        ctx.blend = blend
        return blend._gather(image)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, ctx.blend @ gradient


@functools.cache
def passes(channels: int) -> tuple[int, ...]:
    """Compiled numbers of channels that sum to ``channels``, as few as there can be: 64 -> (32, 32), 35 -> (33, 2)."""
    if channels == 0 or channels in PASSES:
        return (channels,) if channels else ()
    if channels > 2 * PASSES[-1]:
        return CHUNK, *passes(channels - CHUNK)
    ways = ((most, *passes(channels - most)) for most in reversed(PASSES) if most < channels)
    return min(ways, key=len)


def gsplat_blend(gaussians: Gaussians, camera: Camera, limits: Limits) -> GsplatBlend:
    """W of one camera on an NVIDIA GPU; differentiable for the geometry when its columns require a gradient.

    Raises:
        DeviceError: not float32 on a GPU, limits that gsplat was not compiled with, or its tools are missing.
    """
    if gaussians.means.device.type != "cuda":
        raise DeviceError(f"gsplat draws on NVIDIA GPUs, and the Gaussians are on {gaussians.means.device}.")
    check(gaussians, limits)
    return blend_with(operations(), gaussians, camera, limits)


def check(gaussians: Gaussians, limits: Limits) -> None:
    """Say no to what gsplat cannot do."""
    if gaussians.means.dtype != torch.float32:
        given = gaussians.means.dtype
        raise DeviceError(f"The CUDA rasterizer wants float32 Gaussians, not {given}; call .float(), or use the CPU.")
    if limits != LIMITS:
        raise DeviceError(f"gsplat is compiled with {LIMITS}; {limits} can be had on the CPU only.")


def blend_with(operations: Operations, gaussians: Gaussians, camera: Camera, limits: Limits) -> GsplatBlend:
    """The blend, with gsplat's functions given."""
    footprints, radii = _project(operations, gaussians, camera)
    down, across = -(-camera.height // TILE), -(-camera.width // TILE)
    if len(gaussians) == 0:
        empty = torch.zeros(1, down, across, dtype=torch.int32, device=radii.device)
        return GsplatBlend(gaussians, camera, footprints, limits, Tiles(empty, empty.flatten()[:0]), operations)
    f = footprints
    seen = f.centers.detach()[None], radii[None], f.depths.detach()[None]
    _, keys, rows = operations.intersect(*seen, TILE, across, down)
    tiles = Tiles(operations.offsets(keys, 1, across, down), rows)
    return GsplatBlend(gaussians, camera, footprints, limits, tiles, operations)


def _project(operations: Operations, gaussians: Gaussians, camera: Camera) -> tuple[Footprints, Int32[Tensor, "n 2"]]:
    """Footprints as :func:`.project.project` defines them, but zeros off the picture too; half sizes of their boxes."""
    good = gaussians.is_finite(GEOMETRY)
    if len(gaussians) == 0:
        means, none = gaussians.means, gaussians.means[:, 0]
        nowhere = Footprints(means[:, :2], means, none, none, good, means)
        return nowhere, torch.zeros(0, 2, dtype=torch.int32, device=means.device)
    found, radii = _project_good(operations, gaussians, camera, good)
    drawable = found.conics.isfinite().all(-1) & (found.covariances[:, ::2].amax(-1) < LARGEST_RADIUS**2)
    if not bool(drawable.all()):  # too large to project: gsplat must not see it, or its gradients are not finite
        found, radii = _project_good(operations, gaussians, camera, good & drawable)
    if found.centers.requires_grad:
        found.centers.retain_grad()
    return found, radii


def _project_good(
    operations: Operations, gaussians: Gaussians, camera: Camera, good: Bool[Tensor, " n"]
) -> tuple[Footprints, Int32[Tensor, "n 2"]]:
    """The same for the ``good`` rows; in place of the others gsplat sees a Gaussian that is not drawn."""
    means = torch.where(good[:, None], gaussians.means, 0.0)
    quats = torch.where(good[:, None], gaussians.quats, 1.0)
    scales = torch.where(good[:, None], gaussians.log_scales, 0.0).exp()
    opacities = torch.where(good, torch.where(good, gaussians.logit_opacities, 0.0).sigmoid(), 0.0)
    view, lens = camera.world_to_camera.to(means)[None], camera.intrinsics.to(means)[None]
    size = camera.width, camera.height
    cuts = {"eps2d": DILATION, "near_plane": NEAR, "packed": False, "opacities": opacities.detach()}
    radii, centers, depths, conics = operations.project(means, None, quats, scales, view, lens, *size, **cuts)[:4]
    visible = (radii[0] > 0).all(-1)

    def keep(tensor: Tensor) -> Tensor:  # what gsplat does not draw it leaves unwritten
        mask = visible if tensor.ndim == 1 else visible[:, None]
        return torch.where(mask, tensor, torch.zeros_like(tensor))

    spread = keep(_inverse(conics[0].detach()))
    found = Footprints(keep(centers[0]), keep(conics[0]), keep(depths[0]), keep(opacities), visible, spread)
    return found, keep(radii[0])


def _inverse(conics: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    """Covariances (xx, xy, yy) of conics."""
    a, b, c = conics.double().unbind(-1)
    return (torch.stack([c, -b, a], dim=-1) / (a * c - b * b)[:, None]).to(conics)


@functools.cache
def operations() -> Operations:
    """gsplat's functions, imported; its CUDA code compiled if it is not yet.

    Raises:
        DeviceError: gsplat, nvcc or a compiler is missing, or the compilation fails; one sentence with the remedy.
    """
    check_installed()
    if needs_build():
        check_tools()
    with warnings.catch_warnings():  # of the compilers, about code that is not ours
        warnings.simplefilter("ignore")
        try:
            from gsplat.cuda import _backend
        except Exception as error:
            raise DeviceError(f"gsplat's CUDA code could not be compiled or loaded: {gist(error)}") from error
    if _backend._C is None:
        raise DeviceError(missing("nvcc"))
    import gsplat

    return Operations(
        gsplat.fully_fused_projection, gsplat.isect_tiles, gsplat.isect_offset_encode, gsplat.rasterize_to_pixels
    )


def rendered(gaussians: Gaussians, camera: Camera, values: Float[Tensor, "n c"]) -> Float[Tensor, "h w c"]:
    """W @ values by gsplat's own ``rasterization``, as its users call it: the rival of benchmarks, not used to draw."""
    operations()
    import gsplat

    g, view, lens = gaussians, camera.world_to_camera, camera.intrinsics
    cameras = view.to(g.means)[None], lens.to(g.means)[None], camera.width, camera.height
    return gsplat.rasterization(g.means, g.quats, g.scales, g.opacities, values, *cameras, near_plane=NEAR)[0][0]
