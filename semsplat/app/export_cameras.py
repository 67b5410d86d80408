"""Exports the cameras: as a COLMAP model, or as a transforms.json (nerfstudio, instant-ngp, Blender's NeRF set).

    OUT/sparse/0/cameras images points3D   .bin or .txt; points are the centres of what is not faint
    OUT.json                               one file
    images/ masks/ points.ply              with --photos, beside them: the photos as these cameras see them

A lens has no distortion here: photos were undistorted, and perhaps made smaller, when the scene was prepared. The
pictures that fit these cameras are those, not the originals.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ..splatting import sh
from ..splatting.capture.writing import Posed, write_colmap, write_transforms
from ..splatting.errors import InputError
from ..splatting.files import replacing
from ..splatting.plyio import write_vertices
from .export import Work
from .export_views import Folder, Shot, shots
from .progress import paced

SOLID = 0.1  # opacity of a Gaussian whose centre is a point
POINTS = "points.ply"


def write(work: Work) -> None:
    """Write the cameras, and with --photos a data set around them."""
    taken, wanted = shots(work), work.request.views
    as_json = work.request.out.suffix.lower() == ".json"
    if wanted.text and as_json:
        raise InputError(f"--text is for COLMAP's files; {work.request.out} is text anyway.")
    home = work.request.out.parent if as_json else work.request.out
    if wanted.photos:
        _check_photos(work, taken)
    if not as_json:
        folder = Folder(work, taken, text=wanted.text, photos=wanted.photos)
    others = _write_photos(work, taken, home) if wanted.photos else {}
    names = [f"images/{shot.stem}.png" if wanted.photos else shot.photo for shot in taken]
    views = [
        Posed(name, work.placement.camera(shot.camera), shot.held_out, others.get(shot.stem, {}))
        for name, shot in zip(names, taken, strict=True)
    ]
    points, colors = _points(work)
    if as_json:
        if wanted.photos:
            rgb = (colors.numpy() * 255).round().astype(np.uint8)
            columns = {name: points[:, k].float().numpy() for k, name in enumerate("xyz")}
            columns |= {name: rgb[:, k] for k, name in enumerate(("red", "green", "blue"))}
            write_vertices(home / POINTS, columns)
        write_transforms(work.request.out, views, POINTS if wanted.photos else "")
    else:
        views = [Posed(view.name.removeprefix("images/"), view.camera, view.held_out) for view in views]
        write_colmap(home / "sparse" / "0", views, points, colors, wanted.text)
        folder.finish(points=len(points))
    _tell(work, taken, len(points) if wanted.photos or not as_json else 0)


def _points(work: Work) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Centres and plain colours of what is asked for, as far as it is not faint; placed."""
    gaussians = work.source.together(work.parts).gaussians
    solid = gaussians[gaussians.opacities > SOLID]
    return work.placement.points(solid.means), (0.5 + sh.C0 * solid.sh[:, 0]).clamp(0.0, 1.0)


def _check_photos(work: Work, taken: list[Shot]) -> None:
    gone = next((shot for shot in taken if shot.pixels is None or not shot.pixels.is_file()), None)
    if gone is None:
        return
    if work.request.views.path is not None:
        raise InputError("There are no photos along a --path; --kind frames --path writes pictures and their cameras.")
    raise InputError(
        f"The prepared photo of {gone.photo} is not there ({gone.pixels}); they are made again by: "
        f"semsplat train -o {work.source.path} --resume"
    )


def _write_photos(work: Work, taken: list[Shot], home: Path) -> dict[str, dict[str, str]]:
    """Write images/ and, where parts of photos are unknown, masks/; returns what else a frame says, by stem."""
    report, others = paced(work.say, "writing photos"), {}
    for done, shot in enumerate(taken, 1):
        assert shot.pixels is not None
        pixels = np.load(shot.pixels)
        size = shot.camera.width, shot.camera.height
        picture, weight = pixels, None
        if pixels.shape[2] == 4 and not shot.background:
            picture, weight = pixels[..., :3], pixels[..., 3]
        _save(home / "images" / f"{shot.stem}.png", Image.fromarray(np.ascontiguousarray(picture)), size)
        if weight is not None:
            others[shot.stem] = {"mask_path": f"masks/{shot.stem}.png"}
            _save(home / "masks" / f"{shot.stem}.png", Image.fromarray(np.ascontiguousarray(weight)), size)
        report(done, len(taken))
    return others


def _save(path: Path, image: Image.Image, size: tuple[int, int]) -> None:
    with replacing(path) as temporary:
        (image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)).save(temporary)


def _tell(work: Work, taken: list[Shot], points: int) -> None:
    camera, out = taken[0].camera, work.request.out
    more = f", {points:,} points" if points else ""
    work.say(f"{len(taken)} cameras of {camera.width} x {camera.height}{more}: {out}")
    if not work.request.views.photos and work.request.views.path is None:
        work.say("They are the cameras of the undistorted photos at that size; --photos writes those, too.")
