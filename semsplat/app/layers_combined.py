"""Layers made of layers: over the scene, beside it, with parts of it faded, with parts of it picked out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..splatting.camera import Camera
from ..splatting.gaussians import Gaussians
from ..splatting.project import NEAR
from ..splatting.splat import splat
from .layers import HIGHLIGHT, LUMINANCE, Color, Depth, Form, Layer, Rgb, Splat
from .layers_shapes import Between

FAINTEST = 0.002  # strength of a highlight that can be seen
EDGE = 0.3  # strength at which what is picked is outlined
GHOST = 0.03  # share of what is faded that stays


def compose(
    layer: Layer,
    opacity: float = 1.0,
    strengths: Float[Tensor, " n"] | None = None,
    visible: Float[Tensor, " n"] | None = None,
    compare_at: float | None = None,
) -> Layer:
    """A layer as somebody wants to see it, put together in the order that works.

    Args:
        opacity: of the layer over the scene in its colours, in [0, 1]. strengths: of what is highlighted, in [0, 1].
        visible: how much of each Gaussian is there, in [0, 1]: 0 hides it, :data:`GHOST` leaves a breath of it.
        compare_at: left of this share of the picture's width the scene is in its colours.
    """
    rgb = Rgb(background=layer.background)
    shown = layer if opacity >= 1.0 or isinstance(layer, Rgb) else Over(layer, max(opacity, 0.0))
    border = None if isinstance(layer, Rgb) else compare_at
    sides = [shown] if border is None else [rgb, shown]
    if visible is not None:
        sides = [Faded(side, visible) for side in sides]
    if strengths is not None:
        sides = [Tint(side, strengths) for side in sides]
    return sides[0] if border is None else Split(*sides, at=min(max(border, 0.0), 1.0))


def steady(layers: Sequence[Layer]) -> Layer:
    """One layer for several cameras, given as fitted to each: its range holds for all, so that colours stay put."""
    first = layers[0]
    if isinstance(first, Depth):
        ends = [layer for layer in layers if isinstance(layer, Depth)]
        return replace(first, near=min(end.near for end in ends), far=max(end.far for end in ends))
    inner = [part.name for part in fields(first) if isinstance(getattr(first, part.name), Layer)]  # type: ignore[arg-type]
    parts = {name: steady([getattr(layer, name) for layer in layers]) for name in inner}
    return replace(first, **parts) if parts else first  # type: ignore[type-var]


@dataclass(frozen=True)
class Around(Layer):
    """A layer that changes another: what it does not say itself, that one says."""

    layer: Layer

    @property
    def title(self) -> str:  # type: ignore[override]
        """The layer's."""
        return self.layer.title

    @property
    def hint(self) -> str:  # type: ignore[override]
        """The layer's."""
        return self.layer.hint

    @property
    def background(self) -> Color:  # type: ignore[override]
        """The layer's."""
        return self.layer.background

    @property
    def channels(self) -> int:  # type: ignore[override]
        """The layer's."""
        return self.layer.channels

    @property
    def form(self) -> Form | None:
        return self.layer.form

    def on(self, background: Color) -> Self:
        return replace(self, layer=self.layer.on(background))

    def fit(self, gaussians: Gaussians, camera: Camera) -> Self:
        return replace(self, layer=self.layer.fit(gaussians, camera))

    def alpha(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, " n"] | None:
        return self.layer.alpha(gaussians, camera)

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n c"]:
        return self.layer.values(gaussians, camera)

    def shade(self, image: Float[Tensor, "h w c"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        return self.layer.shade(image, alpha)

    def colors(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 3"]:
        return self.layer.colors(gaussians, camera)


@dataclass(frozen=True)
class Tint(Around):
    """Another layer with some Gaussians picked out; their strengths are blended like everything else.

    Light and dark of the layer below stay visible. Pictures also outline what is picked.
    """

    strengths: Float[Tensor, " n"]  # in [0, 1]; 0 for what is not picked
    color: Color = HIGHLIGHT

    @property
    def channels(self) -> int:  # type: ignore[override]
        """One more than the layer's."""
        return self.layer.channels + 1

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n c"]:
        below = self.layer.values(gaussians, camera)
        return torch.cat([below, self.strengths.to(below)[:, None]], dim=1)

    def shade(self, image: Float[Tensor, "h w c"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        shown, strength = self.layer.shade(image[..., :-1], alpha), image[..., -1:].clamp(0.0, 1.0)
        color = shown.new_tensor(self.color)
        picked, edge = strength[..., 0] > FAINTEST, outline(strength[..., 0] > EDGE, max(1, round(len(image) / 400)))
        below = shown[edge]
        shown = shown.masked_scatter(picked[..., None], tinted(shown[picked], color, strength[picked]))
        bright = (below @ below.new_tensor(LUMINANCE))[:, None] > 0.5
        line = torch.where(bright, 0.75 * color, torch.lerp(color, torch.ones_like(color), 0.5))
        return shown.masked_scatter(edge[..., None], line)

    def colors(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 3"]:
        below = self.layer.colors(gaussians, camera)
        picked = self.strengths.to(below.device).nonzero()[:, 0]
        strength = self.strengths.to(below)[picked, None].clamp(0.0, 1.0)
        return below.index_copy(0, picked, tinted(below[picked], below.new_tensor(self.color), strength))


@dataclass(frozen=True)
class Over(Around):
    """A layer over the scene in its colours: 0 is the scene, 1 the layer. Forms are on the way to the layer's."""

    opacity: float  # in [0, 1]

    @property
    def channels(self) -> int:  # type: ignore[override]
        """The scene's and the layer's."""
        return 3 + self.layer.channels

    @property
    def form(self) -> Form | None:
        return None if self.layer.form is None else Between(self.layer.form, self.opacity)

    def alpha(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, " n"] | None:
        alpha = self.layer.alpha(gaussians, camera)
        return None if alpha is None else torch.lerp(torch.ones_like(alpha), alpha, self.opacity)

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n c"]:
        return torch.cat([gaussians.colors(camera), self.layer.values(gaussians, camera)], dim=1)

    def shade(self, image: Float[Tensor, "h w c"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        scene = Rgb(background=self.background).shade(image[..., :3], alpha)
        return torch.lerp(scene, self.layer.shade(image[..., 3:], alpha), self.opacity)

    def colors(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 3"]:
        scene = gaussians.colors(camera).clamp(0.0, 1.0)
        return torch.lerp(scene, self.layer.colors(gaussians, camera), self.opacity)


@dataclass(frozen=True)
class Faded(Around):
    """A layer in which some Gaussians are pale or gone, so that they hide nothing."""

    visible: Float[Tensor, " n"]  # how much of each is there, in [0, 1]; 0: it is hidden

    @classmethod
    def but(cls, layer: Layer, kept: Bool[Tensor, " n"], ghost: float = GHOST) -> Self:
        """Everything fades but some Gaussians; ``ghost`` is how much of the others stays, in [0, 1]."""
        return cls(layer, torch.where(kept, 1.0, ghost))

    def alpha(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, " n"]:
        alpha = self.visible.to(gaussians.means)
        below = self.layer.alpha(gaussians, camera)
        return alpha if below is None else alpha * below


@dataclass(frozen=True)
class Split(Layer):
    """Two layers side by side, with the border at a share of the picture's width. Other layers go inside, not around.

    Pictures are exact per pixel. For renderers that blend colours themselves each Gaussian is on the side of its
    centre, and has its own form unless both sides have the same.
    """

    left: Layer
    right: Layer
    at: float = 0.5  # in [0, 1]

    @property
    def title(self) -> str:  # type: ignore[override]
        """The right layer's: that is what is compared."""
        return self.right.title

    @property
    def hint(self) -> str:  # type: ignore[override]
        """The right layer's."""
        return self.right.hint

    @property
    def background(self) -> Color:  # type: ignore[override]
        """The right layer's."""
        return self.right.background

    @property
    def channels(self) -> int:  # type: ignore[override]
        """Of both."""
        return self.left.channels + self.right.channels

    def on(self, background: Color) -> Self:
        return replace(self, left=self.left.on(background), right=self.right.on(background))

    @property
    def form(self) -> Form | None:
        return self.right.form if self.left.form == self.right.form else None

    def alpha(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, " n"] | None:
        sides = [side.alpha(gaussians, camera) for side in (self.left, self.right)]
        if all(side is None for side in sides):
            return None
        ones = gaussians.means.new_ones(len(gaussians))
        left, right = (ones if side is None else side for side in sides)
        return torch.where(self.on_the_left(gaussians, camera), left, right)

    def fit(self, gaussians: Gaussians, camera: Camera) -> Self:
        return replace(self, left=self.left.fit(gaussians, camera), right=self.right.fit(gaussians, camera))

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n c"]:
        return torch.cat([side.values(gaussians, camera) for side in (self.left, self.right)], dim=1)

    def shade(self, image: Float[Tensor, "h w c"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        at, channels = self._columns(image.shape[1]), self.left.channels
        left = self.left.shade(image[:, :at, :channels], alpha[:, :at])
        return torch.cat([left, self.right.shade(image[:, at:, channels:], alpha[:, at:])], dim=1)

    def picture(self, gaussians: Gaussians, camera: Camera, splat: Splat = splat) -> Float[Tensor, "h w 3"]:
        sides = (self.left, self.right)
        if self.left.form == self.right.form and all(side.alpha(gaussians, camera) is None for side in sides):
            return super().picture(gaussians, camera, splat)
        at, (left, right) = self._columns(camera.width), (side.picture(gaussians, camera, splat) for side in sides)
        return torch.cat([left[:, :at], right[:, at:]], dim=1)

    def colors(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 3"]:
        left, right = (side.colors(gaussians, camera) for side in (self.left, self.right))
        return torch.where(self.on_the_left(gaussians, camera)[:, None], left, right)

    def on_the_left(self, gaussians: Gaussians, camera: Camera) -> Bool[Tensor, " n"]:
        """Whose centres are left of the border; nobody behind the camera is."""
        view = camera.world_to_camera.to(gaussians.means)
        x, z = (gaussians.means @ view[row, :3] + view[row, 3] for row in (0, 2))
        focal, center = camera.intrinsics[0, 0].item(), camera.intrinsics[0, 2].item()
        return (z > NEAR) & (focal * x < (self.at * camera.width - center) * z)

    def _columns(self, width: int) -> int:
        """How many columns of pixels have their centres left of the border."""
        return min(max(math.ceil(self.at * width - 0.5), 0), width)


def tinted(
    below: Float[Tensor, "*b 3"], color: Float[Tensor, "*#b 3"], strength: Float[Tensor, "*#b 1"]
) -> Float[Tensor, "*b 3"]:
    """A picture in one colour where ``strength`` is 1: dark parts in dark shades of it, light parts in light ones."""
    light = (below @ below.new_tensor(LUMINANCE))[..., None].clamp(0.0, 1.0)
    shades = color * (0.45 + 1.1 * light).clamp_max(1.0)
    return torch.lerp(
        below, torch.lerp(shades, torch.ones_like(shades), 0.4 * (2.0 * light - 1.0).clamp_min(0.0)), strength
    )


def outline(inside: Bool[Tensor, "h w"], width: int) -> Bool[Tensor, "h w"]:
    """Pixels outside of a region that are at most ``width`` pixels to the side of it, or above or below."""
    grown = inside.clone()
    for step in range(1, width + 1):
        grown[step:] |= inside[:-step]
        grown[:-step] |= inside[step:]
        grown[:, step:] |= inside[:, :-step]
        grown[:, :-step] |= inside[:, step:]
    return grown & ~inside
