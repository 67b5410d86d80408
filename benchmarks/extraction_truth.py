"""The things of the bundled capture, each rendered alone by the generator: what an extraction should look like."""

import functools

import numpy as np

from semsplat.assets.room_cameras import HEIGHT, WIDTH, views
from semsplat.assets.room_light import _caster, at_corners, cast, room, spread
from semsplat.assets.room_render import EXPOSURE, GRID, LOBES, developed, encoded, radiance, rays

NEAR = 5e-4  # metres before a thing from where its light is looked for, so that nothing else is in between


@functools.lru_cache(4)
def caster(label: int):
    """A ray caster for one thing, and the faces it has."""
    scene = room()
    faces = scene.faces[scene.face_label == label]
    return _caster(scene.points, faces), faces


def box(label: int) -> np.ndarray:
    """The corners (2, 3) of the box around a thing, metres."""
    scene = room()
    corners = scene.points[scene.faces[scene.face_label == label].reshape(-1)]
    return np.stack([corners.min(0), corners.max(0)])


def alone(index: int, label: int) -> np.ndarray:
    """A thing alone, in the light that it has in the room: (240, 320, 4), premultiplied colour and coverage, 0 to 1."""
    view, scene = views()[index], room()
    its, faces = caster(label)
    rng = np.random.default_rng(1000 + index)
    total = np.zeros((HEIGHT * WIDTH, 4))
    for number in range(GRID * GRID):
        inside = (np.array([number % GRID, number // GRID]) + rng.random((HEIGHT * WIDTH, 2))) / GRID
        origins, directions = rays(view, inside)
        face, weights = cast(its, origins, directions)
        hit = np.flatnonzero(face >= 0)
        if not len(hit):
            continue
        points = at_corners(scene.points, faces, face[hit], weights[hit])
        lobes = np.stack([spread(HEIGHT * WIDTH, LOBES * number + k, 2000 + index)[hit] for k in range(LOBES)])
        light = radiance(points - NEAR * directions[hit], directions[hit], lobes)
        total[hit, :3] += developed(light * EXPOSURE * view.exposure)
        total[hit, 3] += 1.0
    total /= GRID**2
    coverage = total[:, 3:]
    colour = encoded(total[:, :3] / np.maximum(coverage, 1e-9)) * coverage
    return np.concatenate([colour, coverage], axis=1).astype(np.float32).reshape(HEIGHT, WIDTH, 4)
