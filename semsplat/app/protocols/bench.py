"""A scene as protocols need it: what is drawn, its photos by name, and annotations on their pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from ...distill.field import FeatureField
from ...splatting.capture.ids import develop_ids
from ...splatting.capture.types import Lens
from ...splatting.errors import InputError
from ...splatting.gaussians import Gaussians
from .. import plan as plans
from ..meaning import Meaning
from ..scene import Scene, View
from ..session import Session
from ..truth_files import lenses_of

SAME_SHAPE = 0.02  # relative difference of proportions


@dataclass(frozen=True)
class Bench:
    """An opened scene, without its edits."""

    opened: Scene
    session: Session
    views: Mapping[str, View]  # by name
    lenses: Mapping[str, Lens]
    device: torch.device

    @classmethod
    def of(cls, folder: Path, device: str) -> "Bench":
        """Open a scene folder.

        Raises:
            InputError: no scene, or one without photos.
        """
        opened, chosen = Scene.open(folder), plans.pick_device(device)
        if not opened.views:
            raise InputError(f"{folder} has no photos, and the sets are annotations of photos; fit it from the set's.")
        gaussians, fields = opened.meaning
        cameras = [view.camera for view in opened.views if not view.held_out] or [view.camera for view in opened.views]
        session = Session(
            gaussians.detach().to(chosen), opened.views, meaning=Meaning(fields, cameras), world=opened.world
        )
        return cls(opened, session, {view.name: view for view in opened.views}, lenses_of(opened), chosen)

    @property
    def gaussians(self) -> Gaussians:
        """Finite rows, on the device."""
        return self.session.gaussians

    @property
    def photos(self) -> list[str]:
        """Their names."""
        return list(self.views)

    @property
    def names(self) -> tuple[str, ...]:
        """What sets may call the scene: its source's folder, the one above (of a sequence), its own."""
        source = Path(str(self.opened.config.get("source", "")))
        return tuple(
            dict.fromkeys(n for n in (source.name, source.parent.name, self.opened.folder.resolve().name) if n)
        )

    @cached_property
    def readers(self) -> dict[str, FeatureField]:
        """The fields that know words.

        Raises:
            InputError: there is none.
        """
        meaning = self.session.meaning
        if not meaning.readers:
            raise InputError(
                f"{self.opened.folder} has no field that knows words; make one with: "
                f"semsplat distill {self.opened.folder} --teacher lseg|tipsv2|clip"
            )
        return {name: meaning.fields[name] for name in meaning.readers}

    def held_out(self, photos: Sequence[str]) -> list[str]:
        """Those of the photos that the scene was not fitted from."""
        return [photo for photo in photos if self.views[photo].held_out]

    def on_photo(
        self, mask: Bool[np.ndarray, "_h _w"], photo: str, where: Path, thin: bool = False
    ) -> Bool[Tensor, "h w"]:
        """A mask of the photo as it was taken, of any size, on the pixels of the prepared one: the nearest pixel's.

        Args:
            where: the mask is from, for errors. thin: where any of it is, so that lines stay whole.

        Raises:
            InputError: it has another shape than the photo.
        """
        camera, lens = self.views[photo].camera, self.lenses.get(photo)
        ids = mask.astype(np.int64)
        if lens is not None:
            ids = develop_ids(ids, lens, str(where))
        elif (
            abs(ids.shape[1] * camera.height - ids.shape[0] * camera.width) > SAME_SHAPE * ids.shape[1] * camera.height
        ):
            raise InputError(
                f"{where} has {ids.shape[1]} x {ids.shape[0]} pixels and another shape than the photo {photo} "
                f"({camera.width} x {camera.height}); give annotations of these photos."
            )
        bent = torch.from_numpy(ids)
        if thin:
            pooled = torch.nn.functional.adaptive_max_pool2d(bent[None].float(), (camera.height, camera.width))
            return pooled[0] > 0
        rows, columns = (
            ((torch.arange(size) + 0.5) * there / size).long()
            for size, there in zip((camera.height, camera.width), bent.shape, strict=True)
        )
        return bent[rows][:, columns] > 0
