"""Things of the bundled capture taken out of it, against each rendered alone by the generator.

Run: python benchmarks/extraction.py --save [--scene FITTED] (needs Open3D and a scene fitted to the bundled capture;
without --scene it is fitted now, three minutes). With $SEMSPLAT_CAPTURES and --cape SCENE also gold_cape's silhouette.

Each thing is selected by the exact labels (a Gaussian is what most of its pixels show), ten things also by their name
and by a click. Each raw and as exported. Over the held-out views, at the generator's 320 x 240:

bleed   colour difference in the ring of 5 pixels around the true outline, where nothing should be; mean over black
        and white below it, 0 to 1
loss    the same in the 5 pixels inside the outline, where the thing is visible in the room
psnr    over both and all other pixels that show the thing or should be empty
floats  share of opacity whose centre is outside the true box, grown by 2 % of its diagonal, at least 1 cm
"""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from common import RESULTS, arguments, emit
from extraction_cape import cape
from extraction_truth import alone, box
from meaning_common import best_frame, captures, deepest, fitted
from meaning_room import NAMES, NOISY, command, exact
from PIL import Image
from scipy.ndimage import distance_transform_edt

from semsplat import assets
from semsplat.app.scene import Scene
from semsplat.app.session import Session
from semsplat.assets.room_cameras import HELD_OUT
from semsplat.distill.segment.alone import isolated
from semsplat.distill.segment.prompts import Click
from semsplat.splatting.camera import Camera
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

RING = 5  # pixels
LAYERS = ("floor", "wall", "curtain", "skirting board", "rug")  # as thin as nothing: a box says little about them
POINTED = ("table", "teddy bear", "teapot", "mug", "bowl", "books", "cardboard box", "painting", "rug", "plate")
SHOWN = ("rug", "teddy bear", "table", "mug", "cardboard box", "potted plant")


@dataclass(frozen=True)
class Alone:
    """One view of a thing alone, and where to look."""

    camera: Camera
    colors: torch.Tensor  # (h, w, 3), premultiplied
    coverage: torch.Tensor  # (h, w)
    around: torch.Tensor  # (h, w), the ring outside
    within: torch.Tensor  # the ring inside, where the thing is visible in the room
    known: torch.Tensor  # either visible or to be empty

    @classmethod
    def of(cls, frame: Frame, picture: np.ndarray, label: int) -> Self:
        """From a picture of the generator."""
        coverage, visible = torch.from_numpy(picture[..., 3]), exact(frame) == label
        outside = torch.from_numpy(distance_transform_edt(picture[..., 3] == 0))
        inside = torch.from_numpy(distance_transform_edt(np.pad(picture[..., 3] > 0, 1))[1:-1, 1:-1])
        return cls(
            frame.camera,
            torch.from_numpy(picture[..., :3]),
            coverage,
            (outside > 0) & (outside <= RING),
            (coverage == 1) & (inside <= RING) & visible,
            visible | (coverage == 0),
        )


@torch.no_grad()
def scores(gaussians: Gaussians, label: int, views: Sequence[Alone]) -> dict[str, Any]:
    """The four numbers for one extraction."""
    sums = {key: [0.0, 0] for key in ("bleed", "loss", "error")}
    for view in views:
        colors, alpha = _drawn(gaussians, view.camera)
        on_black = colors - view.colors
        on_white = (colors - alpha) - (view.colors - view.coverage[..., None])
        wrong, squares = (0.5 * (on_black.abs() + on_white.abs()).mean(-1), 0.5 * (on_black**2 + on_white**2).mean(-1))
        for key, values in (
            ("bleed", wrong[view.around]),
            ("loss", wrong[view.within]),
            ("error", squares[view.known]),
        ):
            sums[key][0] += float(values.double().sum())
            sums[key][1] += len(values)
    found = {key: total / max(count, 1) for key, (total, count) in sums.items()}
    found["psnr"] = -10.0 * float(np.log10(found.pop("error") + 1e-12))
    return {key: round(value, 4) for key, value in found.items()} | {
        "floats": round(floating(gaussians, label), 5),
        "gaussians": len(gaussians),
    }


