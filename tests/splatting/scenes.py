"""Small scenes for the laws."""

import torch

from semsplat.splatting.camera import Camera, pinhole
from semsplat.splatting.gaussians import Gaussians


def cloud(count: int = 200, seed: int = 0, dtype: torch.dtype = torch.float64, sh_degree: int = 3) -> Gaussians:
    """Random Gaussians of all shapes around the origin."""
    make = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=make, dtype=torch.float64)

    scene = Gaussians(
        means=normal(count, 3) * 0.7,
        quats=normal(count, 4),
        log_scales=normal(count, 3) * 0.6 - 2.2,
        logit_opacities=normal(count) * 2.0 + 0.5,
        sh=normal(count, (sh_degree + 1) ** 2, 3) * 0.3,
    )
    return scene.map(lambda t: t.to(dtype) if t.is_floating_point() else t)


def camera(width: int = 52, height: int = 37, dtype: torch.dtype = torch.float64, distance: float = 3.0) -> Camera:
    """Looks at the origin; sizes are no multiples of a tile, the principal point is off the middle."""
    eye = torch.tensor([0.4, -distance, 0.8], dtype=dtype)
    view = Camera.look_at(
        eye, torch.zeros(3, dtype=dtype), torch.tensor([0.0, 0.0, 1.0], dtype=dtype), 0.9, width, height
    )
    focal = view.intrinsics[1, 1].item()
    intrinsics = pinhole(1.1 * focal, focal, width / 2 + 1.7, height / 2 - 2.1).to(dtype)
    return Camera(view.world_to_camera, intrinsics, width, height)


def hand_placed(dtype: torch.dtype = torch.float64) -> Gaussians:
    """Three overlapping Gaussians well inside the picture and away from every limit."""
    return Gaussians(
        means=torch.tensor([[0.0, 0.0, 0.0], [0.2, 0.3, 0.1], [-0.2, 0.6, -0.1]], dtype=dtype),
        quats=torch.tensor([[1.0, 0.2, -0.1, 0.3], [0.5, 0.5, 0.1, -0.2], [0.9, -0.3, 0.4, 0.1]], dtype=dtype),
        log_scales=torch.tensor([[-1.5, -1.2, -1.8], [-1.3, -1.9, -1.4], [-1.6, -1.4, -1.2]], dtype=dtype),
        logit_opacities=torch.tensor([0.4, -0.3, 0.8], dtype=dtype),
        sh=torch.linspace(-0.4, 0.5, 3 * 16 * 3, dtype=dtype).reshape(3, 16, 3),
    )
