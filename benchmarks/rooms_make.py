"""Captures of rooms that nobody has seen: `make(seed, folder)` renders pictures, exact labels and spoilt ones."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from meaning_common import spoilt
from PIL import Image
from rooms_furnish import furnished

from semsplat.assets import make_room, room_light, room_render
from semsplat.assets.room_cameras import View, looking

WIDTH, HEIGHT, FIELD_OF_VIEW = 240, 180, 62.0  # pixels, degrees
GRID, LOBES, SHARE = 2, 1, 0.2  # rays each way in a pixel, for a reflection, and of those for the light
WALKS = ((11, 2.3, 1.3, 0.75), (10, 2.0, 1.75, 0.65), (7, 1.6, 1.1, 0.75))  # pictures, distance, height, looked at, m
HELD_OUT = (3, 8, 14, 18, 23, 26)
BARE = 5  # every so many training pictures have no labels


def views(seed: int) -> list[View]:
    """Three walks around the table, each room's own: distances, heights, beginnings and ends differ."""
    rng, found = np.random.default_rng(10_000 + seed), []
    focal = WIDTH / 2 / np.tan(np.radians(FIELD_OF_VIEW / 2))
    for count, distance, height, target in WALKS:
        begin, end = rng.uniform(-112, -96), rng.uniform(2, 18)
        far, high = distance * rng.uniform(0.93, 1.07), height + rng.uniform(-0.12, 0.12)
        for azimuth in np.radians(np.linspace(*rng.permutation([begin, end]), count)):
            out, shake = len(found) in HELD_OUT, rng.normal(0, 1, 7)
            reach, level = far + 0.05 * shake[0] - 0.09 * out, high + 0.03 * shake[1]
            eye = np.array([reach * np.cos(azimuth), reach * np.sin(azimuth), level])
            pose = looking(eye, np.array([0.05, 0.1, target]) + 0.05 * shake[2:5], roll=shake[5])
            exposure = 1.0 if out else float(np.clip(1 + 0.015 * shake[6], 0.97, 1.03))
            found.append(View(pose, focal, exposure, 0.0 if out else 1.5, out, WIDTH, HEIGHT))
    return found


def make(seed: int, folder: Path, wrong: float, missing: int) -> None:
    """The capture of a seed, complete when its transforms.json is there.

    Args:
        wrong: share of wrong pixels in the labels that are learned from. missing: classes that half of those leave out.
    """
    room, cameras = furnished(seed), views(seed)
    move_in(seed, room.parts, list(room.names), room.lamp)
    for name in ("images", "labels", "labels_noisy"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    exact = [room_render.labels_of(view) for view in cameras]
    (folder / "names.json").write_text(json.dumps(dict(enumerate(room.names.values())), indent=1) + "\n")
    learned = [k for k in range(len(cameras)) if k not in HELD_OUT]
    rng = np.random.default_rng(20_000 + seed)
    left_out = rng.choice(usual(exact), missing, replace=False).tolist()
    for k, view in enumerate(cameras):
        (folder / f"images/{k:02d}.jpg").write_bytes(make_room.jpeg(room_render.render(view, k + 100 * seed, GRID)))
        Image.fromarray(exact[k]).save(folder / f"labels/{k:02d}.png")
        if k in learned and learned.index(k) % BARE != BARE - 1:
            moved = make_room.noisy(exact[k], k + 100 * seed)
            rough = spoilt(moved, rng, wrong, len(room.names), left_out if learned.index(k) % 2 else [])
            Image.fromarray(rough).save(folder / f"labels_noisy/{k:02d}.png")
    (folder / "spoilt.json").write_text(json.dumps({"wrong": wrong, "left_out_of_half": left_out}))
    (folder / "transforms.json").write_text(json.dumps(transforms(cameras), indent=1) + "\n")


def usual(exact: Sequence[np.ndarray]) -> list[int]:
    """Classes that are seen enough to be missed, and do not fill the room."""
    counts = np.bincount(np.concatenate([labels.ravel() for labels in exact]))
    share = counts / counts.sum()
    return [k for k in range(1, len(counts)) if 0.002 < share[k] < 0.05]


def move_in(seed: int, parts: list, names: list[str], lamp: tuple[float, float]) -> None:
    """Let the generator draw this room from now on, with a sun of its own."""
    rng = np.random.default_rng(30_000 + seed)
    way = np.array([1.0, rng.uniform(-0.5, 0.2), -rng.uniform(0.4, 0.8)])
    room_light.furniture, room_light.small_things = (lambda: parts), list
    room_light.NAMES, room_light.LAMP, room_light.SHARE, room_render.LOBES = names, lamp, SHARE, LOBES
    room_light.SUN_TRAVEL = way / np.linalg.norm(way)
    room_light.SUN = room_light.SUN * rng.uniform(0.5, 1.1)
    for made_once in (room_light.room, room_light.bake):
        made_once.cache_clear()


def transforms(cameras: Sequence[View]) -> dict:
    """The content of transforms.json."""
    names = [f"images/{k:02d}.jpg" for k in range(len(cameras))]
    apart = [names[k] for k in HELD_OUT]
    focal = cameras[0].focal
    return {
        "camera_model": "PINHOLE", "w": WIDTH, "h": HEIGHT, "fl_x": focal, "fl_y": focal, "cx": WIDTH / 2,
        "cy": HEIGHT / 2, "train_filenames": [n for n in names if n not in apart], "val_filenames": apart,
        "test_filenames": apart,
        "frames": [{"file_path": n, "transform_matrix": np.round(view.camera_to_world, 9).tolist()}
                   for n, view in zip(names, cameras, strict=True)],
    }  # fmt: skip


if __name__ == "__main__":  # a process for each room: the generator holds one at a time
    make(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
