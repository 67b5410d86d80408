"""Footprints and colours on the CPU, with their analytic gradients; the definitions are .project and .sh."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from . import sh as spherical_harmonics
from ._kernels import array, spread
from ._kernels import project as project_kernels
from ._kernels import sh as sh_kernels
from .blend import Limits
from .camera import Camera
from .gaussians import Gaussians
from .project import DILATION, LARGEST_RADIUS, NEAR, Footprints, slope_limits


class _Project(torch.autograd.Function):
    """Footprints from geometry, with the analytic gradient."""

    @staticmethod
    def forward(
        ctx: Any, means: Tensor, quats: Tensor, log_scales: Tensor, logits: Tensor, view: Any, lens: Any, limits: Any
    ):
        n = len(means)
        outputs = [means.new_empty(shape) for shape in ((n, 2), (n, 3), (n,), (n,), (n,), (n, 3))]
        inputs = [array(t) for t in (means, quats, log_scales, logits)]
        spread(project_kernels.forward, n, *inputs, view, lens, limits, *(o.numpy() for o in outputs))
        centers, conics, depths, opacities, levels, covariances = outputs
        ctx.save_for_backward(means, quats, log_scales, levels, covariances, opacities)
        ctx.view, ctx.lens = view, lens
        ctx.mark_non_differentiable(levels, covariances)
        ctx.set_materialize_grads(True)
        return centers, conics, depths, opacities, levels, covariances

    @staticmethod
    def backward(ctx: Any, g_centers: Tensor, g_conics: Tensor, g_depths: Tensor, g_opacities: Tensor, *_: Any):
        means, quats, log_scales, levels, covariances, opacities = ctx.saved_tensors
        gradients = [torch.empty_like(t) for t in (means, quats, log_scales, opacities)]
        arguments = (
            [array(t) for t in (means, quats, log_scales)],
            [array(t) for t in (levels, covariances, opacities)],
        )
        upstream = [array(g) for g in (g_centers, g_conics, g_depths, g_opacities)]
        outputs = [g.numpy() for g in gradients]
        spread(
            project_kernels.backward, len(means), *arguments[0], ctx.view, ctx.lens, *arguments[1], *upstream, *outputs
        )
        return (*gradients, None, None, None)


class _Colors(torch.autograd.Function):
    """Colours from spherical harmonics, with the analytic gradient."""

    @staticmethod
    def forward(ctx: Any, means: Tensor, sh: Tensor, eye: np.ndarray, count: int):
        colors = means.new_empty(len(means), 3)
        spread(sh_kernels.forward, len(means), array(means), array(sh), count, eye, colors.numpy())
        ctx.save_for_backward(means, sh, colors)
        ctx.eye, ctx.count = eye, count
        return colors

    @staticmethod
    def backward(ctx: Any, g_colors: Tensor):
        means, sh, colors = ctx.saved_tensors
        g_means, g_sh = torch.empty_like(means), torch.empty_like(sh)
        arrays = array(means), array(sh), ctx.count, ctx.eye, array(colors), array(g_colors)
        spread(sh_kernels.backward, len(means), *arrays, g_means.numpy(), g_sh.numpy())
        return g_means, g_sh, None, None


def colors(gaussians: Gaussians, camera: Camera, coefficients: int) -> Float[Tensor, "n 3"]:
    """What :func:`.sh.colors` defines, with the first ``coefficients`` of the spherical harmonics only."""
    eye = camera.center.double().cpu().numpy()
    spherical_harmonics.degree(coefficients)
    return _Colors.apply(gaussians.means, gaussians.sh, eye, coefficients)


def footprints(gaussians: Gaussians, camera: Camera, limits: Limits) -> tuple[Footprints, np.ndarray]:
    """What :func:`.project.project` defines, and the (n,) levels; -1 where not drawn."""
    view = camera.world_to_camera[:3].double().cpu().contiguous().numpy()
    focal = [camera.intrinsics[i, j].item() for i, j in ((0, 0), (1, 1), (0, 2), (1, 2))]
    lens = np.array([*focal, *slope_limits(camera)])
    cuts = np.array([limits.alpha_min, NEAR, DILATION, LARGEST_RADIUS**2])
    columns = (gaussians.means, gaussians.quats, gaussians.log_scales, gaussians.logit_opacities)
    centers, conics, depths, opacities, levels, covariances = _Project.apply(*columns, view, lens, cuts)
    found = Footprints(centers, conics, depths, opacities, levels > 0, covariances)
    return found, levels.numpy()
