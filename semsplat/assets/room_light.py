"""Light in the generated room, computed once at every point of the meshes: sun, sky, lamp and two bounces.

What is stored is irradiance / pi, so that albedo times it is radiance. Soft shadows come from sampling the lights,
ambient occlusion and colour bleeding from the bounces. Rays are cast by Open3D on the CPU; everything else is numpy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .room_furniture import LAMP, LEFT, SHADE_RADIUS, SHADE_Z, WINDOW_Y, WINDOW_Z, furniture
from .room_parts import NAMES
from .room_textures import Material
from .room_things import small_things

Array = np.ndarray
SUN_TRAVEL = np.array([1.0, -0.20, -0.56]) / np.linalg.norm([1.0, -0.20, -0.56])
SUN = 5.6 * np.array([1.0, 0.82, 0.62])
SKY = 2.9 * np.array([0.86, 0.95, 1.0])
FILL = 1.9 * np.array([1.0, 0.94, 0.86])
FILL_WINDOW = ((0.2, -3.28, 0.7), (2.9, 0.0, 0.0), (0.0, 0.0, 1.8))
SHADE = 2.6 * np.array([1.0, 0.62, 0.30])
BULB = 95.0 * np.array([1.0, 0.62, 0.30])
THICKEST = 0.0065  # metres: thicker than any sheet light shines through
SHARE = 1.0  # of the rays that light is computed with; fewer are quicker and rougher
AMBIENT = 0.05 * np.array([1.0, 0.96, 0.9])


@dataclass(frozen=True)
class Room:
    """All meshes as one: points, normals (n, 3), uv (n, 2), faces (m, 3); material and label of each face (m).

    solid casts rays against what throws shadows, seen against everything; face numbers are the same in both.
    """

    points: Array
    normals: Array
    uv: Array
    faces: Array
    face_material: Array
    face_label: Array
    materials: list[Material]
    solid: object
    seen: object


@lru_cache(1)
def room() -> Room:
    """The room, built once in a process."""
    parts = sorted(furniture() + small_things(), key=lambda part: not part.solid)
    labels = {thing: number for number, thing in enumerate(NAMES)}
    points, normals, uv, faces, material, label = [], [], [], [], [], []
    start = solid_faces = 0
    for number, part in enumerate(parts):
        for piece in part.sheets:
            points.append(piece.points)
            normals.append(piece.normals)
            uv.append(piece.uv)
            faces.append(piece.faces + start)
            material.append(np.full(len(piece.faces), number))
            label.append(np.full(len(piece.faces), labels[part.thing]))
            start += len(piece.points)
            solid_faces += len(piece.faces) * part.solid
    points, faces = np.concatenate(points).astype(np.float32), np.concatenate(faces)
    return Room(
        points,
        np.concatenate(normals).astype(np.float32),
        np.concatenate(uv).astype(np.float32),
        faces,
        np.concatenate(material),
        np.concatenate(label),
        [part.material for part in parts],
        _caster(points, faces[:solid_faces]),
        _caster(points, faces),
    )


def _caster(points: Array, faces: Array):
    """An Open3D ray caster for one mesh."""
    import open3d

    scene = open3d.t.geometry.RaycastingScene(nthreads=2)
    scene.add_triangles(open3d.core.Tensor(points.astype(np.float32)), open3d.core.Tensor(faces.astype(np.uint32)))
    return scene


def cast(caster, origins: Array, directions: Array) -> tuple[Array, Array]:
    """The face each ray hits (-1 for none) and the weights (n, 3) of its corners there."""
    import open3d

    rays = np.concatenate([origins, directions], axis=1).astype(np.float32)
    hits = caster.cast_rays(open3d.core.Tensor(rays))
    face = hits["primitive_ids"].numpy().astype(np.int64)
    second, third = hits["primitive_uvs"].numpy().T
    face[face == 0xFFFFFFFF] = -1
    return face, np.stack([1 - second - third, second, third], axis=1).astype(np.float32)


def visible(caster, origins: Array, targets: Array) -> Array:
    """Whether nothing stands between origins and targets (n, 3)."""
    import open3d

    rays = np.concatenate([origins, targets - origins], axis=1).astype(np.float32)
    return ~caster.test_occlusions(open3d.core.Tensor(rays), tnear=0.0, tfar=0.999).numpy()


def at_corners(values: Array, faces: Array, face: Array, weights: Array) -> Array:
    """Values of points (n, c), interpolated at hits."""
    corners = faces[face]
    return sum(values[corners[:, k]] * weights[:, k : k + 1] for k in range(3))


def spread(count: int, index: int, seed: int) -> Array:
    """The index-th pair in [0, 1) for each of `count` points: a low-discrepancy sequence, shifted for each point."""
    step = (index + 1) * np.array([0.7548776662466927, 0.5698402909980532])
    return np.mod(_shifts(count, seed) + np.float32(np.mod(step, 1.0)), np.float32(1))


@lru_cache(4)
def _shifts(count: int, seed: int) -> Array:
    """A random place in the unit square for each of `count` points."""
    return np.random.default_rng(seed).random((count, 2), dtype=np.float32)


@lru_cache(1)
def bake() -> tuple[Array, Array]:
    """Irradiance / pi (n, 3) at every point of the room, and the radiance (n, 3) that leaves it there."""
    scene = room()
    albedo, glow, through = per_point()
    here = _nudged(scene)
    direct = _direct(scene, here, scene.normals) + _smooth(scene, _lamp(scene, here, scene.normals), 2)
    thin = np.flatnonzero(through > 0)
    behind = here[thin] - np.float32(THICKEST) * scene.normals[thin]
    direct[thin] += through[thin, None] * _direct(scene, behind, -scene.normals[thin])
    indirect = np.zeros_like(direct)
    for number, rays in enumerate((40, 112)):
        indirect = _smooth(scene, _gather(scene, here, albedo * (direct + indirect), _some(rays), 100 + number), 6)
    light = direct + indirect + np.float32(AMBIENT)
    return light.astype(np.float32), (albedo * light + glow).astype(np.float32)


def _some(rays: int) -> int:
    """How many of the rays are cast."""
    return max(1, round(SHARE * rays))


def per_point() -> tuple[Array, Array, Array]:
    """Albedo (n, 3), own light (n, 3) and translucency (n) of every point."""
    scene = room()
    owner = np.zeros(len(scene.points), dtype=np.int64)
    owner[scene.faces] = scene.face_material[:, None]
    albedo, glow, through = *np.zeros((2, len(owner), 3), np.float32), np.zeros(len(owner), np.float32)
    for number, material in enumerate(scene.materials):
        mine = np.flatnonzero(owner == number)
        colour = material.pattern(scene.uv[mine], scene.points[mine])
        glow[mine] = colour * material.glow
        albedo[mine] = colour * (material.glow == 0)
        through[mine] = material.through
    return albedo, glow, through


def _nudged(scene: Room) -> Array:
    """Where to measure: a little inside each surface's edge."""
    return scene.points + np.float32(0.2) * (_averaged(scene, scene.points) - scene.points)


