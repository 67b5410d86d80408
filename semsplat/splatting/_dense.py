"""The definition: W as a full matrix, a row per pixel, a column per Gaussian. Slow and plain; others are held to it."""

import copy
from typing import Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .blend import Blend, Limits
from .camera import Camera
from .gaussians import Gaussians
from .project import Footprints, project


class DenseBlend(Blend):
    """W of shape (height * width, N), front-to-back alpha compositing (Kerbl et al. 2023, eq. 3), by autograd."""

    def __init__(self, gaussians: Gaussians, camera: Camera, footprints: Footprints, limits: Limits) -> None:
        super().__init__(gaussians, camera, footprints, limits)
        self.order = torch.argsort(footprints.depths, stable=True)
        pixels = camera.height * camera.width
        self._centers = footprints.centers.expand(pixels, -1, -1)  # (p, n, 2): one centre for each pixel to pull at
        if self._centers.requires_grad:
            self._centers.retain_grad()
        self.weights = _weights(footprints, self._centers, self.order, camera, limits)

    @property
    def center_gradients(self) -> Float[Tensor, "n 2"]:
        pulled = self._centers.grad if self._centers.requires_grad else None
        return torch.zeros_like(self.footprints.centers) if pulled is None else pulled.abs().sum(0)

    def __matmul__(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "h w c"]:
        self._check_values(values)
        return (self.weights @ values).reshape(*self.shape[:2], values.shape[1])

    def transposed_product(self, image: Float[Tensor, "h w c"]) -> Float[Tensor, "n c"]:
        self._check_image(image)
        return self.weights.T @ image.flatten(0, 1)

    def detach(self) -> Self:
        detached = copy.copy(self)
        detached.weights = self.weights.detach()
        vars(detached).pop("alpha", None)  # remembered with its graph
        return detached

    def row(self, x: int, y: int) -> tuple[Int64[Tensor, " k"], Float[Tensor, " k"]]:
        self._check_pixel(x, y)
        weights = self.weights[y * self.camera.width + x].detach()
        rows = self.order[weights[self.order] > 0]
        return self.gaussians.ids[rows], weights[rows]


def dense(gaussians: Gaussians, camera: Camera, limits: Limits | None = None) -> DenseBlend:
    """W as a full matrix: memory grows with pixels x Gaussians, for tests and small scenes only."""
    limits = limits or Limits()
    return DenseBlend(gaussians, camera, project(gaussians, camera, limits.alpha_min), limits)


def _weights(
    footprints: Footprints, centers: Float[Tensor, "p n 2"], order: Tensor, camera: Camera, limits: Limits
) -> Float[Tensor, "p n"]:
    alphas = _alphas(footprints, centers, camera, limits)[:, order]
    remaining = torch.cumprod(1.0 - alphas, dim=1)  # transmittance behind each Gaussian
    before = torch.cat([torch.ones_like(remaining[:, :1]), remaining[:, :-1]], dim=1)
    drawn = torch.where(remaining > limits.transmittance_min, before * alphas, torch.zeros_like(alphas))
    return torch.zeros_like(drawn).index_copy(1, order, drawn)


def _alphas(
    footprints: Footprints, centers: Float[Tensor, "p n 2"], camera: Camera, limits: Limits
) -> Float[Tensor, "p n"]:
    options = {"dtype": footprints.centers.dtype, "device": footprints.centers.device}
    ys, xs = torch.meshgrid(
        torch.arange(camera.height, **options) + 0.5, torch.arange(camera.width, **options) + 0.5, indexing="ij"
    )
    dx = xs.reshape(-1, 1) - centers[..., 0]
    dy = ys.reshape(-1, 1) - centers[..., 1]
    a, b, c = footprints.conics.unbind(-1)
    power = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
    alphas = (footprints.opacities * torch.exp(-power)).clamp_max(limits.alpha_max)
    return torch.where(footprints.visible & (power >= 0) & (alphas >= limits.alpha_min), alphas, 0.0)
