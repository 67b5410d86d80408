"""Points of a capture whose poses are known and that comes with none: matched SIFT features, triangulated by COLMAP.

COLMAP runs in a process of its own (``python -m semsplat.splatting.capture.triangulate JOB OUT``). It works
with one thread: with more, the numbers of its pictures depend on which is ready first, and the points on those.
"""

import json
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ..camera import Camera
from ..files import replacing
from . import _pycolmap, child
from .types import Frame

VERSION = 1  # of the recipe
PARTNERS = 24  # each photo is matched with so many others, those that look most alike by pose
BATCHES = 20  # of pairs to match, so that progress can be told
TRACK, ERROR = 3, 1.2  # a point is seen in at least so many photos, with a reprojection error below so many pixels
FILE = "points.npz"  # in the cache

Report = Callable[[int, int], None]


def triangulate(
    frames: Sequence[Frame], cache: Path, report: Report | None = None
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """(points in world units, colours in [0, 1]) that at least three frames see; made once, then read from ``cache``.

    Args:
        frames: prepared; what their masks leave out gives no points.
        report: told (done, total) of the work.

    Raises:
        InputError: the cache cannot be written, or COLMAP failed (its last words are in the sentence).
    """
    job = {"version": VERSION, "frames": [_entry(frame) for frame in frames]}
    known = _read(cache / FILE, job)
    if known is None:
        with replacing(cache / FILE) as temporary:
            _run(job, temporary, report)
        known = _read(cache / FILE, job)
        assert known is not None  # it was just written for this job
    return torch.from_numpy(known[0]), torch.from_numpy(known[1])


def pairs(cameras: Sequence[Camera], partners: int = PARTNERS) -> list[tuple[int, int]]:
    """Which views are worth matching: each with those that are nearest in place and direction."""
    centers = torch.stack([camera.center for camera in cameras]).double()
    axes = torch.nn.functional.normalize(torch.stack([c.world_to_camera[2, :3] for c in cameras]).double(), dim=-1)
    apart = torch.cdist(centers, centers)
    apart = apart / apart.median().clamp_min(1e-12) + (1 - axes @ axes.T)
    nearest = apart.fill_diagonal_(torch.inf).topk(min(partners, len(cameras) - 1), largest=False).indices
    return sorted({(min(i, j), max(i, j)) for i, row in enumerate(nearest.tolist()) for j in row})


def _entry(frame: Frame) -> dict[str, Any]:
    camera, stat = frame.camera, frame.pixels.stat()
    return {
        "pixels": str(frame.pixels.resolve()),
        "identity": [stat.st_size, stat.st_mtime_ns],
        "size": [camera.width, camera.height],
        "intrinsics": camera.intrinsics.tolist(),
        "world_to_camera": camera.world_to_camera.tolist(),
    }


def _read(path: Path, job: dict[str, Any]) -> tuple[np.ndarray, np.ndarray] | None:
    """What the cache holds, if it was made from the same frames."""
    try:
        with path.open("rb") as stream, np.load(stream) as file:  # NumPy leaves a damaged file open
            if str(file["job"]) == json.dumps(job):
                return file["points"], file["colors"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return None


def _run(job: dict[str, Any], target: Path, report: Report | None) -> None:
    """COLMAP in a child process, which tells its progress line by line."""

    def hear(line: str) -> None:
        if report and line.startswith("progress "):
            done, total = line.split()[1:]
            report(int(done), int(total))

    with tempfile.TemporaryDirectory(prefix="semsplat-") as scratch:
        order = Path(scratch) / "job.json"
        order.write_text(json.dumps(job))
        failure = "COLMAP could not triangulate points ({}); leave it out with --no-points."
        child.run(__name__, [str(order), str(target)], hear, failure)


def _main(order: Path, target: Path) -> None:
    job = json.loads(order.read_text())
    with tempfile.TemporaryDirectory(prefix="semsplat-") as scratch:
        points, colors = _reconstruct(job["frames"], Path(scratch))
    np.savez_compressed(target, points=points, colors=colors, job=np.array(json.dumps(job)))


def _reconstruct(entries: list[dict[str, Any]], folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write the pictures, find features, match, triangulate. (points (n, 3), colours (n, 3) in [0, 1]), float32."""
    pycolmap = _pycolmap.load()
    total = len(entries) + BATCHES + 1
    for name in ("images", "masks"):
        (folder / name).mkdir()
    names = {f"{number:06}.png": entry for number, entry in enumerate(entries)}
    for name, entry in names.items():
        pixels = np.load(entry["pixels"])
        Image.fromarray(pixels[..., :3]).save(folder / "images" / name)
        if pixels.shape[2] == 4:
            Image.fromarray((pixels[..., 3] > 127).astype(np.uint8) * 255).save(folder / "masks" / f"{name}.png")
    _extract(pycolmap, folder, names)
    child.tell("progress", len(entries), total)
    _match(pycolmap, folder, names, lambda done: child.tell("progress", len(entries) + done, total))
    model = _posed(pycolmap, folder, names)
    pipeline = pycolmap.IncrementalPipelineOptions()
    pipeline.random_seed = pipeline.triangulation.random_seed = 0
    pipeline.num_threads = 1
    model = pycolmap.triangulate_points(model, folder / "features.db", folder / "images", folder, options=pipeline)
    kept = [p for p in model.points3D.values() if p.track.length() >= TRACK and p.error < ERROR]
    kept.sort(key=lambda point: tuple(point.xyz))
    points = np.array([point.xyz for point in kept], np.float32).reshape(-1, 3)
    return points, np.array([point.color for point in kept], np.float32).reshape(-1, 3) / 255


def _extract(pycolmap: Any, folder: Path, names: dict[str, dict[str, Any]]) -> None:
    """SIFT features into features.db, of the pictures' own cameras."""
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.use_gpu, extraction.num_threads = False, 1
    extraction.sift.peak_threshold, extraction.sift.edge_threshold = 0.0008, 20.0  # many: the pictures are small
    reader = pycolmap.ImageReaderOptions()
    reader.camera_model = "PINHOLE"
    if any((folder / "masks").iterdir()):
        reader.mask_path = folder / "masks"
    pycolmap.extract_features(
        folder / "features.db",
        folder / "images",
        camera_mode=pycolmap.CameraMode.PER_IMAGE,
        reader_options=reader,
        extraction_options=extraction,
        device=pycolmap.Device.cpu,
    )
    with pycolmap.Database.open(folder / "features.db") as database:
        cameras = {camera.camera_id: camera for camera in database.read_all_cameras()}
        for image in database.read_all_images():
            camera = cameras[image.camera_id]
            (fx, _, cx), (_, fy, cy), _ = names[image.name]["intrinsics"]
            camera.params, camera.has_prior_focal_length = [fx, fy, cx, cy], True
            database.update_camera(camera)


def _match(pycolmap: Any, folder: Path, names: dict[str, dict[str, Any]], report: Callable[[int], None]) -> None:
    """Matches of the pairs that are worth it, in batches."""
    matching = pycolmap.FeatureMatchingOptions()
    matching.use_gpu, matching.sift.max_ratio, matching.num_threads = False, 0.85, 1
    checking = pycolmap.TwoViewGeometryOptions()
    checking.ransac.random_seed = 0  # the same result every time, with any number of threads
    pairing, listed = pycolmap.ImportedPairingOptions(), list(names)
    pairing.match_list_path = folder / "pairs.txt"
    wanted = pairs([_camera(entry) for entry in names.values()])
    for batch in range(BATCHES):
        chosen = wanted[batch::BATCHES]
        if chosen:
            lines = [f"{listed[i]} {listed[j]}" for i, j in chosen]
            (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
            pycolmap.match_image_pairs(folder / "features.db", matching, pairing, checking, device=pycolmap.Device.cpu)
        report(batch + 1)


def _camera(entry: dict[str, Any]) -> Camera:
    pose, intrinsics = torch.tensor(entry["world_to_camera"]), torch.tensor(entry["intrinsics"])
    return Camera(pose, intrinsics, *entry["size"])


def _posed(pycolmap: Any, folder: Path, names: dict[str, dict[str, Any]]) -> Any:
    """A reconstruction with the known cameras and poses, and no points."""
    model = pycolmap.Reconstruction()
    with pycolmap.Database.open(folder / "features.db") as database:
        for camera in database.read_all_cameras():
            model.add_camera_with_trivial_rig(camera)
        for image in database.read_all_images():
            pose = np.array(names[image.name]["world_to_camera"])
            model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose[:3]))
    return model


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
