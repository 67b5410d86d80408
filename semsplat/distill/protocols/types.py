"""What the readers of the sets give: photos with masks of phrases, and things that are pointed at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from ..metrics import MaskScores

Box = tuple[float, float, float, float]  # x0, y0, x1, y1, pixels of the annotation
Masks = Mapping[str, Bool[np.ndarray, "h w"]]


@dataclass(frozen=True)
class Annotated:
    """One annotated photo. Masks are read when asked for: some sets have 12 megapixels for every phrase."""

    photo: str  # of the scene
    where: Path  # the annotation, to be named in errors
    phrases: tuple[str, ...]  # that are annotated in it
    masks: Callable[[], Masks]  # of each phrase, all of one size
    boxes: Mapping[str, Sequence[Box]] = field(default_factory=dict)  # of each phrase; none where the set has none


@dataclass(frozen=True)
class Pointed:
    """One thing that is shown in one photo and looked for in others; photos by their names in the scene."""

    name: str
    reference: str  # the photo in which it is shown
    shown: Path  # a picture, white on the thing: painted over it, or its outline
    against: Path | None  # painted over other things
    is_outline: bool
    targets: tuple[tuple[str, Path], ...]  # (photo, its true mask)


@dataclass(frozen=True)
class Scores:
    """How one answer fits one true mask of one photo."""

    phrase: str
    photo: str
    held_out: bool
    present: bool  # the photo is annotated with it
    both: int  # pixels
    either: int
    accuracy: float  # share of pixels
    accuracy_of_nothing: float  # what an empty answer would have
    boundary_iou: float

    @classmethod
    def of(
        cls, phrase: str, photo: str, held_out: bool, truth: Bool[Tensor, "h w"], answer: Bool[Tensor, "h w"]
    ) -> "Scores":
        """Compare two masks; one that is nowhere true is not present."""
        both, either = int((truth & answer).sum()), int((truth | answer).sum())
        edge = MaskScores.of(truth, answer).boundary_iou
        accuracy, empty = float((truth == answer).double().mean()), float((~truth).double().mean())
        return cls(phrase, photo, held_out, bool(truth.any()), both, either, accuracy, empty, edge)

    @property
    def iou(self) -> float:
        """nan where there is nothing in either mask."""
        return self.both / self.either if self.either else float("nan")


def mean(numbers: Sequence[float]) -> float:
    """Of those that are numbers; nan when there are none."""
    return float(torch.tensor(numbers, dtype=torch.float64).nanmean()) if len(numbers) else float("nan")


def mean_iou(scores: Sequence[Scores]) -> float:
    """Over the photos in which the phrase is: it is known to be there."""
    return mean([score.iou for score in scores if score.present])


def mean_iou_everywhere(scores: Sequence[Scores]) -> float:
    """Over phrases, pixels of all photos added up first: an answer where the phrase is not counts against it."""
    phrases = dict.fromkeys(score.phrase for score in scores if score.present)
    ious = []
    for phrase in phrases:
        own = [score for score in scores if score.phrase == phrase]
        ious.append(sum(score.both for score in own) / max(1, sum(score.either for score in own)))
    return mean(ious)


def share_above(scores: Sequence[Scores], least: float = 0.25) -> float:
    """Acc@.25: the share of the present phrases with a larger IoU."""
    return mean([float(score.iou > least) for score in scores if score.present])
