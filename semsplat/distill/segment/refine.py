"""A selection decided again by what pixels show: for what is as thin as the Gaussians at its borders.

A Gaussian belongs or does not, as a whole, so at a border each decision alone is wrong somewhere; together they can
make up for each other, as codes do: pixel by pixel a field is much sharper than Gaussian by Gaussian. In some views,
pixels in which ``W @ selection > 0.5`` and the drawn field disagree pull at their Gaussians by W.T, until they change
sides: the perceptron (Rosenblatt 1958). Only the rows of W of wrong pixels and the columns of Gaussians that changed
are touched, so a selection takes milliseconds once W stands.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ...splatting.camera import Camera
from ...splatting.gaussians import Gaussians
from ...splatting.splat import splat
from ...splatting.stacked import lines_sum, stacked
from ..field import FeatureField, Nearest

if TYPE_CHECKING:
    from scipy.sparse import csc_array, csr_array

VIEWS, SIDE = 14, 160  # at most so many cameras, with pictures of at most so many pixels on the longest side
LEAST = 1.0 / 64.0  # weights below it are left out of W
COVERED = 0.5  # of a pixel: where less is, nothing belongs
LITTLE = 0.1  # of the mean: a Gaussian that fills less is not turned by its pixels alone
GAIN = 0.02  # of the agreement: what gains less is an accident of these views, and fewer changes are better
ROUNDS = 12  # more fit these views better, but not others
STEP = 3.0  # of a Gaussian whose pixels are all wrong, in units of the way from out to undecided

# Whether codes, of Gaussians or as they are drawn, are what is meant; their features have length 1, or 0 for nothing.
Alike = Callable[[Float[Tensor, "*b d"]], Bool[Tensor, "*b"]]


@dataclass(frozen=True, eq=False)
class Outlines:
    """What some views show of a field; rows of Gaussians are those of the Gaussians it was made of."""

    rows: "csr_array"  # W of all views, one below the other: (p, n)
    columns: "csc_array"  # the same by Gaussian
    own: Float[Tensor, "n d"]  # codes of the Gaussians, their features of length 1
    drawn: Float[Tensor, "p d"]  # codes as they are seen in the pixels, the same
    covered: Bool[np.ndarray, " p"]

    @classmethod
    @torch.no_grad()
    def of(cls, gaussians: Gaussians, field: FeatureField, cameras: Sequence[Camera]) -> Self:
        """Draw some of the cameras; about a second for 20,000 Gaussians on two cores.

        Args:
            gaussians: with the field's codes among their features. cameras: of the photos.
        """
        gaussians = gaussians.detach().to("cpu").float()
        chosen = cameras[:: math.ceil(len(cameras) / VIEWS)] if cameras else []
        small = [camera.scaled(min(1.0, SIDE / max(camera.width, camera.height))) for camera in chosen]
        rows, codes = stacked(gaussians, small, LEAST), field.codes(gaussians)
        pictures = [splat(gaussians, camera).detach().composite(codes) for camera in small]
        drawn = torch.cat([codes[:0], *(image.flatten(0, 1) for image, _ in pictures)])
        covered = torch.cat([codes[:0, 0], *(alpha.flatten() for _, alpha in pictures)]) > COVERED
        own, drawn = (each / field.norms(each).clamp_min(1e-12) for each in (codes, drawn))
        return cls(rows, rows.tocsc(), own, drawn, covered.numpy())

    @cached_property
    def mass(self) -> Float[np.ndarray, " n"]:
        """Pixels that each Gaussian fills; of those that are hardly seen a few say nothing."""
        filled = self.columns.sum(0)
        return np.maximum(filled, LITTLE * filled.mean() + 1e-9)

    def part(self, rows: Int64[Tensor, " k"]) -> Self:
        """Of some of the Gaussians, each once: where others were, pixels show what was seen before."""
        columns = self.columns[:, rows.numpy()]
        return type(self)(columns.tocsr(), columns, self.own[rows], self.drawn, self.covered)

    def agreed(self, selection: Bool[Tensor, " n"], alike: Alike) -> Bool[Tensor, " n"]:
        """The selection that looks most like the drawn field's own outline of it; the given one if none does better.

        A pixel belongs if what it shows is alike, and more of it is selected than is alike but elsewhere: the other
        chair stays out.
        """
        before = selection.cpu().numpy()
        if not before.any() or not len(self.covered):
            return selection
        chosen, pixels = (found.numpy() for found in self._alike(alike))
        seen, elsewhere = (lines_sum(self.columns, np.flatnonzero(those)) for those in (before, chosen & ~before))
        wanted = pixels & self.covered & (seen >= elsewhere)
        return torch.from_numpy(self._agreed(before, seen, wanted)).to(selection.device)

    def _alike(self, alike: Alike) -> tuple[Bool[Tensor, " n"], Bool[Tensor, " p"]]:
        """Of the Gaussians and of the pixels; what the classes of annotations are is found out once."""
        if not isinstance(alike, Nearest):
            return alike(self.own), alike(self.drawn)
        kept = self.__dict__.setdefault("_labels", {})
        key = alike.classes.cpu().numpy().tobytes()
        if key not in kept:
            kept[key] = alike.labels(self.own), alike.labels(self.drawn)
        own, drawn = kept[key]
        return alike.among(own), alike.among(drawn)

    def _agreed(self, before: np.ndarray, seen: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """The round that agrees best with the pixels that are wanted, the start among them; ``seen`` changes."""
        lean = np.where(before, 1.0, -1.0).astype(np.float32)  # belongs where above 0
        best, found = -1.0, before
        for _ in range(ROUNDS + 1):
            shown = seen > 0.5
            agreement = np.count_nonzero(shown & wanted) / max(np.count_nonzero(shown | wanted), 1)
            if before.any() and agreement > best + GAIN:
                best, found = agreement, before
            wrong = np.flatnonzero(shown != wanted)
            pull = lines_sum(self.rows, wrong, _signs(wanted[wrong]))
            lean += STEP * (pull / self.mass)
            np.clip(lean, -1.0, 1.0, out=lean)
            after = lean > 0
            changed = np.flatnonzero(after != before)
            lines_sum(self.columns, changed, _signs(after[changed]), out=seen)
            before = after
        return found


def _signs(positive: Bool[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    return np.where(positive, np.float32(1.0), np.float32(-1.0))
