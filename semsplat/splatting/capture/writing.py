"""Cameras as files that other programs open: a COLMAP model, or a transforms.json. The readers are beside this.

Sources: COLMAP's documentation, "Output Format"; nerfstudio's "Data conventions"; the reader of instant-ngp.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..camera import Camera
from ..errors import InputError
from ..files import replacing
from .colmap_files import PINHOLE

_OPENCV_TO_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
_POINT = np.dtype([("id", "<u8"), ("xyz", "<f8", 3), ("rgb", "u1", 3), ("error", "<f8"), ("track", "<u8")])


@dataclass(frozen=True)
class Posed:
    """A picture and where it was taken from."""

    name: str  # path of the picture, forward slashes, relative to what a file names as its place
    camera: Camera
    held_out: bool = False
    others: Mapping[str, str] = field(
        default_factory=dict
    )  # more keys of its frame in a transforms.json, such as masks


def write_colmap(
    folder: Path,
    views: Sequence[Posed],
    points: Float[Tensor, "n 3"],
    colors: Float[Tensor, "n 3"],
    text: bool = False,
) -> None:
    """Write a sparse model: cameras, images and points3D, as .bin or as .txt. Points have no tracks.

    Args:
        folder: for the three files; their names are COLMAP's. Cameras come last: a model that has them is whole.
        views: names are relative to the folder of the pictures. Cameras that are alike are written once.
        points: world units; may be none. colors: in [0, 1].

    Raises:
        InputError: the folder cannot be written; or a name has a space, at which readers of the text files end it.
    """
    spaced = next((view.name for view in views if text and view.name.split() != [view.name]), None)
    if spaced is not None:
        raise InputError(f"COLMAP's text files cannot hold the name '{spaced}', as it has a space; write .bin.")
    lenses: dict[tuple[float, ...], int] = {}
    numbers = [lenses.setdefault(_lens(view.camera), len(lenses) + 1) for view in views]
    rgb = (colors.detach().cpu().clamp(0, 1) * 255).round().long().numpy()
    xyz = points.detach().cpu().double().numpy()
    files = {
        "images": (_images_text if text else _images_binary)(views, numbers),
        "points3D": (_points_text if text else _points_binary)(xyz, rgb),
        "cameras": (_cameras_text if text else _cameras_binary)(lenses),
    }
    for name, content in files.items():
        with replacing(folder / f"{name}.{'txt' if text else 'bin'}") as temporary:
            temporary.write_bytes(content)


def write_transforms(path: Path, views: Sequence[Posed], points: str = "") -> None:
    """Write a transforms.json: poses camera to world in OpenGL axes, lenses at the top where all views share one.

    Views that were held out are listed as nerfstudio lists them (train, val and test filenames).

    Args:
        views: names are relative to the file's folder. points: name of a .ply with points, beside the file.

    Raises:
        InputError: the file cannot be written.
    """
    lenses = {_lens(view.camera) for view in views}
    shared = len(lenses) == 1
    content: dict[str, Any] = {"camera_model": "PINHOLE"}
    if shared:
        lens = _numbers(views[0].camera)
        content |= {"camera_angle_x": 2.0 * float(np.arctan(0.5 * lens["w"] / lens["fl_x"]))} | lens
    if points:
        content["ply_file_path"] = points
    if any(view.held_out for view in views):
        held_out = [view.name for view in views if view.held_out]
        content["train_filenames"] = [view.name for view in views if not view.held_out]
        content |= {"val_filenames": held_out, "test_filenames": held_out}
    content["frames"] = [_frame(view, {} if shared else _numbers(view.camera)) for view in views]
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _frame(view: Posed, lens: dict[str, float]) -> dict[str, Any]:
    pose = np.linalg.inv(_pose(view.camera)) @ _OPENCV_TO_OPENGL
    return {"file_path": view.name, **view.others, **lens, "transform_matrix": pose.tolist()}


def _numbers(camera: Camera) -> dict[str, float]:
    width, height, *lens = _lens(camera)
    return {"w": int(width), "h": int(height), **dict(zip(("fl_x", "fl_y", "cx", "cy"), lens, strict=True))}


def _lens(camera: Camera) -> tuple[float, ...]:
    """(width, height, fx, fy, cx, cy), pixels."""
    k = camera.intrinsics.tolist()
    return camera.width, camera.height, k[0][0], k[1][1], k[0][2], k[1][2]


def _pose(camera: Camera) -> np.ndarray:
    """World to camera, (4, 4) float64."""
    return camera.world_to_camera.detach().cpu().double().numpy()


def _rigid(camera: Camera) -> list[float]:
    """World to camera as a quaternion (w, x, y, z) with w not negative, and a translation."""
    from scipy.spatial.transform import Rotation

    pose = _pose(camera)
    x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat(canonical=True).tolist()
    return [w, x, y, z, *pose[:3, 3].tolist()]


def _cameras_binary(lenses: dict[tuple[float, ...], int]) -> bytes:
    parts = [struct.pack("<Q", len(lenses))]
    for (width, height, *lens), number in lenses.items():
        parts.append(struct.pack("<IiQQ4d", number, PINHOLE, int(width), int(height), *lens))
    return b"".join(parts)


def _cameras_text(lenses: dict[tuple[float, ...], int]) -> bytes:
    lines = ["# Camera list: CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    for (width, height, *lens), number in lenses.items():
        lines.append(f"{number} PINHOLE {int(width)} {int(height)} {_words(lens)}")
    return _text(lines)


def _images_binary(views: Sequence[Posed], numbers: Sequence[int]) -> bytes:
    parts = [struct.pack("<Q", len(views))]
    for at, (view, camera) in enumerate(zip(views, numbers, strict=True), 1):
        parts.append(struct.pack("<I7dI", at, *_rigid(view.camera), camera))
        parts.append(view.name.encode() + b"\0" + struct.pack("<Q", 0))
    return b"".join(parts)


def _images_text(views: Sequence[Posed], numbers: Sequence[int]) -> bytes:
    lines = ["# Image list with two lines each: IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME; no POINTS2D"]
    for at, (view, camera) in enumerate(zip(views, numbers, strict=True), 1):
        lines += [f"{at} {_words(_rigid(view.camera))} {camera} {view.name}", ""]
    return _text(lines)


def _points_binary(xyz: np.ndarray, rgb: np.ndarray) -> bytes:
    table = np.zeros(len(xyz), _POINT)
    table["id"], table["xyz"], table["rgb"] = np.arange(1, len(xyz) + 1), xyz, rgb
    return struct.pack("<Q", len(xyz)) + table.tobytes()


def _points_text(xyz: np.ndarray, rgb: np.ndarray) -> bytes:
    lines = ["# 3D point list: POINT3D_ID, X, Y, Z, R, G, B, ERROR; no TRACK[]"]
    for at, (place, color) in enumerate(zip(xyz.tolist(), rgb.tolist(), strict=True), 1):
        lines.append(f"{at} {_words(place)} {' '.join(map(str, color))} 0")
    return _text(lines)


def _words(numbers: Sequence[float]) -> str:
    return " ".join(map(repr, numbers))


def _text(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