def floating(gaussians: Gaussians, label: int) -> float:
    """Share of the opacity that is outside the true box, grown a little."""
    corners = torch.from_numpy(box(label)).to(gaussians.means)
    more = max(0.01, 0.02 * float((corners[1] - corners[0]).norm()))
    away = ((gaussians.means < corners[0] - more) | (gaussians.means > corners[1] + more)).any(1)
    return float(gaussians.opacities[away].sum() / gaussians.opacities.sum().clamp_min(1e-9))


@torch.no_grad()
def owners(gaussians: Gaussians, scene: Scene) -> torch.Tensor:
    """The label that most of a Gaussian's pixels show, over all photos; 0 where none sees it."""
    total = torch.zeros(len(gaussians), 28)
    for view in scene.views:
        shown = torch.nn.functional.one_hot(exact(view.frame), 28).float()
        total += splat(gaussians, view.camera).T @ shown
    return torch.where(total.sum(1) > 1e-6, total.argmax(1), 0)


def selections(session: Session, scene: Scene, label: int, name: str, owner: torch.Tensor) -> dict[str, torch.Tensor]:
    """The thing by labels, by its name and by a click where it is largest; what is not found is left out."""
    gaussians = session.gaussians
    found = {"labels": owner == label}
    if name not in POINTED:
        return found
    try:
        answer = session.ask(name)
        found["asked"] = answer.selection
    except InputError:
        pass
    frame = best_frame(scene.frames_of(False), lambda frame: exact(frame) == label)
    try:
        chosen = session.select([Click(frame.camera, *deepest(exact(frame) == label))])
        found["clicked"] = torch.isin(gaussians.ids, chosen.at())
    except InputError:
        pass
    return {way: rows for way, rows in found.items() if rows.any()}


def truth(label: int, cache: Path | None) -> list[np.ndarray]:
    """The thing alone in every held-out view; the first made a minute of light for the room, so they can be kept."""
    path = cache / f"{label:02d}.npz" if cache else None
    if path is not None and path.exists():
        return list(np.load(path)["pictures"].astype(np.float32))
    pictures = [alone(index, label) for index in HELD_OUT]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, pictures=np.stack(pictures).astype(np.float16))
    return pictures


def trial(folder: Path, labels: Iterable[int], cache: Path | None, pictures_to: Path | None) -> dict[str, Any]:
    """All things, all ways, raw and as exported."""
    scene = Scene.open(folder)
    session = Session.of(scene)
    plain = session.gaussians.replace(features=session.gaussians.features[:, :0])
    names = {int(number): given for number, given in json.loads(NAMES.read_text()).items() if given}
    cameras = [view.camera for view in scene.views if not view.held_out]
    owner, frames, rows, found = owners(plain, scene), scene.frames_of(True), [], {}
    for label in labels:
        name = names[label][0]
        if [given[0] for given in names.values()].count(name) > 1:
            name = names[label][-1]
        pictures = truth(label, cache)
        found[name] = {}
        views = [Alone.of(f, p, label) for f, p in zip(frames, pictures, strict=True) if p[..., 3].any()]
        for way, selection in selections(session, scene, label, name, owner).items():
            began = time.perf_counter()
            mended = isolated(plain, selection, cameras)
            seconds = time.perf_counter() - began
            raw = scores(plain[selection], label, views)
            found[name][way] = {"raw": raw, "exported": scores(mended, label, views)}
            found[name][way]["seconds"] = round(seconds, 2)
            print(name, way, found[name][way], file=sys.stderr, flush=True)
            if way == "labels" and (name in SHOWN or names[label][0] in SHOWN):
                seen = max(range(len(frames)), key=lambda k: pictures[k][..., 3].sum())
                rows.append(_row(plain[selection], mended, frames[seen].camera, pictures[seen]))
    if rows and pictures_to is not None:
        Image.fromarray((255 * np.concatenate(rows)).round().astype(np.uint8)).save(pictures_to)
    return found


