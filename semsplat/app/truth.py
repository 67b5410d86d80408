"""Fields and selections against what is true: label images and object masks of photos that were held out.

A field answers with the word of the highest cosine of ``W @ codes`` (norms by the Gram matrix), at the size of the
photo; a selection with ``W @ selection > 0.5``. Agreement with the teacher's own maps is another thing and called so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ..distill.field import FeatureField
from ..distill.metrics import (
    LabelScores,
    MaskScores,
    boundary_counts,
    boundary_ious,
    confusion,
    localised,
)
from ..splatting.blend import compact
from ..splatting.camera import Camera
from ..splatting.capture.types import Frame
from ..splatting.gaussians import Gaussians
from ..splatting.splat import splat
from ..splatting.train import one_torch_thread
from .layers_meaning import UNKNOWN
from .overlays import INSIDE

Report = Callable[[int, int], None]
COMMONEST = 7  # labels that the protocol of Feature 3DGS compares
PROTOCOL_GRID = 159  # cells on the longest side of its maps: 119 x 159 for photos of 3 : 4


@dataclass(frozen=True)
class Texts:
    """The words that a field may answer with."""

    names: tuple[str, ...]
    vectors: Float[Tensor, "k c"]  # zeros for words that the teacher does not know

    @property
    def unknown(self) -> list[str]:
        """Words that the teacher does not know, so that the field cannot answer with them."""
        known = (self.vectors != 0).any(-1)
        return [name for name, there in zip(self.names, known.tolist(), strict=True) if not there]


@dataclass(frozen=True)
class FieldTruth:
    """How well a field labels the held-out photos."""

    names: tuple[str, ...]
    labels: LabelScores
    boundary: Float[Tensor, " k"]  # IoU of the boundaries, added up over the photos
    found: Int64[Tensor, "2 k"]  # (hits, tries): whether a class is where its score is highest
    views: int
    unknown: tuple[str, ...] = ()

    @property
    def localisation(self) -> float:
        """Share of the (photo, class) pairs in which the highest score is on the class."""
        hits, tries = self.found.sum(1).tolist()
        return hits / tries if tries else float("nan")

    def facts(self) -> dict[str, Any]:
        """For metrics.json."""
        classes = {
            name: {"iou": rounded(iou), "boundary_iou": rounded(edge), "recall": rounded(recall)}
            for name, iou, edge, recall in self.rows()
        }
        return {
            "miou": rounded(self.labels.mean_iou),
            "accuracy": rounded(self.labels.accuracy),
            "class_accuracy": rounded(self.labels.class_accuracy),
            "boundary_iou": rounded(float(self.boundary.nanmean())),
            "localisation": rounded(self.localisation),
            "photos": self.views,
            "classes": classes,
            "unknown_words": list(self.unknown),
        }

    def rows(self) -> list[tuple[str, float, float, float]]:
        """(name, IoU, boundary IoU, recall) of the classes that the truth has, the worst first."""
        columns = (self.labels.ious.tolist(), self.boundary.tolist(), self.labels.recalls.tolist())
        rows = [row for row in zip(self.names, *columns, strict=True) if row[1] == row[1]]
        return sorted(rows, key=lambda row: row[1])


@torch.no_grad()
def answer(
    gaussians: Gaussians, field: FeatureField, camera: Camera, texts: Texts
) -> tuple[Int64[Tensor, "h w"], Float[Tensor, "h w k"]]:
    """(the word of the highest cosine, -1 where nothing is; the cosines) for every pixel of a camera."""
    codes, alpha = splat(gaussians, camera).detach().composite(compact(field.codes(gaussians)))
    scores = cosines(field, codes, texts)
    return torch.where(alpha[..., 0] >= UNKNOWN, best(scores), -1), scores


def cosines(field: FeatureField, codes: Float[Tensor, "*b d"], texts: Texts) -> Float[Tensor, "*b k"]:
    """Cosines with the words; -inf for words that the teacher does not know and where there is no feature."""
    scores = field.scores(codes, texts.vectors.to(codes))
    silent = (texts.vectors == 0).all(-1).to(codes.device) | (field.norms(codes) <= 0)
    return scores.masked_fill(silent, -torch.inf)


def best(scores: Float[Tensor, "*b k"]) -> Int64[Tensor, "*b"]:
    """The index of the highest score; -1 where all are -inf, or there is none."""
    if scores.shape[-1] == 0:
        return torch.full(scores.shape[:-1], -1)
    highest, index = scores.max(-1)
    return torch.where(highest == -torch.inf, -1, index)


def score_field(
    gaussians: Gaussians,
    field: FeatureField,
    texts: Texts,
    frames: Sequence[Frame],
    truth_of: Callable[[Frame], Int64[Tensor, "_h _w"]],
    report: Report | None = None,
) -> FieldTruth:
    """Compare what a field answers with label maps.

    Args:
        truth_of: the true class of every pixel of a frame, as an index into ``texts.names``; -1 is void.
        report: told (done, total) after every frame.
    """
    count = len(texts.names)
    counts, edges, found = torch.zeros(count, count + 1), torch.zeros(2, count), torch.zeros(2, count)
    with one_torch_thread(gaussians.means.device):
        for done, frame in enumerate(frames, 1):
            truth = truth_of(frame)
            answered, scores = (tensor.cpu() for tensor in answer(gaussians, field, frame.camera, texts))
            counts += confusion(truth, answered, count)
            edges += boundary_counts(truth, answered, count)
            found += localised(scores, truth)
            if report:
                report(done, len(frames))
    present = counts.sum(1) > 0
    labels = LabelScores.of(counts.long())
    boundary = boundary_ious(edges.long(), present)
    return FieldTruth(texts.names, labels, boundary, found.long(), len(frames), tuple(texts.unknown))


@torch.no_grad()
def score_selection(
    gaussians: Gaussians,
    selection: Bool[Tensor, " n"],
    frames: Sequence[Frame],
    mask_of: Callable[[Frame], Bool[Tensor, "_h _w"]],
    report: Report | None = None,
) -> dict[str, MaskScores]:
    """``W @ selection > 0.5`` against the visible mask of the thing, by the name of the frame."""
    scores = {}
    with one_torch_thread(gaussians.means.device):
        for done, frame in enumerate(frames, 1):
            scores[frame.name] = MaskScores.of(mask_of(frame), visible(gaussians, selection, frame.camera))
            if report:
                report(done, len(frames))
    return scores


@torch.no_grad()
def visible(gaussians: Gaussians, selection: Bool[Tensor, " n"], camera: Camera) -> Bool[Tensor, "h w"]:
    """The pixels that are mostly of the selection."""
    image = splat(gaussians, camera).detach() @ selection.to(gaussians.means)[:, None]
    return (image[..., 0] > INSIDE).cpu()


def mean_scores(scores: Mapping[str, MaskScores]) -> MaskScores:
    """Means over the views, without those that have nothing to compare."""
    table = torch.tensor([[s.iou, s.boundary_iou, s.precision, s.recall] for s in scores.values()]).reshape(-1, 4)
    return MaskScores(*table.nanmean(0).tolist())


@dataclass(frozen=True)
class Agreement:
    """How far the labels of the rendered features are those of the teacher's own maps. Says nothing about truth."""

    labels: tuple[str, ...]  # the commonest ones of the teacher
    accuracy: float
    miou: float
    views: int

    def facts(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "accuracy": rounded(self.accuracy),
            "miou": rounded(self.miou),
            "labels": list(self.labels),
            "photos": self.views,
        }


