"""Rooms that nobody has seen: the bundled generator's things and others, placed, sized and coloured by a seed.

Things stand where they do not touch each other; some of the bundled ones are missing, some are there twice. Walls,
floor and window stay where they are, in other colours and another light.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from semsplat.assets import room_furniture as old
from semsplat.assets.room_parts import NAMES, TABLE_HEIGHT, Part
from semsplat.assets.room_shapes import Sheet, box, curve, ellipsoid, lathe, tube
from semsplat.assets.room_textures import Material, mix, noise, plain, ramp
from semsplat.assets.room_things import small_things

Array = np.ndarray
OLD_LOOKS = (  # words in the names of the bundled things that need not be true here
    "red", "blue", "yellow", "wooden", "painted", "patterned", "checkered", "gingham", "landscape", "window ", "with",
    "wall clock", "by the",
)  # fmt: skip
ON_TABLE = (("teapot",), ("mug",), ("plate", "cookie"), ("vase", "twigs"), ("bowl", "apple", "orange", "banana"),
            ("books",))  # fmt: skip
ON_FLOOR = (("chair_window",), ("chair_bear",), ("plant",), ("carton",), ("bear",))
BRIGHT = 0.02, 0.9  # albedo, at least and at most


@dataclass(frozen=True)
class Furnished:
    """A room: its parts, what its things are called (the first is nothing), and where its lamp stands."""

    parts: list[Part]
    names: dict[str, list[str]]
    lamp: tuple[float, float]


def furnished(seed: int) -> Furnished:
    """The room of a seed; always the same."""
    rng = np.random.default_rng(seed)
    parts = [*old.furniture(), *small_things()]
    groups = {part.thing: [p for p in parts if p.thing == part.thing] for part in parts}
    shell = ("floor", "wall", "skirting", "window", "table")
    found = [part for thing in shell for part in groups[thing]]
    if rng.random() < 0.7:
        found += groups["curtain"]
    if rng.random() < 0.7:
        found += placed(groups["rug"], (0.08 + rng.uniform(-0.25, 0.15), rng.uniform(-0.3, 0.2)), rng.uniform(-30, 30))
    found += on_wall(groups, rng)
    lamp = (rng.uniform(-1.25, -0.95), rng.uniform(0.85, 1.15))
    found += placed(groups["lamp"], lamp, 0.0)
    found += on_table(groups, rng)
    found += on_floor(groups, rng, lamp)
    dyed = [part for thing in dict.fromkeys(p.thing for p in found) for part in dye(found, thing, rng)]
    return Furnished(dyed, names_of(dyed), lamp)


def on_wall(groups: dict[str, list[Part]], rng: np.random.Generator) -> list[Part]:
    """The painting and the clock, apart from each other."""
    left = rng.random() < 0.5
    clock, painting = sorted(rng.uniform(0.0, 0.25, 2))
    shift = {
        "painting": (0.45 - painting if left else -0.65 + painting),
        "clock": -0.2 + clock if left else 1.1 - clock,
    }
    pieces = []
    for thing, x in shift.items():
        if rng.random() < 0.85:
            up = rng.uniform(-0.12, 0.15)
            pieces += [part.placed(at=(x, 0.0, up)) for part in groups[thing]]
    return pieces


def on_table(groups: dict[str, list[Part]], rng: np.random.Generator) -> list[Part]:
    """Five to eight of the small things, the bundled ones and others."""
    choices = [[p for thing in things for p in groups[thing]] for things in ON_TABLE]
    choices += [bottle(), candle(), laptop(rng), cactus()]
    picked = [choices[k] for k in rng.permutation(len(choices))[: rng.integers(5, 8)]]
    if rng.random() < 0.5:
        picked.append(renamed(groups["mug"], "mug 2"))
    free = [(-0.56, 0.56, -0.32, 0.32)]
    return scattered(picked, free, [], rng, (0.85, 1.25), TABLE_HEIGHT)


def on_floor(groups: dict[str, list[Part]], rng: np.random.Generator, lamp: tuple[float, float]) -> list[Part]:
    """Four to seven things around and behind the table."""
    choices = [[p for thing in things for p in groups[thing]] for things in ON_FLOOR]
    choices += [ball(), stool(), shelf(rng), cushion()]
    picked = [choices[k] for k in rng.permutation(len(choices))[: rng.integers(4, 7)]]
    if rng.random() < 0.4:
        picked.append(renamed(groups["plant"], "plant 2"))
    taken = [(0.0, 0.0, 0.62), (-0.35, 0.0, 0.5), (0.35, 0.0, 0.5), (*lamp, 0.22)]
    free = [(-1.3, 1.35, 0.55, 1.25), (-1.3, -0.75, -0.9, 1.0), (0.75, 1.45, -0.3, 1.1)]
    return scattered(picked, free, taken, rng, (0.85, 1.15), 0.0)


def scattered(
    groups: Sequence[list[Part]],
    free: Sequence[tuple[float, float, float, float]],
    taken: Sequence[tuple[float, float, float]],
    rng: np.random.Generator,
    sizes: tuple[float, float],
    level: float,
) -> list[Part]:
    """Groups turned, sized and put into free rectangles (x, x, y, y) where they touch nothing; or left out."""
    circles, pieces = list(taken), []
    for group in groups:
        size = rng.uniform(*sizes)
        radius = reach(group) * size
        for _ in range(60):
            x0, x1, y0, y1 = free[rng.integers(len(free))]
            if x1 - x0 < 2 * radius or y1 - y0 < 2 * radius:
                continue
            x, y = rng.uniform(x0 + radius, x1 - radius), rng.uniform(y0 + radius, y1 - radius)
            if all(np.hypot(x - a, y - b) > radius + r for a, b, r in circles):
                circles.append((x, y, radius))
                pieces += placed(group, (x, y), rng.uniform(0, 360), size, level)
                break
    return pieces


def reach(group: Sequence[Part]) -> float:
    """About how far a group of parts goes to the sides."""
    low, high = bounds(group)
    return float(0.5 * np.hypot(*(high - low)[:2]) * 0.9)


def bounds(group: Sequence[Part]) -> tuple[Array, Array]:
    """The corners of the box around a group."""
    points = np.concatenate([piece.points for part in group for piece in part.sheets])
    return points.min(0), points.max(0)


def placed(group: Sequence[Part], at: tuple[float, float], turn: float, size: float = 1.0, level: float = 0.0):
    """The group as a whole, its middle at a place, standing on a level; turned about itself by degrees."""
    low, high = bounds(group)
    foot = np.array([*(0.5 * (low + high))[:2], low[2]])
    return [
        replace(part, sheets=[
            replace(piece, points=(piece.points - foot) * size).placed(at=(*at, level), turn=turn)
            for piece in part.sheets
        ])
        for part in group
    ]  # fmt: skip


def renamed(group: Sequence[Part], thing: str) -> list[Part]:
    """The same as another thing."""
    return [replace(part, thing=thing) for part in group]


# --------------------------------------------------------------------------------------------- things of other rooms


def thing(name: str, *pieces: Sheet) -> list[Part]:
    return [Part(name, Material(plain("999999"), 0.03, 0.25), list(pieces))]


def bottle() -> list[Part]:
    """A bottle of 29 cm."""
    outline = [(0.001, 0), (0.038, 0), (0.04, 0.02), (0.04, 0.16), (0.016, 0.21), (0.015, 0.29), (0.001, 0.292)]
    return thing("bottle", lathe(curve(outline, 60)))


def candle() -> list[Part]:
    """A candle on a stick of 24 cm."""
    stick = [(0.001, 0), (0.06, 0), (0.055, 0.012), (0.012, 0.03), (0.01, 0.1), (0.03, 0.115), (0.001, 0.116)]
    return thing("candle", lathe(curve(stick, 40)), tube(np.linspace((0, 0, 0.115), (0, 0, 0.24), 12), 0.011))


def laptop(rng: np.random.Generator) -> list[Part]:
    """A laptop, open."""
    lid = [s.placed(at=(0, 0.11, 0.012), tilt=-rng.uniform(5, 25)) for s in box((0.32, 0.008, 0.21), 0.015)]
    return thing("laptop", *box((0.32, 0.22, 0.016), 0.015), *lid)


def cactus() -> list[Part]:
    """A cactus in a pot, 23 cm."""
    pot = lathe(curve([(0.001, 0), (0.045, 0), (0.06, 0.07), (0.054, 0.07), (0.001, 0.062)], 26))
    arms = [ellipsoid((0.035, 0.035, 0.095), 24).placed(at=(0, 0, 0.14))]
    arms += [ellipsoid((0.018, 0.018, 0.045), 18).placed(at=(x, 0, z), tilt=0, roll=25 * np.sign(x))
             for x, z in ((0.045, 0.15), (-0.044, 0.17))]  # fmt: skip
    return [*thing("cactus", *arms), Part("cactus", Material(plain("a5654a")), [pot])]


def ball() -> list[Part]:
    """A ball of 28 cm."""
    return thing("ball", ellipsoid((0.14, 0.14, 0.14), 40).placed(at=(0, 0, 0.14)))


def stool() -> list[Part]:
    """A round stool of 46 cm."""
    seat = lathe(curve([(0.001, 0.42), (0.16, 0.42), (0.17, 0.44), (0.16, 0.46), (0.001, 0.462)], 40))
    legs = [
        tube(np.linspace((0.14 * c, 0.14 * s, 0.0), (0.1 * c, 0.1 * s, 0.43), 24), 0.017)
        for c, s in ((np.cos(a), np.sin(a)) for a in np.radians((45, 135, 225, 315)))
    ]
    return thing("stool", seat, *legs)


def shelf(rng: np.random.Generator) -> list[Part]:
    """A low shelf with three boards."""
    high = rng.uniform(0.6, 1.0)
    pieces = [s.placed(at=(x, 0, 0)) for x in (-0.29, 0.29) for s in box((0.025, 0.26, high), 0.025)]
    for z in (0.06, 0.5 * high, high - 0.03):
        pieces += [s.placed(at=(0, 0, z)) for s in box((0.58, 0.26, 0.025), 0.025)]
    return thing("shelf", *pieces)


def cushion() -> list[Part]:
    """A floor cushion."""
    return thing("cushion", ellipsoid((0.24, 0.24, 0.09), 40).placed(at=(0, 0, 0.09)))


NEW_NAMES = {
    "bottle": ["bottle"], "candle": ["candle", "candlestick"], "laptop": ["laptop", "computer"],
    "cactus": ["cactus"], "ball": ["ball"], "stool": ["stool"], "shelf": ["shelf", "bookcase"],
    "cushion": ["cushion", "pillow"], "mug 2": ["mug", "cup"], "plant 2": ["potted plant", "plant"],
}  # fmt: skip


def names_of(parts: Sequence[Part]) -> dict[str, list[str]]:
    """What the things that are there are called, without what was true of the bundled room's looks only."""
    plainer = {
        name: [one for one in given if not any(word in one for word in OLD_LOOKS)] or given[:1]
        for name, given in NAMES.items()
    }
    present = dict.fromkeys(part.thing for part in parts)
    return {"none": []} | {name: (plainer | NEW_NAMES)[name] for name in present}


