"""Losses between a rendered picture and a photograph; values in [0, 1], shape (h, w, c)."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

SSIM_WEIGHT = 0.2  # Kerbl et al. 2023, eq. 7


def psnr(rendered: Float[Tensor, "h w c"], photo: Float[Tensor, "h w c"]) -> float:
    """Peak signal-to-noise ratio in dB for a peak of 1; 100 for equal pictures."""
    error = torch.mean((rendered - photo) ** 2).item()
    return 100.0 if error < 1e-10 else -10.0 * torch.log10(torch.tensor(error)).item()


def ssim_map(x: Float[Tensor, "h w c"], y: Float[Tensor, "h w c"]) -> Float[Tensor, "h w c"]:
    """SSIM of every window (Wang et al. 2004): 11 x 11 Gaussian, sigma 1.5, zeros outside; the definition."""
    from ._kernels.ssim import C1, C2, PAD, window

    taps = torch.from_numpy(window()).to(x)
    channels = x.shape[2]
    across, down = (taps.reshape(1, 1, *size).expand(channels, 1, -1, -1) for size in ((1, -1), (-1, 1)))

    def blur(image: Tensor) -> Tensor:  # a plane after the other: with channels last, cuDNN may cut numbers to TF32
        planes = image.permute(2, 0, 1)[None].contiguous()
        planes = torch.nn.functional.conv2d(planes, across, padding=(0, PAD), groups=channels)
        return torch.nn.functional.conv2d(planes, down, padding=(PAD, 0), groups=channels)[0]

    mx, my, xx, yy, xy = blur(x), blur(y), blur(x * x), blur(y * y), blur(x * y)
    numerator = (2 * mx * my + C1) * (2 * (xy - mx * my) + C2)
    denominator = (mx * mx + my * my + C1) * (xx - mx * mx + yy - my * my + C2)
    return (numerator / denominator).permute(1, 2, 0)


def ssim(x: Float[Tensor, "h w c"], y: Float[Tensor, "h w c"]) -> Float[Tensor, ""]:
    """Mean SSIM, at most 1."""
    return ssim_map(x, y).mean()


def photometric_definition(
    rendered: Float[Tensor, "h w c"], photo: Float[Tensor, "h w c"], ssim_weight: float = SSIM_WEIGHT
) -> Float[Tensor, ""]:
    """(1 - w) L1 + w (1 - SSIM) (Kerbl et al. 2023, eq. 7), in torch."""
    return (1 - ssim_weight) * (rendered - photo).abs().mean() + ssim_weight * (1 - ssim(rendered, photo))


class _Photometric(torch.autograd.Function):
    """The same on the CPU: value and gradient in one go."""

    @staticmethod
    def forward(ctx: Any, rendered: Tensor, photo: Tensor, ssim_weight: float):
        from ._kernels import array, spread
        from ._kernels import ssim as kernels

        height, _, step = rendered.shape
        x, y = (array(t).reshape(height, -1) for t in (rendered, photo))
        taps = np.tile(kernels.window(), 2).astype(x.dtype)
        derivatives = np.zeros((3, height + 2 * kernels.PAD, kernels.padded(x.shape[1])), x.dtype)
        sums = np.zeros((height, 2))
        spread(kernels.maps, height, x, y, step, taps, derivatives, sums, least=16)
        weights = [x.dtype.type(w / x.size) for w in (1 - ssim_weight, -ssim_weight)]
        slope = torch.empty(rendered.shape, dtype=rendered.dtype)
        spread(
            kernels.gradient, height, x, y, step, taps, derivatives, *weights, slope.numpy().reshape(x.shape), least=16
        )
        ctx.save_for_backward(slope)
        difference, similarity = (sums.sum(0) / x.size).tolist()
        return rendered.new_tensor((1 - ssim_weight) * difference + ssim_weight * (1 - similarity))

    @staticmethod
    def backward(ctx: Any, upstream: Tensor):
        slope = ctx.saved_tensors[0].numpy() * upstream.item()  # numpy's one thread: no waiting for a second
        return torch.from_numpy(slope), None, None


def photometric(
    rendered: Float[Tensor, "h w c"], photo: Float[Tensor, "h w c"], ssim_weight: float = SSIM_WEIGHT
) -> Float[Tensor, ""]:
    """What :func:`photometric_definition` defines, by a fused kernel on the CPU; differentiable for ``rendered``."""
    if rendered.device.type == "cpu":
        return _Photometric.apply(rendered, photo, ssim_weight)
    return photometric_definition(rendered, photo, ssim_weight)
