"""Meshes of the bundled capture against the true ones that its generator makes.

python benchmarks/mesh.py SCENE [--things mug teapot ...] [--look FOLDER] [--save]

SCENE is a scene folder of the bundled capture, such as semsplat demo makes; nothing is written into it. A thing is the
Gaussians to which the exact labels of the training pictures give it, mended as an export mends them. Accuracy is the
mean distance from 30,000 points of the mesh to the true surface, completeness that from as many points of the truth to
the mesh; the Chamfer distance is their mean. The F-score at a threshold is the harmonic mean of the shares of both that
are nearer. What no training picture sees is left out ("seen"), then counted too ("all").
"""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, emit
from PIL import Image
from scipy.spatial import KDTree

from semsplat import assets
from semsplat.app import export_mesh
from semsplat.app.scene import Scene
from semsplat.assets.room_light import room, visible
from semsplat.assets.room_parts import NAMES
from semsplat.distill.segment.alone import isolated
from semsplat.splatting.camera import Camera
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.ids import rows_of
from semsplat.splatting.splat import splat
from semsplat.splatting.surface import files, shapes
from semsplat.splatting.surface.look import seen_from
from semsplat.splatting.surface.mesh import mesh
from semsplat.splatting.surface.types import How, Mesh

SAMPLES, SHARES, FIXED = 30_000, (0.01, 0.02), 0.01  # points; thresholds: of the thing's diagonal, and metres
THINGS = (
    "mug", "teapot", "bowl", "vase", "plate", "books", "bear", "plant", "carton", "lamp", "chair_window", "chair_bear",
    "table",
)  # fmt: skip
WHOLE = "the whole room"


def labels_of(gaussians: Gaussians, scene: Scene) -> torch.Tensor:
    """The thing that each Gaussian mostly shows, by the exact labels of the training pictures."""
    votes = torch.zeros(len(gaussians), len(NAMES))
    for view in scene.views:
        if not view.held_out:
            exact = np.array(Image.open(assets.ROOM / "labels" / f"{Path(view.name).stem}.png")).astype(np.int64)
            masks = torch.nn.functional.one_hot(torch.from_numpy(exact), len(NAMES)).float()
            votes += splat(gaussians, view.camera).detach().T @ masks
    return torch.where(votes.sum(1) > 1e-6, votes.argmax(1), 0)


