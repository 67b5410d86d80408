"""Meshes for the generated room: every surface is a grid of points, bent, revolved or swept.

All lengths are metres, angles degrees; z points up. A grid's normal is (direction of its columns) x (direction of
its rows). Grids are fine (about 1 cm) because light is stored at their points.
"""

from dataclasses import dataclass, replace

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Sheet:
    """A triangle mesh: points (n, 3), unit normals (n, 3), texture coordinates uv (n, 2), faces (m, 3)."""

    points: Array
    normals: Array
    uv: Array
    faces: Array

    def placed(self, at=(0.0, 0.0, 0.0), turn: float = 0.0, tilt: float = 0.0, roll: float = 0.0) -> "Sheet":
        """The sheet rolled about y, tilted about x, turned about z (degrees, in this order), then moved to `at`."""
        rotation = rotate(2, turn) @ rotate(0, tilt) @ rotate(1, roll)
        return replace(self, points=self.points @ rotation.T + np.asarray(at), normals=self.normals @ rotation.T)

    def flipped(self) -> "Sheet":
        """The same surface seen from the other side."""
        return replace(self, normals=-self.normals, faces=self.faces[:, ::-1])


def rotate(axis: int, degrees: float) -> Array:
    """The 3x3 rotation about a coordinate axis (0, 1, 2 for x, y, z)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix[a, a], matrix[a, b], matrix[b, a], matrix[b, b] = c, -s, s, c
    return matrix


def sheet(grid: Array, uv: Array | None = None) -> Sheet:
    """The mesh of a grid of points (h, w, 3); uv (h, w, 2) is the place in the grid, 0 to 1, when not given."""
    height, width, _ = grid.shape
    if uv is None:
        uv = np.stack(np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height)), axis=-1)
    index = np.arange(height * width).reshape(height, width)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    points = grid.reshape(-1, 3).astype(np.float64)
    return Sheet(points, _normals(points, faces), uv.reshape(-1, 2).astype(np.float64), faces)


def _normals(points: Array, faces: Array) -> Array:
    """Area-weighted normals; points in the same place share one, so seams and poles are smooth."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    per_face = np.cross(b - a, c - a)
    _, weld = np.unique(np.round(points, 6), axis=0, return_inverse=True)
    weld = weld.reshape(-1)
    total = np.zeros((weld.max() + 1, 3))
    for k in range(3):
        np.add.at(total, weld[faces[:, k]], per_face)
    normals = total[weld]
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def rectangle(corner, along, up, step: float = 0.02) -> Sheet:
    """A flat rectangle with the normal `along` x `up`; uv are metres along the two edges."""
    corner, along, up = (np.asarray(v, dtype=np.float64) for v in (corner, along, up))
    width, height = np.linalg.norm(along), np.linalg.norm(up)
    s = np.linspace(0, 1, max(int(np.ceil(width / step)), 1) + 1)
    t = np.linspace(0, 1, max(int(np.ceil(height / step)), 1) + 1)
    grid = corner + s[None, :, None] * along + t[:, None, None] * up
    return sheet(grid, np.stack(np.meshgrid(s * width, t * height), axis=-1))


def plane(xs: Array, ys: Array, z: float) -> Sheet:
    """A level surface over the given coordinates (their spacing may vary); uv are x and y."""
    x, y = np.meshgrid(xs, ys)
    return sheet(np.stack([x, y, np.full_like(x, z)], axis=-1), np.stack([x, y], axis=-1))


def box(size, step: float = 0.02) -> list[Sheet]:
    """The six sides of a box standing on z = 0, centred in x and y; uv in metres, the grain along the longer edge."""
    x, y, z = size
    low = np.array([-x / 2, -y / 2, 0.0])
    ex, ey, ez = np.diag([x, y, z]).astype(np.float64)
    sides = [
        (low + ez, ex, ey),
        (low, ey, ex),
        (low, ex, ez),
        (low + ex, ey, ez),
        (low + ex + ey, -ex, ez),
        (low + ey, -ey, ez),
    ]
    faces = [rectangle(c, a, u, step) for c, a, u in sides]
    longer_up = [np.linalg.norm(u) > np.linalg.norm(a) for _, a, u in sides]
    return [replace(f, uv=f.uv[:, ::-1]) if swap else f for f, swap in zip(faces, longer_up, strict=True)]


def curve(points, count: int) -> Array:
    """`count` points evenly spaced along a Catmull-Rom spline through the given points (k, d)."""
    points = np.asarray(points, dtype=np.float64)
    padded = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    t = np.linspace(0, 1, 32, endpoint=False)[:, None]
    pieces = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        bend = (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
        pieces.append(0.5 * (2 * p1 + (p2 - p0) * t + bend))
    fine = np.concatenate([*pieces, points[-1:]])
    return resampled(fine, count)


def resampled(points: Array, count: int) -> Array:
    """`count` points evenly spaced along a polyline (k, d)."""
    points = np.asarray(points, dtype=np.float64)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0, length[-1], count)
    return np.stack([np.interp(at, length, points[:, k]) for k in range(points.shape[1])], axis=1)


def lathe(profile: Array, around: int = 48) -> Sheet:
    """A profile of (radius, z) turned about the z axis; going up on the outside, the normal points outwards."""
    angle = np.linspace(0, 2 * np.pi, around + 1)
    radius, z = profile[:, :1], np.repeat(profile[:, 1:], around + 1, axis=1)
    return sheet(np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=-1))


def ellipsoid(radii, around: int = 32) -> Sheet:
    """An ellipsoid about the origin with the given three radii."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, around // 2 + 1)
    ball = lathe(np.stack([np.cos(angle), np.sin(angle)], axis=1), around)
    normals = ball.points / np.asarray(radii)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return replace(ball, points=ball.points * np.asarray(radii), normals=normals)


def tube(path: Array, radius, around: int = 12) -> Sheet:
    """A round tube along a path (k, 3), with one radius or one for each point, closed at both ends."""
    path = np.asarray(path, dtype=np.float64)
    radius = np.broadcast_to(np.asarray(radius, dtype=np.float64), len(path))
    path = np.concatenate([path[:1], path, path[-1:]])
    radius = np.concatenate([[1e-5], radius, [1e-5]])
    ahead = np.gradient(path[1:-1], axis=0)
    ahead = np.concatenate([ahead[:1], ahead, ahead[-1:]])
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    side = np.cross(ahead[0], [0.31, 0.87, 0.37])
    angle = np.linspace(0, 2 * np.pi, around + 1)
    rings = []
    for point, direction, r in zip(path, ahead, radius, strict=True):
        side = side - direction * (side @ direction)
        side /= np.linalg.norm(side)
        other = np.cross(direction, side)
        rings.append(point + r * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other))
    return sheet(np.stack(rings))


def two_sided(grid: Array, thickness: float = 0.002) -> list[Sheet]:
    """Both sides of a thin surface, the second seen from behind."""
    front = sheet(grid)
    shift = front.normals * thickness / 2
    return [replace(front, points=front.points + shift), replace(front, points=front.points - shift).flipped()]
