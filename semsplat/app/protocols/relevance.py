"""How well what a camera sees fits words, and the ways to cut that to a mask."""

from dataclasses import dataclass, field
from typing import Self

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ...distill.ask.scores import relevancy
from ...distill.field import FeatureField
from ...distill.teachers.base import TextTeacher
from ...distill.teachers.labels import LabelsTeacher
from ...splatting.blend import compact
from ...splatting.camera import Camera
from ...splatting.errors import InputError
from ...splatting.gaussians import Gaussians
from ...splatting.splat import splat
from ..layers_meaning import UNKNOWN
from ..truth import best
from .bench import Bench

NATURAL = 0.5  # relevancy: as near to the words as to the nearest other; cosine with a class's code: mostly that class
CANONICAL = (
    "object",
    "things",
    "stuff",
    "texture",
)  # Kerr et al. 2023, for teachers that have no negatives of their own
PUBLISHED_CUT = 0.7  # of the way from least to most: LangSplat's 0.4 after its scaling to [-1, 1]
SMOOTHED = 0.03  # of the longest side: LangSplat's 30 pixels of 988


@dataclass
class Relevance:
    """A teacher that is asked; each text is read once."""

    reader: TextTeacher
    unread: set[str] = field(default_factory=set)  # phrases that it does not know
    _vectors: dict[str, Float[Tensor, "k c"] | None] = field(default_factory=dict)  # the phrase, then what it is not

    @classmethod
    def of(cls, bench: Bench, name: str) -> Self:
        """The teacher of a field that knows words."""
        return cls(bench.session.meaning.reader(name, bench.device)[1])

    @torch.no_grad()
    def seen(self, gaussians: Gaussians, field: FeatureField, camera: Camera) -> "Seen":
        """What a camera sees of a field."""
        codes, alpha = splat(gaussians, camera).detach().composite(compact(field.codes(gaussians)))
        known = (alpha[..., 0] >= UNKNOWN) & (field.norms(codes)[..., 0] > 0)
        return Seen(self, field, codes, known)

    def vectors(self, phrase: str) -> Float[Tensor, "k c"] | None:
        """Of the phrase and of its negatives; None when it cannot be read."""
        if phrase not in self._vectors:
            try:
                read = self.reader.read([phrase])
                is_labels = isinstance(self.reader, LabelsTeacher)
                negatives = () if is_labels else tuple(self.reader.negatives(phrase)) or CANONICAL
                self._vectors[phrase] = torch.cat([read, self.reader.read(negatives)]) if negatives else read
            except InputError:
                self.unread.add(phrase)
                self._vectors[phrase] = None
        return self._vectors[phrase]


@dataclass(frozen=True, eq=False)
class Seen:
    """Codes on the pixels of a camera."""

    relevance: Relevance
    field: FeatureField
    codes: Float[Tensor, "h w d"]
    known: Bool[Tensor, "h w"]

    def heat(self, phrase: str) -> Float[Tensor, "h w"]:
        """Relevancy, or for labels the cosine, from 0; 0 where nothing is known and for words that cannot be read."""
        vectors = self.relevance.vectors(phrase)
        if vectors is None:
            return torch.zeros(self.known.shape)
        columns = self.field.scores(self.codes, vectors)
        values = columns[..., 0] if len(vectors) == 1 else relevancy(columns[..., 0], columns[..., 1:])
        return torch.where(self.known, values.clamp_min(0.0), 0.0).float().cpu()

    def best(self, phrases: list[str]) -> Int64[Tensor, "h w"]:
        """The phrase of the highest cosine; -1 where nothing is known."""
        read = [self.relevance.vectors(phrase) for phrase in phrases]
        columns = [
            torch.full(self.known.shape, -torch.inf, device=self.codes.device)
            if vectors is None
            else self.field.scores(self.codes, vectors[:1])[..., 0].float()
            for vectors in read
        ]
        return torch.where(self.known, best(torch.stack(columns, dim=-1)), -1).cpu()


def own_cut(heat: Float[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
    """What is nearer to the words than to anything else; may be nothing."""
    return heat > NATURAL


def published_cut(heat: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """LangSplat's: half smoothed, scaled to the picture's own range, cut at 0.7 of it (without its last median)."""
    mixed = 0.5 * (heat + smoothed(heat))
    low, high = mixed.min(), mixed.max()
    return (mixed - low) / (high - low + 1e-9) > PUBLISHED_CUT


def highest(heat: Float[Tensor, "h w"], count: int) -> Bool[Tensor, "h w"]:
    """The pixels of the highest values, ``count`` of them; only where there is some."""
    chosen = torch.zeros(heat.numel(), dtype=torch.bool)
    chosen[heat.flatten().topk(count).indices] = True
    return chosen.reshape(heat.shape) & (heat > 0)


def peak(heat: Float[Tensor, "h w"]) -> tuple[int, int]:
    """(row, column) of the highest value after smoothing."""
    place = int(smoothed(heat).argmax())
    return place // heat.shape[1], place % heat.shape[1]


def smoothed(heat: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Means over a square of 3 % of the longest side, the border repeated."""
    reach = max(1, round(SMOOTHED * max(heat.shape) / 2))
    padded = torch.nn.functional.pad(heat[None, None], (reach,) * 4, mode="replicate")
    return torch.nn.functional.avg_pool2d(padded, 2 * reach + 1, stride=1)[0, 0]
