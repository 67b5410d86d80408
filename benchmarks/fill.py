"""How well a hole is filled: things deleted from the bundled capture, against the same room generated without them.

The room is rendered anew for the held-out views, with its light, so the truth has no shadow of the thing either. "hole"
are the pixels that showed the thing, two more around it; "changed" those that the thing's absence changes at all, with
its shadows; "rest" all others, which a filling should leave as they are. Selected by the exact annotations of the
training photos, or by words.

python benchmarks/fill.py SCENE [--things mug carton ...] [--words] [--truth FOLDER] [--look FOLDER] [--save]
    SCENE: the bundled capture, fitted; with a field that knows words for --words
    --truth: where the rendered room is kept (a minute for each thing, made when it is not there; needs open3d)
"""

import time
from pathlib import Path

import numpy as np
import torch
from common import arguments, emit
from PIL import Image

from semsplat.app.scene import Scene, View
from semsplat.app.session import Session
from semsplat.assets import ROOM
from semsplat.assets.room_parts import NAMES
from semsplat.splatting.edit import Delete
from semsplat.splatting.fill import fill
from semsplat.splatting.fill_views import grown
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.lift import lift
from semsplat.splatting.splat import splat

THINGS = {  # where it is
    "mug": "on the table", "teapot": "on the cloth", "carton": "on the rug", "plant": "on the floor",
    "painting": "at the wall", "chair_window": "large",
}  # fmt: skip
AREAS = "hole", "changed", "rest"
CHANGED = 4 / 255  # of a colour: below are the noise of the light and of the JPEG file


def number_of(view: View) -> int:
    """Of a picture of the bundled capture."""
    return int(Path(view.name).stem)


def picture(path: Path) -> torch.Tensor:
    """(h, w, 3) in [0, 1]."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).float() / 255.0


def mask(view: View, thing: str) -> torch.Tensor:
    """(h, w) where a picture shows the thing, exactly."""
    labels = np.array(Image.open(ROOM / "labels" / f"{number_of(view):02d}.png"))
    return torch.from_numpy(labels == list(NAMES).index(thing))


def truths(thing: str, views: list[View], folder: Path) -> dict[str, torch.Tensor]:
    """Pictures of the room without the thing, rendered where they are not in the folder yet."""
    paths = {view.name: folder / thing / f"{number_of(view):02d}.png" for view in views}
    if not all(path.is_file() for path in paths.values()):
        from semsplat.assets import room_light, room_render

        (folder / thing).mkdir(parents=True, exist_ok=True)
        groups = room_light.furniture, room_light.small_things
        room_light.furniture, room_light.small_things = (
            (lambda all_=all_: [part for part in all_() if part.thing != thing]) for all_ in groups
        )
        for made_once in (room_light.room, room_light.bake):
            made_once.cache_clear()
        for view in views:
            Image.fromarray(room_render.render_view(number_of(view))).save(paths[view.name])
        room_light.furniture, room_light.small_things = groups
    return {name: picture(path) for name, path in paths.items()}


def annotated(scene: Scene, thing: str) -> torch.Tensor:
    """Ids of the Gaussians that the exact annotations of the training photos mark."""
    views = [view for view in scene.views if not view.held_out]
    share, _ = lift((splat(scene.gaussians, v.camera), mask(v, thing).float()[..., None]) for v in views)
    return scene.gaussians.ids[share[:, 0] > 0.5]


def drawn(gaussians: Gaussians, view: View) -> torch.Tensor:
    """(h, w, 3) in [0, 1]."""
    return splat(gaussians, view.camera).detach().composite(gaussians.colors(view.camera))[0].clamp(0.0, 1.0)


def decibels(errors: list[torch.Tensor]) -> float:
    """PSNR over all pixels of all views."""
    return round(-10.0 * torch.cat(errors).mean().clamp_min(1e-10).log10().item(), 2)


def measure(scene: Scene, thing: str, how: str, truth: Path, look: Path | None) -> dict:
    """Delete, fill, compare."""
    gaussians = scene.gaussians
    if how == "annotations":
        ids = annotated(scene, thing)
    else:
        ids = gaussians.ids[Session.of(scene).ask(NAMES[thing][-1] if "chair" in thing else NAMES[thing][0]).selection]
    started, worked = time.perf_counter(), time.process_time()
    edit = fill(gaussians, ids, scene.frames_of(False)).numbered(1)
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    before = Delete(ids)(gaussians)
    after, views = edit(before), [view for view in scene.views if view.held_out]
    without = truths(thing, views, truth)
    errors: dict[tuple[str, str], list[torch.Tensor]] = {}
    for view in views:
        photo, right = picture(ROOM / view.name), without[view.name]
        hole = grown(mask(view, thing), 2)
        changed = hole | ((photo - right).abs().amax(-1) > CHANGED)
        pictures = {"before": drawn(before, view), "after": drawn(after, view)}
        for name, shown in pictures.items():
            error = ((shown - right) ** 2).mean(-1)
            for area, inside in zip(AREAS, (hole, changed, ~changed), strict=True):
                errors.setdefault((name, area), []).append(error[inside])
        if look:
            look.mkdir(parents=True, exist_ok=True)
            strip = torch.cat([photo, *pictures.values(), right], 1)
            name = f"{thing}-{how}-{number_of(view):02d}.png"
            Image.fromarray((strip * 255).round().byte().numpy()).save(look / name)
    found = {f"{area}_{name}": decibels(parts) for (name, area), parts in errors.items()}
    facts = {"deleted": len(ids), "taken_too": len(edit.ids), "filled_with": len(edit.source)}
    return {**facts, **found, "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1)}


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("scene", type=Path, help="the bundled capture, fitted")
    parser.add_argument("--things", nargs="+", default=list(THINGS), choices=list(THINGS))
    parser.add_argument("--words", action="store_true", help="also select by words")
    parser.add_argument("--truth", type=Path, default=Path("room_without"), help="folder of the rendered room")
    parser.add_argument("--look", type=Path, help="folder for pictures: photo, before, after, truth")
    options = parser.parse_args()
    scene = Scene.open(options.scene)
    result: dict = {"gaussians": len(scene.gaussians), "things": {}}
    lines = ["PSNR in dB against the room without the thing, held-out views: hole; all that its absence changes; rest"]
    for thing in options.things[:1] if options.quick else options.things:
        for how in ("annotations", "words")[: 1 + options.words]:
            found = measure(scene, thing, how, options.truth, options.look)
            result["things"].setdefault(thing, {})[how] = found
            areas = (f"{found[f'{area}_before']:8.2f} -> {found[f'{area}_after']:5.2f}" for area in AREAS)
            seconds = f"{found['seconds']:6.1f} s ({found['cpu_seconds']:.1f} s of CPU time)"
            lines.append(f"  {thing:13}{THINGS[thing]:14}{how:12}{''.join(areas)} {seconds}")
            print(lines[-1], flush=True)
    emit("fill", result, lines, options.save)


if __name__ == "__main__":
    main()
