"""Poses found for photos that come without, against poses that are known: the bundled room and real captures.

Real captures lie in $SEMSPLAT_CAPTURES and are left out where it names none: fox (its poses put aside; once more as a
video that is made here), bear (96 photos: too many to match each with each), plush_photos (its author's own
reconstruction), castle_photos and kitchen_photos (none are known: only how many were placed). Found poses are brought
onto the known ones by one similarity (Umeyama 1991, over the places). With --steps, fox, bear and the room are fitted
from known and from found poses with equal steps.
"""

import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, emit, saved
from PIL import Image

from semsplat import assets
from semsplat.splatting.capture import Capture, load, sfm
from semsplat.splatting.errors import InputError
from semsplat.splatting.video import write_video

SIDE = 320  # pixels of the longer side, when fitted
HELD = 4  # frames of the made video for each photo
VIDEO = 50  # frames chosen from it: its jumps are larger than those of a camera, so its motion says little
Known = dict[str, np.ndarray]  # camera to world (4, 4) by the stem of the photo


def main() -> None:
    """Place the sets, compare, print."""
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="*", help="names of sets")
    parser.add_argument("--work", type=Path, help="keep everything there, and go on from what is there")
    parser.add_argument("--steps", type=int, default=0, help="also fit fox and the room, with so many steps")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = args.work or Path(scratch)
        rows: dict[str, dict[str, Any]] = saved("photos_poses").get("sets", {}) if args.save else {}
        for name, make in sets(args.quick).items():
            if not args.only or name in args.only:
                rows[name] = placed(name, work / name, make)
                told(rows[name])
                if args.steps and name in ("room", "fox", "bear"):
                    rows[name] |= fitted(work / name, rows[name].pop("given"), args.steps)
                rows[name].pop("given", None)
    emit("photos_poses", {"sets": rows}, table(rows), args.save)


def told(row: dict[str, Any]) -> None:
    """What a person would be told."""
    for note in row.pop("notes"):
        print(f"  {note}", file=sys.stderr)


def sets(quick: bool) -> dict[str, Callable[[Path], tuple[Path, Known, Path | None]]]:
    """For each set: what puts photos without poses into a folder, and gives them, known poses, and the posed source."""
    room = Path(assets.__file__).parent / "room"
    found: dict[str, Callable[[Path], tuple[Path, Known, Path | None]]] = {
        "room": lambda folder: (copied(room, folder, 6 if quick else 1), known(load(room)), room)
    }
    captures = Path(os.environ.get("SEMSPLAT_CAPTURES", "nowhere"))
    if quick or not captures.is_dir():
        return found
    fox = captures / "fox"
    found["fox"] = lambda folder: (copied(fox, folder, 1), known(load(fox)), fox)
    found["fox_video"] = lambda folder: (filmed(fox, folder), by_frame(fox), None)
    bear = captures / "bear"
    found["bear"] = lambda folder: (copied(bear, folder, 1), known(load(bear)), bear)
    found["plush_photos"] = lambda folder: (captures / "plush_photos", reference(captures / "plush_photos"), None)
    for name in ("castle_photos", "kitchen_photos"):
        found[name] = lambda folder, name=name: (captures / name, {}, None)
    return found


