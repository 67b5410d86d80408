"""COLMAP projects: where their parts lie, and the capture they make; the files themselves are read in colmap_files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from . import colmap_files as files
from .assemble import View, assemble, find, missing_note
from .types import Capture, Lens

_MODELS = ("sparse/0", "sparse", "colmap/sparse/0", ".")  # in this order, below the source
_IMAGES = ("images", ".", "../images", "../../images", "../../../images", "input")  # below the model or the source


def find_model(source: Path) -> Path | None:
    """The folder with cameras and images, as .bin or .txt, of a project; None if there is none."""
    return next((source / place for place in _MODELS if files.is_model(source / place)), None)


def load_colmap(source: Path, model: Path) -> Capture:
    """The capture of a COLMAP model; poses, lenses and points are taken as they are.

    Raises:
        InputError: a damaged file, an unknown camera model, no picture found.
    """
    cameras = files.read_cameras(model)
    images = files.read_images(model)
    notes = _model_notes(source, model)
    folders = [source / "images", *(model / place for place in _IMAGES), source]
    folders = [folder.resolve() for folder in folders if folder.is_dir()]
    if not folders:
        raise InputError(f"{source} has no folder images/ with the pictures of its COLMAP model.")
    folders = _likeliest_first(list(dict.fromkeys(folders)), [image.name for image in images])
    views, missing = [], []
    for image in images:
        path = find(image.name, folders)
        if path is None:
            missing.append(image.name)
            continue
        if image.camera not in cameras:
            raise InputError(
                f"{model} has the image {image.name!r} with camera {image.camera}, which it does not have."
            )
        lens = lens_of(cameras[image.camera], f"{model}, camera {image.camera}")
        views.append(View(image.name, path, np.linalg.inv(pose_of(image, model)), lens))
    notes = [*missing_note(missing, len(images)), *notes]
    root = folders[0].parent if folders[0].name == "images" else folders[0]
    return assemble(model, root, views, files.read_points(model), notes)


def _model_notes(source: Path, model: Path) -> list[str]:
    """Other models of the same project, which are not used."""
    siblings = [p for p in model.parent.iterdir() if p.name.isdecimal() and files.is_model(p)]
    if model == source or not model.name.isdecimal() or len(siblings) < 2:
        return []
    return [
        f"COLMAP made {len(siblings)} models that do not connect; {model.name} is used (give its folder for another)."
    ]


def _likeliest_first(folders: list[Path], names: Sequence[str]) -> list[Path]:
    """The folder that holds most of a sample of the names comes first, else their order stays."""
    sample = names[:: max(1, len(names) // 20)]
    return sorted(folders, key=lambda folder: -sum((folder / name).is_file() for name in sample))


def pose_of(image: files.ModelImage, model: Path) -> np.ndarray:
    """World to camera, (4, 4) float64, of a quaternion (w, x, y, z) of any length and a translation."""
    q, t = np.array(image.quaternion), np.array(image.translation)
    length = np.linalg.norm(q)
    if not np.isfinite(t).all() or not np.isfinite(length) or length < 1e-6:
        raise InputError(f"{model}, {image.name!r} has a pose that is not finite or zero; register it again.")
    w, x, y, z = q / length
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = t
    return pose


def lens_of(camera: files.ModelCamera, where: str) -> Lens:
    """COLMAP's camera models in terms of the two that we have."""
    p, size = tuple(camera.params), (camera.width, camera.height)
    match camera.model:
        case "SIMPLE_PINHOLE":
            return Lens(*size, p[0], p[0], p[1], p[2])
        case "PINHOLE":
            return Lens(*size, p[0], p[1], p[2], p[3])
        case "SIMPLE_RADIAL" | "RADIAL":
            return Lens(*size, p[0], p[0], p[1], p[2], "OPENCV", p[3:])
        case "OPENCV" | "FULL_OPENCV":
            return Lens(*size, p[0], p[1], p[2], p[3], "OPENCV", p[4:])
        case "OPENCV_FISHEYE" | "FISHEYE":
            return Lens(*size, p[0], p[1], p[2], p[3], "OPENCV_FISHEYE", p[4:])
        case "SIMPLE_FISHEYE" | "SIMPLE_RADIAL_FISHEYE" | "RADIAL_FISHEYE":
            return Lens(*size, p[0], p[0], p[1], p[2], "OPENCV_FISHEYE", p[3:])
    raise InputError(
        f"{where} has the model {camera.model}, which is not supported; "
        "run colmap image_undistorter and give its result."
    )
