"""Maps of a teacher, made once for each photo and kept small on disk; one is in memory at a time.

    cache/maps/<teacher>/<photo>.safetensors    codes in a basis of the photo's own, that basis, what is known where

The basis of the scene follows from the bases of the photos (see :mod:`.basis`), so nothing is written twice and a
broken-off run goes on where it was. A photo, teacher or setting that changed is looked at again; teachers that go by
the name of a photo (labels, folder) are always asked again, for their files may have changed and asking is quick.
"""

import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..splatting import processes
from ..splatting.average import average
from ..splatting.capture.photos import slug
from ..splatting.capture.types import Frame
from ..splatting.errors import InputError
from ..splatting.files import reason
from ..splatting.tensors import save_tensors
from ..splatting.train import one_torch_thread
from .basis import Basis, Shadow, own, scene_basis, shadow
from .teachers.base import Teacher

VERSION = 1  # of the recipe: a map of another version is made again
MOST_BYTES = 2_000_000  # of the file of one photo; its grid is made coarser to fit
SPARE = 4096  # bytes for the header of a file
OWN_RANK = 1.25  # times the dimension of the scene: numbers kept of each feature in a photo's own basis
SAMPLE = 40_000  # cells that a photo's own basis is made from, at most


@dataclass(frozen=True)
class SeenMap:
    """The map of one photo in the scene's basis, float32."""

    codes: Float[Tensor, "u v d"]  # of what is known of a cell
    known: Float[Tensor, "u v 1"]  # share of each cell that is known, in [0, 1]
    lengths: Float[Tensor, "u v 1"]  # of the features before they were compressed

    def to(self, device: torch.device) -> Self:
        """On another device."""
        return type(self)(*(t.to(device) for t in (self.codes, self.known, self.lengths)))


@dataclass(frozen=True)
class Maps:
    """All maps of a scene, on disk. ``read`` gives one of them."""

    paths: dict[str, Path]  # by the name of the photo
    basis: Basis  # of the scene
    facts: dict[str, Any]  # compression: error, cosine, bytes of the largest file, grid of the first

    @property
    def dimension(self) -> int:
        """Numbers in a code."""
        return len(self.basis.rows)

    def principal(self, dimension: int) -> Float[Tensor, "d c"]:
        """The first directions of all maps, of unit length, at most as many as channels."""
        rows = scene_basis((_shadow(path) for path in self.paths.values()), dimension).rows
        return rows[:dimension]

    def grid(self, name: str) -> tuple[int, int]:
        """(height, width) of the map of one photo."""
        with safe_open(self.paths[name], "pt") as file:
            height, width = file.get_slice("known").get_shape()
        return height, width

    def read(self, name: str) -> SeenMap:
        """The map of one photo, through a memory map."""
        codes, rows, known, lengths = _load(self.paths[name])
        return SeenMap(codes @ (rows @ self.basis.rows.T), known, lengths)


