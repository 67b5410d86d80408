"""Exports masks of things in every view: pictures, and one JSON as COCO has it.

    OUT/masks/<thing>/<view>.png   255 where more than half of the pixel is the thing's
    OUT/instances/<view>.png       the number of the thing, 0 for none, in its colour
    OUT/names.json                 the names of the numbers, as `semsplat distill --teacher labels` reads them
    OUT/annotations.json           COCO: run lengths, areas and boxes
    OUT/transforms.json            the cameras; file_path is the picture in instances/

What is in front of a thing hides it, whether it was asked for or not. Where things share Gaussians (a whole and its
part), instances/ has the number of the one with fewer.
"""

import json
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from ..distill.coco import Coco
from ..distill.palette import next_colors
from ..splatting.files import replacing
from ..splatting.ids import rows_of
from ..splatting.splat import splat
from .export import Work
from .export_parts import stems
from .export_views import Folder, Shot, shots, write_cameras
from .plan import pick_device
from .scene import write_json

SHARE = 0.5  # of a pixel's light: what has more is seen there
TOGETHER = 16  # things blended at once
PALETTE = 255  # things that a palette numbers, with 0 for none

Masks = Bool[np.ndarray, "k h w"]


def write(work: Work) -> None:
    """Write the masks of the parts in every view."""
    taken, request = shots(work), work.request
    if not (request.object or request.ask or request.all_objects):
        work.say("No things were named (--object, --ask, --all-objects): the masks are of all that is there.")
    folder = Folder(work, taken)
    gaussians = work.source.gaussians.to(pick_device(request.views.device))
    rows = [rows_of(gaussians.ids, part.ids.to(gaussians.ids.device)) for part in work.parts]
    names = stems([part.name for part in work.parts])
    paint = _Painter(work)

    def make(shot: Shot) -> None:
        blend = splat(gaussians, shot.camera).detach()
        shares = [blend @ _columns(len(gaussians), rows[k : k + TOGETHER]) for k in range(0, len(rows), TOGETHER)]
        masks = (torch.cat(shares, dim=-1) > SHARE).movedim(-1, 0).cpu().numpy()
        for name, mask in zip(names, masks, strict=True):
            _save(_mask_file(folder.path, name, shot), Image.fromarray(mask.astype(np.uint8) * 255))
        _save(_instance_file(folder.path, shot), paint(masks))

    folder.each(taken, lambda shot: _instance_file(folder.path, shot), make)
    write_json(folder.path / "names.json", {str(k): [part.name] for k, part in enumerate(work.parts, 1)})
    seen = _write_coco(work, taken, names)
    write_cameras(work, taken, "instances/*.png")
    folder.finish(share=SHARE)
    things = "1 thing" if len(names) == 1 else f"{len(names)} things"
    work.say(f"{things} in {len(taken)} views, {seen:,} masks that are not empty: {folder.path}")


def _columns(count: int, chosen: list[Tensor]) -> Tensor:
    """(count, k): 1 in the rows of each."""
    columns = torch.zeros(count, len(chosen), device=chosen[0].device)
    for k, rows in enumerate(chosen):
        columns[rows, k] = 1.0
    return columns


class _Painter:
    """Puts masks into one picture of numbers."""

    def __init__(self, work: Work) -> None:
        sizes = [len(part.ids) for part in work.parts]
        self._order = sorted(range(len(sizes)), key=lambda k: -sizes[k])  # small things over large ones
        known = {thing.name: thing.color for thing in work.source.things}
        colors = next_colors([known.get(part.name) for part in work.parts])
        self._palette = [0, 0, 0] + [round(255 * part) for color in colors[:PALETTE] for part in color]

    def __call__(self, masks: Masks) -> Image.Image:
        numbers = np.zeros(masks.shape[1:], np.uint16)
        for k in self._order:
            numbers[masks[k]] = k + 1
        if len(masks) > PALETTE:
            return Image.fromarray(numbers)
        image = Image.fromarray(numbers.astype(np.uint8), "L")
        image.putpalette(self._palette)
        return image


def _write_coco(work: Work, taken: list[Shot], names: list[str]) -> int:
    """annotations.json, of the pictures that are there; returns how many masks are in it."""
    above = {thing.name: thing.parent for thing in work.source.things}
    parts, folder = work.parts, work.request.out
    about = {"description": f"{work.source.title}, masks by semsplat"}
    made = Coco([part.name for part in parts], [above.get(part.name) for part in parts], about)
    for shot in taken:
        instances = _instance_file(folder, shot).relative_to(folder).as_posix()
        facts = {"instances": instances, "held_out": shot.held_out}
        image = made.image(shot.photo, shot.camera.width, shot.camera.height, **facts)
        for k, name in enumerate(names):
            with Image.open(_mask_file(folder, name, shot)) as picture:
                made.mask(image, k, np.asarray(picture) > 0)
    with replacing(folder / "annotations.json") as temporary:
        temporary.write_text(json.dumps(made.content, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(made.content["annotations"])


def _mask_file(folder: Path, name: str, shot: Shot) -> Path:
    return folder / "masks" / name / f"{shot.stem}.png"


def _instance_file(folder: Path, shot: Shot) -> Path:
    return folder / "instances" / f"{shot.stem}.png"


def _save(path: Path, image: Image.Image) -> None:
    with replacing(path) as temporary:
        image.save(temporary)
