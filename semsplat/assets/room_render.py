"""Pictures and labels of the generated room: 16 rays a pixel, reflections on glossy things, a film curve, a sensor."""

import numpy as np

from .room_cameras import View, views
from .room_light import SUN, Room, at_corners, bake, cast, room, spread, sun_share

Array = np.ndarray
GRID, LOBES = 4, 3
EXPOSURE = 1.3


def render_view(index: int) -> Array:
    """The picture of one view, uint8 (240, 320, 3), with the view's exposure and sensor noise; always the same."""
    return render(views()[index], index)


def render(view: View, index: int, grid: int = GRID) -> Array:
    """The picture of any view, uint8 (h, w, 3), of grid x grid rays a pixel; the index decides what is random."""
    rng, pixels = np.random.default_rng(1000 + index), view.height * view.width
    total = np.zeros((pixels, 3))
    for row in range(grid):
        for column in range(grid):
            inside = (np.array([column, row]) + rng.random((pixels, 2))) / grid
            origins, directions = rays(view, inside)
            first = LOBES * (row * grid + column)
            lobes = np.stack([spread(pixels, first + k, 2000 + index) for k in range(LOBES)])
            total += developed(radiance(origins, directions, lobes) * EXPOSURE * view.exposure)
    return sensor(encoded(total / grid**2).reshape(view.height, view.width, 3), view.noise, rng)


def render_labels(index: int) -> Array:
    """The label of what each pixel's centre sees, uint8 (240, 320)."""
    return labels_of(views()[index])


def labels_of(view: View) -> Array:
    """The label of what the centre of each pixel of any view sees, uint8 (h, w)."""
    origins, directions = rays(view, np.full((view.height * view.width, 2), 0.5))
    face, _ = cast(room().seen, origins, directions)
    return np.where(face >= 0, room().face_label[face], 0).astype(np.uint8).reshape(view.height, view.width)


def rays(view: View, inside: Array) -> tuple[Array, Array]:
    """Origins and unit directions (n, 3) of rays through every pixel at a place inside it (n, 2; 0 to 1)."""
    y, x = np.divmod(np.arange(view.height * view.width), view.width)
    x, y = (x + inside[:, 0] - view.width / 2) / view.focal, (y + inside[:, 1] - view.height / 2) / view.focal
    directions = np.stack([x, -y, -np.ones_like(x)], axis=1) @ view.camera_to_world[:3, :3].T
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.broadcast_to(view.camera_to_world[:3, 3], directions.shape), directions


def radiance(origins: Array, directions: Array, lobes: Array) -> Array:
    """Light (n, 3) that comes along rays; `lobes` (k, n, 2; 0 to 1) picks k places in each reflection's lobe."""
    scene = room()
    light, _ = bake()
    face, weights = cast(scene.seen, origins, directions)
    face = np.maximum(face, 0)
    points = at_corners(scene.points, scene.faces, face, weights)
    uv = at_corners(scene.uv, scene.faces, face, weights)
    normals = at_corners(scene.normals, scene.faces, face, weights)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    falling = at_corners(light, scene.faces, face, weights)
    owner = scene.face_material[face]
    result = np.zeros((len(face), 3))
    for number in np.unique(owner):
        material, mine = scene.materials[number], np.flatnonzero(owner == number)
        colour = material.pattern(uv[mine], points[mine])
        result[mine] = colour * (material.glow if material.glow else falling[mine])
        if material.gloss:
            tint = colour / colour.max(1, keepdims=True) if material.gloss > 0.1 else 1.0
            shine, share = _reflection(scene, points[mine], normals[mine], directions[mine], material, lobes[:, mine])
            result[mine] = result[mine] * (1 - share) + shine * tint
    return result


def _reflection(scene: Room, points, normals, directions, material, lobes) -> tuple[Array, Array]:
    """Reflected light (n, 3) with Schlick's Fresnel term, and that term (n, 1); the sun by Blinn and Phong's."""
    start = points + 0.002 * normals
    shine = sum(_mirrored(scene, start, normals, directions, material.roughness, lobe) for lobe in lobes) / len(lobes)
    to_sun, lit = sun_share(start, lobes[0])
    half = to_sun - directions
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    power = 2 / max(material.roughness, 0.08) ** 2
    peak = np.maximum(np.einsum("nk,nk->n", half, normals), 0) ** power * (power + 8) / 48
    shine = np.minimum(shine + SUN * (peak * lit * (normals @ to_sun[0] > 0))[:, None], 8.0)
    facing = np.maximum(-np.einsum("nk,nk->n", directions, normals), 0.0)
    share = material.gloss + (1 - material.gloss) * (1 - facing) ** 5 * (1 - material.roughness) ** 3
    return shine * share[:, None], share[:, None]


def _mirrored(scene: Room, start, normals, directions, roughness: float, lobe: Array) -> Array:
    """Light (n, 3) from one direction of each reflection's lobe, the one that `lobe` (n, 2) picks."""
    radius = roughness * 0.6 * np.sqrt(-2 * np.log(1 - 0.999 * lobe[:, :1]))
    angle, helper = 2 * np.pi * lobe[:, 1:], np.cross(normals, [0.31, 0.87, 0.37])
    bent = normals + radius * (np.cos(angle) * helper + np.sin(angle) * np.cross(normals, helper))
    bent /= np.linalg.norm(bent, axis=1, keepdims=True)
    way = directions - 2 * np.einsum("nk,nk->n", directions, bent)[:, None] * bent
    way -= np.minimum(np.einsum("nk,nk->n", way, normals), 0)[:, None] * 2 * normals
    face, weights = cast(scene.seen, start, way)
    return at_corners(bake()[1], scene.faces, np.maximum(face, 0), weights) * (face >= 0)[:, None]


def developed(light: Array) -> Array:
    """Light (n, 3) on film: straight up to 0.5, then a shoulder that keeps most of the hue; linear, 0 to 1."""
    brightest = np.maximum(light.max(1, keepdims=True), 1e-6)
    together = light * (_shoulder(brightest) / brightest)
    return 0.65 * together + 0.35 * _shoulder(light)


def _shoulder(light: Array, knee: float = 0.5) -> Array:
    """The straight line up to the knee, then a smooth way towards 1."""
    over = np.maximum(light - knee, 0)
    return np.minimum(light, knee) + (1 - knee) * over / (over + (1 - knee))


def encoded(light: Array) -> Array:
    """Linear light as sRGB, 0 to 1."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


def sensor(picture: Array, sigma: float, rng: np.random.Generator) -> Array:
    """The picture (h, w, 3) with noise of sigma / 255, most of it common to the three colours, as uint8."""
    grey = rng.standard_normal((*picture.shape[:2], 1))
    colour = rng.standard_normal(picture.shape)
    noisy = picture * 255 + sigma * (0.9 * grey + 0.44 * colour)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)