def make(
    frames: Sequence[Frame],
    teacher: Teacher,
    folder: Path,
    dimension: int,
    basis_from: Sequence[str] | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Maps:
    """The teacher's maps of all frames that it has something for. Several processes share the photos.

    Args:
        folder: for the files; those of other photos in it are removed. One for all processes.
        dimension: numbers kept of each feature; the teacher's own channels where those are no more.
        basis_from: names of the photos that the scene's basis is made from (all).
        report: called with (done, total), of this process's share.

    Raises:
        InputError: the teacher has nothing for any of the photos, gives what cannot be used, or the disk is full.
    """
    seen = [frame for frame in frames if teacher.has(frame.name)]
    if not seen:
        raise InputError(f"{teacher.name} has a map for none of the {len(frames)} photos, as '{frames[0].name}'.")
    paths = {frame.name: folder / f"{slug(frame.name)}.safetensors" for frame in seen}
    processes.first(_remove, set(folder.glob("*.safetensors")) - set(paths.values()))
    exact = teacher.channels <= dimension
    rank = teacher.channels if exact else max(1, math.ceil(OWN_RANK * dimension))
    own_part = processes.share(seen)
    for done, frame in enumerate(own_part, 1):
        made_from = {"version": VERSION, "teacher": teacher.memory(), "exact": exact, "rank": rank}
        pixels = frame.read()
        made_from |= {
            "name": frame.name,
            "pixels": zlib.crc32(pixels.numpy().tobytes()),
            "background": frame.background,
        }
        path = paths[frame.name]
        if not teacher.uses_pixels or _metadata(path).get("made_from") != json.dumps(made_from):
            features = teacher.look(image_of(frame, pixels), frame.name).detach().float().cpu()
            with one_torch_thread(features.device):
                _save(path, _checked(teacher, frame, pixels, features), rank, exact, made_from)
        if report is not None:
            report(done, len(own_part))
    processes.wait()
    return _opened(paths, dimension, set(basis_from if basis_from is not None else paths) & set(paths) or set(paths))


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink()


def image_of(frame: Frame, pixels: Tensor) -> Float[Tensor, "h w 3"]:
    """What a teacher is shown of a photo: RGB in [0, 1]; black where the photo is empty."""
    image, weight = pixels[..., :3].float() / 255.0, pixels[..., 3:].float() / 255.0
    return image * weight if frame.background and weight.shape[2] else image


def _checked(teacher: Teacher, frame: Frame, pixels: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """(features (u, v, c), known (u, v, 1)) of one photo, on no finer a grid than its pixels."""
    if features.ndim != 3 or features.shape[2] != teacher.channels or 0 in features.shape:
        given = " x ".join(str(size) for size in features.shape)
        raise InputError(f"{teacher.name}: the map of {frame.name} is {given}, not height x width x {teacher.channels}")
    if not features.isfinite().all():
        raise InputError(f"{teacher.name}: the map of {frame.name} holds numbers that are not finite.")
    known = (features != 0).any(-1, keepdim=True).float()
    height, width = (min(a, b) for a, b in zip(features.shape[:2], pixels.shape[:2], strict=True))
    features, known = _coarser(features, known, height, width)
    if pixels.shape[2] == 4:
        known = known * average(pixels[..., 3:].float() / 255.0, height, width)
    return features, known


def _coarser(features: Tensor, known: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """On a coarser grid: features are means of what is known, known is the share that is."""
    if (height, width) == tuple(known.shape[:2]):
        return features, known
    share = average(known, height, width)
    return average(features * known, height, width) / share.clamp_min(1e-6), share


def _save(path: Path, looked: tuple[Tensor, Tensor], rank: int, exact: bool, made_from: dict[str, Any]) -> None:
    features, known = looked
    height, width, channels = features.shape
    times = max(1.0, math.sqrt(height * width / SAMPLE))
    sample, _ = _coarser(features, known, max(1, int(height / times)), max(1, int(width / times)))
    rows = own(sample.flatten(0, 1), rank, exact)
    cells = (MOST_BYTES - SPARE - 2 * rows.numel()) / (2 * len(rows) + 3)
    if cells < 1:
        raise InputError(f"A basis of {len(rows)} x {channels} numbers is too large; ask for a smaller --dimension.")
    times = max(1.0, math.sqrt(height * width / cells))
    features, known = _coarser(features, known, max(1, int(height / times)), max(1, int(width / times)))
    codes = features @ rows.T
    unit, longest = codes.abs().max().clamp_min(1e-30), features.norm(dim=-1, keepdim=True)
    tensors = {
        "codes": (codes / unit).half(),
        "rows": rows.half(),
        "known": (known[..., 0] * 255).round().to(torch.uint8),
        "lengths": (longest[..., 0] / unit).half(),
    }
    save_tensors(path, tensors, {"made_from": json.dumps(made_from), "unit": repr(unit.item())})


def _metadata(path: Path) -> dict[str, str]:
    """What a file says about itself; nothing if there is none or it is damaged."""
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError, ValueError):
        return {}


def _load(path: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(codes, own basis, known, lengths) of a file, float32."""
    try:
        with safe_open(path, "pt") as file:
            unit = float((file.metadata() or {})["unit"])
            codes, rows, known, lengths = (file.get_tensor(n).float() for n in ("codes", "rows", "known", "lengths"))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise InputError(f"{path} is not whole ({why}); remove it and run semsplat distill again.") from error
    return codes * unit, rows, known[..., None] / 255.0, lengths[..., None] * unit


def _opened(paths: dict[str, Path], dimension: int, basis_from: set[str]) -> Maps:
    basis = scene_basis((_shadow(path) for name, path in paths.items() if name in basis_from), dimension)
    rows, _ = processes.of_first({"rows": basis.rows})  # machines of different kinds differ in rounding
    basis = replace(basis, **rows)
    maps = Maps(paths, basis, {})
    cosines, mass, grid = 0.0, 0.0, (0, 0)
    for name in paths:
        one = maps.read(name)
        grid = grid if grid[0] else tuple(one.known.shape[:2])
        ratio = one.codes.norm(dim=-1, keepdim=True) / one.lengths.clamp_min(1e-30)
        cosines, mass = cosines + float((one.known * ratio.clamp_max(1.0)).sum()), mass + float(one.known.sum())
    facts = {
        "channels": basis.rows.shape[1],
        "dimension": len(basis.rows),
        "compression_error": round(basis.error, 5),
        "compression_cosine": round(cosines / max(mass, 1e-30), 5),
        "largest_map_bytes": max(path.stat().st_size for path in paths.values()),
        "map_grid": list(grid),
        "maps": len(paths),
    }
    return Maps(paths, basis, facts)


def _shadow(path: Path) -> Shadow:
    codes, rows, known, lengths = _load(path)
    energy = float((known * lengths.square()).mean())
    return shadow((codes * known.sqrt()).flatten(0, 1), rows, energy)


def named(maps: Maps, frames: Sequence[Frame]) -> Iterator[Frame]:
    """The frames that there are maps for."""
    return (frame for frame in frames if frame.name in maps.paths)


def features(folder: Path, name: str) -> Float[Tensor, "u v c"] | None:
    """The teacher's own map of one photo, as kept in its own basis, zeros where nothing is known; None if not there."""
    path = folder / f"{slug(name)}.safetensors"
    if not path.is_file():
        return None
    codes, rows, known, _ = _load(path)
    return torch.where(known > 0, codes @ rows, 0.0)
