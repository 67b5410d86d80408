"""Captures described by a transforms.json: the dialects of nerfstudio, instant-ngp and Blender.

Sources: nerfstudio's "Data conventions" and the readers of instant-ngp and of the NeRF Blender scenes. Poses are
camera to world in OpenGL axes (x right, y up, z back). ``applied_transform`` and ``applied_scale`` are already in the
poses and in the points of ``ply_file_path``, so nothing is done with them.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import reason
from . import pictures
from .assemble import View, assemble, find, missing_note
from .points import read_points
from .types import Capture, Lens

_FOCAL = ("fl_x", "fl_y", "camera_angle_x", "camera_angle_y")
_BROWN = {"SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV", "PERSPECTIVE"}
_FISHEYE = {"OPENCV_FISHEYE", "FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"}
_OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
_NO_POINTS = (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32))


def load_transforms(files: Sequence[tuple[Path, bool | None]]) -> Capture:
    """The capture of one or more transforms files, each with what it says about being held out (None: nothing).

    Raises:
        InputError: one sentence about what cannot be used.
    """
    views, notes, missing, total, points = [], [], [], 0, _NO_POINTS
    root = files[0][0].parent
    for path, held_out in files:
        meta = _read(path)
        lists = _lists(meta)
        found = {i: _view(path, meta, frame, lists, held_out) for i, frame in enumerate(meta["frames"])}
        missing += [meta["frames"][i]["file_path"] for i, view in found.items() if view is None]
        here = [view for view in found.values() if view is not None]
        _mask_notes(path, meta, here, notes)
        views += here
        total += len(found)
        if not len(points[0]):
            points = _points(path, meta, notes)
    notes = [*missing_note(missing, total), *notes]
    return assemble(files[0][0], root, views, points, notes)


def _read(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}.") from error
    if not isinstance(meta, dict) or not isinstance(meta.get("frames"), list):
        raise InputError(f"{path} has no list 'frames'; give a transforms.json of nerfstudio, instant-ngp or Blender.")
    if not meta["frames"]:
        raise InputError(f"{path} has no frames; fitting a scene needs at least two views.")
    for number, frame in enumerate(meta["frames"]):
        if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str) or not frame["file_path"]:
            raise InputError(f"{path}, frame {number} has no 'file_path'.")
    return meta


def _view(
    path: Path, meta: Mapping[str, Any], frame: Mapping[str, Any], lists: dict[str, bool], held_out: bool | None
) -> View | None:
    """The view of one frame, or None when its picture does not exist."""
    stated, folder = frame["file_path"], path.parent
    where = f"{path}, {stated!r}"
    picture = find(stated, (folder, folder / "images"))
    if picture is None:
        return None
    try:
        pose = np.array(frame.get("transform_matrix"), np.float64)
    except (TypeError, ValueError):
        pose = np.zeros(0)
    if pose.shape == (3, 4):
        pose = np.vstack([pose, [0.0, 0.0, 0.0, 1.0]])
    if pose.shape != (4, 4):
        raise InputError(f"{where} has no 'transform_matrix' of 4 x 4 numbers.")
    mask = frame.get("mask_path")
    mask_path = find(mask, (folder, folder / "masks")) if isinstance(mask, str) and mask else None
    said = lists.get(_key(stated), held_out)
    return View(stated, picture, pose @ _OPENGL_TO_OPENCV, _lens(meta, frame, picture, where), mask_path, said)


def _lens(meta: Mapping[str, Any], frame: Mapping[str, Any], picture: Path, where: str) -> Lens:
    """Shared numbers, overridden by those of the frame."""
    own_focal = any(key in frame for key in _FOCAL)
    both = {k: v for k, v in meta.items() if not (own_focal and k in _FOCAL)} | dict(frame)
    if "w" in both and "h" in both:
        width, height = int(_number(both, "w", where)), int(_number(both, "h", where))
    else:
        with pictures.quietly():
            width, height = pictures.sizes(picture)[0]
    fx, fy = _focal(both, width, height, where)
    cx, cy = (_number(both, key, where, side / 2) for key, side in (("cx", width), ("cy", height)))
    model, distortion = _distortion(both, where)
    return Lens(width, height, fx, fy, cx, cy, model, distortion)


def _focal(both: Mapping[str, Any], width: int, height: int, where: str) -> tuple[float, float]:
    """(fx, fy) in pixels: stated, or from the angles of view; one stands for both."""
    found: list[float | None] = []
    stated = "fl_x" in both or "fl_y" in both
    for axis, side in (("x", width), ("y", height)):
        if stated:
            found.append(_number(both, f"fl_{axis}", where) if f"fl_{axis}" in both else None)
        elif f"camera_angle_{axis}" in both:
            found.append(0.5 * side / math.tan(0.5 * _number(both, f"camera_angle_{axis}", where) or math.nan))
        else:
            found.append(None)
    fx, fy = found
    if fx is None and fy is None:
        raise InputError(f"{where} has no focal length; give fl_x or camera_angle_x.")
    fx = fy if fx is None else fx
    fy = fx if fy is None else fy
    assert fx is not None and fy is not None
    return fx, fy


def _distortion(both: Mapping[str, Any], where: str) -> tuple[str, tuple[float, ...]]:
    """(model, coefficients in its order) as Lens has them."""
    fisheye = bool(both.get("is_fisheye"))
    name = str(both.get("camera_model", "OPENCV_FISHEYE" if fisheye else "OPENCV")).upper()
    if name not in _BROWN | _FISHEYE:
        raise InputError(f"{where} has the camera model {name}, which is not supported; undistort the photos first.")
    k1, k2, k3, k4, k5, k6, p1, p2 = (
        _number(both, key, where, 0.0) for key in ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
    )
    if isinstance(listed := both.get("distortion_params"), list):
        try:
            k1, k2, k3, k4, p1, p2 = (*map(float, listed), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)[:6]
        except (TypeError, ValueError) as error:
            raise InputError(f"{where} has 'distortion_params' that are not numbers.") from error
    if name in _FISHEYE:
        return "OPENCV_FISHEYE", (k1, k2, k3, k4)
    if name != "FULL_OPENCV" and (k4 or k5 or k6):
        raise InputError(
            f"{where} has k4 = {k4:g} with {name}, which readers understand differently; "
            "say FULL_OPENCV or undistort the photos first."
        )
    coefficients = (k1, k2, p1, p2, k3, k4, k5, k6)
    return ("OPENCV", coefficients) if any(coefficients) else ("PINHOLE", ())


def _number(both: Mapping[str, Any], key: str, where: str, default: float | None = None) -> float:
    value = both.get(key, default)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InputError(f"{where} has {key} = {value!r}, which is not a number.") from error
    if not math.isfinite(number):
        raise InputError(f"{where} has {key} = {value!r}, which is not finite.")
    return number


def _lists(meta: Mapping[str, Any]) -> dict[str, bool]:
    """Held out or not, by file name, where the file lists its splits."""
    found = {}
    for key, held_out in (("train_filenames", False), ("val_filenames", True), ("test_filenames", True)):
        names = meta.get(key)
        for name in names if isinstance(names, list) else []:
            found[_key(str(name))] = held_out
    return found


def _key(stated: str) -> str:
    return PurePosixPath(stated.replace("\\", "/")).as_posix()


def _points(path: Path, meta: Mapping[str, Any], notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    name = meta.get("ply_file_path")
    if not isinstance(name, str) or not name:
        return _NO_POINTS
    ply = find(name, (path.parent,))
    if ply is None:
        notes.append(f"The points {name} do not exist; fitting begins without them.")
        return _NO_POINTS
    return read_points(ply)


def _mask_notes(path: Path, meta: Mapping[str, Any], views: Sequence[View], notes: list[str]) -> None:
    """Masks that are named and do not exist."""
    named = sum(bool(frame.get("mask_path")) for frame in meta["frames"])
    found = sum(view.mask_path is not None for view in views)
    if named and not found:
        raise InputError(f"None of the {named} masks that {path} names exists; remove 'mask_path' or give them.")
    used = {view.stated for view in views}
    lost = sum(bool(f.get("mask_path")) for f in meta["frames"] if f["file_path"] in used) - found
    if lost > 0:
        notes.append(f"{lost} masks do not exist; their photos are used whole.")
