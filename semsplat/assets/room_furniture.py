"""The generated room itself and its furniture. The floor is z = 0 and the middle of the table is above the origin."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from .room_parts import TABLE_HEIGHT, Part
from .room_shapes import Sheet, box, curve, lathe, plane, rectangle, sheet, tube
from .room_textures import (
    Material,
    carpet,
    clock_face,
    lamplight,
    landscape,
    outdoors,
    plain,
    planks,
    wood,
)
from .room_things import leaves

LEFT, BACK, RIGHT, FRONT, CEILING = -1.55, 1.45, 3.3, -3.3, 2.6
WINDOW_Y, WINDOW_Z = (-0.98, 0.36), (0.86, 2.12)
LAMP = (-1.14, 1.03)
SHADE_Z = (1.33, 1.60)
SHADE_RADIUS = (0.21, 0.15)

OAK = wood("c99a63", "a8743f", seed=3)
TABLE_TOP = wood("bd8450", "8f5a2e", 0.024, 0.5, seed=11)
FRAME = Material(plain("f4f1ea"), 0.03, 0.25)


def furniture() -> list[Part]:
    """Everything but the small things."""
    chairs = [
        *[part.placed(at=(-0.90, -0.05, 0), turn=82) for part in chair("chair_window")],
        *[part.placed(at=(0.93, 0.40, 0), turn=-14) for part in chair("chair_bear")],
    ]
    groups = [shell(), window(), curtains(), rug(), table(), chairs, painting(), clock(), lamp(), plant(), carton()]
    return [part for parts in groups for part in parts]


def graded(low: float, high: float, fine: tuple[float, float], small: float, large: float) -> np.ndarray:
    """Coordinates from low to high with small steps between the two fine limits and large ones elsewhere."""
    pieces = []
    for start, stop, step in ((low, fine[0], large), (*fine, small), (fine[1], high, large)):
        if stop > start + 1e-9:
            pieces.append(np.linspace(start, stop, int(np.ceil((stop - start) / step)) + 1))
    return np.unique(np.round(np.concatenate(pieces), 6))


def shell() -> list[Part]:
    """Floor, four walls (the left one with a hole for the window), ceiling and skirting boards."""
    xs, ys = graded(LEFT, RIGHT, (LEFT, 1.5), 0.018, 0.05), graded(FRONT, BACK, (-1.5, BACK), 0.018, 0.05)
    floor = plane(xs, ys, 0.0)
    width, depth = RIGHT - LEFT, BACK - FRONT
    back = rectangle((LEFT, BACK, 0), (width, 0, 0), (0, 0, CEILING), 0.03)
    (y0, y1), (z0, z1) = WINDOW_Y, WINDOW_Z
    strips = [(FRONT, BACK, 0, z0), (FRONT, BACK, z1, CEILING), (FRONT, y0, z0, z1), (y1, BACK, z0, z1)]
    left = [rectangle((LEFT, b, c), (0, a - b, 0), (0, 0, d - c), 0.03).flipped() for a, b, c, d in strips]
    unseen = [
        rectangle((RIGHT, BACK, 0), (0, -depth, 0), (0, 0, CEILING), 0.12),
        rectangle((LEFT, FRONT, 0), (width, 0, 0), (0, 0, CEILING), 0.12).flipped(),
        rectangle((LEFT, FRONT, CEILING), (width, 0, 0), (0, depth, 0), 0.08).flipped(),
    ]
    skirting = [s.placed(at=((LEFT + RIGHT) / 2, BACK - 0.008, 0)) for s in box((width, 0.016, 0.09), 0.03)]
    skirting += [s.placed(at=(LEFT + 0.008, (FRONT + BACK) / 2, 0)) for s in box((0.016, depth, 0.09), 0.03)]
    return [
        Part("floor", Material(planks("c1915c", "94602f"), 0.035, 0.22), [floor]),
        Part("wall", Material(plain("9db0a2", 0.015, 0.3)), [inward(back, (0, -1, 0))]),
        Part("wall", Material(plain("ece2d0", 0.015, 0.3)), [inward(s, (1, 0, 0)) for s in left]),
        Part(
            "wall",
            Material(plain("ece2d0")),
            [inward(unseen[0], (-1, 0, 0)), inward(unseen[1], (0, 1, 0)), inward(unseen[2], (0, 0, -1))],
        ),
        Part("skirting", FRAME, skirting),
    ]


def inward(piece: Sheet, direction) -> Sheet:
    """A flat sheet, flipped if need be to face the given direction."""
    return piece if piece.normals[0] @ np.asarray(direction) > 0 else piece.flipped()


def window() -> list[Part]:
    """Reveal, sill, frame with two bars, and the view outside (which gives light but casts no shadow)."""
    (y0, y1), (z0, z1) = WINDOW_Y, WINDOW_Z
    middle, width, height, depth = (y0 + y1) / 2, y1 - y0, z1 - z0, 0.16
    outer = LEFT - depth
    reveal = [
        inward(rectangle((outer, y0, z0), (depth, 0, 0), (0, width, 0), 0.03), (0, 0, 1)),
        inward(rectangle((outer, y0, z1), (depth, 0, 0), (0, width, 0), 0.03), (0, 0, -1)),
        inward(rectangle((outer, y0, z0), (depth, 0, 0), (0, 0, height), 0.03), (0, 1, 0)),
        inward(rectangle((outer, y1, z0), (depth, 0, 0), (0, 0, height), 0.03), (0, -1, 0)),
    ]
    bars = []
    for size, at in [
        ((0.05, 0.055, height), (y0 + 0.027, z0)),
        ((0.05, 0.055, height), (y1 - 0.027, z0)),
        ((0.05, 0.045, height), (middle, z0)),
        ((0.05, width, 0.055), (middle, z0)),
        ((0.05, width, 0.055), (middle, z1 - 0.055)),
        ((0.04, width, 0.035), (middle, z0 + 0.62 * height)),
    ]:
        bars += [s.placed(at=(LEFT - 0.10, at[0], at[1])) for s in box(size, 0.02)]
    sill = [s.placed(at=(LEFT + 0.035, middle, z0 - 0.03)) for s in box((0.13, width + 0.16, 0.03), 0.02)]
    view = inward(rectangle((LEFT - 0.75, -3.5, -0.8), (0, 6.0, 0), (0, 0, 4.6), 0.08), (1, 0, 0))
    return [
        Part("window", FRAME, reveal + bars + sill),
        Part("window", Material(outdoors, glow=1.9), [view], solid=False),
    ]


def curtains() -> list[Part]:
    """Two linen curtains and their rod."""
    linen = Material(plain("e3cfae", 0.05, 0.02), through=0.45)
    pieces = []
    for low, high, shift in (
        (WINDOW_Y[0] - 0.28, WINDOW_Y[0] + 0.06, 0.4),
        (WINDOW_Y[1] - 0.05, WINDOW_Y[1] + 0.27, 2.0),
    ):
        s = np.linspace(0, 1, 70)
        height = np.linspace(0.16, 2.28, 90)[:, None]
        fold = (0.022 + 0.012 * (2.28 - height) / 2.1) * np.sin(s * 2 * np.pi * 5 + shift + 0.25 * np.sin(height * 1.7))
        y = (low + (high - low) * s) * np.ones_like(height)
        grid = np.stack([LEFT + 0.085 + fold, y, height * np.ones_like(s)], axis=-1)
        front = inward(sheet(grid), (1, 0, 0))
        pieces += [front, replace(front, points=front.points - 0.004 * front.normals).flipped()]
    rod = tube(
        np.array([[LEFT + 0.085, y, 2.30] for y in np.linspace(WINDOW_Y[0] - 0.4, WINDOW_Y[1] + 0.4, 30)]), 0.012
    )
    return [Part("curtain", linen, pieces), Part("curtain", Material(plain("6b4a30"), 0.04, 0.2), [rod])]


def rug() -> list[Part]:
    """A rug of 2.4 x 1.7 m under the table."""
    top = plane(np.linspace(-1.2, 1.2, 160), np.linspace(-0.85, 0.85, 114), 0.012)
    sides = box((2.4, 1.7, 0.012), 0.02)[2:]
    return [
        Part("rug", Material(carpet), [top.placed(at=(0.08, -0.1, 0), turn=-4)]),
        Part("rug", Material(plain("d6c29f")), [s.placed(at=(0.08, -0.1, 0), turn=-4) for s in sides]),
    ]


def table() -> list[Part]:
    """A table of 1.3 x 0.8 m with tapered legs."""
    top = [s.placed(at=(0, 0, TABLE_HEIGHT - 0.032)) for s in box((1.3, 0.8, 0.032), 0.009)]
    rails = []
    for size, x, y in (
        ((1.06, 0.022, 0.08), 0, -0.31),
        ((1.06, 0.022, 0.08), 0, 0.31),
        ((0.022, 0.6, 0.08), -0.54, 0),
        ((0.022, 0.6, 0.08), 0.54, 0),
    ):
        rails += [s.placed(at=(x, y, TABLE_HEIGHT - 0.112)) for s in box(size, 0.02)]
    legs = []
    for x in (-1, 1):
        for y in (-1, 1):
            path = np.linspace((x * 0.585, y * 0.345, 0.0), (x * 0.54, y * 0.31, TABLE_HEIGHT - 0.03), 36)
            legs.append(tube(path, np.linspace(0.017, 0.031, 36), 16))
    return [
        Part("table", Material(TABLE_TOP, 0.035, 0.17), top),
        Part("table", Material(OAK, 0.035, 0.25), rails + legs),
    ]


def chair(thing: str) -> list[Part]:
    """A painted chair with an oak seat, its back at +y."""
    coat = Material(plain("3d6d85"), 0.04, 0.22)
    frame = []
    for x in (-1, 1):
        back = curve([(x * 0.185, 0.205, 0), (x * 0.18, 0.185, 0.45), (x * 0.175, 0.235, 0.88)], 44)
        frame += [
            tube(back, np.linspace(0.019, 0.015, 44), 12),
            tube(np.linspace((x * 0.195, -0.20, 0), (x * 0.175, -0.17, 0.45), 26), np.linspace(0.015, 0.020, 26), 12),
            tube(np.linspace((x * 0.188, -0.185, 0.2), (x * 0.182, 0.195, 0.2), 20), 0.011, 10),
        ]
    for height, y in ((0.56, 0.198), (0.69, 0.213), (0.82, 0.228)):
        bow = [(-0.175, y, height), (0, y + 0.03, height), (0.175, y, height)]
        path = curve(bow, 22)
        grid = np.stack([path + np.array([0, 0, rise]) for rise in np.linspace(-0.03, 0.03, 5)])
        face = sheet(grid)
        shift = face.normals * 0.008
        frame += [replace(face, points=face.points + shift), replace(face, points=face.points - shift).flipped()]
    seat = [s.placed(at=(0, 0, 0.45)) for s in box((0.43, 0.43, 0.032), 0.014)]
    return [Part(thing, coat, frame), Part(thing, Material(OAK, 0.04, 0.2), seat)]


def painting() -> list[Part]:
    """A framed landscape on the back wall."""
    x, z, width, height = 0.20, 1.47, 0.98, 0.66
    face = rectangle((x - width / 2, BACK - 0.025, z - height / 2), (width, 0, 0), (0, 0, height), 0.02)
    face = replace(inward(face, (0, -1, 0)), uv=face.uv / [width, height])
    bars = []
    for size, at in [
        ((width + 0.07, 0.04, 0.04), (x, z - height / 2 - 0.04)),
        ((width + 0.07, 0.04, 0.04), (x, z + height / 2)),
        ((0.04, 0.04, height), (x - width / 2 - 0.015, z - height / 2)),
        ((0.04, 0.04, height), (x + width / 2 + 0.015, z - height / 2)),
    ]:
        bars += [s.placed(at=(at[0], BACK - 0.02, at[1])) for s in box(size, 0.02)]
    return [Part("painting", Material(landscape), [face]), Part("painting", Material(plain("5c3b22"), 0.02, 0.3), bars)]


def clock() -> list[Part]:
    """A round clock on the back wall."""
    rim = lathe(curve([(0.165, 0), (0.17, 0.03), (0.158, 0.04), (0.146, 0.02)], 20), 56)
    dial = lathe(np.stack([np.linspace(0.155, 0.0005, 14), np.full(14, 0.018)], 1), 56)
    dial = replace(dial, uv=dial.points[:, :2] / 0.152)
    place = {"at": (-0.64, BACK, 1.76), "tilt": 90}
    brass = Material(plain("b98a3e"), 0.25, 0.25)
    return [Part("clock", brass, [rim]).placed(**place), Part("clock", Material(clock_face), [dial]).placed(**place)]


def lamp() -> list[Part]:
    """A floor lamp with a glowing linen shade; the light itself is in room_light."""
    brass = Material(plain("a87c3a"), 0.2, 0.25)
    base = lathe(curve([(0.13, 0), (0.132, 0.012), (0.10, 0.02), (0.02, 0.03), (0.012, 0.05)], 24))
    stem = tube(np.linspace((0, 0, 0.03), (0, 0, SHADE_Z[0] + 0.04), 60), 0.011)
    wall = np.linspace((SHADE_RADIUS[0], SHADE_Z[0]), (SHADE_RADIUS[1], SHADE_Z[1]), 24)
    outside = lathe(wall)
    inside = lathe(wall - [0.004, 0]).flipped()
    shade = Material(lamplight, glow=1.0)
    return [
        Part("lamp", brass, [base, stem]).placed(at=(*LAMP, 0)),
        Part("lamp", shade, [outside, inside]).placed(at=(*LAMP, 0)),
    ]


def plant() -> list[Part]:
    """A house plant in a terracotta pot."""
    outline = [(0.10, 0), (0.125, 0.14), (0.145, 0.25), (0.158, 0.25), (0.158, 0.29), (0.145, 0.29), (0.138, 0.25)]
    pot = lathe(np.concatenate([np.linspace(a, b, 8)[:-1] for a, b in pairwise(outline)]))
    soil = lathe(np.stack([np.linspace(0.142, 0.0005, 10), np.full(10, 0.262)], 1))
    green = Material(wood("5f9a4a", "2f6b36", 0.2, 0.25, seed=21), 0.04, 0.3, through=0.3)
    foliage = [s.placed(at=(0, 0, 0.26)) for s in leaves(17, 8)]
    parts = [
        Part("plant", Material(plain("b5633f", 0.06, 0.05)), [pot]),
        Part("plant", Material(plain("3a281c")), [soil]),
    ]
    return [part.placed(at=(0.60, 1.10, 0)) for part in [*parts, Part("plant", green, foliage)]]


def carton() -> list[Part]:
    """A taped cardboard box under the table, partly hidden by its legs and the cloth."""
    card = Material(plain("b98d5c", 0.05, 0.03))
    tape = Material(plain("d9c08d"), 0.04, 0.2)
    strip = [s.placed(at=(0, 0, 0.3)) for s in box((0.46, 0.06, 0.002), 0.02)]
    strip += [s.placed(at=(0, 0, 0.2)) for s in box((0.464, 0.06, 0.1), 0.02)[2:]]
    place = {"at": (0.20, 0.17, 0.013), "turn": 14}
    return [
        Part("carton", card, box((0.46, 0.36, 0.3), 0.016)).placed(**place),
        Part("carton", tape, strip).placed(**place),
    ]
