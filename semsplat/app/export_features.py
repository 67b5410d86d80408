"""Exports rendered feature maps of every view: those that a teacher would have seen there.

    OUT/<view>_fmap_CxHxW.npz   "features", half precision, channels x rows x columns; zeros where nothing is known
    OUT/manifest.json           what they are; with these, `semsplat distill --teacher folder --maps OUT` reads them
    OUT/words.npz               names and their vectors, of a teacher that knows some names
    OUT/transforms.json         the cameras
    OUT/decoder.npz             with --codes: (numbers, channels), feature = code @ decoder, and "codes" in the maps

The name and the layout are those of Feature 3DGS (Zhou et al. 2024). A feature is the mean over what is seen in a cell,
W F / W 1, so it has the length of the features that were distilled.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float16
from torch import Tensor

from ..distill.field import FeatureField
from ..distill.teachers import card, reopen
from ..distill.teachers.base import TextTeacher
from ..splatting.camera import Camera
from ..splatting.errors import InputError
from ..splatting.files import replacing
from ..splatting.gaussians import Gaussians
from ..splatting.ids import rows_of
from ..splatting.splat import splat
from .export import Work
from .export_views import Folder, Shot, drawn, room_for, shots, write_cameras
from .plan import pick_device
from .scene import write_json

USUAL = 480  # cells on the longest side, where nothing is said: Feature 3DGS's
KNOWN = 0.1  # share of a cell that must be covered
STRIP = 1 << 16  # cells that are decoded at once
LARGEST = 65504.0  # in half precision


def write(work: Work) -> None:
    """Write the feature map of every view."""
    wanted = work.request.views
    taken = shots(work)
    known = _field(work)
    decoder = None if wanted.codes else known.decoder
    sizes = [grid_of(shot.camera, wanted.size) for shot in taken]
    channels = known.decoder.shape[0 if wanted.codes else 1]
    each = [2 * channels * width * height for width, height in sizes]
    shown, alone = drawn(work)
    folder = Folder(work, taken, alone=alone, teacher=known.teacher, codes=wanted.codes, grid=list(sizes[0]))
    there = sum(path.stat().st_size for path in folder.path.rglob("*_fmap_CxHxW.npz"))
    room_for(folder.path, sum(each) - there, "ask for a smaller --size, or for --codes")
    gaussians = _with_features(work, shown).to(pick_device(wanted.device))
    grids = dict(zip((shot.stem for shot in taken), sizes, strict=True))
    key = "codes" if wanted.codes else "features"

    def make(shot: Shot) -> None:
        values = features(gaussians, known, shot.camera, *grids[shot.stem], decoder)
        with replacing(_file(folder.path, shot)) as temporary:
            np.savez(temporary, allow_pickle=False, **{key: values})

    _write_about(work, known, key)
    folder.each(taken, lambda shot: _file(folder.path, shot), make)
    write_cameras(work, [_on_grid(shot, grids[shot.stem]) for shot in taken], features_file_path="*_fmap_CxHxW.npz")
    folder.finish(channels=channels)
    width, height = sizes[0]
    what = "codes" if wanted.codes else "features"
    work.say(
        f"{what.capitalize()} of {known.teacher}: {len(taken)} maps of {channels} x {height} x {width} "
        f"({sum(each) / 1e6:,.0f} MB): {folder.path}"
    )


def features(
    gaussians: Gaussians,
    known: FeatureField,
    camera: Camera,
    width: int,
    height: int,
    decoder: Float[Tensor, "d c"] | None,
) -> Float16[np.ndarray, "c {height} {width}"]:
    """The map of one view; codes where there is no decoder.

    Drawn at no less than half of the camera's size and averaged, so that thin things do not swell.

    Raises:
        InputError: a number that half precision cannot hold.
    """
    fine = camera.scaled(max(0.5, width / camera.width, height / camera.height))
    image, alpha = splat(gaussians, fine).detach().composite_means(known.codes(gaussians), height, width)
    codes = torch.where(alpha >= KNOWN, image / alpha.clamp_min(KNOWN), torch.zeros_like(image)).flatten(0, 1)
    channels = codes.shape[1] if decoder is None else decoder.shape[1]
    values = np.empty((channels, len(codes)), np.float16)
    for start in range(0, len(codes), STRIP):
        strip = codes[start : start + STRIP]
        strip = strip if decoder is None else strip @ decoder.to(strip)
        if float(strip.abs().max()) > LARGEST:
            raise InputError(
                f"A feature of {known.teacher} is {float(strip.abs().max()):.3g}: half precision holds up to 65504."
            )
        values[:, start : start + STRIP] = strip.T.half().cpu().numpy()
    return values.reshape(channels, height, width)


def grid_of(camera: Camera, size: int | None) -> tuple[int, int]:
    """(width, height) of the map of a camera."""
    longest = max(camera.width, camera.height)
    factor = min(1.0, USUAL / longest) if size is None else size / longest
    return max(1, round(camera.width * factor)), max(1, round(camera.height * factor))


def _on_grid(shot: Shot, grid: tuple[int, int]) -> Shot:
    return Shot(shot.stem, shot.photo, shot.camera.resized(*grid), shot.held_out)


def _field(work: Work) -> FeatureField:
    session, wanted = work.source.session, work.request.views.teacher
    assert session is not None  # shots() has asked for a scene
    fields = session.meaning.fields
    if wanted is None and len(fields) == 1:
        return next(iter(fields.values()))
    if wanted is not None and wanted in fields:
        return fields[wanted]
    folder = work.source.path
    if not fields:
        raise InputError(
            f"{folder} has no features yet; semsplat models lists the teachers of: "
            f"semsplat distill {folder} --teacher NAME"
        )
    if wanted is None:
        raise InputError(f"{folder} has features of several teachers; say --teacher {' or --teacher '.join(fields)}.")
    raise InputError(f"{folder} has no features of '{wanted}'; it has those of {', '.join(fields)}.")


def _with_features(work: Work, shown: Gaussians) -> Gaussians:
    """What is drawn, with its codes."""
    assert work.source.session is not None
    known = work.source.session.gaussians
    return shown.replace(features=known.features[rows_of(known.ids, shown.ids)])


def _write_about(work: Work, known: FeatureField, key: str) -> None:
    """manifest.json, and what makes the maps mean something: words, or the decoder of codes."""
    folder = work.request.out
    what = f"{'codes' if key == 'codes' else 'features'} of {known.teacher}, rendered from {work.source.title}"
    write_json(folder / "manifest.json", {"layout": "chw", "key": key, "what": what, "undistorted": True})
    if key == "codes":
        with replacing(folder / "decoder.npz") as temporary:
            np.savez(temporary, decoder=known.decoder.cpu().float().numpy())
        return
    names = work.source.session.meaning.words(known.teacher) if work.source.session else []
    if not names or not card(known.teacher).words:
        return
    teacher = reopen(known.teacher, known.memory, torch.device("cpu"))
    if isinstance(teacher, TextTeacher):
        with replacing(folder / "words.npz") as temporary:
            np.savez(temporary, names=np.array(names), vectors=teacher.read(names).cpu().float().numpy())


def _file(folder: Path, shot: Shot) -> Path:
    return folder / f"{shot.stem}_fmap_CxHxW.npz"
