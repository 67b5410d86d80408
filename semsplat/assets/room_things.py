"""The small things of the generated room: on the table, and the bear on its chair."""

from dataclasses import replace

import numpy as np

from .room_parts import TABLE_HEIGHT, Part
from .room_shapes import Sheet, box, curve, ellipsoid, lathe, resampled, rotate, sheet, tube, two_sided
from .room_textures import Material, bands, gingham, mix, noise, paint, plain, ramp

Array = np.ndarray


def small_things() -> list[Part]:
    """Everything on the table, and the bear."""
    top = TABLE_HEIGHT
    groups = [
        (teapot(), {"at": (-0.13, 0.07, top + 0.004), "turn": -28}),
        (mug(), {"at": (0.09, -0.19, top), "turn": -62}),
        (cookies_on_plate(), {"at": (-0.20, -0.21, top + 0.004)}),
        (vase_with_twigs(), {"at": (-0.43, 0.17, top)}),
        (fruit_bowl(), {"at": (0.23, 0.13, top)}),
        (books(), {"at": (0.45, -0.14, top)}),
        (cloth(), {"at": (-0.16, 0.0, top)}),
        (bear(), {"at": (0.93, 0.415, 0.487), "turn": -22}),
    ]
    return [part.placed(**how) for parts, how in groups for part in parts]


def teapot() -> list[Part]:
    """A glazed teapot, 15 cm high, its spout towards +x."""
    glaze = Material(plain("dd9c1f"), gloss=0.045, roughness=0.06)
    body = curve([(0.002, 0), (0.05, 0.0), (0.062, 0.004), (0.088, 0.05), (0.079, 0.092), (0.045, 0.116)], 30)
    lid = curve([(0.052, 0.112), (0.047, 0.122), (0.018, 0.132), (0.009, 0.137)], 10)
    spout = curve([(0.075, 0, 0.035), (0.112, 0, 0.055), (0.125, 0, 0.09), (0.148, 0, 0.112)], 18)
    handle = curve([(-0.07, 0, 0.093), (-0.112, 0, 0.101), (-0.132, 0, 0.068), (-0.11, 0, 0.033), (-0.08, 0, 0.03)], 22)
    pieces = [
        lathe(body),
        lathe(lid),
        ellipsoid((0.014, 0.014, 0.012), 16).placed(at=(0, 0, 0.146)),
        tube(spout, np.linspace(0.022, 0.0095, 18), 14),
        tube(handle, 0.0085, 10),
    ]
    return [Part("teapot", glaze, pieces)]


def mug() -> list[Part]:
    """A mug of 9.5 cm with tea in it, its handle towards +x."""
    glaze = Material(plain("c8402c"), gloss=0.045, roughness=0.08)
    tea = Material(plain("5a2b12"), gloss=0.03, roughness=0.03)
    wall = [(0.001, 0), (0.036, 0), (0.041, 0.006), (0.043, 0.09), (0.0415, 0.095), (0.039, 0.092), (0.037, 0.06)]
    surface = np.array([(0.0385, 0.078), (0.02, 0.078), (0.0005, 0.078)])
    handle = curve([(0.041, 0, 0.078), (0.066, 0, 0.077), (0.073, 0, 0.05), (0.062, 0, 0.024), (0.041, 0, 0.02)], 18)
    cup = [lathe(curve(wall, 34)), tube(handle, 0.0065, 10)]
    return [Part("mug", glaze, cup), Part("mug", tea, [lathe(surface)])]


