"""A scene that people work with: pictures, questions, selections, edits with undo. Knows no browser and no window.

The scene and its edits are shared by everybody; what one of them looks at and has picked is a
:class:`semsplat.app.look.Look` of their own. Asking never changes the scene.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from ..distill.ask import Answer, Segmentation, Viewpoint
from ..distill.proposals import Proposals
from ..distill.segment import Prompt
from ..distill.segment.choose import Size
from ..splatting import formats
from ..splatting.camera import Camera
from ..splatting.gaussians import Gaussians
from ..splatting.ids import carried, rows_of
from ..splatting.pixel import row
from ..splatting.splat import splat
from .layers import Layer, depths
from .meaning import Chosen, Meaning
from .poses import Pose, in_front_of, overview, point_at, pose_at
from .scene import Scene, View, write_json
from .scene_layers import SceneLayers
from .shared import Change, SharedScene
from .world import WORLD, World

EXPLAINED = 0.95  # of a pixel's coverage; what is behind that is not what one sees there
THUMBNAIL = 96  # pixels, longest side


@dataclass(frozen=True)
class Hit:
    """What is behind one pixel."""

    ids: Int64[Tensor, " k"]  # front to back, as much as explains the pixel
    coverage: float  # of the pixel, in [0, 1]
    depth: float  # mean along the camera's axis, world units; nan where nothing is
    point: Float[Tensor, "3"] | None  # where that depth is on the pixel's ray; None where nothing is


class Session(SharedScene):
    """One scene, its photos and what is known about it."""

    def __init__(
        self,
        gaussians: Gaussians,
        views: Sequence[View] = (),
        title: str = "scene",
        held_out_psnr: float | None = None,
        generated: bool = False,
        meaning: Meaning | None = None,
        folder: Path | None = None,
        world: World | None = None,
    ) -> None:
        """Take a scene.

        Args:
            gaussians: rows that are not finite are left out (they are never drawn); ``left_out`` counts them.
            views: the photos, in their order; may be empty.
            title: shown to people as it is; any text.
            held_out_psnr: dB, when it was measured.
            generated: the capture was made by a program, not photographed.
            meaning: the fields, whose codes are among the Gaussians' features.
            folder: of the scene: objects and edits are read from there and saved there; None: they are not kept.
            world: which way is up, how long a metre is; None: up is what the photos say.

        Raises:
            InputError: the folder's objects or edits are damaged.
        """
        super().__init__(gaussians, folder)
        self.views = tuple(views)
        self.title, self.held_out_psnr, self.generated = title, held_out_psnr, generated
        self.meaning = meaning or Meaning(cameras=_training(self.views))
        self.world = world or World.of_cameras([view.camera for view in self.views])
        self.layers = SceneLayers()
        self.notes: tuple[str, ...] = ()  # what reading the file had to tell
        self._mass: tuple[Gaussians, Float[Tensor, " n"]] | None = None
        self._weighing = threading.Lock()  # takes a second: nobody's edit waits for it

    @classmethod
    def of(cls, scene: Scene, device: torch.device | str = "cpu") -> Self:
        """The session of an opened scene folder."""
        psnr = scene.metrics.get("psnr")
        gaussians, fields = scene.meaning
        return cls(
            gaussians.to(device),
            scene.views,
            scene.folder.resolve().name or str(scene.folder),
            psnr if isinstance(psnr, int | float) else None,
            bool(scene.config.get("generated")),
            Meaning(fields, _training(scene.views), scene.graphs),
            scene.folder,
            scene.world,
        )

    @classmethod
    def at(cls, path: str | Path, device: torch.device | str = "cpu") -> Self:
        """The session of a scene folder, or of a file of Gaussians (anybody's .ply), which has no photos.

        Args:
            device: where the Gaussians are drawn, asked and edited.
        """
        path = Path(path)
        if path.is_file():
            found = formats.read_with_notes(path)
            session = cls(found.gaussians.to(device), title=path.name)
            session.notes = found.notes
            return session
        return cls.of(Scene.open(path), device)

    def place(self, world: World, by: object = None) -> None:
        """Let the scene stand elsewhere in the world; kept in its folder, if it has one.

        Raises:
            InputError: it cannot be saved.
        """
        if self.folder is not None:
            write_json(self.folder / WORLD, world.as_json)
        self.placed(world, by)

    def placed(self, world: World, by: object = None) -> None:
        """Take over where the scene stands in the world."""
        if world != self.world:
            self.world = world
            self._tell(Change("world", "The scene has another up or scale", by))

    def follow(self, scene: Scene, said: str = "") -> None:
        """Take the Gaussians and fields of the scene folder as they are now."""
        gaussians, fields = scene.meaning
        psnr = scene.metrics.get("psnr")
        self.held_out_psnr = psnr if isinstance(psnr, int | float) else None
        self.meaning = Meaning(fields, self.meaning.cameras, self.meaning.graphs)
        self.renew(gaussians.to(self.original.means.device), said)

    # Questions

    def picture(self, camera: Camera, layer: Layer) -> Float[Tensor, "h w 3"]:
        """The scene through a layer, colours in [0, 1]."""
        return layer.picture(self.gaussians, camera)

    def click(self, camera: Camera, xy: tuple[float, float]) -> Hit:
        """The Gaussians behind a point of the picture, front to back until 95 % of its coverage is explained.

        Args:
            xy: pixels, (0, 0) is the upper left corner of the picture, (0.5, 0.5) the centre of its first pixel.

        Raises:
            InputError: the point is outside the picture.
        """
        gaussians = self.gaussians
        ids, weights = row(gaussians, camera, math.floor(xy[0]), math.floor(xy[1]))
        coverage = weights.sum().item()
        if not len(ids):
            return Hit(ids, 0.0, float("nan"), None)
        before = weights.cumsum(0) - weights
        keep = before < EXPLAINED * coverage
        ids, weights = ids[keep], weights[keep]
        chosen = depths(gaussians[rows_of(gaussians.ids, ids)], camera)
        depth = ((weights * chosen).sum() / weights.sum()).item()
        return Hit(ids, coverage, depth, point_at(camera, xy, depth))

    def select(
        self, prompts: Sequence[Prompt], field: str | None = None, tolerance: float | None = None,
        size: Size = "thing", clean: bool = True,
    ) -> Chosen:  # fmt: skip
        """What clicks, boxes, strokes or masks point at, the same in every view.

        Args:
            field: grown over; 'none' for none, the one that points best when not given.

        Raises:
            InputError: nothing was pointed at, or nothing is found.
        """
        return self.meaning.select(self.gaussians, prompts, field, tolerance, size, clean)

    def ask(
        self, question: str, camera: Camera | None = None, field: str | None = None, negatives: Sequence[str] = (),
        threshold: float | None = None, gaussians: Gaussians | None = None,
    ) -> Answer:  # fmt: skip
        """Find things by words.

        Args:
            camera: from where left and right are meant.
            gaussians: whose rows the answer speaks of; :attr:`gaussians` at this moment when not given.

        Raises:
            InputError: there is no field that knows words, or the question cannot be understood.
        """
        gaussians, viewpoint = self.gaussians if gaussians is None else gaussians, Viewpoint(self.up, camera)
        mass = self.importance(gaussians)
        return self.meaning.ask(gaussians, mass, question, viewpoint, field, negatives, threshold)

    def share_out(
        self, names: Sequence[str], field: str | None = None, negatives: Sequence[str] = (),
        gaussians: Gaussians | None = None,
    ) -> Segmentation:  # fmt: skip
        """Several names share the scene out; ``gaussians`` as for :meth:`ask`."""
        return self.meaning.share_out(self.gaussians if gaussians is None else gaussians, names, field, negatives)

    def proposals(self, field: str | None = None) -> tuple[Gaussians, Proposals]:
        """The things that the scene falls into by itself, and the Gaussians whose rows they name."""
        gaussians = self.gaussians
        return gaussians, self.meaning.proposals(gaussians, field)

    def importance(self, gaussians: Gaussians | None = None, views: int = 12, side: int = 160) -> Float[Tensor, " n"]:
        """How much each Gaussian is seen: sum of W.T @ 1 over photos, in small; opacity times area without photos.

        Made once; edited Gaussians keep what they had, new ones get the mean.
        """
        gaussians = self.gaussians if gaussians is None else gaussians
        if not self.views:
            return gaussians.opacities * gaussians.scales.topk(2, dim=-1).values.prod(-1)
        with self._weighing:
            if self._mass is None or self._mass[0] is not self.original:
                whole = self.original
                self._mass = (whole, _seen(whole, self.views, views, side))
            original, mass = self._mass
        if gaussians is original or not len(original):
            return mass
        return carried(mass, original.ids, gaussians.ids, mass.mean().item())

    def thumbnail(self, view: View) -> UInt8[np.ndarray, "h w 3"] | None:
        """A photo in small, or None when its pixels are not there."""
        if not view.pixels.is_file():
            return None
        pixels = np.load(view.pixels, mmap_mode="r")
        step = max(1, -(-max(pixels.shape[:2]) // THUMBNAIL))
        return np.ascontiguousarray(pixels[step // 2 :: step, step // 2 :: step, :3])

    # Places

    @property
    def up(self) -> Float[Tensor, "3"]:
        """The scene's up."""
        return self.world.up

    @property
    def opening(self) -> Pose:
        """Where a new viewer stands: at the first photo that was trained on, else in front of the whole scene."""
        training = _training(self.views)
        return self.pose_of(training[0]) if training else overview(self.gaussians.means, self.up)

    def pose_of(self, camera: Camera) -> Pose:
        """Stand at a camera and look at what it has in its middle, so that one orbits around that."""
        hit = self.click(camera, (camera.width / 2, camera.height / 2)) if len(self.gaussians) else None
        return pose_at(self.gaussians, camera, hit.depth if hit else math.nan, self.up)

    def pose_before(self, ids: Int64[Tensor, " k"], camera: Camera) -> Pose | None:
        """Where to stand to see some Gaussians whole, coming from a camera; None when they are gone."""
        means = self.gaussians.means[rows_of(self.gaussians.ids, ids)]
        return in_front_of(means, camera, self.up) if len(means) else None


def _training(views: Sequence[View]) -> list[Camera]:
    return [view.camera for view in views if not view.held_out] or [view.camera for view in views]


def _seen(gaussians: Gaussians, views: Sequence[View], count: int, side: int) -> Float[Tensor, " n"]:
    total = torch.zeros(len(gaussians), device=gaussians.means.device)
    for view in views[:: max(1, len(views) // count)]:
        camera = view.camera.scaled(side / max(view.camera.width, view.camera.height))
        ones = torch.ones(camera.height, camera.width, 1).to(gaussians.means)
        total += (splat(gaussians, camera).detach().T @ ones)[:, 0]
    return total