def _averaged(scene: Room, values: Array) -> Array:
    """Each point's mean over the corners of its faces."""
    total, count = np.zeros_like(values), np.zeros(len(values))
    flat = scene.faces.ravel()
    sums = values[scene.faces].sum(1)
    for channel in range(values.shape[1]):
        total[:, channel] = np.bincount(flat, np.repeat(sums[:, channel], 3), len(values))
    count = np.bincount(flat, minlength=len(values)) * 3.0
    return total / count[:, None].astype(np.float32)


def _smooth(scene: Room, values: Array, times: int) -> Array:
    """Averaged over neighbours within each sheet, which takes the sampling noise out."""
    for _ in range(times):
        values = _averaged(scene, values)
    return values


def _direct(scene: Room, points: Array, normals: Array) -> Array:
    """Light straight from the lights, / pi, at points (n, 3) with normals (n, 3)."""
    start = points + 0.0015 * normals
    light = np.zeros((len(points), 3), np.float32)
    size = np.array([0, WINDOW_Y[1] - WINDOW_Y[0], WINDOW_Z[1] - WINDOW_Z[0]])
    corner = np.array([LEFT - 0.17, WINDOW_Y[0], WINDOW_Z[0]])
    fill_corner, fill_along, fill_up = (np.array(v) for v in FILL_WINDOW)

    def window(pair):
        return corner + size * np.stack([pair[:, 0] * 0, pair[:, 0], pair[:, 1]], 1)

    def fill(pair):
        return fill_corner + pair[:, :1] * fill_along + pair[:, 1:] * fill_up

    area = size[1] * size[2]
    fill_area = np.linalg.norm(fill_along) * np.linalg.norm(fill_up)
    light += _area(scene, start, normals, window, lambda p: np.array([1.0, 0, 0]), _some(96), 1) * SKY * area
    light += _area(scene, start, normals, fill, lambda p: np.array([0, 1.0, 0]), _some(48), 2) * FILL * fill_area
    return light + _sun(scene, start, normals)


