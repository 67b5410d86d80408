"""Adam with one learning rate per column, on the flat tensors of a training state."""

import numpy as np
import torch
from torch import Tensor

from .blend import MANY

BETAS = (0.9, 0.999)
EPSILON = 1e-15


def moment_type(name: str, tensor: Tensor) -> torch.dtype:
    """Of Adam's moments: bf16 for wide features, where they would take twice the memory of the codes."""
    if name != "features" or tensor.dtype != torch.float32 or tensor.shape[1] <= MANY:
        return tensor.dtype
    if not tensor.is_cuda:
        return torch.bfloat16
    from ._gsplat_operations import why_no_tensor_cores

    return torch.bfloat16 if why_no_tensor_cores() is None else tensor.dtype


def adam(
    parameter: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    rate: float,
    step: int,
    rest: float | None = None,
    betas: tuple[float, float] = BETAS,
) -> None:
    """One step of Adam (Kingma and Ba 2015) on ``parameter`` and its two moments, in place.

    Args:
        rate: learning rate; with ``rest``, of the first coefficient (n, 1, ...) only, and ``rest`` of the others.
        step: 1 for the first. betas: how much of the two moments stays.
    """
    rate = rate / (1 - betas[0] ** step)
    rest = rate if rest is None else rest / (1 - betas[0] ** step)
    correction = (1 - betas[1] ** step) ** 0.5
    if parameter.numel() == 0:
        return
    constants = (*betas, EPSILON, correction)
    if first.dtype == torch.bfloat16 and parameter.is_cuda:
        from ._triton import adam_half

        adam_half(parameter, gradient, first, second, rate, *constants, step)
        return
    if parameter.device.type == "cpu":
        _compiled(parameter, gradient, first, second, rate, rest, constants, step)
        return
    first.lerp_(gradient, 1 - betas[0])
    second.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    change = first / (second.sqrt() / correction + EPSILON)
    if rest == rate:
        parameter.sub_(change, alpha=rate)
    else:
        parameter[:, :1].sub_(change[:, :1], alpha=rate)
        parameter[:, 1:].sub_(change[:, 1:], alpha=rest)


def _compiled(
    parameter: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    rate: float,
    rest: float,
    constants: tuple[float, float, float, float],
    seed: int,
) -> None:
    from ._kernels import adam as kernels
    from ._kernels import array, spread

    if first.dtype == torch.bfloat16:
        flat = [array(t).reshape(-1) for t in (parameter, gradient, *(m.view(torch.uint16) for m in (first, second)))]
        numbers = [np.float32(x) for x in (rate, *constants)]
        spread(kernels.half, parameter.numel(), *flat, *numbers, np.uint32(seed * 0x85EBCA6B & 0xFFFFFFFF), least=16384)
        return
    arrays = [array(t).reshape(len(parameter), -1) for t in (parameter, gradient, first, second)]
    number = arrays[0].dtype.type
    common = [number(x) for x in constants]
    if rest == rate:
        spread(kernels.flat, parameter.numel(), *(a.reshape(-1) for a in arrays), number(rate), *common, least=16384)
    else:
        head = int(np.prod(parameter.shape[2:]))
        spread(kernels.step, len(parameter), *arrays, head, number(rate), number(rest), *common)
