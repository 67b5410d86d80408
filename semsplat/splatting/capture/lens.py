"""Lenses: the closed-form forward distortion, and the pinhole view that a distorted picture is turned into.

Source of the formulas: OpenCV's documentation, "Camera Calibration and 3D Reconstruction" (the pinhole model with
radial, rational and tangential terms) and "Fisheye camera model"; COLMAP's models are special cases of the two.
"""

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np

from ..errors import InputError
from .types import Lens

_HUGE = 1e9  # no focal length, centre or coefficient is beyond
_WIDEST = 2.0  # tangent of half the widest angle of view kept on each side (63 degrees)
_LARGEST = 2.0  # the undistorted picture has at most this many times the pixels on a side, as in COLMAP


def check(lens: Lens, where: str) -> Lens:
    """The lens itself.

    Raises:
        InputError: numbers that no lens can have, with ``where`` naming the place.
    """
    if lens.width < 1 or lens.height < 1:
        raise InputError(f"{where} states a picture of {lens.width} x {lens.height} pixels; both must be positive.")
    if not 0 < min(lens.fx, lens.fy) <= max(lens.fx, lens.fy) < _HUGE:
        raise InputError(
            f"{where} states the focal lengths {lens.fx:g}, {lens.fy:g}; both must be positive and finite."
        )
    if not all(abs(number) < _HUGE for number in (lens.cx, lens.cy, *lens.distortion)):
        raise InputError(f"{where} states a centre or a distortion that is not finite; mend it.")
    return lens


def scaled(lens: Lens, width: int, height: int) -> Lens:
    """The same lens on another pixel grid."""
    sx, sy = width / lens.width, height / lens.height
    return Lens(width, height, lens.fx * sx, lens.fy * sy, lens.cx * sx, lens.cy * sy, lens.model, lens.distortion)


