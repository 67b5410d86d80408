"""Photos of a thing that turns before a camera on a tripod: an egg with a solid texture before a wall, ray by ray."""

import math
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import map_coordinates, zoom

WIDTH, HEIGHT, FOCAL, AWAY = 480, 360, 500.0, 3.6
AXES = np.array([1.0, 1.15, 0.8])  # half, of the egg


def photograph(folder: Path, count: int, step: float, masks: bool) -> None:
    """``count`` photos, turned by ``step`` degrees each, into folder/photos; with masks beside them if wanted."""
    random = np.random.default_rng(0)
    (folder / "photos" / "masks").mkdir(parents=True) if masks else (folder / "photos").mkdir(parents=True)
    texture = _noise(random, (20, 20, 20), 2)
    wall = (_noise(random, (45, 60), 8)[:HEIGHT, :WIDTH] * 200 + 20).astype(np.uint8)
    for number in range(count):
        hit, shade = _egg(texture, math.radians(step * number))
        pixels = np.where(hit, shade * 220 + 10, wall).astype(np.uint8)
        pixels = np.clip(pixels + random.normal(0, 1.5, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).convert("RGB").save(folder / "photos" / f"{number:02}.png")
        if masks:
            Image.fromarray(hit.astype(np.uint8) * 255).save(folder / "photos" / "masks" / f"{number:02}.png")


def _egg(texture: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """(where rays hit it, the texture there), (h, w)."""
    x, y = (np.arange(WIDTH) + 0.5 - WIDTH / 2) / FOCAL, (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / FOCAL
    rays = np.stack([*np.meshgrid(x, y), np.ones((HEIGHT, WIDTH))], -1)
    turn = np.array([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
    origin, rays = turn @ np.array([0, 0.5, -AWAY]) / AXES, rays @ _tilt().T @ turn.T / AXES
    a, b, c = (rays * rays).sum(-1), rays @ origin, origin @ origin - 1
    inside = b * b - a * c
    hit = inside > 0
    depth = (-b - np.sqrt(np.maximum(inside, 0))) / a
    points = (origin + depth[..., None] * rays + 1.2) / 2.4 * (np.array(texture.shape) - 1)
    return hit, map_coordinates(texture, points.reshape(-1, 3).T, order=1).reshape(hit.shape)


def _tilt() -> np.ndarray:
    """The camera looks down a little."""
    down = math.atan2(0.5, AWAY)
    return np.array([[1, 0, 0], [0, math.cos(down), -math.sin(down)], [0, math.sin(down), math.cos(down)]])


def _noise(random: np.random.Generator, shape: tuple[int, ...], finer: int) -> np.ndarray:
    """Smooth noise in [0, 1] of some sizes."""
    coarse = zoom(random.random(shape), finer, order=1)
    fine = zoom(random.random(tuple(2 * n for n in shape)), finer / 2, order=1)
    mixed = coarse + 0.8 * fine
    return (mixed - mixed.min()) / np.ptp(mixed)