# ------------------------------------------------------------------------------------------------------------- colours


def dye(parts: Sequence[Part], thing: str, rng: np.random.Generator) -> list[Part]:
    """The parts of one thing in other colours: its own pattern in another hue, or another pattern."""
    turn, gain, style = rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 1.25), fresh(rng)
    keeps = rng.random() < 0.45
    dyed = []
    for part in parts:
        if part.thing != thing:
            continue
        if part.material.glow == 0:
            pattern = hued(part.material.pattern, turn, gain) if keeps or dyed else style
            part = replace(part, material=replace(part.material, pattern=pattern))
        dyed.append(part)
    return dyed


def hued(pattern: Callable, turn: float, gain: float) -> Callable:
    """Colours turned about the grey axis, and lighter or darker."""
    axis = np.ones(3) / np.sqrt(3)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    matrix = gain * (np.eye(3) + np.sin(turn) * cross + (1 - np.cos(turn)) * cross @ cross)
    return lambda uv, points: np.clip(pattern(uv, points) @ matrix.T, *BRIGHT)


def fresh(rng: np.random.Generator) -> Callable:
    """Another pattern in two colours: nearly plain, blotches, stripes or checks, in metres."""
    one, other = rng.uniform(*BRIGHT, (2, 3)) ** 1.4
    size, number, kind = rng.uniform(0.015, 0.06), int(rng.integers(1000)), rng.integers(4)
    way = rng.normal(size=3) / 1.2

    def pattern(uv: Array, points: Array) -> Array:
        grain = (0.9 + 0.2 * noise(points / 0.02, number))[:, None]
        if kind == 0:
            return one * grain
        if kind == 1:
            return mix(one, other, ramp(noise(points / size, number), 0.45, 0.6)) * grain
        if kind == 2:
            return mix(one, other, ramp(np.sin(points @ way / size * 2), -0.1, 0.1)) * grain
        checks = np.sin(points[:, 0] / size) * np.sin(points[:, 1] / size) * np.sin(points[:, 2] / size + 0.5)
        return mix(one, other, ramp(checks, -0.05, 0.05)) * grain

    return pattern