@torch.no_grad()
def agreement(
    gaussians: Gaussians,
    field: FeatureField,
    texts: Texts,
    frames: Sequence[Frame],
    features_of: Callable[[Frame], Float[Tensor, "_u _v c"]],
    commonest: int = COMMONEST,
) -> Agreement:
    """The protocol of Feature 3DGS (Zhou et al. 2024): both maps at 119 x 159, labels among the seven commonest.

    The commonest are those that the teacher sees most in these frames, among the given words. The longest side has 159
    cells, the other what the photo's shape asks for. Cells where the teacher knows nothing do not count.

    Args:
        features_of: the teacher's own map of a frame, zeros where nothing is known.
    """
    taught, drawn = [], []
    for frame in frames:
        height, width = _protocol_grid(frame.camera)
        features = torch.nn.functional.interpolate(
            features_of(frame).permute(2, 0, 1)[None], (height, width), mode="bilinear", align_corners=False
        )[0].permute(1, 2, 0)
        codes = splat(gaussians, frame.camera).detach().means(field.codes(gaussians), height, width)
        taught.append(_teachers_cosines(features, texts).flatten(0, 1))
        drawn.append(cosines(field, codes.cpu(), texts).flatten(0, 1))
    teacher, student = torch.cat(taught), torch.cat(drawn)
    seen = torch.bincount(best(teacher) + 1, minlength=len(texts.names) + 1)[1:]
    used = seen.argsort(descending=True)[:commonest]
    used = used[seen[used] > 0]
    counts = confusion(best(teacher[:, used]), best(student[:, used]), len(used))
    scores = LabelScores.of(counts)
    return Agreement(tuple(texts.names[i] for i in used.tolist()), scores.accuracy, scores.mean_iou, len(frames))


def _teachers_cosines(features: Float[Tensor, "u v c"], texts: Texts) -> Float[Tensor, "u v k"]:
    vectors = torch.nn.functional.normalize(texts.vectors.to(features), dim=-1)
    silent = (vectors == 0).all(-1) | (features == 0).all(-1, keepdim=True)
    return (torch.nn.functional.normalize(features, dim=-1) @ vectors.T).masked_fill(silent, -torch.inf)


def _protocol_grid(camera: Camera) -> tuple[int, int]:
    factor = min(1.0, PROTOCOL_GRID / max(camera.width, camera.height))
    return max(1, int(camera.height * factor + 1e-6)), max(1, int(camera.width * factor + 1e-6))


def rounded(number: float) -> float | None:
    """Four digits for JSON; None instead of nan."""
    return round(number, 4) if number == number else None
