"""gsplat's projection, for Gaussians of any numbers: what is not finite or too large never reaches it."""

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor

from ._gsplat_operations import Operations
from .camera import Camera
from .gaussians import GEOMETRY, Gaussians
from .project import DILATION, LARGEST_RADIUS, NEAR, Footprints


def project(operations: Operations, gaussians: Gaussians, camera: Camera) -> tuple[Footprints, Int32[Tensor, "n 2"]]:
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
