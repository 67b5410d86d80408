"""Pictures of a scene: per-Gaussian values that are blended, and a shading of the blended image.

Linear before the blend, everything else after. The same values colour the splats of a page, which a browser blends
itself: each Gaussian is then shaded as if it alone filled a pixel (:meth:`Layer.colors`).

A layer may also change what is blended: the form of the Gaussians (:attr:`Layer.form`) and how much of each is there
(:meth:`Layer.alpha`). Rows stay rows, whatever the layer.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting.blend import Blend
from ..splatting.camera import Camera
from ..splatting.gaussians import Gaussians
from ..splatting.project import NEAR
from ..splatting.splat import splat

Form = Callable[[Gaussians], Gaussians]  # the same rows in another shape; frozen data, so that forms can be compared
Splat = Callable[[Gaussians, Camera], Blend]
Color = tuple[float, float, float]  # red, green, blue in [0, 1]

# From near to far, lightness falls all the way, so that it also reads in grey and without red-green vision.
NEAR_TO_FAR: tuple[Color, ...] = (
    (1.00, 0.96, 0.80),
    (0.99, 0.76, 0.42),
    (0.93, 0.48, 0.31),
    (0.73, 0.25, 0.40),
    (0.45, 0.15, 0.45),
    (0.22, 0.12, 0.38),
    (0.08, 0.07, 0.20),
)
HIGHLIGHT: Color = (1.0, 0.16, 0.62)
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of red, green and blue
STEPS = 170  # colours of a ramp from one stop to the next
SAMPLE = 20_000  # Gaussians that are enough to set a range


class Layer(ABC):
    """One way to look at a scene. Frozen: a layer with other settings is another layer."""

    title: ClassVar[str]  # what a menu calls it
    hint: ClassVar[str]  # one sentence about what is seen
    channels: ClassVar[int]  # how many values are blended
    background: Color  # what shines through

    @abstractmethod
    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n c"]:
        """What is blended."""

    @abstractmethod
    def shade(self, image: Float[Tensor, "h w c"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        """Colours of the blended values ``image = W @ values`` under coverage ``alpha = W @ 1``."""

    def on(self, background: Color) -> "Layer":
        """The layer over another background."""
        return replace(self, background=background)  # type: ignore[type-var]

    def fit(self, gaussians: Gaussians, camera: Camera) -> "Layer":
        """The layer with its range set for what this camera sees; most have none."""
        return self

    def colors(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 3"]:
        """A colour in [0, 1] for each Gaussian, for renderers that blend colours themselves."""
        values = self.values(gaussians, camera)
        return self.shade(values[None], values.new_ones(1, len(values), 1))[0].clamp(0.0, 1.0)

    @property
    def form(self) -> Form | None:
        """What gives the Gaussians another shape before they are blended; None: they are as they are.

        Layers with equal forms draw the same shapes, so a renderer needs new ones only when the form changes.
        """
        return None

    def shape(self, gaussians: Gaussians) -> Gaussians:
        """The Gaussians in the shape that is blended: the same rows."""
        return gaussians if self.form is None else self.form(gaussians)

    def alpha(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, " n"] | None:
        """How much of each Gaussian is there, in [0, 1]: a factor of its opacity; None: all of all."""
        return None

    def drawn(self, gaussians: Gaussians, camera: Camera) -> Gaussians:
        """The Gaussians that are blended: :meth:`shape` with :meth:`alpha`; the very same object when neither acts."""
        shaped, alpha = self.shape(gaussians), self.alpha(gaussians, camera)
        if alpha is None:
            return shaped
        opacities = (shaped.opacities * alpha.to(shaped.means)).clamp(1e-9, 1.0 - 1e-6)
        return shaped.replace(logit_opacities=opacities.logit())

    def picture(self, gaussians: Gaussians, camera: Camera, splat: Splat = splat) -> Float[Tensor, "h w 3"]:
        """What the camera sees, colours in [0, 1].

        Args:
            splat: makes W of the Gaussians that are drawn; whoever remembers some of them gives another.
        """
        image, alpha = splat(self.drawn(gaussians, camera), camera).composite(self.values(gaussians, camera))
        return self.shade(image, alpha).clamp(0.0, 1.0)


@dataclass(frozen=True)
class Rgb(Layer):
    """The scene in its own colours, as seen from the camera."""

    title: ClassVar[str] = "Colour"
    hint: ClassVar[str] = "The scene in its own colours (RGB)."
    channels: ClassVar[int] = 3
    background: Color = (0.0, 0.0, 0.0)

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 3"]:
        return gaussians.colors(camera)

    def shade(self, image: Float[Tensor, "h w 3"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        return _over(image, alpha, self.background)


@dataclass(frozen=True)
class Depth(Layer):
    """Mean distance along the camera's axis, W @ depths / W @ 1: near is bright, far is dark, even steps of log."""

    title: ClassVar[str] = "Depth"
    hint: ClassVar[str] = "Distance from the camera: near is bright, far is dark."
    channels: ClassVar[int] = 1
    near: float = 0.1  # world units; drawn in the first colour
    far: float = 10.0  # world units; drawn in the last
    background: Color = (0.0, 0.0, 0.0)

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 1"]:
        return depths(gaussians, camera)[:, None]

    def shade(self, image: Float[Tensor, "h w 1"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        near, far = max(self.near, NEAR), max(self.far, 1.001 * max(self.near, NEAR))
        depth = (image / alpha.clamp_min(1e-6)).clamp(near, far)
        place = (depth / near).log() / torch.tensor(far / near).log().item()
        return _over(alpha * ramp(place[..., 0], NEAR_TO_FAR), alpha, self.background)

    def fit(self, gaussians: Gaussians, camera: Camera) -> Self:
        """Near and far from the Gaussians in view, counted by size on the picture, without 1 % at each end."""
        seen, areas = _in_view(gaussians, camera)
        if not (areas > 0).any():
            return self
        seen, order = seen.sort()
        share = areas[order].cumsum(0) / areas.sum()
        ends = torch.searchsorted(share, share.new_tensor([0.01, 0.99])).clamp_max(len(seen) - 1)
        near, far = seen[ends].tolist()
        return replace(self, near=near, far=far)


@dataclass(frozen=True)
class Coverage(Layer):
    """How much of each pixel is covered, W @ 1: full colour where nothing shines through."""

    title: ClassVar[str] = "Coverage"
    hint: ClassVar[str] = "How opaque the scene is: the background shows through where little is there."
    channels: ClassVar[int] = 0
    color: Color = (0.20, 0.55, 0.90)
    background: Color = (0.0, 0.0, 0.0)

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 0"]:
        return gaussians.means.new_zeros(len(gaussians), 0)

    def shade(self, image: Float[Tensor, "h w 0"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        return _over(alpha * alpha.new_tensor(self.color), alpha, self.background)


LAYERS: tuple[Layer, ...] = (Rgb(), Depth(), Coverage())


def depths(gaussians: Gaussians, camera: Camera) -> Float[Tensor, " n"]:
    """Distance along the camera's axis, world units; negative behind the camera."""
    view = camera.world_to_camera.to(gaussians.means)
    return gaussians.means @ view[2, :3] + view[2, 3]


def ramp(place: Float[Tensor, "*s"], stops: tuple[Color, ...]) -> Float[Tensor, "*s 3"]:
    """Colours along evenly spaced ``stops``; ``place`` is 0 at the first and 1 at the last."""
    table = place.new_tensor(stops)
    share = torch.arange(STEPS).to(place)[:, None] / STEPS
    steps = torch.lerp(table[:-1, None], table[1:, None], share).reshape(-1, 3)  # looked up: much faster than mixed
    steps = torch.cat([steps, table[-1:]])
    at = (place * (len(steps) - 1)).round().int().clamp(0, len(steps) - 1)
    return steps.index_select(0, at.flatten()).reshape(*place.shape, 3)


def _over(image: Tensor, alpha: Tensor, background: Color) -> Tensor:
    return image + (1.0 - alpha) * image.new_tensor(background)


def _in_view(gaussians: Gaussians, camera: Camera) -> tuple[Float[Tensor, " m"], Float[Tensor, " m"]]:
    """(depths, rough areas on the picture times opacity) of at most SAMPLE Gaussians whose centres the camera sees."""
    gaussians = gaussians[:: -(-len(gaussians) // SAMPLE) or 1]
    points = camera.local(gaussians.means)
    z = points[:, 2]
    pixels = points @ camera.intrinsics.to(points).T
    inside = (z > NEAR) & (pixels[:, :2] >= 0).all(-1)
    inside &= (pixels[:, 0] <= camera.width * z) & (pixels[:, 1] <= camera.height * z)
    z = z[inside]
    logs = gaussians.log_scales[inside]
    size = (logs.sum(-1) - logs.amin(-1)).exp() / (z * z)
    return z, gaussians.opacities[inside] * size.clamp_max(0.1)