def copied(source: Path, folder: Path, every: int) -> Path:
    """The photos of a posed source, alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for photo in load(source).photos[::every]:
        if not (folder / photo.path.name).exists():
            shutil.copy2(photo.path, folder)
    return folder


def filmed(source: Path, folder: Path) -> Path:
    """The photos as a video, each shown for some frames."""
    target = folder.with_suffix(".mp4")
    if not target.exists():
        photos = [np.asarray(Image.open(photo.path).convert("RGB")) for photo in load(source).photos]
        write_video(target, (photo for photo in photos for _ in range(HELD)))
    return target


def known(capture: Capture) -> Known:
    """Poses of a posed source."""
    return {Path(p.name).stem: torch.linalg.inv(p.world_to_camera.double()).numpy() for p in capture.photos}


def by_frame(source: Path) -> Known:
    """The same by the names of frames of the made video."""
    poses = list(known(load(source)).values())
    return {f"frame_{number:04}": poses[number // HELD] for number in range(HELD * len(poses))}


def reference(folder: Path) -> Known:
    """Poses in a cameras.json as the first implementation of 3D Gaussians writes it."""
    found = {}
    for entry in json.loads((folder / "cameras_reference.json").read_text()):
        found[entry["img_name"]] = np.eye(4)
        found[entry["img_name"]][:3, :3], found[entry["img_name"]][:3, 3] = entry["rotation"], entry["position"]
    return found


def placed(name: str, folder: Path, make: Callable[[Path], tuple[Path, Known, Path | None]]) -> dict[str, Any]:
    """Find poses and hold them against the known ones."""
    source, poses, given = make(folder / "photos")
    began, before = time.monotonic(), spent()
    stages: dict[str, float] = {}
    print(name, file=sys.stderr)

    def report(stage: str, done: int, total: int) -> None:
        stages[stage] = round(time.monotonic() - began, 1)

    try:
        options = sfm.Options(VIDEO if source.is_file() else None)
        sfm.place(source, folder / "cache", folder / "poses", options, report, lambda text: None)
    except InputError as error:
        return {"notes": [str(error)], "placed": 0}
    capture = load(folder / "poses")
    photos = json.loads((folder / "poses" / "placed.json").read_text())["photos"]
    row: dict[str, Any] = {
        "photos": len(photos),
        "placed": len(capture.photos),
        "points": len(capture.points),
        **costs(folder, stages, round(spent() - before, 1)),
        "notes": list(capture.notes),
        "given": given,
    }
    return row | (compared(known(capture), poses) if poses else {})


def costs(folder: Path, stages: dict[str, float], seconds: float) -> dict[str, Any]:
    """What finding the poses took, kept for runs that find them done."""
    path = folder / "costs.json"
    if "finding features" in stages:
        path.write_text(json.dumps({"cpu_seconds": seconds, "until": stages}))
    return json.loads(path.read_text()) if path.exists() else {}


def spent() -> float:
    """CPU seconds of this process and those it waited for."""
    return sum(
        getattr(resource.getrusage(who), kind)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        for kind in ("ru_utime", "ru_stime")
    )


def compared(ours: Known, theirs: Known) -> dict[str, Any]:
    """Errors in degrees, and in parts of the mean distance of the known cameras from their middle."""
    names = sorted(ours.keys() & theirs.keys())
    a, b = (np.stack([poses[name][:3, 3] for name in names]) for poses in (ours, theirs))
    middle_a, middle_b = a.mean(0), b.mean(0)
    u, s, vt = np.linalg.svd((b - middle_b).T @ (a - middle_a))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn, scale = u @ np.diag(signs) @ vt, (s * signs).sum() / np.square(a - middle_a).sum()
    off = np.linalg.norm(scale * (a - middle_a) @ turn.T + middle_b - b, axis=1)
    spread = np.linalg.norm(b - middle_b, axis=1).mean()
    cosines = [(np.trace(theirs[n][:3, :3].T @ turn @ ours[n][:3, :3]) - 1) / 2 for n in names]
    angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    return {
        "compared": len(names),
        "degrees": [round(float(x), 3) for x in (np.median(angles), angles.max())],
        "place_percent": [round(100 * float(x / spread), 3) for x in (np.median(off), off.max())],
    }


def fitted(folder: Path, given: Path, steps: int) -> dict[str, Any]:
    """PSNR of held-out photos after equal steps, from known and from found poses."""
    from rich.console import Console

    from semsplat.app import train
    from semsplat.app.plan import Request

    result = {}
    for name, source in (("known", given), ("found", folder / "poses")):
        scene = folder / f"fit_{name}"
        asked = Request(scene, source, overwrite=True, steps=steps, resolution=SIDE, device="cpu")
        train.run(asked, Console(stderr=True))
        result[f"psnr_{name}"] = round(json.loads((scene / "metrics.json").read_text())["psnr"], 2)
    return result | {"steps": steps}


def table(rows: dict[str, dict[str, Any]]) -> list[str]:
    """For people."""
    lines = ["set              placed  points  degrees (max)   place % (max)   CPU s   PSNR known / found poses"]
    for name, row in rows.items():
        turns = "{:7.3f} ({:.3f})".format(*row["degrees"]) if "degrees" in row else "      -"
        places = "{:7.3f} ({:.3f})".format(*row["place_percent"]) if "place_percent" in row else "      -"
        psnr = f"{row['psnr_known']:.2f} / {row['psnr_found']:.2f} dB, {row['steps']} steps" if "steps" in row else ""
        share = f"{row['placed']}/{row.get('photos', '?')}"
        cpu, points = f"{row['cpu_seconds']:.1f}" if "cpu_seconds" in row else "-", row.get("points", 0)
        lines.append(f"{name:16} {share:>6} {points:7,} {turns:>15} {places:>15} {cpu:>7}   {psnr}")
    return lines


if __name__ == "__main__":
    main()
