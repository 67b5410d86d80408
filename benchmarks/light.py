"""Matching light: the bundled room taken in other lights, brought back by gains estimated from the two scenes.

The generator renders the room with other exposures and white balances: linear light through its film curve and sRGB,
so gains on shown colours can only come near. Colours of the fitted Gaussians (degree 0) are solved for the pictures of
each light; the gains are estimated from these alone and judged against the pictures of the first light. Then: how far
wrong the same estimate is from one thing of the room alone, and from one half of it.

python benchmarks/light.py SCENE [--save]     SCENE: the bundled capture, fitted; two minutes
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from common import arguments, emit
from PIL import Image

from semsplat.app.scene import Scene
from semsplat.assets import room_render as render
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.lift import lift, solve
from semsplat.splatting.light import GAMMA, light_of, matched
from semsplat.splatting.sh import from_color
from semsplat.splatting.splat import splat

LIGHTS = {
    "as it is": (1.0, 1.0, 1.0), "one stop darker": (0.5, 0.5, 0.5), "0.77 stops brighter": (1.7, 1.7, 1.7),
    "warmer": (1.3, 1.0, 0.7), "cooler and darker": (0.45, 0.6, 0.8),
}  # fmt: skip
EVERY, RAYS, SWEEPS = 4, 2, 8  # views that are rendered; rays along each side of a pixel
LARGEST, LEAST = 0.08, 60  # share of the room's pixels above which a part is no thing (walls); Gaussians of a thing
LABELS = Path(render.__file__).parent / "room" / "labels"


def photos(index: int) -> list[torch.Tensor]:
    """The picture of a view in each light, (h, w, 3) in [0, 1]; the same rays."""
    view, rng = render.views()[index], np.random.default_rng(1000 + index)
    totals = [np.zeros((view.height * view.width, 3)) for _ in LIGHTS]
    for place in range(RAYS**2):
        inside = (np.array([place % RAYS, place // RAYS]) + rng.random((len(totals[0]), 2))) / RAYS
        lobes = [render.spread(len(totals[0]), render.LOBES * place + k, 2000 + index) for k in range(render.LOBES)]
        seen = render.radiance(*render.rays(view, inside), np.stack(lobes)) * render.EXPOSURE
        for total, light in zip(totals, LIGHTS.values(), strict=True):
            total += render.developed(seen * np.array(light))
    pictures = [render.encoded(total / RAYS**2).reshape(view.height, view.width, 3) for total in totals]
    return [torch.from_numpy(picture.astype(np.float32)) for picture in pictures]


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    return round(-10.0 * math.log10(float((one.clamp(0, 1) - other.clamp(0, 1)).square().mean())), 2)


def lit(gaussians: Gaussians, colors: torch.Tensor) -> Gaussians:
    return replace(gaussians, sh=from_color(colors)[:, None])


def off(gaussians: Gaussians, whole: tuple[float, float, float]) -> tuple[float, float]:
    """(stops of exposure, stops that the channels lie apart) that a part would be changed wrongly."""
    wrong = np.array([GAMMA * math.log2(a / b) for a, b in zip(light_of(gaussians), whole, strict=True)])
    return float(wrong.mean()), float(wrong.std())


def mean_square(found: list[tuple[float, float]]) -> list[float]:
    return [round(math.sqrt(float(np.mean(np.square(column)))), 2) for column in zip(*found, strict=True)]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("scene", type=Path)
    options = parser.parse_args()
    scene = Scene.open(options.scene)
    gaussians, cameras = scene.gaussians, scene.cameras
    chosen = range(0, len(render.views()), EVERY)
    blends = [splat(gaussians, cameras[f"images/{index:02d}.jpg"]).detach() for index in chosen]
    taken = [photos(index) for index in chosen]
    first, result, lines = None, {}, []
    for number, (name, light) in enumerate(LIGHTS.items()):
        views = [(blend, pictures[number]) for blend, pictures in zip(blends, taken, strict=True)]
        colors = solve(views, lift(views)[0], SWEEPS)
        found = light_of(lit(gaussians, colors))
        first = first or found
        gains = torch.tensor(matched(found, first))
        drawn = torch.stack([blend @ colors for blend in blends])
        aim = torch.stack([pictures[0] for pictures in taken])
        exact = [round((1.0 / part) ** (1.0 / GAMMA), 3) for part in light]
        error = max(abs(gain / ideal - 1.0) for gain, ideal in zip(gains.tolist(), exact, strict=True))
        result[name] = {
            "gains": [round(gain, 3) for gain in gains.tolist()], "exact": exact, "largest_error": round(error, 3),
            "psnr_before": psnr(drawn, aim), "psnr_matched": psnr(drawn * gains, aim),
        }  # fmt: skip
        lines.append(f"{name:20} {result[name]}")
    result |= alone(gaussians, blends, chosen)
    lines += [f"{name}: {result[name]}" for name in ("things_alone", "halves")]
    emit("light", result, lines, options.save)


def alone(gaussians: Gaussians, blends: list, chosen: range) -> dict:
    """The light that single things and halves of the room seem to be in, against the whole room's: 0 would be right."""
    votes = torch.zeros(len(gaussians), 64)
    for index, blend in zip(chosen, blends, strict=True):
        labels = torch.from_numpy(np.array(Image.open(LABELS / f"{index:02d}.png"))).long()
        votes += blend.T @ torch.nn.functional.one_hot(labels, 64).float()
    owner, whole = votes.argmax(1), light_of(gaussians)
    share = votes.sum(0) / votes.sum()
    things = [k for k in range(1, 64) if int((owner == k).sum()) >= LEAST and float(share[k]) < LARGEST]
    single = [off(gaussians[owner == k], whole) for k in things]
    make, halves = torch.Generator().manual_seed(0), []
    for _ in range(20):
        side = (gaussians.means - gaussians.means.median(0).values) @ torch.randn(3, generator=make) > 0
        halves.append(off(gaussians[side], light_of(gaussians[~side])))
    return {
        "things_alone": {"count": len(single), "rms_stops": mean_square(single)},
        "halves": {"count": len(halves), "rms_stops": mean_square(halves)},
    }


if __name__ == "__main__":
    main()