def reduced(lens: Lens, times: int) -> Lens:
    """The lens of ``pictures.reduced``: blocks of pixels became one, incomplete ones at the right and bottom too."""
    width, height = -(-lens.width // times), -(-lens.height // times)
    fx, fy, cx, cy = (n / times for n in (lens.fx, lens.fy, lens.cx, lens.cy))
    return Lens(width, height, fx, fy, cx, cy, lens.model, lens.distortion)


def distorts(lens: Lens) -> bool:
    """Whether straight lines come out bent."""
    return lens.model == "OPENCV_FISHEYE" or any(lens.distortion)


def distort(lens: Lens, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From ideal x/z and y/z (shapes that broadcast) to where the lens puts them, before focal length and centre."""
    r2 = x * x + y * y
    k = (*lens.distortion, *([0.0] * 8))
    if lens.model == "OPENCV_FISHEYE":
        r = np.maximum(np.sqrt(r2), 1e-9)
        theta = np.arctan(r)
        t2 = theta * theta
        factor = theta * (1 + t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3])))) / r
        return x * factor, y * factor
    k1, k2, p1, p2, k3, k4, k5, k6 = k[:8]
    factor = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    if k4 or k5 or k6:
        factor /= 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    if not (p1 or p2):
        return x * factor, y * factor
    xy = 2 * x * y
    return x * factor + (p1 * xy + p2 * (r2 + 2 * x * x)), y * factor + (p2 * xy + p1 * (r2 + 2 * y * y))


def to_pixels(lens: Lens, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where ideal x/z and y/z land in the distorted picture, in pixels."""
    u, v = distort(lens, x, y)
    return u * lens.fx + lens.cx, v * lens.fy + lens.cy


@lru_cache(maxsize=4096)
@np.errstate(all="ignore")  # nonsense in a damaged file may overflow; what is not finite is refused below
def pinhole_view(lens: Lens) -> Lens:
    """The undistorted view of a lens: the same focal lengths, cut so that every pixel was seen by the lens.

    This is COLMAP's rule for ``blank_pixels = 0``: no border has to be invented and no weight channel is needed; what
    is lost are the parts of the picture that a rectangle cannot hold (under 1 % of the pixels for phone lenses). Views
    wider than 2 x 63 degrees are cut to that.

    Raises:
        InputError: a distortion that cannot be undone.
    """
    if not distorts(lens):
        return Lens(lens.width, lens.height, lens.fx, lens.fy, lens.cx, lens.cy)
    radii, bent = _radial_table(lens)
    left, top, right, bottom = _inner_rectangle(lens, radii, bent)
    sane = all(map(math.isfinite, (left, top, right, bottom)))
    for _ in range(
        200 if sane else 0
    ):  # corners of odd lenses may still see beyond the picture: shrink by 1 % until none does
        width = min(int(lens.fx * (right - left) + 1e-6), int(_LARGEST * lens.width))
        height = min(int(lens.fy * (bottom - top) + 1e-6), int(_LARGEST * lens.height))
        if width < 1 or height < 1:
            break
        cx, cy = -lens.fx * (left + right) / 2 + width / 2, -lens.fy * (top + bottom) / 2 + height / 2
        view = Lens(width, height, lens.fx, lens.fy, cx, cy)
        if _sees_only_the_picture(lens, view, float(radii[-1])):
            return view
        dx, dy = 0.005 * (right - left), 0.005 * (bottom - top)
        left, top, right, bottom = left + dx, top + dy, right - dx, bottom - dy
    raise InputError(
        f"The lens {lens.model} with distortion {lens.distortion} folds the picture over and cannot be undone; "
        "check the coefficients or undistort the photos first."
    )


def kept(lens: Lens) -> float:
    """The part of the picture, in [0, 1], that its pinhole view shows."""
    view = pinhole_view(lens)
    along = np.linspace(0.0, 1.0, 64, endpoint=False)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) * [view.width, view.height]
    border = np.concatenate([a + along[:, None] * (b - a) for a, b in pairwise(corners)])
    u, v = to_pixels(lens, (border[:, 0] - view.cx) / view.fx, (border[:, 1] - view.cy) / view.fy)
    area = 0.5 * abs(np.dot(u, np.roll(v, -1)) - np.dot(v, np.roll(u, -1)))
    return float(area / (lens.width * lens.height))


def rays(view: Lens, top: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
    """x/z (1, w) and y/z (h, 1) of the pixel centres of rows ``top`` to ``bottom`` of a pinhole view, float32."""
    x = (np.arange(view.width) + (0.5 - view.cx)) / view.fx
    y = (np.arange(top, bottom) + (0.5 - view.cy)) / view.fy
    return x.astype(np.float32)[None, :], y.astype(np.float32)[:, None]


def _radial_table(lens: Lens) -> tuple[np.ndarray, np.ndarray]:
    """Radii, and where the radial terms put them, as far as the second grows with the first."""
    radii = np.linspace(0.0, _WIDEST * math.sqrt(2), 8192)
    radial = Lens(1, 1, 1.0, 1.0, 0.0, 0.0, lens.model, _without_tangential(lens))
    bent, _ = distort(radial, radii, np.zeros_like(radii))
    grows = np.diff(bent) > 0
    end = len(bent) if grows.all() else int(np.argmin(grows)) + 1
    return radii[: max(end, 2)], bent[: max(end, 2)]


def _without_tangential(lens: Lens) -> tuple[float, ...]:
    if lens.model == "OPENCV_FISHEYE":
        return lens.distortion
    return tuple(0.0 if i in (2, 3) else k for i, k in enumerate(lens.distortion))


def _undistort(lens: Lens, pixels: np.ndarray, radii: np.ndarray, bent: np.ndarray) -> np.ndarray:
    """Ideal (x/z, y/z) (n, 2) of pixels (n, 2); beyond the reach of the radial terms: at their last radius."""
    target = (pixels - [lens.cx, lens.cy]) / [lens.fx, lens.fy]
    radial = Lens(1, 1, 1.0, 1.0, 0.0, 0.0, lens.model, _without_tangential(lens))
    ideal = np.zeros_like(target)
    for _ in range(20):  # the tangential terms are small: a fixed point
        bent_ideal, without = (np.stack(distort(each, *ideal.T), 1) for each in (lens, radial))
        rest = target - (bent_ideal - without)
        length = np.linalg.norm(rest, axis=1, keepdims=True)
        ideal = rest / np.maximum(length, 1e-12) * np.interp(length, bent, radii)
    return ideal


def _inner_rectangle(lens: Lens, radii: np.ndarray, bent: np.ndarray) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) in (x/z, y/z): inside the undistorted border of the picture."""
    along = np.linspace(0.0, 1.0, 201)
    zero, one = np.zeros_like(along), np.ones_like(along)
    size = np.array([lens.width, lens.height])
    left, top, right, bottom = (
        _undistort(lens, np.stack(edge, -1) * size, radii, bent)
        for edge in ((zero, along), (along, zero), (one, along), (along, one))
    )
    bounds = left[:, 0].max(), top[:, 1].max(), right[:, 0].min(), bottom[:, 1].min()
    low, high = np.clip(bounds[:2], -_WIDEST, None), np.clip(bounds[2:], None, _WIDEST)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _sees_only_the_picture(lens: Lens, view: Lens, reach: float) -> bool:
    """Whether the border pixels of the view all come from within the picture (to half a pixel)."""
    x, y = rays(view, 0, view.height)
    x, y = x.ravel().astype(np.float64), y.ravel().astype(np.float64)
    ends_x, ends_y = x[[0, -1]], y[[0, -1]]
    border_x = np.concatenate([np.tile(x, 2), np.repeat(ends_x, len(y))])
    border_y = np.concatenate([np.repeat(ends_y, len(x)), np.tile(y, 2)])
    u, v = to_pixels(lens, border_x, border_y)
    inside = min(u.min(), v.min()) >= -1e-3 and u.max() <= lens.width + 1e-3 and v.max() <= lens.height + 1e-3
    return bool(inside and np.hypot(border_x, border_y).max() <= reach)
