"""Scenes in which one knows what must be seen."""

import math

import torch

from semsplat.app.scene import View
from semsplat.distill.field import FeatureField
from semsplat.splatting import sh
from semsplat.splatting.camera import Camera
from semsplat.splatting.gaussians import Gaussians

RED, GREEN, BLUE = (0.9, 0.1, 0.1), (0.1, 0.8, 0.2), (0.1, 0.2, 0.9)


def ball(center: tuple[float, float, float], color: tuple[float, float, float], count: int, seed: int) -> Gaussians:
    """Opaque little Gaussians that fill a ball of radius 0.4 with one colour."""
    random = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=random), dim=-1)
    radii = 0.4 * torch.rand(count, 1, generator=random) ** (1 / 3)
    return Gaussians(
        means=torch.tensor(center) + directions * radii,
        quats=torch.nn.functional.normalize(torch.randn(count, 4, generator=random), dim=-1),
        log_scales=(0.05 + 0.03 * torch.rand(count, 3, generator=random)).log(),
        logit_opacities=torch.full((count,), 0.9).logit(),
        sh=sh.from_color(torch.tensor(color)).expand(count, 1, 3).contiguous(),
    )


def three_balls(count: int = 200) -> Gaussians:
    """Red on the left and near, green in the middle, blue on the right and far; ids in that order. z is up."""
    places = (((-1.2, -1.0, 0.0), RED), ((0.0, 0.0, 0.0), GREEN), ((1.2, 2.0, 0.0), BLUE))
    parts = Gaussians.cat(ball(place, color, count, seed) for seed, (place, color) in enumerate(places))
    return parts.replace(ids=torch.arange(3 * count))


def front(width: int = 120, height: int = 80) -> Camera:
    """Looks along +y at all three."""
    return Camera.look_at(
        torch.tensor([0.0, -5.0, 0.0]), torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]), math.radians(45), width, height
    )


def pixel_of(camera: Camera, point: tuple[float, float, float]) -> tuple[float, float]:
    """Where a point of the world is on the picture."""
    seen = camera.world_to_camera[:3, :3] @ torch.tensor(point) + camera.world_to_camera[:3, 3]
    x, y, z = (camera.intrinsics @ seen).tolist()
    return x / z, y / z


def views(folder, count: int = 4) -> list[View]:
    """Photos around the scene; the first was held out, and their pixels are not there."""
    up = torch.tensor([0.0, 0.0, 1.0])
    places = [torch.tensor([math.sin(a), -math.cos(a), 0.2]) * 5 for a in (0.3 * i - 0.3 for i in range(count))]
    cameras = [Camera.look_at(place, torch.zeros(3), up, 0.8, 120, 80) for place in places]
    return [View(f"photo{i}.jpg", camera, i == 0, folder / f"{i}.npy") for i, camera in enumerate(cameras)]


BALLS = ("red ball", "green ball", "blue ball", "anvil")  # names of the field of labelled_balls; no anvil is there


def labelled_balls(count: int = 200) -> tuple[Gaussians, dict[str, FeatureField]]:
    """Three balls with a field of labels that knows their names; it is less sure of every second one."""
    gaussians, own = three_balls(count), torch.arange(3 * count) // count
    codes = torch.eye(len(BALLS))[own]
    codes[1::2, 3] = 0.9  # half an anvil: cosine 0.74
    field = FeatureField("labels", slice(0, 4), torch.eye(4), {"names": [[name] for name in BALLS], "source": "here"})
    features = torch.cat([codes, torch.ones(3 * count, 1)], dim=1)
    return gaussians.replace(features=features), {"labels": field}
