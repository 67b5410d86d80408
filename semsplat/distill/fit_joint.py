"""Codes fitted together with the colours under an L1 loss (Zhou et al. 2024, Feature 3DGS), and its speed-up.

Joint: the codes are the maps' own. Decoder: fewer numbers for each Gaussian, and a linear decoder without bias that is
learned with them. The trainer knows of neither; it is handed :meth:`Together.loss`.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting import processes
from ..splatting.average import average
from ..splatting.blend import Blend
from ..splatting.capture.types import Frame
from ..splatting.gaussians import Gaussians
from ..splatting.splat import splat
from .fit import Views, mean
from .maps import Maps

DECODED = 16  # numbers of a code that a decoder goes with, when nothing is said
DECODER_RATE = 1e-3  # learning rate of the decoder, in lengths of its rows at the start


class Together:
    """The feature loss of one fit, and the decoder that is learned in it: call :meth:`learn` after every step.

    Codes are fitted in units of the maps' mean length, so that the trainer's rate suits any teacher.
    """

    def __init__(
        self,
        maps: Maps,
        method: Literal["joint", "decoder"],
        dimension: int,
        device: torch.device,
        feature_geometry: bool = False,
    ) -> None:
        """A loss before its first step.

        Args:
            dimension: of the codes; joint takes the maps' own.
            feature_geometry: the loss gets the blend with its geometry, at the size of the photo.
        """
        self.maps, self.method, self.feature_geometry = maps, method, feature_geometry
        self.unit = max(maps.basis.energy, 1e-30) ** 0.5
        self.basis = maps.basis.rows.to(device)
        start = self.basis if method == "joint" else maps.principal(dimension).to(device)
        self._decoder = start.clone().requires_grad_(method == "decoder")
        self._adam = torch.optim.Adam([self._decoder], lr=DECODER_RATE) if method == "decoder" else None

    @property
    def dimension(self) -> int:
        """Numbers of a code."""
        return len(self._decoder)

    @property
    def decoder(self) -> Float[Tensor, "d c"]:
        """From the trainer's codes to features."""
        return self.unit * self._decoder.detach()

    def loss(self, blend: Blend, frame: Frame, features: Float[Tensor, "n d"]) -> Tensor | None:
        """Mean absolute error of the drawn features, in the teacher's units; None where there is nothing to compare.

        Codes are drawn at half the photo's size, or as the geometry is, and never at less.
        """
        width, height = -(-frame.camera.width // 2), -(-frame.camera.height // 2)
        if frame.name not in self.maps.paths or blend.camera.width < width:
            return None
        if not self.feature_geometry:
            blend = splat(blend.gaussians.detach(), frame.camera.resized(width, height)).detach()
        seen = self.maps.read(frame.name).to(features.device)
        rows, columns = (min(a, b) for a, b in zip(seen.known.shape[:2], blend.shape[:2], strict=True))
        share = average(seen.known, rows, columns)
        if not share.any():
            return None
        wanted = average(seen.known * seen.codes, rows, columns) / share.clamp_min(1e-6)
        image, alpha = blend.composite_means(features, rows, columns)
        wanted = alpha.detach() * wanted
        if self.method == "decoder":
            error = self.unit * (image @ self._decoder) - wanted @ self.basis
        else:
            error = self.unit * image - wanted
        return (share * error.abs()).sum() / (share.sum() * error.shape[-1])

    def learn(self) -> None:
        """Move the decoder by the gradient of the step that is over; all processes by the sum of theirs."""
        if self._adam is None:
            return
        gradient = self._decoder.grad if self._decoder.grad is not None else torch.zeros_like(self._decoder)
        compared = torch.tensor([float(self._decoder.grad is not None)])
        processes.add([gradient, compared])
        if compared > 0:
            self._decoder.grad = gradient
            self._adam.step()
            self._adam.zero_grad()


def agreement(gaussians: Gaussians, frames: Sequence[Frame], maps: Maps) -> Float[Tensor, " n"]:
    """How well the views agree about each Gaussian, in [0, 1]; see :func:`.fit.mean`."""
    return mean(Views(gaussians.detach(), frames, maps, keep=0))[1]
