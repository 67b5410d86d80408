"""Colours of the generated room: smooth noise and patterns as functions of place, in linear light (0 to 1).

A pattern takes uv (n, 2) and points (n, 3; metres, in the world) and gives albedo (n, 3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

Array = np.ndarray
Pattern = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Material:
    """How a surface answers light.

    pattern: its albedo. gloss: mirror reflection seen straight on (0.04 is varnish). roughness: width of that
    reflection (0 is a mirror). glow: light it gives off by itself, times its albedo. through: share of the light on
    its back that shines through.
    """

    pattern: Pattern
    gloss: float = 0.0
    roughness: float = 0.2
    glow: float = 0.0
    through: float = 0.0


def paint(code: str) -> Array:
    """The linear colour of a six-digit hexadecimal sRGB code."""
    value = np.array([int(code[k : k + 2], 16) / 255 for k in (0, 2, 4)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def noise(at: Array, seed: int = 0) -> Array:
    """Smooth value noise in [0, 1] of unit feature size at places (n, d)."""
    cell = np.floor(at)
    part = (at - cell).astype(np.float32)
    part = part * part * (3 - 2 * part)
    cell = cell.astype(np.int64).astype(np.uint32)
    total = np.zeros(len(at), dtype=np.float32)
    for corner in product((0, 1), repeat=at.shape[1]):
        hashed = np.full(len(at), (seed * 0x9E3779B1) & 0xFFFFFFFF, dtype=np.uint32)
        weight = np.ones(len(at), dtype=np.float32)
        for axis, step in enumerate(corner):
            hashed = (hashed ^ (cell[:, axis] + np.uint32(step))) * np.uint32(0x85EBCA6B)
            hashed ^= hashed >> np.uint32(15)
            weight *= part[:, axis] if step else 1 - part[:, axis]
        hashed *= np.uint32(0xC2B2AE35)
        hashed ^= hashed >> np.uint32(13)
        total += weight * (hashed.astype(np.float32) / np.float32(2**32))
    return total


def mix(a, b, share: Array) -> Array:
    """Colour a where share is 0, b where it is 1."""
    share = np.clip(share, 0, 1)[:, None]
    return np.asarray(a) * (1 - share) + np.asarray(b) * share


def ramp(value: Array, low: float, high: float) -> Array:
    """0 below low, 1 above high, smooth between (also with low > high)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def plain(code: str, vary: float = 0.0, size: float = 0.05) -> Pattern:
    """One colour, its brightness varied by noise of a size in metres."""
    colour = paint(code)

    def pattern(uv: Array, points: Array) -> Array:
        if not vary:
            return np.broadcast_to(colour, (len(uv), 3))
        return colour * (1 + vary * (2 * noise(points / size) - 1))[:, None]

    return pattern


def wood(light: str, dark: str, across: float = 0.018, along: float = 0.35, seed: int = 1) -> Pattern:
    """Wood with its grain along u; `across` and `along` are the size of the grain in metres."""
    light, dark = paint(light), paint(dark)

    def pattern(uv: Array, points: Array) -> Array:
        wander = noise(uv / (along, across * 8), seed) * 3.0
        rings = noise(np.stack([uv[:, 0] / along, uv[:, 1] / across + wander], 1), seed + 1)
        broad = noise(uv / (along * 2, across * 5), seed + 2)
        return mix(light, dark, 0.65 * rings + 0.5 * broad - 0.1)

    return pattern


def planks(light: str, dark: str, width: float = 0.15, length: float = 1.3) -> Pattern:
    """A floor of staggered planks along u."""
    light, dark = paint(light), paint(dark)

    def pattern(uv: Array, points: Array) -> Array:
        row = np.floor(uv[:, 1] / width)
        stagger = noise(np.stack([row * 7.31, row * 0], 1) + 0.5, 5) * 4
        column = np.floor(uv[:, 0] / length + stagger)
        own = noise(np.stack([row, column], 1), 7)
        grain = noise(np.stack([uv[:, 0] / 0.5 + own * 19, uv[:, 1] / 0.022 + own * 31], 1), 9)
        colour = mix(light, dark, 0.15 + 0.5 * own + 0.35 * (grain - 0.5))
        edge = np.minimum((uv[:, 1] / width - row) * width, (1 - (uv[:, 1] / width - row)) * width)
        place = uv[:, 0] / length + stagger - column
        edge = np.minimum(edge, np.minimum(place, 1 - place) * length)
        return colour * (1 - 0.5 * ramp(edge, 0.006, 0.001))[:, None]

    return pattern


def gingham(base: str, tint: str, size: float = 0.04) -> Pattern:
    """A woven check: full tint where two stripes cross, half where one runs; uv in metres."""
    base, tint = paint(base), paint(tint)

    def pattern(uv: Array, points: Array) -> Array:
        wave = np.abs(np.mod(uv / size, 2) - 1)
        stripes = ramp(wave, 0.42, 0.58)
        return mix(base, tint, 0.5 * stripes.sum(1))

    return pattern


