"""Layers that show the Gaussians themselves: which way they face, how they lie, where they are."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting.camera import Camera
from ..splatting.gaussians import Gaussians, neighbour_distance
from .layers import Color, Form, Layer

SOLID = 0.999  # opacity of what stands in for a Gaussian
FAINT = 0.1  # Gaussians less opaque than this are hardly there
SAMPLE = 10_000  # Gaussians that are enough to tell the spacing


@dataclass(frozen=True)
class Normals(Layer):
    """Which way surfaces face: the shortest axes of the Gaussians, turned to the camera, blended, and made unit.

    Those that are as thick as they are wide face nowhere: each counts by its flatness, 1 - shortest / middle axis.
    """

    title: ClassVar[str] = "Normals"
    hint: ClassVar[str] = "Which way surfaces face: red is right, green is up, blue is towards you."
    channels: ClassVar[int] = 3
    background: Color = (0.0, 0.0, 0.0)

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 3"]:
        shortest, longest = gaussians.log_scales.aminmax(dim=-1)
        middle = gaussians.log_scales.sum(-1) - shortest - longest
        return normals(gaussians, camera) * (1.0 - (shortest - middle).exp()).clamp_min(0.02)[:, None]

    def shade(self, image: Float[Tensor, "h w 3"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        facing = torch.nn.functional.normalize(image, dim=-1)
        return torch.lerp(image.new_tensor(self.background).expand_as(image), 0.5 + 0.5 * facing, alpha)


@dataclass(frozen=True)
class Solid:
    """A form: every Gaussian opaque, ``factor`` times as large. Those that are hardly there stay as they are."""

    factor: float

    def __call__(self, gaussians: Gaussians) -> Gaussians:
        seen = gaussians.opacities > FAINT
        return gaussians.replace(
            log_scales=gaussians.log_scales + torch.tensor(self.factor).log().item(),
            logit_opacities=torch.where(seen, _logit(SOLID), gaussians.logit_opacities),
        )


@dataclass(frozen=True)
class Dots:
    """A form: every Gaussian opaque, round, and of one size."""

    size: float  # standard deviation, world units

    def __call__(self, gaussians: Gaussians) -> Gaussians:
        return gaussians.replace(
            log_scales=torch.full_like(gaussians.log_scales, torch.tensor(self.size).log().item()),
            logit_opacities=torch.full_like(gaussians.logit_opacities, _logit(SOLID)),
        )


@dataclass(frozen=True)
class Between:
    """A form on the way to another: 0 leaves the Gaussians as they are, 1 is the other."""

    form: Form
    share: float  # in [0, 1]

    def __call__(self, gaussians: Gaussians) -> Gaussians:
        other = self.form(gaussians)
        names = ("log_scales", "logit_opacities")
        return other.replace(**{n: torch.lerp(getattr(gaussians, n), getattr(other, n), self.share) for n in names})


@dataclass(frozen=True)
class Ellipsoids(Layer):
    """Every Gaussian as an opaque ellipsoid in its colour, darker towards its rim.

    A direction of its own is blended with each colour. Where one Gaussian fills a pixel the blend is as long as the
    directions are, and where many share it, it is shorter: that is the rim. Renderers that blend colours themselves
    tell neighbours apart by their brightness only.
    """

    title: ClassVar[str] = "Ellipsoids"
    hint: ClassVar[str] = "Every Gaussian as a solid ellipsoid: what the scene is made of."
    channels: ClassVar[int] = 6
    factor: float = 0.6  # of the standard deviations; half covered at 1.18 of them
    background: Color = (0.0, 0.0, 0.0)

    @property
    def form(self) -> Form | None:
        return Solid(self.factor)

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 6"]:
        number = (gaussians.ids % 65_536).to(gaussians.means)
        light = 0.8 + 0.35 * (0.754878 * number).frac()
        colors = gaussians.colors(camera, degree=0).clamp(0.0, 1.0) * light[:, None]
        return torch.cat([colors, _directions(number)], dim=1)

    def shade(self, image: Float[Tensor, "h w 6"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        alone = (image[..., 3:].norm(dim=-1, keepdim=True) / alpha.clamp_min(1e-6)).clamp_max(1.0)
        return image[..., :3] * (0.4 + 0.75 * alone.square()) + (1.0 - alpha) * image.new_tensor(self.background)


@dataclass(frozen=True)
class Points(Layer):
    """The centres of the Gaussians as small round dots of one size, in their colours."""

    title: ClassVar[str] = "Points"
    hint: ClassVar[str] = "The centres of the Gaussians."
    channels: ClassVar[int] = 3
    size: float | None = None  # standard deviation, world units; None until it was fitted to a scene
    background: Color = (0.0, 0.0, 0.0)

    @classmethod
    def of(cls, gaussians: Gaussians) -> Self:
        """With dots of half the usual distance to the nearest."""
        return cls(0.5 * spacing(gaussians))

    def fit(self, gaussians: Gaussians, camera: Camera) -> Self:
        return self if self.size else replace(self, size=self.of(gaussians).size)

    @property
    def form(self) -> Form | None:
        return Dots(self.size) if self.size else None

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 3"]:
        return gaussians.colors(camera, degree=0).clamp(0.0, 1.0)

    def shade(self, image: Float[Tensor, "h w 3"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        return image + (1.0 - alpha) * image.new_tensor(self.background)


def normals(gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 3"]:
    """Unit shortest axes in axes of the picture (x right, y up, z towards the viewer), turned to the camera."""
    w, x, y, z = torch.nn.functional.normalize(gaussians.quats, dim=-1).unbind(-1)
    shortest = gaussians.log_scales.argmin(-1)
    columns = (
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], dim=-1),
        torch.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], dim=-1),
        torch.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], dim=-1),
    )
    axes = torch.where((shortest == 0)[:, None], columns[0], torch.where((shortest == 1)[:, None], *columns[1:]))
    away = ((gaussians.means - camera.center.to(gaussians.means)) * axes).sum(-1, keepdim=True)
    view = camera.world_to_camera[:3, :3].to(axes) * axes.new_tensor([[1.0], [-1.0], [-1.0]])  # OpenCV to y up, z back
    return torch.where(away > 0, -axes, axes) @ view.T


def spacing(gaussians: Gaussians) -> float:
    """The usual distance from a Gaussian to its nearest, world units, as if they lay on surfaces; 0.01 for none.

    Of a sample: leaving out all but one in k puts those that remain sqrt(k) as far apart.
    """
    step = -(-len(gaussians) // SAMPLE)
    if len(gaussians) < 2:
        return 0.01
    sample = gaussians.means[::step]
    return max(neighbour_distance(sample, 1).median().item() / step**0.5, 1e-6)


def _directions(number: Float[Tensor, " n"]) -> Float[Tensor, "n 3"]:
    """Unit vectors: points of a golden spiral, so that numbers close to each other are far apart on the sphere."""
    height, turn = 2.0 * (0.618034 * number).frac() - 1.0, 2.399963 * number
    ring = (1.0 - height.square()).sqrt()
    return torch.stack([ring * turn.cos(), ring * turn.sin(), height], dim=1)


def _logit(share: float) -> float:
    return torch.tensor(share, dtype=torch.float64).logit().item()