def cookies_on_plate() -> list[Part]:
    """A plate with a blue rim, 23 cm wide, and three cookies."""
    outline = [(0.115, 0.018), (0.113, 0.02), (0.085, 0.010), (0.075, 0.008), (0.001, 0.008)]
    under = curve([(0.001, 0), (0.07, 0.0), (0.115, 0.018)], 18)
    rim = bands([(0.0, "f3eee2"), (0.06, "2f5d8c"), (0.2, "f3eee2")], soft=0.02)
    china = Material(rim, gloss=0.04, roughness=0.08)
    plate = [lathe(under, 56), lathe(curve(outline, 26), 56)]

    def crumb(uv: Array, points: Array) -> Array:
        chips = ramp(noise(points / 0.013, 51), 0.66, 0.76)
        return mix(paint("c98b4a") * (0.8 + 0.4 * noise(points / 0.01, 52))[:, None], paint("4a2716"), chips)

    disc = curve([(0.001, 0), (0.03, 0), (0.036, 0.006), (0.03, 0.013), (0.001, 0.015)], 18)
    places = [(-0.028, 0.018, 0.009, 0), (0.034, -0.012, 0.009, 0), (0.002, 0.006, 0.024, 9)]
    cookies = [lathe(disc, 28).placed(at=(x, y, z), tilt=tilt, turn=40) for x, y, z, tilt in places]
    return [Part("plate", china, plate), Part("cookie", Material(crumb), cookies)]


def vase_with_twigs() -> list[Part]:
    """A slim banded vase, 21 cm, with thin blossoming twigs up to 60 cm above the table."""
    clay = Material(
        bands([(0, "e9e4d8"), (0.22, "3f6f78"), (0.36, "e9e4d8"), (0.41, "3f6f78"), (0.45, "e9e4d8")]), 0.04, 0.12
    )
    outline = [
        (0.001, 0),
        (0.034, 0),
        (0.052, 0.05),
        (0.047, 0.10),
        (0.022, 0.165),
        (0.027, 0.21),
        (0.022, 0.205),
        (0.018, 0.15),
    ]
    rng = np.random.default_rng(5)
    twigs, blossoms = [], []
    for lean, reach, bow in ((100, 0.12, 0.43), (210, 0.17, 0.36), (330, 0.15, 0.39), (35, 0.10, 0.30)):
        side = np.array([np.cos(np.radians(lean)), np.sin(np.radians(lean)), 0.0])
        wiggle = rng.normal(0, 0.012, (3, 3))
        stem = np.array(
            [
                [0, 0, 0.08],
                side * 0.02 + [0, 0, 0.21],
                side * reach * 0.55 + [0, 0, 0.21 + bow * 0.5],
                side * reach + [0, 0, 0.21 + bow],
            ]
        )
        stem[1:] += wiggle * [[0.2], [1], [1]]
        path = curve(stem, 40)
        twigs.append(tube(path, np.linspace(0.0048, 0.0026, 40), 8))
        for k in rng.choice(np.arange(18, 40), 7, replace=False):
            away = rng.normal(0, 1, 3)
            away *= 0.016 / np.linalg.norm(away)
            size = rng.uniform(0.013, 0.021)
            blossoms.append(
                ellipsoid((size, size, size * 0.75), 12).placed(at=path[k] + away, tilt=rng.uniform(-50, 50))
            )
    bark = Material(plain("5b4331"))
    petal = Material(plain("f8ccd0", 0.08, 0.012))
    return [Part("vase", clay, [lathe(curve(outline, 44))]), Part("twigs", bark, twigs), Part("twigs", petal, blossoms)]