def _area(scene: Room, start: Array, normals: Array, place: Callable, facing: Callable, count: int, seed: int) -> Array:
    """Mean over an area light's points of cos cos / (pi distance^2) where visible, (n, 1)."""
    total = np.zeros(len(start))
    for index in range(count):
        target = place(spread(len(start), index, seed))
        way = target - start
        square = np.einsum("nk,nk->n", way, way)
        away = -np.einsum("nk,nk->n", way, np.broadcast_to(facing(target), way.shape))
        share = np.maximum(np.einsum("nk,nk->n", way, normals), 0) * np.maximum(away, 0) / (square**2 + 1e-6)
        lit = np.flatnonzero(share > 1e-5)
        total[lit] += share[lit] * visible(scene.solid, start[lit], target[lit])
    return total[:, None] / (np.pi * count)


def _lamp(scene: Room, points: Array, normals: Array) -> Array:
    """The lamp: its glowing shade, and the bulb inside, seen through the shade's openings."""
    start = points + 0.0015 * normals
    centre, middle = np.array([*LAMP, 0.0]), np.array([*LAMP, 1.47])
    (low, high), (wide, narrow) = SHADE_Z, SHADE_RADIUS

    def shade(pair):
        angle, height = pair[:, 0] * 2 * np.pi, pair[:, 1]
        radius = wide + (narrow - wide) * height + 0.006
        return centre + np.stack([radius * np.cos(angle), radius * np.sin(angle), low + (high - low) * height], 1)

    def outward(target):
        side = (target - centre) * [1, 1, 0]
        return side / np.linalg.norm(side, axis=1, keepdims=True)

    def bulb(pair):
        angle, height = pair[:, 0] * 2 * np.pi, 2 * pair[:, 1] - 1
        ring = 0.035 * np.sqrt(1 - height**2)
        return middle + np.stack([ring * np.cos(angle), ring * np.sin(angle), 0.035 * height], 1)

    def towards(target):
        side = target - middle
        return side / np.linalg.norm(side, axis=1, keepdims=True)

    area = 2 * np.pi * (wide + narrow) / 2 * (high - low)
    light = _area(scene, start, normals, shade, outward, _some(48), 3) * SHADE * area
    return light + _area(scene, start, normals, bulb, towards, _some(40), 4) * BULB * (4 * np.pi * 0.035**2)


def sun_share(start: Array, pair: Array, spread_degrees: float = 1.1) -> tuple[Array, Array]:
    """Directions (n, 3) to the sun's disc, its size exaggerated, and whether the sun is visible there (n)."""
    angle, radius = pair[:, :1] * 2 * np.pi, np.sqrt(pair[:, 1:]) * np.tan(np.radians(spread_degrees))
    aside = np.cross(SUN_TRAVEL, [0, 0, 1.0])
    aside /= np.linalg.norm(aside)
    direction = -SUN_TRAVEL + radius * (np.cos(angle) * aside + np.sin(angle) * np.cross(SUN_TRAVEL, aside))
    return direction, visible(room().solid, start, start + 12.0 * direction)


def _sun(scene: Room, start: Array, normals: Array) -> Array:
    """Sunlight through the window."""
    total = np.zeros(len(start))
    facing = np.flatnonzero(normals @ -SUN_TRAVEL > 0)
    for index in range(_some(40)):
        total[facing] += sun_share(start[facing], spread(len(facing), index, 5))[1]
    return (total / _some(40) * np.maximum(normals @ -SUN_TRAVEL, 0))[:, None] * SUN


def _gather(scene: Room, points: Array, leaving: Array, count: int, seed: int) -> Array:
    """Light from all around, / pi: the mean of `leaving` (n, 3) over cosine-weighted directions."""
    normals = scene.normals
    start = points + 0.0015 * normals
    helper = np.where(np.abs(normals[:, 2:]) < 0.9, np.float32([[0, 0, 1]]), np.float32([[1, 0, 0]]))
    along = np.cross(normals, helper)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(normals, along)
    total = np.zeros((len(points), 3), np.float32)
    for index in range(count):
        pair = spread(len(points), index, seed)
        angle, radius = pair[:, :1] * 2 * np.pi, np.sqrt(pair[:, 1:])
        way = radius * (np.cos(angle) * along + np.sin(angle) * across) + np.sqrt(1 - pair[:, 1:]) * normals
        face, weights = cast(scene.solid, start, way)
        hit = np.flatnonzero(face >= 0)
        total[hit] += at_corners(leaving, scene.faces, face[hit], weights[hit])
    return total / count
