"""From maps to codes of the Gaussians in closed form: weighted mean, conjugate-gradient sweeps, robust rounds of them.

With W of a camera and A the averaging to the teacher's grid, a cell sees ``A W F``. The mean over all views is
``(sum W.T A.T k m) / (sum W.T A.T k)`` with k how much of a cell is known (Marrie et al. 2024, LUDVIG; Cheng et al.
2024, Occam's LGS). The sweeps go from there towards ``min sum k |A W F - A W 1 m|^2``. A robust round does so again
with cells weighed by how far they are from what all views together say (Geman and McClure 1987, iteratively reweighted
least squares), for teachers that disagree between views.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting import processes
from ..splatting.average import Averaged
from ..splatting.blend import Blend
from ..splatting.camera import Camera
from ..splatting.capture.types import Frame
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.lift import solve
from ..splatting.splat import splat
from ..splatting.train import one_torch_thread
from .maps import Maps, SeenMap

SWEEPS = 3
ROUNDS = 1  # robust ones after the first solution: measured on labels with wrong pixels and wrong patches
SPREAD = 2.5  # times the median residual: where a cell counts a quarter
FLOOR = 1e-3  # the least weight of a known cell: what only outliers see has their mean
SAMPLE_VIEWS = 8  # the median is taken over so many views
KEEP_BYTES = 2_500_000_000  # memory for the matrices W of views that are used several times
COVERED = 0.5  # what less is there than this is not compared

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Lifted:
    """What a field is made of."""

    codes: Float[Tensor, "n d"]
    reliability: Float[Tensor, " n"]


@dataclass
class Views:
    """Views with maps, one at a time, as often as wanted; blends are kept as long as memory allows.

    Going over them goes over this process's share.
    """

    gaussians: Gaussians
    frames: Sequence[Frame]
    maps: Maps
    keep: int = KEEP_BYTES
    report: Report | None = None  # called with (done, planned) after every view
    planned: int = 0  # passes
    _kept: dict[str, Blend] = field(default_factory=dict)
    _done: int = 0

    def __iter__(self) -> Iterator[tuple[str, Blend, SeenMap]]:
        own = processes.share(self.frames)
        for frame in own:
            yield frame.name, self.blend(frame), self.map(frame.name)
            self._done += 1
            if self.report is not None:
                self.report(min(self._done, self.planned * len(own)), self.planned * len(own))

    def map(self, name: str) -> SeenMap:
        """On the device of the Gaussians."""
        return self.maps.read(name).to(self.gaussians.means.device)

    def blend(self, frame: Frame) -> Blend:
        """W of a view without gradient, at a size that suits its map."""
        if frame.name in self._kept:
            return self._kept[frame.name]
        blend = splat(self.gaussians, drawn_at(frame.camera, self.maps.grid(frame.name))).detach()
        if sum(kept.bytes for kept in self._kept.values()) < self.keep:
            self._kept[frame.name] = blend
        return blend


def drawn_at(camera: Camera, grid: tuple[int, int]) -> Camera:
    """The camera at half the photo's size where the map is no finer than that, else at all of it; never smaller."""
    half = camera.resized(-(-camera.width // 2), -(-camera.height // 2))
    return half if grid[0] <= half.height and grid[1] <= half.width else camera


def lift(
    gaussians: Gaussians,
    frames: Sequence[Frame],
    maps: Maps,
    sweeps: int = SWEEPS,
    rounds: int = ROUNDS,
    report: Report | None = None,
    keep: int = KEEP_BYTES,
    arrived: Callable[[Lifted], None] | None = None,
) -> Lifted:
    """Codes and reliability of the Gaussians from the maps of the frames; views stream, the Gaussians decide where.

    Several processes share the views, and all have the result.

    Args:
        sweeps: conjugate-gradient sweeps after the mean, 0 leaves the mean; and again in each robust round.
        rounds: robust rounds; 0 believes every view alike.
        report: called with (views done, views planned over all passes), those of this process.
        keep: bytes of memory for matrices of views.
        arrived: called with what is known after 1, 2, 4, 8 ... views, for those who watch.

    Raises:
        InputError: there is no view.
    """
    if not frames:
        raise InputError("Distilling needs at least one photo that the teacher has a map for.")
    passes = 1 + (1 + rounds) * (sweeps + 2 if sweeps else 0)
    views = Views(gaussians.detach(), frames, maps, keep, report, passes)
    with one_torch_thread(gaussians.means.device):
        codes, reliability = mean(views, arrived)
        for number in range(1 + rounds if sweeps else 0):
            codes = _solved(views, codes, sweeps, robust=number > 0)
    return Lifted(codes, reliability)


def mean(
    views: Views, arrived: Callable[[Lifted], None] | None = None
) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
    """(codes, reliability): means of what the Gaussians are seen with, and how well the views agree about them.

    Reliability is one minus the variance of the views' own means of a Gaussian, over the variance of all cells; the
    variance counts as if one more view had disagreed as two random places do, so few views are no proof.
    """
    size = len(views.gaussians), views.maps.dimension
    like = views.gaussians.means
    total, squares, mass, mass2 = (like.new_zeros(*s) for s in (size, size[:1], size[:1], size[:1]))
    moments = torch.zeros(size[1] + 2, dtype=torch.float64)  # of all cells: sum, sum of squares, weight
    for number, (_, blend, seen) in enumerate(views, 1):
        weight = seen.known
        cells = Averaged(blend, torch.ones_like(weight))
        own, share = cells.T @ (weight * seen.codes), (cells.T @ weight)[:, 0]
        total += own
        squares += torch.linalg.vector_norm(own, dim=-1).square() / share.clamp_min(1e-20)
        mass += share
        mass2 += share.square()
        here = torch.cat([weight * seen.codes, weight * seen.codes.square().sum(-1, keepdim=True), weight], dim=-1)
        moments += here.double().sum((0, 1)).cpu()
        if arrived is not None and number & (number - 1) == 0:
            arrived(Lifted(_over(total, mass), (mass > 0).float()))
    processes.add([total, squares, mass, mass2, moments])
    codes = _over(total, mass)
    middle, square = moments[:-2] / moments[-1].clamp_min(1e-20), moments[-2] / moments[-1].clamp_min(1e-20)
    variance = max(float(square - middle.square().sum()), 1e-20)
    between = (squares / mass.clamp_min(1e-20) - codes.square().sum(-1)).clamp_min(0.0)
    count = mass.square() / mass2.clamp_min(1e-30)  # effective number of views
    share = (count * between / variance + 1.0) / (count + 1.0)
    return codes, torch.where(mass > 0, (1.0 - share).clamp(0.0, 1.0), 0.0)


def _over(total: Float[Tensor, "n d"], mass: Float[Tensor, " n"]) -> Float[Tensor, "n d"]:
    return torch.where(mass[:, None] > 0, total / mass[:, None].clamp_min(1e-20), 0.0)


def _residuals(blend: Blend, codes: Tensor, seen: SeenMap) -> tuple[Float[Tensor, "u v 1"], Float[Tensor, "u v 1"]]:
    """(distance of what the codes look like from the map, coverage) of each cell."""
    image, alpha = blend.composite_means(codes, *seen.known.shape[:2])
    return (image - alpha * seen.codes).norm(dim=-1, keepdim=True), alpha


def _spread(views: Views, codes: Tensor) -> float:
    """The residual at which a cell counts a quarter: from the median over some of the views."""
    found = []
    for frame in views.frames[:: max(1, len(views.frames) // SAMPLE_VIEWS)]:
        seen = views.map(frame.name)
        residuals, alpha = _residuals(views.blend(frame), codes, seen)
        found.append(residuals[(seen.known > 0.5) & (alpha > COVERED)])
    found = torch.cat(found)
    return SPREAD * float(found.median()) + 1e-12 if len(found) else 1.0


def _belief(blend: Blend, codes: Tensor, seen: SeenMap, spread: float | None) -> tuple[Tensor, Tensor]:
    """(how much each cell is believed, in (0, 1], coverage)."""
    residuals, alpha = _residuals(blend, codes, seen)
    belief = (1.0 + (residuals / spread).square()).pow(-2) if spread is not None else torch.ones_like(alpha)
    return belief.clamp_min(FLOOR), alpha


@dataclass
class _Weighted:
    """The views of the least squares: weights and coverage of the cells are kept, the rest comes again."""

    views: Views
    weights: dict[str, tuple[Tensor, Tensor]]

    def __iter__(self) -> Iterator[tuple[Averaged, Tensor]]:
        for name, blend, seen in self.views:
            weight, alpha = self.weights[name]
            scale = weight.sqrt()
            yield Averaged(blend, scale), scale * alpha * seen.codes


def _solved(views: Views, codes: Float[Tensor, "n d"], sweeps: int, robust: bool) -> Float[Tensor, "n d"]:
    spread = _spread(views, codes) if robust else None
    weights = {}
    for name, blend, seen in views:
        belief, alpha = _belief(blend, codes, seen, spread)
        weights[name] = seen.known * belief, alpha
    return solve(_Weighted(views, weights), codes, sweeps)


def held_out(
    gaussians: Gaussians, codes: Float[Tensor, "n d"], frames: Sequence[Frame], maps: Maps
) -> tuple[float, float]:
    """(relative error, mean cosine) of what the codes look like against maps that they were not made from.

    Against the maps before compression, over cells that are known and covered by half at least.

    Raises:
        InputError: there is no view.
    """
    if not frames:
        raise InputError("There is no view to compare.")
    sums = torch.zeros(4, dtype=torch.float64)  # squared errors, squared lengths, cosines, weights
    views = Views(gaussians.detach(), frames, maps, keep=0)
    with one_torch_thread(gaussians.means.device):
        for _, blend, seen in views:
            image, alpha = blend.composite_means(codes.to(seen.codes), *seen.known.shape[:2])
            weight = seen.known * (alpha > COVERED)
            drawn, there = image.norm(dim=-1, keepdim=True), alpha * seen.lengths
            both = (image * seen.codes).sum(-1, keepdim=True)
            errors = drawn.square() - 2.0 * alpha * both + there.square()
            cosine = both / (drawn * seen.lengths).clamp_min(1e-20)
            each = (errors, there.square(), cosine, torch.ones_like(weight))
            sums += torch.stack([(weight * one).double().sum() for one in each]).cpu()
    processes.add([sums])
    error, square, cosine, weight = sums.tolist()
    return (max(error, 0.0) / max(square, 1e-30)) ** 0.5, cosine / max(weight, 1e-30)
