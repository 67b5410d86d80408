"""The table of Gaussians. Every structural change (prune, clone, crop, delete, duplicate) is ``gaussians[rows]``."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from . import sh as spherical_harmonics
from .camera import Camera

GEOMETRY = ("means", "quats", "log_scales", "logit_opacities")  # the columns behind W


@dataclass(frozen=True)
class Gaussians:
    """N anisotropic 3D Gaussians (Kerbl et al. 2023), one row each; immutable.

    ``ids`` say who a Gaussian is for life: 0..N-1 when not given, carried along by rows. ``features`` are carried along
    and never interpreted here (their width may be 0).
    """

    means: Float[Tensor, "n 3"]  # world units
    quats: Float[Tensor, "n 4"]  # wxyz, any length but zero
    log_scales: Float[Tensor, "n 3"]  # natural logarithm of the standard deviation in world units
    logit_opacities: Float[Tensor, " n"]  # opacity is the sigmoid, in (0, 1)
    sh: Float[Tensor, "n k 3"]  # k = 1, 4, 9 or 16 coefficients for degree 0..3; colour = 0.5 + sum of Y_k sh_k
    features: Float[Tensor, "n d"] = None  # type: ignore[assignment]  # filled in below when not given
    ids: Int64[Tensor, " n"] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.features is None:
            object.__setattr__(self, "features", self.means.new_zeros(len(self.means), 0))
        if self.ids is None:
            object.__setattr__(self, "ids", torch.arange(len(self.means), device=self.means.device))

    @classmethod
    def from_points(
        cls,
        points: Float[Tensor, "n 3"],
        colors: Float[Tensor, "n 3"],
        sh_degree: int = 3,
        opacity: float = 0.1,
        largest_scale: float | None = None,
    ) -> Self:
        """Round Gaussians on coloured points, as wide as the distance to the three nearest neighbours (Kerbl 2023).

        Args:
            points: world units. colors: in [0, 1]. opacity: in (0, 1).
            largest_scale: upper limit of the standard deviation in world units, for lonely points.
        """
        n = len(points)
        scales = neighbour_distance(points).clamp_min(1e-7)
        if largest_scale is not None:
            scales = scales.clamp_max(largest_scale)
        sh = points.new_zeros(n, spherical_harmonics.count(sh_degree), 3)
        sh[:, 0] = spherical_harmonics.from_color(colors)
        quats = points.new_zeros(n, 4)
        quats[:, 0] = 1.0
        logits = torch.full((n,), opacity, dtype=points.dtype, device=points.device).logit()
        return cls(points, quats, scales.log()[:, None].expand(n, 3).contiguous(), logits, sh)

    @classmethod
    def cat(cls, parts: Iterable[Self]) -> Self:
        """All rows of ``parts`` below each other; ids are kept, so the caller sees to it that they stay unique."""
        parts = list(parts)
        return cls(**{f: torch.cat([getattr(p, f) for p in parts]) for f in cls.names()})

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The columns, in order: means, quats, log_scales, logit_opacities, sh, features, ids."""
        return tuple(f.name for f in dataclasses.fields(cls))

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """(name, tensor) of every column."""
        return ((name, getattr(self, name)) for name in self.names())

    def map(self, change: Callable[[Tensor], Tensor]) -> Self:
        """Every column through ``change``, which keeps the number of rows consistent."""
        return type(self)(**{name: change(tensor) for name, tensor in self.tensors()})

    def replace(self, **columns: Tensor) -> Self:
        """The same Gaussians with some columns exchanged."""
        return dataclasses.replace(self, **columns)

    def __len__(self) -> int:
        return len(self.means)

    def __getitem__(self, rows: Bool[Tensor, " n"] | Int64[Tensor, " m"] | slice) -> Self:
        if isinstance(rows, Tensor) and rows.dtype == torch.bool:
            rows = rows.nonzero()[:, 0]  # once, not for each column
        return self.map(lambda tensor: tensor[rows])

    def to(self, device: torch.device | str) -> Self:
        """The same Gaussians on another device."""
        return self.map(lambda tensor: tensor.to(device))

    def float(self) -> Self:
        """Single precision."""
        return self.map(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)

    def double(self) -> Self:
        """Double precision, for the laws."""
        return self.map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)

    def detach(self) -> Self:
        """Cut off from autograd."""
        return self.map(torch.Tensor.detach)

    @property
    def scales(self) -> Float[Tensor, "n 3"]:
        """Standard deviations along the own axes, world units."""
        return self.log_scales.exp()

    @property
    def opacities(self) -> Float[Tensor, " n"]:
        """In (0, 1)."""
        return self.logit_opacities.sigmoid()

    @property
    def sh_degree(self) -> int:
        """0..3."""
        return spherical_harmonics.degree(self.sh.shape[1])

    def colors(self, camera: Camera, degree: int = 3) -> Float[Tensor, "n 3"]:
        """Colour as seen from the camera's centre, in [0, inf); 0.5 + SH, cut off below 0 (Kerbl 2023).

        Args:
            degree: spherical harmonics above it are left out.
        """
        used = min(self.sh.shape[1], spherical_harmonics.count(degree))
        if self.means.device.type == "cpu":
            from ._cpu_project import colors

            return colors(self, camera, used)
        return spherical_harmonics.colors(self.means, self.sh[:, :used], camera.center.to(self.means))

    def is_finite(self, names: Iterable[str] = (*GEOMETRY, "sh", "features")) -> Bool[Tensor, " n"]:
        """Rows in which every number of the named columns is finite and the quaternion is not zero."""
        good = self.quats.norm(dim=-1) > 0
        for name in names:
            column = getattr(self, name)
            good &= column.isfinite().reshape(len(self), math.prod(column.shape[1:])).all(-1)
        return good


def neighbour_distance(points: Float[Tensor, "n 3"], neighbours: int = 3) -> Float[Tensor, " n"]:
    """Root mean square distance to the nearest ``neighbours`` other points, world units; 0.01 for a lonely point."""
    from scipy.spatial import KDTree

    if len(points) < 2:
        return points.new_full((len(points),), 0.01)
    array = points.detach().cpu().double().numpy()
    distances, _ = KDTree(array).query(array, k=min(neighbours + 1, len(array)))
    return torch.as_tensor((distances[:, 1:] ** 2).mean(-1) ** 0.5).to(points)
