"""Which Gaussians touch, and how unlike each other they are: the spatio-semantic neighbourhood graph.

Every Gaussian is joined to those that its own ellipsoid lies next to: a large flat one has points all over it, so it
is joined to everything that lies on it, and not only to what is near its centre. Each joint has a contact (how much
two Gaussians overlap) and a distance (how unlike they are in colour, fold and, with a field, in meaning).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ...splatting.camera import Camera
from ...splatting.gaussians import Gaussians
from ...splatting.project import rotations
from ..field import FeatureField
from . import surface as surfaces
from .surface import Surface
from .tree import Tree, grow

if TYPE_CHECKING:
    from scipy.sparse import csc_array, csr_array

NEIGHBOURS, WITH_FIELD = 12, 16  # of each point of a Gaussian; a field stops growth, so more joints do no harm
REACH = 1.2  # standard deviations from the centre to the points along the two longest axes
LARGEST = 0.25  # of the scene's extent: no point lies farther from its centre
CONCAVE, FIELD = 2.5, 3.0  # weights of a concave fold and of the field's cosine distance; see distances()
UNSEEN = 0.02  # of the mean: a Gaussian that is seen less is as good as hidden
SHARPNESS = 4.0  # how much unlike joints are avoided by a walker: exp(-sharpness * distance)
WIDTH = 3.0  # standard deviations apart at which the contact falls to 0.6


@dataclass(frozen=True)
class Graph:
    """Joints between Gaussians; rows are those of the Gaussians it was built for."""

    pairs: Int64[Tensor, "e 2"]  # each once, first < second
    contact: Float[Tensor, " e"]  # in (0, 1]
    distance: Float[Tensor, " e"]  # from 0; around 1 within things, 2 and more between them
    surface: Surface

    def __len__(self) -> int:
        return len(self.surface.mass)

    @property
    def links(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(starts, neighbours, distances) of each Gaussian's joints, both ways."""
        starts, neighbours, _ = self._both_ways
        return starts, neighbours, self._distances

    @cached_property
    def contacts(self) -> "csr_array":
        """Contact of each Gaussian (row) with each other one, both ways."""
        return self._matrix(self.contact)

    @cached_property
    def conductance(self) -> "tuple[csr_array, Float[np.ndarray, ' n']]":
        """(how easily a walker steps from one Gaussian to another, the sum over all others)."""
        joined = self._matrix(self.contact * (-SHARPNESS * self.distance).exp())
        return joined, joined.sum(1)

    @cached_property
    def unseen(self) -> tuple[Int64[Tensor, " k"], "csc_array"]:
        """(rows of Gaussians that hardly a view sees, shares of the contact of each of these with all others)."""
        rows = (self.surface.mass <= UNSEEN * self.surface.mass.mean()).nonzero()[:, 0]
        contact = self.contacts[rows.numpy()]
        total = np.maximum(contact.sum(1), 1e-30)
        contact.data /= np.repeat(total, np.diff(contact.indptr)).astype(np.float32)
        return rows, contact.tocsc()

    def _matrix(self, values: Float[Tensor, " e"]) -> "csr_array":
        """A value of each joint, both ways."""
        from scipy.sparse import csr_array

        starts, neighbours, joint = self._both_ways
        shape = (len(self), len(self))
        return csr_array((values.float().numpy()[joint], neighbours, starts.astype(np.int32)), shape=shape)

    @cached_property
    def _distances(self) -> np.ndarray:
        return self.distance.float().numpy()[self._both_ways[2]]

    @cached_property
    def _both_ways(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(starts, neighbours, number of the joint) of each Gaussian's joints."""
        both = torch.cat([self.pairs, self.pairs.flip(1)])
        order = both[:, 0].argsort(stable=True)
        starts = torch.zeros(len(self) + 1, dtype=torch.int64)
        starts[1:] = both[:, 0].bincount(minlength=len(self)).cumsum(0)
        neighbours = both[order, 1].int().numpy()  # half as much to read
        return starts.numpy(), neighbours, (order % max(len(self.pairs), 1)).numpy()

    def part(self, rows: Int64[Tensor, " k"]) -> "Graph":
        """The graph of some of the Gaussians, in the order of ``rows``, each once."""
        place = torch.full((len(self),), -1, dtype=torch.int64)
        place[rows] = torch.arange(len(rows))
        pairs = place[self.pairs]
        kept = (pairs >= 0).all(1)
        surface = self.surface.map(lambda values: values[rows])
        return Graph(pairs[kept].sort(1).values, self.contact[kept], self.distance[kept], surface)

    @cached_property
    def tree(self) -> Tree:
        """The Gaussians merged by and by into larger parts; made when first asked for."""
        return grow(len(self), self.pairs, self.distance, self.contact, self.surface.mass)


def build(
    gaussians: Gaussians,
    cameras: Sequence[Camera] = (),
    field: FeatureField | None = None,
    neighbours: int | None = None,
) -> Graph:
    """The graph of a scene; seconds for 100,000 Gaussians.

    Args:
        cameras: of the photos, or any that see the content; without them the Gaussians' own colours and axes are used.
        field: its codes must be among ``gaussians.features``.
        neighbours: of each of the five points of a Gaussian; by default 12, and 16 with a field.
    """
    gaussians = gaussians.detach()
    surface = surfaces.look(gaussians, cameras).map(lambda values: values.cpu().float())
    gaussians = gaussians.to("cpu").float()
    pairs = _neighbours(gaussians, neighbours or (NEIGHBOURS if field is None else WITH_FIELD))
    apart = _apart(gaussians, pairs)
    opacities = gaussians.opacities[pairs].amin(1)
    contact = ((-0.5 * apart.clamp_max(8 * WIDTH**2) / WIDTH**2).exp() * opacities).clamp_min(1e-6)
    return Graph(pairs, contact, distances(gaussians, pairs, apart, surface, field, bool(cameras)), surface)


def distances(
    gaussians: Gaussians,
    pairs: Int64[Tensor, "e 2"],
    apart: Float[Tensor, " e"],
    surface: Surface,
    field: FeatureField | None,
    oriented: bool,
) -> Float[Tensor, " e"]:
    """How unlike the two of each pair are.

    Difference of the seen Lab colours, and of their chroma alone (shadows change lightness); concave folds, at which
    things meet while convex edges are within them (Stein et al. 2014, LCCP); the gap; the cosine distance in the field
    as far as both are reliable. Weights were chosen on the bundled capture. Edges of pictures between the two (the
    intervening contour) were tried and say less than the colours of the two.
    """
    first, second = pairs.unbind(1)
    change = surface.colors[first] - surface.colors[second]
    result = 0.5 * (change.norm(dim=-1) / 3.0).log1p() + 0.5 * (change[:, 1:].norm(dim=-1) / 1.5).log1p()
    result += 0.2 * apart.sqrt().log1p()
    unit = torch.nn.functional.normalize(surface.normals, dim=-1)
    if oriented:
        along = torch.nn.functional.normalize(gaussians.means[second] - gaussians.means[first], dim=-1)
        fold = ((unit[second] - unit[first]) * along).sum(-1)  # above 0: convex
        result += CONCAVE * (-fold).clamp_min(0.0)
    else:
        result += 0.5 * (1.0 - (unit[first] * unit[second]).sum(-1).abs())
    if field is not None:
        codes, trust = field.codes(gaussians), field.reliability(gaussians).clamp(0.0, 1.0)
        result += FIELD * torch.minimum(trust[first], trust[second]) * (1.0 - _cosines(field, codes, first, second))
    return result.nan_to_num(10.0, 10.0, 10.0).clamp_min(0.0)


def _cosines(
    field: FeatureField, codes: Float[Tensor, "n d"], first: Int64[Tensor, " e"], second: Int64[Tensor, " e"]
) -> Float[Tensor, " e"]:
    decoder = field.decoder.to(codes)
    units = codes / field.norms(codes).clamp_min(1e-6)
    other = units @ (decoder @ decoder.T)
    parts = range(0, len(first), 1 << 18)  # not all pairs' codes at once
    slices = [slice(i, i + (1 << 18)) for i in parts]
    return torch.cat([(units[first[s]] * other[second[s]]).sum(-1) for s in slices] or [units.new_zeros(0)])


def _neighbours(gaussians: Gaussians, count: int) -> Int64[Tensor, "e 2"]:
    """Pairs of Gaussians of which a point of the one is among the nearest of a point of the other."""
    from scipy.spatial import KDTree

    rows = torch.nonzero(gaussians.is_finite(("means", "quats", "log_scales")))[:, 0]
    if len(rows) < 2:
        return torch.zeros(0, 2, dtype=torch.int64)
    points, owners = _points(gaussians[rows])
    placed = points.double().numpy()
    _, found = KDTree(placed).query(placed, k=min(count + 1, len(points)), workers=-1)
    found = np.asarray(found)
    first, second = owners.repeat_interleave(found.shape[1]), owners[torch.from_numpy(found.reshape(-1))]
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    key = torch.from_numpy(np.unique((low * len(rows) + high)[low != high].numpy()))
    return rows[torch.stack([key // len(rows), key % len(rows)], dim=1)]


def _points(gaussians: Gaussians) -> tuple[Float[Tensor, "m 3"], Int64[Tensor, " m"]]:
    """Five points of each Gaussian: the centre, and two along each of the two longest axes."""
    means, turned = gaussians.means, rotations(gaussians.quats)
    order = gaussians.log_scales.argsort(-1, descending=True)
    ends = means[:: 1 + len(means) // 1_000_000].quantile(means.new_tensor([0.02, 0.98]), dim=0)
    largest = LARGEST * (ends[1] - ends[0]).norm()
    points = [means]
    for place in (0, 1):
        axis = turned.gather(2, order[:, place, None, None].expand(-1, 3, 1))[..., 0]
        arm = axis * (REACH * gaussians.scales.gather(1, order[:, place, None])).minimum(largest)
        points += [means + arm, means - arm]
    return torch.cat(points), torch.arange(len(means)).repeat(len(points))


def _apart(gaussians: Gaussians, pairs: Int64[Tensor, "e 2"]) -> Float[Tensor, " e"]:
    """Squared distance of the two centres in units of both spreads together: d^T (A + B)^-1 d, from 0."""
    half = rotations(gaussians.quats) * gaussians.scales[:, None, :]
    spread = half @ half.transpose(1, 2)
    result = []
    for part in pairs.split(1 << 18):
        first, second = part.unbind(1)
        both, gap = spread[first] + spread[second], gaussians.means[first] - gaussians.means[second]
        size = both.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-20)
        both = both / size[:, None, None] + 1e-3 * torch.eye(3)
        scaled = gap / size.sqrt()[:, None]
        result.append((torch.linalg.solve(both, scaled[..., None])[..., 0] * scaled).sum(-1))
    return torch.cat(result).nan_to_num(1e6, 1e6, 1e6).clamp(0.0, 1e6) if result else pairs.new_zeros(0).float()
