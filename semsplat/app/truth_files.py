"""What is true, as it lies on disk: label images and object masks, on the pixels of the prepared photos."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ..distill.annotations import Annotations
from ..distill.photo_files import PhotoFiles
from ..splatting import capture
from ..splatting.capture import lens as lenses_
from ..splatting.capture.photos import develop
from ..splatting.capture.pictures import SUFFIXES, decode_mask
from ..splatting.capture.types import Frame, Lens
from ..splatting.errors import InputError
from .scene import Scene


@dataclass(frozen=True)
class LabelImages:
    """Label images of some photos; classes of the same first name are one class."""

    annotations: Annotations
    names: tuple[str, ...]  # the plainest name of each class, each once
    classes: Int64[Tensor, " c"]  # which of the names each class of the annotations has

    @classmethod
    def open(cls, folder: Path, names: Path | None, lenses: Mapping[str, Lens]) -> "LabelImages":
        """Look into a folder; see :meth:`Annotations.open`.

        Raises:
            InputError: nothing there that can be used.
        """
        annotations = Annotations.open(folder, names, lenses)
        first = [given[0] for given in annotations.names]
        unique = tuple(dict.fromkeys(first))
        return cls(annotations, unique, torch.tensor([unique.index(name) for name in first], dtype=torch.int64))

    def has(self, frame: Frame) -> bool:
        """Whether the photo was annotated."""
        return self.annotations.has(frame.name)

    def read(self, frame: Frame) -> Int64[Tensor, "h w"]:
        """The index into ``names`` of every pixel of the prepared photo, -1 where nobody labelled: the nearest one's.

        Raises:
            InputError: it cannot be read, or has another shape than the photo.
        """
        found = torch.from_numpy(self.annotations.read(frame.name))
        camera = frame.camera
        rows, columns = (
            ((torch.arange(size) + 0.5) * there / size).long()
            for size, there in zip((camera.height, camera.width), found.shape, strict=True)
        )
        found = found[rows][:, columns]
        return torch.where(found >= 0, self.classes[found.clamp_min(0)], -1)


@dataclass(frozen=True)
class MaskImages:
    """Masks of one thing in some photos."""

    files: PhotoFiles
    lenses: Mapping[str, Lens]

    @classmethod
    def open(cls, folder: Path, lenses: Mapping[str, Lens]) -> "MaskImages":
        """Look into a folder for masks named as the photos (also 00_mask.png, 00.jpg.png).

        Raises:
            InputError: no folder, no picture in it, or none for any of the photos.
        """
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder}; give the folder of masks of the object with --masks.")
        files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.name[0] != ".")
        if not files:
            raise InputError(f"There is no mask in {folder}; put a picture there for each photo, white on the object.")
        found = cls(PhotoFiles(folder, files), lenses)
        found.files.check(list(lenses), "a mask")
        return found

    def has(self, frame: Frame) -> bool:
        """Whether there is a mask for the photo."""
        return self.files.find(frame.name) is not None

    def read(self, frame: Frame) -> Bool[Tensor, "h w"]:
        """The mask on the pixels of the prepared photo.

        Raises:
            InputError: it cannot be read, or has another shape than the photo.
        """
        path, camera = self.files.find(frame.name), frame.camera
        if path is None:
            raise InputError(f"There is no mask for the photo {frame.name} in {self.files.folder}.")
        lens = self.lenses.get(frame.name)
        if lens is None:
            return torch.from_numpy(decode_mask(path, camera.width, camera.height) > 0)
        mask = decode_mask(path, lens.width, lens.height)[..., None]
        developed = develop(mask, lens, lenses_.pinhole_view(lens), camera.width, camera.height)
        return torch.from_numpy(np.ascontiguousarray(developed[..., 0] >= 128))


def lenses_of(opened: Scene) -> dict[str, Lens]:
    """The lenses of the scene's photos by name, from its source; none when that is gone."""
    source = opened.source
    return {photo.name: photo.lens for photo in capture.load(source).photos} if source.exists() else {}
