"""Layers that show meaning: features as colours, scores as heat, things in their colours.

Like all layers they blend few channels: features are projected to three before the blend, scores are one channel, any
number of things are four.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ..distill.field import FeatureField
from ..splatting.camera import Camera
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from .layers import Color, Layer, ramp

# From low to high, lightness rises in even steps, so that it also reads in grey and without red-green vision.
LOW_TO_HIGH: tuple[Color, ...] = (
    (0.05, 0.06, 0.22),
    (0.27, 0.10, 0.45),
    (0.53, 0.16, 0.47),
    (0.78, 0.26, 0.38),
    (0.95, 0.46, 0.24),
    (0.99, 0.71, 0.23),
    (0.99, 0.97, 0.62),
)
HEAT_SHARE = 0.65  # of a heat picture's colour is the ramp, the rest a grey picture of the scene
UNKNOWN = 0.1  # coverage below which there is no score to show
SAMPLE = 50_000  # Gaussians that are enough to tell how the features of a scene vary
TAIL = 0.02  # of the weight at each end lies outside the range of a picture, so that strays do not set it


@dataclass(frozen=True)
class Features(Layer):
    """The features of a field as three colours, W @ (codes @ basis) / W @ 1, the same from everywhere."""

    title: ClassVar[str] = "Features"
    hint: ClassVar[str] = "Like colours mean like features: their principal components, as red, green and blue."
    channels: ClassVar[int] = 3
    columns: slice  # of Gaussians.features: the codes
    basis: Float[Tensor, "d 3"]
    low: Float[Tensor, "3"]  # of each component, drawn as 0 ...
    high: Float[Tensor, "3"]  # ... and as 1
    background: Color = (0.0, 0.0, 0.0)

    @classmethod
    def of(cls, gaussians: Gaussians, field: FeatureField) -> "Features":
        """All components of a field as colours; whoever draws again keeps the :class:`Principal` of the scene."""
        return Principal.of(gaussians, field).layer()

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 3"]:
        return gaussians.features[:, self.columns] @ self.basis.to(gaussians.features)

    def shade(self, image: Float[Tensor, "h w 3"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        low, high = self.low.to(image), self.high.to(image)
        mean = image / alpha.clamp_min(1e-6)
        place = torch.where(high > low, (mean - low) / (high - low).clamp_min(1e-12), 0.5).clamp(0.0, 1.0)
        return alpha * place + (1.0 - alpha) * image.new_tensor(self.background)


@dataclass(frozen=True)
class Principal:
    """The principal components of a field's features and their ranges: made once for a scene, so nothing flickers."""

    columns: slice  # of Gaussians.features: the codes
    basis: Float[Tensor, "d k"]  # component = code @ basis; the one that varies most first
    shares: Float[Tensor, " k"]  # of the variance that each explains; their sum is 1, or 0 where nothing varies
    sample: Float[Tensor, "m k"]  # components of Gaussians that stand for all
    weights: Float[Tensor, " m"]

    @classmethod
    def of(cls, gaussians: Gaussians, field: FeatureField) -> Self:
        """Components of the decoded features (not of the codes, so through the d x d Gram matrix).

        Of at most SAMPLE Gaussians, one in every so many; they count by opacity times reliability.
        """
        gaussians = gaussians[:: max(1, -(-len(gaussians) // SAMPLE))]
        codes = field.codes(gaussians).double()
        weights = (gaussians.opacities * field.reliability(gaussians)).double()
        weights = weights / weights.sum().clamp_min(1e-12)
        centered = codes - weights @ codes
        decoder = field.decoder.to(codes)
        values, vectors = torch.linalg.eigh(decoder @ decoder.T)
        root = vectors * values.clamp_min(0.0).sqrt()  # Gram = root @ root.T
        variances, components = torch.linalg.eigh(root.T @ (centered.T * weights) @ centered @ root)
        variances = variances.flip(-1).clamp_min(0.0)
        basis = _signed(root @ components.flip(-1))
        shares = variances / variances.sum().clamp_min(torch.finfo(variances.dtype).tiny)
        return cls(field.columns, *(t.to(gaussians.means) for t in (basis, shares, codes @ basis, weights)))

    @property
    def count(self) -> int:
        """How many components explain at least a thousandth of the variance each."""
        return int((self.shares >= 0.001).sum())

    def layer(self, components: tuple[int, int, int] | None = None) -> Features:
        """Components as red, green and blue.

        Args:
            components: three indices from 0, of which some may be equal. None: the first three, and the others added
                in directions of their own; else many classes that are alike in size would look the same.

        Raises:
            InputError: there is no such component.
        """
        directions = _directions(max(self.basis.shape[1], 3)).to(self.basis)
        for place in components or ():
            if not 0 <= place < len(directions):
                raise InputError(f"There is no component {place + 1}; the field has {len(self.shares)}.")
        if components is not None:
            directions = torch.zeros_like(directions)
            directions[list(components), [0, 1, 2]] = 1.0
        directions = directions[: self.basis.shape[1]]
        shown = self.sample @ directions
        ends = [quantiles(shown[:, i], self.weights, (TAIL, 1.0 - TAIL)) for i in range(3)]
        low, high = (torch.stack([end[i] for end in ends]) for i in range(2))
        return Features(self.columns, self.basis @ directions, low, high)


@dataclass(frozen=True)
class Heat(Layer):
    """A score of each Gaussian as heat over a grey picture, W @ scores / W @ 1; grey alone where little is there."""

    title: ClassVar[str] = "Heat"
    hint: ClassVar[str] = "How well each place answers the question: dark is low, bright is high."
    channels: ClassVar[int] = 4
    scores: Float[Tensor, " n"]
    low: float  # score drawn in the first colour of the ramp
    high: float  # and in the last
    background: Color = (0.0, 0.0, 0.0)

    @classmethod
    def of(cls, gaussians: Gaussians, scores: Float[Tensor, " n"]) -> Self:
        """With a range for the whole scene: without the lowest 2 % and the highest 0.1 % (things can be small)."""
        low, high = quantiles(scores, gaussians.opacities, (TAIL, 0.999)).tolist()
        return cls(scores, low, high if high > low else low + 1e-6)

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 4"]:
        return torch.cat([gaussians.colors(camera), self.scores.to(gaussians.means)[:, None]], dim=1)

    def shade(self, image: Float[Tensor, "h w 4"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        heat = self.heat(image[..., 3:] / alpha.clamp_min(1e-6))
        grey = 0.8 * (image[..., :3] @ image.new_tensor([0.299, 0.587, 0.114]))[..., None].expand_as(heat)
        share = HEAT_SHARE * alpha * (alpha >= UNKNOWN)
        return torch.lerp(grey, heat, share) + (1.0 - alpha) * image.new_tensor(self.background)

    def heat(self, scores: Float[Tensor, "*b 1"]) -> Float[Tensor, "*b 3"]:
        """The colour of a score."""
        return ramp((scores[..., 0] - self.low) / max(self.high - self.low, 1e-12), LOW_TO_HIGH)


@dataclass(frozen=True)
class Things(Layer):
    """Things in their colours over the scene; where things overlap, the colours mix."""

    title: ClassVar[str] = "Things"
    hint: ClassVar[str] = "The named things, each in its colour."
    channels: ClassVar[int] = 7
    tints: Float[Tensor, "n 4"]  # colour times strength, strength; zeros for what is no thing
    background: Color = (0.0, 0.0, 0.0)

    @classmethod
    def of(
        cls,
        selections: Sequence[Bool[Tensor, " n"]],
        colors: Sequence[Color],
        count: int,
        strength: float = 0.6,
        highlight: int | None = None,
    ) -> Self:
        """The layer of some selections over ``count`` Gaussians.

        Args:
            strength: in [0, 1]; 1 hides the scene's own colours.
            highlight: the number of the thing that stands out from the others, which are then a third as strong.
        """
        tints = torch.zeros(count, 4)
        covered = torch.zeros(count)
        for number, (selection, color) in enumerate(zip(selections, colors, strict=True)):
            rows = selection.cpu().nonzero()[:, 0]
            share = strength if highlight in (None, number) else strength / 3.0
            tints[rows] += share * tints.new_tensor([*color, 1.0])
            covered[rows] += 1.0
        return cls(tints / covered.clamp_min(1.0)[:, None])

    @classmethod
    def labelled(cls, labels: Int64[Tensor, " n"], colors: Sequence[Color], strength: float = 0.6) -> Self:
        """The layer of labels, each an index into ``colors``, or -1 for none."""
        table = torch.tensor([*([*color, 1.0] for color in colors), [0.0] * 4])
        return cls(strength * table[labels.cpu()])

    def values(self, gaussians: Gaussians, camera: Camera) -> Float[Tensor, "n 7"]:
        return torch.cat([gaussians.colors(camera), self.tints.to(gaussians.means)], dim=1)

    def shade(self, image: Float[Tensor, "h w 7"], alpha: Float[Tensor, "h w 1"]) -> Float[Tensor, "h w 3"]:
        scene = image[..., :3] + (1.0 - alpha) * image.new_tensor(self.background)
        return scene * (1.0 - image[..., 6:]) + image[..., 3:6]


def quantiles(
    values: Float[Tensor, " n"], weights: Float[Tensor, " n"], shares: Iterable[float]
) -> Float[Tensor, " k"]:
    """The values below which these shares of the weight lie; zeros when there is no weight."""
    parts = values.new_tensor(list(shares))
    known = (weights > 0) & values.isfinite()
    if not known.any():
        return torch.zeros_like(parts)
    ordered, order = values[known].sort()
    before = weights[known][order].to(values).cumsum(0)
    return ordered[torch.searchsorted(before, parts * before[-1]).clamp_max(len(ordered) - 1)]


def _signed(basis: Float[Tensor, "d k"]) -> Float[Tensor, "d k"]:
    """The largest entry of each column is positive: an eigenvector's sign is free, and colours should not flip."""
    largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
    return basis * torch.where(largest < 0, -1.0, 1.0)


def _directions(count: int) -> Float[Tensor, "k 3"]:
    """Unit vectors: the three axes, then points of a golden spiral around the sphere."""
    rest = torch.arange(max(0, count - 3), dtype=torch.float64)
    height, turn = 1.0 - 2.0 * (0.618034 * rest + 0.5).frac(), 2.399963 * rest
    ring = (1.0 - height.square()).sqrt()
    spiral = torch.stack([ring * turn.cos(), ring * turn.sin(), height], dim=1)
    return torch.cat([torch.eye(3, dtype=torch.float64), spiral])[:count]
