"""A scene that people work with: pictures of it, and what is behind a pixel. Knows no browser and no window.

The scene is shared by everybody; what one viewer looks at and has picked is a :class:`Look` of their own. Asking never
changes the scene.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from ..splatting import formats
from ..splatting.camera import Camera
from ..splatting.gaussians import Gaussians
from ..splatting.pixel import row
from ..splatting.splat import splat
from .layers import Layer, Rgb, Tint, depths
from .scene import Scene, View

EXPLAINED = 0.95  # of a pixel's coverage; what is behind that is not what one sees there
LEVEL_PRIOR = 0.01  # how much the mean up of the cameras counts against their right edges, which vary by up to 1
THUMBNAIL = 96  # pixels, longest side


@dataclass(frozen=True)
class Pick:
    """Some Gaussians, and how strongly each is meant. ``|`` adds, ``-`` takes away."""

    ids: Int64[Tensor, " k"]  # each once
    weights: Float[Tensor, " k"]  # in (0, 1]

    @classmethod
    def nothing(cls) -> "Pick":
        """No Gaussian at all."""
        return cls(torch.zeros(0, dtype=torch.int64), torch.zeros(0))

    def __len__(self) -> int:
        return len(self.ids)

    def __or__(self, other: "Pick") -> "Pick":
        ids, place = torch.cat([self.ids, other.ids]).unique(return_inverse=True)
        weights = torch.cat([self.weights, other.weights.to(self.weights)])
        return Pick(ids, weights.new_zeros(len(ids)).scatter_reduce(0, place, weights, "amax"))

    def __sub__(self, other: "Pick") -> "Pick":
        keep = ~torch.isin(self.ids, other.ids)
        return Pick(self.ids[keep], self.weights[keep])

    def strengths(self, ids: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        """How strongly each of ``ids`` is to be highlighted: 0 for the others, at least a half for the picked."""
        strengths = torch.zeros(len(ids), device=ids.device)
        if len(self):
            known, order = self.ids.to(ids.device).sort()
            at = torch.searchsorted(known, ids).clamp_max(len(known) - 1)
            share = (self.weights / self.weights.max()).to(strengths)[order]
            strengths = torch.where(known[at] == ids, 0.5 + 0.4 * share[at], strengths)
        return strengths


@dataclass(frozen=True)
class Hit:
    """What is behind one pixel."""

    pick: Pick  # front to back, as much as explains the pixel
    coverage: float  # of the pixel, in [0, 1]
    depth: float  # mean along the camera's axis, world units; nan where nothing is
    point: Float[Tensor, "3"] | None  # where that depth is on the pixel's ray; None where nothing is


@dataclass
class Look:
    """What one viewer looks at. Others have their own."""

    layer: Layer = field(default_factory=Rgb)
    pick: Pick = field(default_factory=Pick.nothing)

    def drawn(self, gaussians: Gaussians, camera: Camera) -> Layer:
        """The layer as it is drawn for this camera: range set, picked Gaussians highlighted."""
        layer = self.layer.fit(gaussians, camera)
        return Tint(layer, self.pick.strengths(gaussians.ids)) if len(self.pick) else layer


@dataclass(frozen=True)
class Pose:
    """Where to stand and what to look at, in world units."""

    position: Float[Tensor, "3"]
    target: Float[Tensor, "3"]
    up: Float[Tensor, "3"]
    fov: float  # vertical, radians


class Session:
    """One scene, its photos and what is known about it."""

    def __init__(
        self,
        gaussians: Gaussians,
        views: Sequence[View] = (),
        title: str = "scene",
        held_out_psnr: float | None = None,
        generated: bool = False,
    ) -> None:
        """Take a scene.

        Args:
            gaussians: rows that are not finite are left out (they are never drawn); ``left_out`` counts them.
            views: the photos, in their order; may be empty.
            title: shown to people as it is; any text.
            held_out_psnr: dB, when it was measured.
            generated: the capture was made by a program, not photographed.
        """
        good = gaussians.is_finite()
        self.gaussians = gaussians.detach()[good]
        self._known_ids, self._order = self.gaussians.ids.sort()
        self.left_out = int((~good).sum())
        self.views = tuple(views)
        self.title, self.held_out_psnr, self.generated = title, held_out_psnr, generated

    @classmethod
    def of(cls, scene: Scene) -> Self:
        """The session of an opened scene folder."""
        psnr = scene.metrics.get("psnr")
        return cls(
            scene.gaussians,
            scene.views,
            scene.folder.resolve().name or str(scene.folder),
            psnr if isinstance(psnr, int | float) else None,
            bool(scene.config.get("generated")),
        )

    @classmethod
    def at(cls, path: str | Path) -> Self:
        """The session of a scene folder, or of a file of Gaussians (anybody's .ply), which has no photos."""
        path = Path(path)
        return cls(formats.read(path), title=path.name) if path.is_file() else cls.of(Scene.open(path))

    def picture(self, camera: Camera, layer: Layer) -> Float[Tensor, "h w 3"]:
        """The scene through a layer, colours in [0, 1]."""
        blend = splat(self.gaussians, camera)
        image, alpha = blend.composite(layer.values(self.gaussians, camera))
        return layer.shade(image, alpha).clamp(0.0, 1.0)

    def click(self, camera: Camera, xy: tuple[float, float]) -> Hit:
        """The Gaussians behind a point of the picture, front to back until 95 % of its coverage is explained.

        Args:
            xy: pixels, (0, 0) is the upper left corner of the picture, (0.5, 0.5) the centre of its first pixel.

        Raises:
            InputError: the point is outside the picture.
        """
        ids, weights = row(self.gaussians, camera, math.floor(xy[0]), math.floor(xy[1]))
        coverage = weights.sum().item()
        if not len(ids):
            return Hit(Pick.nothing(), 0.0, float("nan"), None)
        before = weights.cumsum(0) - weights
        keep = before < EXPLAINED * coverage
        ids, weights = ids[keep], weights[keep]
        chosen = depths(self.gaussians[self.rows(ids)], camera)
        depth = ((weights * chosen).sum() / weights.sum()).item()
        return Hit(Pick(ids, weights), coverage, depth, point_at(camera, xy, depth))

    def rows(self, ids: Int64[Tensor, " k"]) -> Int64[Tensor, " m"]:
        """Row numbers of ids, in their order; those that the scene does not have (any more) are left out."""
        if not len(self.gaussians):
            return ids[:0]
        at = torch.searchsorted(self._known_ids, ids).clamp_max(len(self._known_ids) - 1)
        return self._order[at[self._known_ids[at] == ids]]

    def importance(self, views: int = 12, side: int = 160) -> Float[Tensor, " n"]:
        """How much each Gaussian is seen: sum of W.T @ 1 over photos, in small; opacity times area without photos."""
        gaussians = self.gaussians
        if not self.views:
            return gaussians.opacities * gaussians.scales.topk(2, dim=-1).values.prod(-1)
        total = torch.zeros(len(gaussians), device=gaussians.means.device)
        step = max(1, len(self.views) // views)
        for view in self.views[::step]:
            camera = view.camera.scaled(side / max(view.camera.width, view.camera.height))
            ones = torch.ones(camera.height, camera.width, 1).to(gaussians.means)
            total += (splat(gaussians, camera).detach().T @ ones)[:, 0]
        return total

    def thumbnail(self, view: View) -> UInt8[np.ndarray, "h w 3"] | None:
        """A photo in small, or None when its pixels are not there."""
        if not view.pixels.is_file():
            return None
        pixels = np.load(view.pixels, mmap_mode="r")
        step = max(1, -(-max(pixels.shape[:2]) // THUMBNAIL))
        return np.ascontiguousarray(pixels[step // 2 :: step, step // 2 :: step, :3])

    @property
    def up(self) -> Float[Tensor, "3"]:
        """The scene's up; -y, as most 3DGS files have it, when there are no photos.

        Photographers look down but hold the picture level: up is square to the pictures' right edges (least squares),
        and the mean up of the cameras decides as far as those leave it open, as when all look the same way.
        """
        if not self.views:
            return torch.tensor([0.0, -1.0, 0.0])
        poses = torch.stack([view.camera.world_to_camera.double().cpu() for view in self.views])
        mean, right = -poses[:, 1, :3].mean(0), poses[:, 0, :3]
        level = right.T @ right / len(right) + LEVEL_PRIOR * torch.eye(3, dtype=torch.float64)
        up = torch.linalg.solve(level, mean)
        return torch.nn.functional.normalize(up, dim=0).float()

    @property
    def opening(self) -> Pose:
        """Where a new viewer stands: at the first photo that was trained on, else in front of the whole scene."""
        training = [view for view in self.views if not view.held_out] or self.views
        return self.pose_of(training[0].camera) if training else self._overview()

    def pose_of(self, camera: Camera) -> Pose:
        """Stand at a camera and look at what it has in its middle, so that one orbits around that."""
        hit = self.click(camera, (camera.width / 2, camera.height / 2)) if len(self.gaussians) else None
        target = hit.point if hit and hit.point is not None else None
        if target is None:
            ahead = depths(self.gaussians, camera)
            ahead = ahead[ahead > 0]
            distance = ahead.median().item() if len(ahead) else 1.0
            target = point_at(camera, (camera.width / 2, camera.height / 2), distance)
        return Pose(camera.center, target.to(camera.center), self.up, camera.fov)

    def _overview(self) -> Pose:
        means = self.gaussians.means.cpu()
        if not len(means):
            return Pose(torch.tensor([0.0, -0.3, -1.0]), torch.zeros(3), self.up, 0.9)
        ordered = means.sort(0).values
        low, high = ordered[len(means) // 50], ordered[-1 - len(means) // 50]  # a few strays are everywhere
        center, radius = (low + high) / 2, max(0.5 * (high - low).norm().item(), 1e-3)
        direction = torch.nn.functional.normalize(torch.tensor([0.0, -0.25, -1.0]), dim=0)
        return Pose(center + 1.1 * radius / math.tan(0.45) * direction, center, self.up, 0.9)


def point_at(camera: Camera, xy: tuple[float, float], depth: float) -> Float[Tensor, "3"]:
    """The point of the world that a picture shows at ``xy`` (pixels) in the given depth along the camera's axis."""
    ray = torch.linalg.solve(camera.intrinsics, camera.intrinsics.new_tensor([xy[0], xy[1], 1.0]))
    return camera.camera_to_world[:3, :3] @ (ray * depth) + camera.center