def fruit_bowl() -> list[Part]:
    """A blue bowl, 25 cm wide, with an apple, an orange and a banana."""
    glaze = Material(plain("23558f"), gloss=0.045, roughness=0.07)
    outline = [
        (0.001, 0),
        (0.05, 0),
        (0.055, 0.008),
        (0.10, 0.045),
        (0.126, 0.082),
        (0.122, 0.084),
        (0.094, 0.048),
        (0.05, 0.018),
        (0.001, 0.014),
    ]

    def apple_skin(uv: Array, points: Array) -> Array:
        blush = noise(np.stack([np.mod(uv[:, 0] * 14, 14), uv[:, 1] * 2.5], 1), 61)
        return mix(paint("b81d1c"), paint("e0a63a"), 0.55 * ramp(blush, 0.55, 0.95) + 0.5 * ramp(uv[:, 1], 0.86, 1.0))

    body = curve([(0.001, 0.006), (0.02, 0), (0.041, 0.035), (0.032, 0.071), (0.012, 0.074), (0.001, 0.064)], 26)
    apple = [lathe(body, 32), tube(curve([(0, 0, 0.062), (0.001, 0, 0.075), (0.006, 0, 0.088)], 8), 0.002, 6)]
    bend = np.radians(np.linspace(-58, 58, 26))
    arc = np.stack([0.105 * np.sin(bend), 0.105 * (1 - np.cos(bend)), 0 * bend], 1)
    fat = 0.0185 * np.clip(np.cos(bend * 1.38), 0.0, 1) ** 0.42 + 0.004
    banana_skin = bands(
        [(0, "4b3b1d"), (0.06, "a8a53a"), (0.13, "efc02f"), (0.9, "d6b53a"), (0.95, "5a4420")], soft=0.03
    )
    orange = Material(plain("ee7a12", 0.06, 0.008), gloss=0.035, roughness=0.3)
    return [
        Part("bowl", glaze, [lathe(curve(outline, 44), 56)]),
        *[
            p.placed(at=(-0.048, -0.028, 0.044), tilt=-8)
            for p in [Part("apple", Material(apple_skin, 0.04, 0.12), apple)]
        ],
        Part("orange", orange, [ellipsoid((0.04, 0.04, 0.038), 32).placed(at=(0.040, -0.042, 0.079))]),
        *[
            p.placed(at=(0.012, 0.048, 0.088), turn=8, tilt=38)
            for p in [Part("banana", Material(banana_skin, 0.03, 0.3), [tube(arc, fat, 14)])]
        ],
    ]


def books() -> list[Part]:
    """Three books, one upon the other."""
    parts = []
    height = 0.0
    volumes = [
        ("27405f", (0.25, 0.175, 0.034), 14, "e2b64a"),
        ("9c3325", (0.225, 0.16, 0.028), 3, "f0dfb4"),
        ("e4d9bf", (0.19, 0.135, 0.022), 27, "3f7a6c"),
    ]
    for code, (x, y, z), turn, accent in volumes:
        place = {"at": (0, 0, height), "turn": turn + 60}
        cover, ink = paint(code), paint(accent)

        def front(uv: Array, points: Array, cover=cover, ink=ink, x=x, y=y) -> Array:
            u, v = np.abs(uv[:, 0] / x - 0.5), np.abs(uv[:, 1] / y - 0.5)
            frame = ramp(np.maximum(u, v), 0.36, 0.37) * ramp(np.maximum(u, v), 0.41, 0.40)
            title = ramp(u, 0.13, 0.12) * ramp(v, 0.24, 0.23)
            return mix(cover, ink, np.maximum(frame, title))

        top, bottom, *sides = box((x, y, z), 0.008)
        spine = sides[3]
        paper = Material(plain("efe6cf", 0.05, 0.004))
        boards = box((x, y, 0.003), 0.008)[2:] + [s.placed(at=(0, 0, z - 0.003)) for s in box((x, y, 0.003), 0.008)[2:]]
        parts += [
            Part("books", Material(front, 0.03, 0.3), [top]).placed(**place),
            Part("books", Material(plain(code), 0.03, 0.3), [bottom, spine.placed(at=(-0.001, 0, 0)), *boards]).placed(
                **place
            ),
            Part("books", paper, [s.placed(at=tuple(-0.004 * s.normals[0])) for s in sides[:3]]).placed(**place),
        ]
        height += z + 0.0005
    return parts


def cloth() -> list[Part]:
    """A gingham runner across the table, 34 cm wide, hanging over the front and back edges."""
    half, drop, lift = 0.40, 0.19, 0.004
    ends = [
        (-half - 0.012, -drop),
        (-half - 0.012, -0.02),
        (-half, lift),
        (half, lift),
        (half + 0.012, -0.02),
        (half + 0.012, -drop),
    ]
    line = resampled(np.array(ends), 130)
    across = np.linspace(-0.17, 0.17, 42)
    y, z = line[:, :1], line[:, 1:]
    hang = np.clip(-z / drop, 0, 1)
    wave = hang * 0.016 * np.sin(across / 0.034 + 1.0) + 0.01 * hang
    grid = np.stack(np.broadcast_arrays(across[None, :] * (1 + 0.03 * hang), y + np.sign(y) * wave, z), axis=-1)
    length = np.linspace(0, 2 * (half + drop), len(line))
    uv = np.stack(np.broadcast_arrays(across[None, :] + 0.17, length[:, None]), axis=-1)
    top = sheet(grid, uv)
    under = replace(top, points=top.points - 0.003 * top.normals).flipped()
    return [Part("cloth", Material(gingham("f4efe3", "3c6e8f", 0.034), through=0.15), [top, under])]