def _row(raw: Gaussians, mended: Gaussians, camera: Camera, truth: np.ndarray) -> np.ndarray:
    """Raw, exported, true, over magenta, which no thing has."""
    over = np.array([0.8, 0.1, 0.7], np.float32)
    drawn = [torch.cat(_drawn(part, camera), dim=-1).numpy() for part in (raw, mended)]
    return np.concatenate([p[..., :3] + over * (1.0 - p[..., 3:]) for p in (*drawn, truth)], axis=1).clip(0.0, 1.0)


@torch.no_grad()
def _drawn(gaussians: Gaussians, camera: Camera) -> tuple[torch.Tensor, torch.Tensor]:
    colors, alpha = splat(gaussians, camera).composite(gaussians.colors(camera))
    return torch.minimum(colors.clamp_min(0.0), alpha.expand_as(colors).clamp_min(0.0)), alpha


def means(found: dict[str, Any], way: str, solid: bool) -> dict[str, Any]:
    """Means over the things, raw and exported; the worst floats of solid things."""
    some = {name: one[way] for name, one in found.items() if way in one and not (solid and name in LAYERS)}
    result: dict[str, Any] = {"things": len(some)}
    for state in ("raw", "exported"):
        values = {key: [one[state][key] for one in some.values()] for key in ("bleed", "loss", "psnr", "floats")}
        result[state] = {key: round(float(np.mean(value)), 4) for key, value in values.items()}
        worst = max(some, key=lambda name, state=state: some[name][state]["floats"])
        result[state]["worst floats"] = {worst: some[worst][state]["floats"]}
        result[state]["floats over 0.5 %"] = sum(1 for value in values["floats"] if value > 0.005)
    return result


def table(found: dict[str, Any]) -> list[str]:
    """For people."""
    heads = f"{'loss':>7}{'psnr':>7}{'floats':>8}"
    lines = [f"{'':24}{'raw: bleed':>11}{heads}  {'exported':>9}{heads}"]
    for name, ways in found.items():
        for way, one in ways.items():
            cells = [
                f"{one[state]['bleed']:.4f}{one[state]['loss']:7.3f}{one[state]['psnr']:7.1f}{one[state]['floats']:8.2%}"
                for state in ("raw", "exported")
            ]
            lines.append(f"{name[:15]:15} {way:8}     {cells[0]}     {cells[1]}")
    return lines


def main() -> None:
    """See the module."""
    parser = arguments(__doc__)
    parser.add_argument("--scene", type=Path, help="a scene fitted to the bundled capture, with a field of labels")
    parser.add_argument("--cache", type=Path, help="folder for the true pictures, so that they are made only once")
    parser.add_argument("--cape", type=Path, help="a scene fitted to gold_cape of $SEMSPLAT_CAPTURES, all of it")
    wanted = parser.parse_args()
    folder = wanted.scene or fitted(Path("build/extraction/room"), assets.ROOM, "--cap", 20_000)
    if not (folder / "fields" / "labels.safetensors").is_file():
        command("distill", folder, "--teacher", "labels", "--labels", NOISY, "--names", NAMES)
    labels = (17,) if wanted.quick else range(1, 28)
    found = trial(folder, labels, wanted.cache, RESULTS / "extraction.jpg" if wanted.save else None)
    summary = {
        f"{way}, {'without layers' if solid else 'all'}": means(found, way, solid)
        for way in ("labels", "asked", "clicked")
        for solid in (False, True)
        if any(way in one for one in found.values())
    }
    lines = [*table(found), *(f"{key}: {value}" for key, value in summary.items())]
    result = {"means": summary, "things": found}
    if wanted.cape and (real := captures()) is not None:
        picture = RESULTS / "extraction_cape.jpg" if wanted.save else None
        result["gold_cape"] = cape(wanted.cape, real / "gold_cape" / "masks", picture)
        lines.append(f"gold_cape: {result['gold_cape']}")
    emit("extraction", result, lines, wanted.save)


if __name__ == "__main__":
    main()