def bands(stops: list[tuple[float, str]], axis: int = 1, soft: float = 0.01) -> Pattern:
    """Stripes across one texture coordinate: each (start, colour) holds up to the next."""
    colours = [(start, paint(code)) for start, code in stops]

    def pattern(uv: Array, points: Array) -> Array:
        result = np.broadcast_to(colours[0][1], (len(uv), 3))
        for start, colour in colours[1:]:
            result = mix(result, colour, ramp(uv[:, axis], start - soft, start + soft))
        return result

    return pattern


def carpet(uv: Array, points: Array) -> Array:
    """The rug: a border, a field of diamonds and a woven grain; uv in metres from its centre."""
    cream, rust, blue, gold = (paint(c) for c in ("e6d8bf", "b4674b", "4d677f", "cda365"))
    x, y = np.abs(uv[:, 0]), np.abs(uv[:, 1])
    edge = np.minimum(1.2 - x, 0.85 - y)
    diamond = np.abs(np.mod(uv[:, 0] / 0.4, 1) - 0.5) + np.abs(np.mod(uv[:, 1] / 0.34, 1) - 0.5)
    colour = mix(rust, gold, ramp(diamond, 0.30, 0.27))
    colour = mix(colour, blue, ramp(diamond, 0.19, 0.16))
    colour = mix(colour, cream, ramp(diamond, 0.08, 0.05))
    colour = mix(colour, cream, ramp(diamond, 0.74, 0.77))
    colour = mix(colour, cream, ramp(edge, 0.20, 0.19))
    colour = mix(colour, blue, ramp(edge, 0.16, 0.15))
    colour = mix(colour, cream, ramp(edge, 0.06, 0.05))
    return colour * (0.88 + 0.24 * noise(points / 0.02, 3))[:, None]


def landscape(uv: Array, points: Array) -> Array:
    """The painting: a low sun over three lines of hills; uv in 0 to 1."""
    u, v = uv[:, 0], uv[:, 1]
    colour = mix(paint("f6c98b"), paint("5f93ab"), ramp(v, 0.42, 1.0))
    colour = mix(colour, paint("fbe9c4"), 0.7 * ramp(np.hypot((u - 0.66) * 1.5, v - 0.60), 0.35, 0.05))
    colour = mix(colour, paint("fff6dd"), ramp(np.hypot((u - 0.66) * 1.5, v - 0.60), 0.095, 0.075))
    hills = [(0.50, 0.10, 2.3, "b9836f"), (0.36, 0.13, 3.1, "8a4f4c"), (0.20, 0.12, 2.1, "3d4a4f")]
    for number, (height, swing, pace, code) in enumerate(hills):
        line = height + swing * (noise(np.stack([u * pace + 1.7 * number, u * 0], 1), 20 + number) * 2 - 1)
        colour = mix(colour, paint(code), ramp(v - line, 0.008, -0.008))
    brush = noise(np.stack([u * 9 + 3 * noise(uv * 7, 31), v * 42], 1), 30)
    return colour * (1.0 + 0.3 * brush)[:, None]


def lamplight(uv: Array, points: Array) -> Array:
    """The lamp's shade, lit from inside: brightest level with the bulb."""
    height = uv[:, 1]
    return (2.1 - 4.5 * (height - 0.45) ** 2)[:, None] * paint("ffd09a")


def clock_face(uv: Array, points: Array) -> Array:
    """A dial seen from the front: u, v in -1 to 1; ten past ten."""
    radius, angle = np.hypot(uv[:, 0], uv[:, 1]), np.degrees(np.arctan2(uv[:, 0], uv[:, 1])) % 360
    ink = ramp(np.abs((angle + 15) % 30 - 15), 5, 3) * ramp(radius, 0.70, 0.74) * ramp(radius, 0.92, 0.88)
    for direction, reach, half in ((305, 0.5, 0.055), (60, 0.74, 0.04)):
        s, c = np.sin(np.radians(direction)), np.cos(np.radians(direction))
        along, aside = uv[:, 0] * s + uv[:, 1] * c, uv[:, 0] * c - uv[:, 1] * s
        hand = (
            ramp(np.abs(aside), half + 0.02, half - 0.02) * ramp(along, -0.1, -0.06) * ramp(along, reach, reach - 0.04)
        )
        ink = np.maximum(ink, hand)
    return mix(paint("f7f1e4"), paint("2b2a2c"), ink)


def outdoors(uv: Array, points: Array) -> Array:
    """What the window shows: a pale sky above soft greenery; brightest near the sun."""
    y, z = points[:, 1], points[:, 2]
    leaves = noise(points[:, 1:] / 0.33, 41) + 0.5 * noise(points[:, 1:] / 0.14, 42)
    tree = ramp(z + 0.55 * (leaves - 0.75) + 0.12 * np.sin(y * 2.1), 1.35, 0.95)
    sky = mix(paint("fff3dc"), paint("cfe3f3"), ramp(z, 1.0, 2.2))
    return mix(sky, mix(paint("7f9a5a"), paint("c9cf8a"), leaves - 0.35) * 0.8, 0.85 * tree)
