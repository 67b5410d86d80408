"""Exported masks and depths of the bundled capture against the truth that its generator knows.

python benchmarks/export_views.py SCENE [--every 1] [--save]

SCENE is a scene folder of the bundled capture with a field of labels, such as semsplat demo makes; it is copied, and
nothing is written into it. Every label becomes an object by its name; masks and depths are exported by `semsplat
export`, read back (masks from the run lengths of the COCO file), and compared in all photos or every n-th.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import arguments, emit
from PIL import Image

import semsplat
from semsplat.app.cli_export import Export, PerView
from semsplat.app.export import export
from semsplat.app.scene import Scene
from semsplat.app.session import Session
from semsplat.assets.room_cameras import HEIGHT, WIDTH, views
from semsplat.assets.room_light import at_corners, cast, room
from semsplat.assets.room_render import rays
from semsplat.distill import objects
from semsplat.distill.coco import decode
from semsplat.distill.objects import Thing
from semsplat.splatting.splat import splat

ROOM = Path(semsplat.__file__).parent / "assets" / "room"
NEEDED = ("scene.ply", "cameras.json", "config.json", "fields")


def true_depth(index: int) -> np.ndarray:
    """Along the camera's axis, metres, (240, 320); nan where nothing is."""
    origins, directions = rays(views()[index], np.full((HEIGHT * WIDTH, 2), 0.5))
    face, weights = cast(room().seen, origins, directions)
    points = at_corners(room().points, room().faces, np.maximum(face, 0), weights)
    pose = views()[index].camera_to_world
    depth = -((points - pose[:3, 3]) @ pose[:3, 2])
    return np.where(face >= 0, depth, np.nan).reshape(HEIGHT, WIDTH)


def name_objects(folder: Path) -> dict[str, int]:
    """Make every label an object, by a name that no other label has; returns the labels by name."""
    names = {int(label): given for label, given in json.loads((ROOM / "names.json").read_text()).items() if given}
    everybody = [name for given in names.values() for name in given]
    own = {next(name for name in given if everybody.count(name) == 1): label for label, given in names.items()}
    session = Session.of(Scene.open(folder))
    shared = session.share_out(list(own))
    things = [(name, shared.labels == number) for number, name in enumerate(own)]
    objects.put(folder, *(Thing.of(name, session.gaussians, chosen) for name, chosen in things if chosen.any()))
    return own


def run(folder: Path, kind: str, out: Path, **options) -> float:
    """Export; returns seconds."""
    began = time.perf_counter()
    whole = options.pop("all_objects", False)
    request = Export(folder, out, kind=kind, all_objects=whole, views=PerView(device="cpu", **options))
    export(request, lambda text: None)
    return time.perf_counter() - began


def mask_scores(out: Path, own: dict[str, int]) -> dict[str, float]:
    """IoU of each thing over the photos that were held out, from the COCO file."""
    made = json.loads((out / "annotations.json").read_text())
    images = {image["id"]: image for image in made["images"] if image["held_out"]}
    called = {category["id"]: category["name"] for category in made["categories"]}
    found = {(a["image_id"], called[a["category_id"]]): decode(a["segmentation"]) for a in made["annotations"]}
    scores = {}
    for name, label in own.items():
        both = either = 0
        for number, image in images.items():
            truth = np.asarray(Image.open(ROOM / "labels" / f"{Path(image['file_name']).stem}.png")) == label
            mask = found.get((number, name), np.zeros_like(truth))
            both, either = both + int((mask & truth).sum()), either + int((mask | truth).sum())
        scores[name] = both / max(either, 1)
    return scores


@torch.no_grad()
def depth_scores(folders: dict[str, Path], opened: Scene, every: int) -> dict[str, dict[str, float]]:
    """How far off depths are, metres; beside the exported ones those of the Gaussians' centres."""
    errors: dict[str, list[np.ndarray]] = {}
    for index in range(0, len(opened.views), every):
        view, truth = opened.views[index], true_depth(index)
        stem = Path(view.name).stem
        exported = {name: np.asarray(Image.open(at / "depth" / f"{stem}.png")) * 1e-3 for name, at in folders.items()}
        exported["mean of centres"] = splat(opened.gaussians, view.camera).detach().depth()[..., 0].numpy()
        for name, depth in exported.items():
            known = np.isfinite(truth) & (depth > 0)
            errors.setdefault(name, []).append(np.abs(depth - truth)[known])
    scores = {}
    for name, parts in errors.items():
        off = np.concatenate(parts)
        scores[name] = {
            "mean_m": round(float(off.mean()), 4),
            "median_m": round(float(np.median(off)), 4),
            "over_5cm": round(float((off > 0.05).mean()), 4),
        }
    return scores


def main() -> None:
    """Parse, measure, tell."""
    parser: argparse.ArgumentParser = arguments(__doc__ or "")
    parser.add_argument("scene", type=Path, help="of the bundled capture, with a field of labels")
    parser.add_argument("--every", type=int, default=1, help="every n-th photo for depths")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, outs = Path(temporary) / "room", {}
        folder.mkdir()
        for name in NEEDED:
            copy = shutil.copytree if (wanted.scene / name).is_dir() else shutil.copy
            copy(wanted.scene / name, folder / name)
        own = name_objects(folder)
        seconds = {"masks": run(folder, "masks", Path(temporary) / "masks", all_objects=True)}
        for kind in ("median", "mean"):
            outs[kind] = Path(temporary) / kind
            seconds[kind] = run(folder, "depth", outs[kind], mean=kind == "mean", every=wanted.every)
        masks = mask_scores(Path(temporary) / "masks", own)
        opened = Scene.open(folder)
        depths = depth_scores(outs, opened, wanted.every)
    mean = float(np.mean(list(masks.values())))
    lines = [f"{len(opened.gaussians):,} Gaussians, {len(opened.views)} photos of {WIDTH} x {HEIGHT}"]
    lines += [f"masks, held out: mean IoU {mean:.3f} of {len(masks)} things; " + ", ".join(
        f"{name} {score:.2f}" for name, score in sorted(masks.items(), key=lambda item: item[1])
    )]  # fmt: skip
    for name, found in depths.items():
        facts = f"{100 * found['mean_m']:.1f} cm, median {100 * found['median_m']:.1f} cm"
        lines.append(f"depth, {name}: off by {facts}, {found['over_5cm']:.0%} of pixels by over 5 cm")
    lines.append("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in seconds.items()))
    result = {"gaussians": len(opened.gaussians), "every": wanted.every, "mean_iou": round(mean, 4)}
    result |= {"iou": {name: round(score, 4) for name, score in masks.items()}, "depth": depths}
    emit("export_views", result | {"seconds": {k: round(v, 2) for k, v in seconds.items()}}, lines, wanted.save)


if __name__ == "__main__":
    main()