def bear() -> list[Part]:
    """A sitting teddy bear, 36 cm, facing -y."""

    def fur(code: str):
        colour = paint(code)
        return lambda uv, points: colour * (0.72 + 0.56 * noise(points / 0.011, 71))[:, None]

    brown, pale, dark = Material(fur("a9703c")), Material(fur("dcb98a")), Material(plain("1d1512"), 0.05, 0.1)

    def blob(radii, at, tilt=0.0, turn=0.0, around=28) -> Sheet:
        return ellipsoid(radii, around).placed(at=at, tilt=tilt, turn=turn)

    body = [blob((0.085, 0.075, 0.105), (0, 0, 0.10)), blob((0.078, 0.072, 0.07), (0, -0.008, 0.245))]
    for side in (-1, 1):
        body += [
            blob((0.03, 0.016, 0.03), (side * 0.062, 0.005, 0.305), around=20),
            blob((0.036, 0.085, 0.036), (side * 0.062, -0.10, 0.038), turn=side * 14),
            blob((0.03, 0.033, 0.075), (side * 0.096, -0.03, 0.13), tilt=-30, turn=side * 18),
        ]
    light = [blob((0.034, 0.028, 0.027), (0, -0.068, 0.228)), blob((0.058, 0.03, 0.07), (0, -0.053, 0.10))]
    light += [blob((0.028, 0.012, 0.028), (side * 0.084, -0.181, 0.04), turn=side * 14, around=20) for side in (-1, 1)]
    light += [blob((0.019, 0.008, 0.019), (side * 0.062, -0.006, 0.305), around=16) for side in (-1, 1)]
    points = [blob((0.010, 0.008, 0.010), (side * 0.03, -0.071, 0.262), around=16) for side in (-1, 1)]
    points.append(blob((0.013, 0.009, 0.009), (0, -0.094, 0.238), around=16))
    bow = [blob((0.034, 0.014, 0.021), (s * 0.030, -0.073, 0.183), around=20) for s in (-1, 1)]
    bow.append(blob((0.011, 0.013, 0.012), (0, -0.078, 0.183), around=14))
    ribbon = Material(plain("b52a35"), 0.03, 0.3)
    return [Part("bear", brown, body), Part("bear", pale, light), Part("bear", dark, points), Part("bear", ribbon, bow)]


def leaves(count: int, seed: int) -> list[Sheet]:
    """Arching two-sided leaves around the z axis, their stems at the origin."""
    rng = np.random.default_rng(seed)
    pieces = []
    for number in range(count):
        turn = 137.5 * number + rng.uniform(-12, 12)
        reach, rise = rng.uniform(0.20, 0.34), rng.uniform(0.28, 0.72) * (1 - 0.25 * number / count)
        arc = curve([(0, 0, 0), (0.12 * reach, 0, 0.62 * rise), (0.5 * reach, 0, rise), (reach, 0, 0.86 * rise)], 30)
        share = np.linspace(0, 1, 30)
        width = 0.006 + 0.062 * np.sin(np.pi * np.clip((share - 0.38) / 0.62, 0, 1)) ** 0.75
        across = np.linspace(-1, 1, 9)
        grid = np.repeat(arc[:, None], 9, axis=1)
        grid[..., 1] = across * width[:, None]
        grid[..., 2] += 0.25 * np.abs(across) ** 1.5 * width[:, None]
        twist = rotate(2, turn)
        pieces += two_sided(grid @ twist.T, 0.003)
    return pieces