def scattered(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Points (SAMPLES, 3) evenly on triangles."""
    rng = np.random.default_rng(0)
    a, b, c = (points[faces[:, k]].astype(np.float64) for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    face = rng.choice(len(faces), SAMPLES, p=area / area.sum())
    u = rng.random((SAMPLES, 2))
    u = np.where(u.sum(1, keepdims=True) > 1, 1 - u, u)
    return a[face] + u[:, :1] * (b - a)[face] + u[:, 1:] * (c - a)[face]


@dataclass(frozen=True)
class Truth:
    """The true surface of a thing."""

    points: np.ndarray  # corners
    faces: np.ndarray
    places: np.ndarray  # (SAMPLES, 3) on it
    seen: np.ndarray  # whether any of the cameras sees them


def truth(thing: str, cameras: list[Camera]) -> Truth:
    """The generator's mesh."""
    scene = room()
    chosen = np.ones(len(scene.faces), bool) if thing == WHOLE else scene.face_label == list(NAMES).index(thing)
    places = scattered(scene.points, scene.faces[chosen])
    seen = np.zeros(len(places), bool)
    for camera in cameras:
        view, lens = camera.world_to_camera.double().numpy(), camera.intrinsics.double().numpy()
        local = places @ view[:3, :3].T + view[:3, 3]
        pixels = local[:, :2] / local[:, 2:] * lens[[0, 1], [0, 1]] + lens[:2, 2]
        inside = (local[:, 2] > 0) & (pixels >= 0).all(1) & (pixels < [camera.width, camera.height]).all(1)
        inside = np.flatnonzero(inside & ~seen)
        eye = camera.center.double().numpy()
        start = places[inside] + 2e-3 * (eye - places[inside]) / np.linalg.norm(eye - places[inside], axis=1)[:, None]
        seen[inside] = visible(scene.seen, start, np.broadcast_to(eye, start.shape))
    return Truth(scene.points, scene.faces[chosen], places, seen)


def distances(places: np.ndarray, points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """From places to the nearest triangle."""
    import open3d

    caster = open3d.t.geometry.RaycastingScene(nthreads=2)
    caster.add_triangles(open3d.core.Tensor(points.astype(np.float32)), open3d.core.Tensor(faces.astype(np.uint32)))
    return caster.compute_distance(open3d.core.Tensor(places.astype(np.float32)), nthreads=2).numpy()


def compared(made: Mesh, true: Truth) -> dict[str, Any]:
    """Distances in millimetres and F-scores, of what pictures show and of everything."""
    found, places, seen = scattered(made.points, made.faces), true.places, true.seen
    diagonal = float(np.linalg.norm(np.ptp(places, axis=0)))
    nearest = KDTree(places).query(found)[1]
    to_truth, to_mesh = distances(found, true.points, true.faces), distances(places, made.points, made.faces)
    result: dict[str, Any] = {"diagonal_m": round(diagonal, 3), "share_seen": round(float(seen.mean()), 3)}
    for name, a, b in (("seen", to_truth[seen[nearest]], to_mesh[seen]), ("all", to_truth, to_mesh)):
        facts = {"accuracy_mm": a.mean() * 1e3, "completeness_mm": b.mean() * 1e3}
        facts["chamfer_mm"] = (facts["accuracy_mm"] + facts["completeness_mm"]) / 2
        thresholds = {f"f_{share:.0%}": share * diagonal for share in SHARES} | {"f_10mm": FIXED}
        for key, threshold in thresholds.items():
            precise, complete = float((a < threshold).mean()), float((b < threshold).mean())
            facts[key] = 2 * precise * complete / max(precise + complete, 1e-9)
        result[name] = {key: round(float(value), 3) for key, value in facts.items()}
    return result


@dataclass(frozen=True)
class Known:
    """The scene, and what is found out once for all things."""

    gaussians: Gaussians
    cameras: list[Camera]  # of the training pictures
    labels: torch.Tensor
    seen: torch.Tensor


def tried(thing: str, known: Known, how: How, look: Path | None) -> dict[str, Any]:
    """Figures of one thing."""
    gaussians, labels, cameras = known.gaussians, known.labels, known.cameras
    selection = torch.ones_like(labels, dtype=torch.bool) if thing == WHOLE else labels == list(NAMES).index(thing)
    own = isolated(gaussians, selection, cameras)
    seen = known.seen[rows_of(gaussians.ids, own.ids)]
    began = time.perf_counter()
    made = mesh(own, seen, cameras, how)
    seconds = time.perf_counter() - began
    if look is not None:
        files.write(look / f"{thing.replace(' ', '-')}.ply", made)
    facts: dict[str, Any] = {"gaussians": len(own), "triangles": len(made.faces), "seconds": round(seconds, 1)}
    return facts | {"closed": shapes.is_closed(made.faces)} | compared(made, truth(thing, cameras))


def main() -> None:
    """Run it."""
    parser = arguments(__doc__ or "")
    parser.add_argument("scene", type=Path, help="a scene folder of the bundled capture")
    parser.add_argument("--things", nargs="*", default=[*THINGS, WHOLE], help="which (all)")
    parser.add_argument("--look", type=Path, help="a folder for the meshes, to look at")
    given = parser.parse_args()
    scene = Scene.open(given.scene)
    gaussians = scene.gaussians
    cameras = [view.camera for view in scene.views if not view.held_out]
    known = Known(gaussians, cameras, labels_of(gaussians, scene), seen_from(gaussians, cameras))
    head = (
        f"{'':14} {'triangles':>9} {'closed':>6} {'s':>6}   {'Chamfer mm':>10} {'F 1 %':>6} {'F 2 %':>6} {'F 10 mm':>7}"
    )
    lines, found = [head + "   the same with what no picture shows"], {}
    for thing in given.things:
        how = How(watertight=True) if thing != WHOLE else How(**export_mesh.WHOLE)
        how = replace(how, resolution=40) if given.quick else how
        facts = found[thing] = tried(thing, known, how, given.look)
        row = f"{thing:14} {facts['triangles']:9,} {'yes' if facts['closed'] else 'no':>6} {facts['seconds']:6.1f}"
        for part in ("seen", "all"):
            its = facts[part]
            row += f"   {its['chamfer_mm']:10.1f} {its['f_1%']:6.2f} {its['f_2%']:6.2f} {its['f_10mm']:7.2f}"
        lines.append(row)
        print(row, file=sys.stderr, flush=True)
    things = [facts for thing, facts in found.items() if thing != WHOLE]
    mean = {
        part: {key: round(float(np.mean([facts[part][key] for facts in things])), 3) for key in things[0][part]}
        for part in ("seen", "all")
    } if things else {}  # fmt: skip
    command = "python benchmarks/mesh.py SCENE --save"
    emit("mesh", {"command": command, "mean": mean, "things": found}, lines, given.save)


if __name__ == "__main__":
    main()
