"""Structure from motion by COLMAP, in a process of its own: ``python -m semsplat.splatting.capture.sfm_worker JOB``.

Features and matches are kept in a database as they are found, so a run that was broken off goes on with what is
missing. Lines on standard output tell the stage and how far it is.
"""

import json
import os
import shutil
import sys
import time
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from . import _pycolmap, child, pairs, suspect

FEATURES = 4096  # of a photo, the largest ones
PHOTOS_AT_A_TIME = 8
ENOUGH = 0.8  # of the photos placed: with fewer, COLMAP tries again with lower demands
LEAST = 15  # matches that fit together, for a pair to count
_DATABASE, _FACTS, _SCRATCH = "features.db", "facts.json", "models"
_STILL_PAIRS = 400  # are looked at for parts that stand still

Job = dict[str, Any]


def main(order: Path) -> None:
    """Do what the file says: a trial of speed, or everything."""
    job, colmap = json.loads(order.read_text(encoding="utf-8")), _pycolmap.load()
    colmap.set_random_seed(0)
    folder = Path(job["folder"])
    if job["trial"]:
        _try(colmap, folder, job)
        return
    _extract(colmap, folder, job)
    looks = _looks(colmap, folder, job)
    listed = pairs.chosen(job["video"], [copy["place"] for copy in job["copies"]], looks)
    _match(colmap, folder, job, listed)
    facts = _map(colmap, folder, job)
    if looks is not None and (more := _further(job, listed, facts, looks)):
        _match(colmap, folder, job, more)
        facts = _map(colmap, folder, job)
    facts["still"] = _still(colmap, folder, job, listed)
    (Path(job["out"]) / _FACTS).write_text(json.dumps(facts), encoding="utf-8")


def threads() -> int:
    """As our own kernels: $SEMSPLAT_THREADS, else all cores."""
    wanted = os.environ.get("SEMSPLAT_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) > 0 else os.cpu_count() or 1


def _device(colmap: Any) -> Any:
    return colmap.Device.auto if colmap.has_cuda else colmap.Device.cpu


def _try(colmap: Any, folder: Path, job: Job) -> None:
    """Tell the seconds for a photo's features and for a pair's matches, from the few photos of the job."""
    (folder / _DATABASE).unlink(missing_ok=True)
    began = time.monotonic()
    _extract(colmap, folder, job)
    extracted = time.monotonic()
    couples = list(combinations(range(len(job["copies"])), 2))
    _match(colmap, folder, job, couples)
    matched = time.monotonic()
    (folder / _DATABASE).unlink()
    count = len(job["copies"])
    child.tell("rates", (extracted - began) / max(count, 1), (matched - extracted) / max(len(couples), 1))


def _extract(colmap: Any, folder: Path, job: Job) -> None:
    """Features of the copies that have none yet, camera by camera."""
    options = colmap.FeatureExtractionOptions()
    options.use_gpu, options.num_threads = colmap.has_cuda, threads()
    options.sift.max_num_features = FEATURES
    reader = colmap.ImageReaderOptions()
    reader.camera_model = "SIMPLE_RADIAL"
    if job["masked"]:
        reader.mask_path = folder / "masks"
    missing, cameras = _cameras(colmap, folder, job)
    total = len(job["copies"])
    done = total - sum(map(len, missing.values()))
    for camera, files in missing.items():
        reader.existing_camera_id = cameras[camera]
        for start in range(0, len(files), PHOTOS_AT_A_TIME):
            some = files[start : start + PHOTOS_AT_A_TIME]
            colmap.extract_features(
                folder / _DATABASE, folder / "images", image_names=some, camera_mode=colmap.CameraMode.SINGLE,
                reader_options=reader, extraction_options=options, device=_device(colmap),
            )  # fmt: skip
            done += len(some)
            child.tell("stage", "features", done, total)


def _cameras(colmap: Any, folder: Path, job: Job) -> tuple[dict[str, list[str]], dict[str, int]]:
    """(copies without features by camera, numbers of cameras in the database); cameras are made as needed."""
    missing, numbers = defaultdict(list), {}
    with colmap.Database.open(folder / _DATABASE) as database:
        for copy in job["copies"]:
            image = database.read_image_with_name(copy["file"]) if database.exists_image(copy["file"]) else None
            if image is not None and database.exists_keypoints(image.image_id):
                numbers.setdefault(copy["camera"], image.camera_id)
            else:
                missing[copy["camera"]].append(copy["file"])
        for copy in job["copies"]:
            if copy["camera"] not in numbers:
                width, height = copy["working"]
                focal = copy["focal"] or 1.2 * max(width, height)
                camera = colmap.Camera.create_from_model_name(0, "SIMPLE_RADIAL", focal, width, height)
                camera.has_prior_focal_length = copy["focal"] is not None
                numbers[copy["camera"]] = database.write_camera(camera)
    return missing, numbers


def _looks(colmap: Any, folder: Path, job: Job) -> np.ndarray | None:
    """A vector for each photo, see :func:`pairs.vlad`; None where all are matched with all."""
    copies, random = job["copies"], np.random.default_rng(0)
    if len(copies) <= pairs.EXHAUSTIVE and not job["video"]:
        return None
    with colmap.Database.open(folder / _DATABASE) as database:
        ids = _ids(database, copies)

        def read(number: int, most: int) -> np.ndarray:
            if not database.exists_descriptors(ids.get(number, 0)):
                return np.zeros((0, 128), np.float32)
            found = np.asarray(database.read_descriptors(ids[number]).data, np.float32)
            return found[random.permutation(len(found))[:most]] / 512.0

        each = max(8, 20_000 // max(len(copies), 1))
        words = pairs.vocabulary(np.concatenate([read(i, each) for i in range(len(copies))]))
        result = []
        for number in range(len(copies)):
            result.append(pairs.vlad(read(number, FEATURES), words))
            if number % PHOTOS_AT_A_TIME == 0:
                child.tell("stage", "comparing", number + 1, len(copies))
    return np.stack(result)


def _further(job: Job, listed: list[tuple[int, int]], facts: Job, looks: np.ndarray) -> list[tuple[int, int]]:
    """Pairs to try for the photos that could not be placed with those that were chosen."""
    left = [number for number, copy in enumerate(job["copies"]) if copy["file"] not in facts.get("placed", {})]
    return pairs.further(listed, left, looks) if left else []


def _ids(database: Any, copies: list[Job]) -> dict[int, int]:
    """Numbers in the database by place in the list."""
    known = {image.name: image.image_id for image in database.read_all_images()}
    return {number: known[copy["file"]] for number, copy in enumerate(copies) if copy["file"] in known}


def _match(colmap: Any, folder: Path, job: Job, listed: list[tuple[int, int]]) -> None:
    """Matches of the pairs that have none yet."""
    options, checking = colmap.FeatureMatchingOptions(), colmap.TwoViewGeometryOptions()
    options.use_gpu, options.num_threads = colmap.has_cuda, threads()
    checking.ransac.random_seed = 0
    pairing = colmap.ImportedPairingOptions()
    pairing.match_list_path = folder / "pairs.txt"
    with colmap.Database.open(folder / _DATABASE) as database:
        ids = _ids(database, job["copies"])
        left = [(i, j) for i, j in listed if i in ids and j in ids]
        left = [(i, j) for i, j in left if not database.exists_two_view_geometry(ids[i], ids[j])]
    done, total = len(listed) - len(left), len(listed)
    for some in pairs.batches(left, max(40, min(256, total // 8))):
        lines = [f"{job['copies'][i]['file']} {job['copies'][j]['file']}" for i, j in some]
        pairing.match_list_path.write_text("\n".join(lines) + "\n", encoding="ascii")
        colmap.match_image_pairs(folder / _DATABASE, options, pairing, checking, device=_device(colmap))
        done += len(some)
        child.tell("stage", "matches", done, total)


def _map(colmap: Any, folder: Path, job: Job) -> Job:
    """Place the photos, write the model with most of them; what is to be known of it."""
    files = [copy["file"] for copy in job["copies"]]
    best: list[Any] = []
    for relaxed in (False, True):
        models = _mapped(colmap, folder, files, relaxed)
        if sum(m.num_reg_images() for m in models[:1]) > sum(m.num_reg_images() for m in best[:1]):
            best = models
        if best and best[0].num_reg_images() >= ENOUGH * len(files):
            break
    shutil.rmtree(folder / _SCRATCH, ignore_errors=True)
    facts: Job = {"models": [model.num_reg_images() for model in best], "matched": _matched(colmap, folder, files)}
    if best:
        best[0].write(Path(job["out"]))
        facts |= _facts(best[0])
    return facts


def _mapped(colmap: Any, folder: Path, files: list[str], relaxed: bool) -> list[Any]:
    """COLMAP's models, that with most photos first."""
    options = colmap.IncrementalPipelineOptions()
    options.num_threads, options.random_seed, options.image_names = threads(), 0, files
    options.min_model_size = max(2, min(10, len(files) // 3))
    if relaxed:
        options.min_num_matches = 10
        options.mapper.init_min_num_inliers, options.mapper.init_min_tri_angle = 40, 5.0
        options.mapper.abs_pose_min_num_inliers = 15
    shutil.rmtree(folder / _SCRATCH, ignore_errors=True)
    (folder / _SCRATCH).mkdir()
    placed = 0

    def heard() -> None:
        nonlocal placed
        placed = min(placed + 1, len(files))
        child.tell("stage", "again" if relaxed else "poses", placed, len(files))

    models = colmap.incremental_mapping(
        folder / _DATABASE, folder / "images", folder / _SCRATCH, options=options, next_image_callback=heard
    )
    return sorted(models.values(), key=lambda model: (-model.num_reg_images(), -model.num_points3D()))


def _facts(model: Any) -> Job:
    """What the warnings go by."""
    images = [image for image in model.images.values() if image.has_pose]
    return {
        "placed": {image.name: int(image.num_points3D) for image in images},
        "points": model.num_points3D(),
        "error": float(model.compute_mean_reprojection_error()),
        "lenses": {image.name: [float(p) for p in model.cameras[image.camera_id].params] for image in images},
    }


def _matched(colmap: Any, folder: Path, files: list[str]) -> dict[str, int]:
    """How many other photos each could be matched with."""
    wanted, partners = set(files), Counter()
    with colmap.Database.open(folder / _DATABASE) as database:
        names = {image.image_id: image.name for image in database.read_all_images()}
        for couple, inliers in zip(*database.read_two_view_geometry_num_inliers(), strict=True):
            ends = [names[number] for number in colmap.pair_id_to_image_pair(couple)]
            if inliers >= LEAST and wanted.issuperset(ends):
                partners.update(ends)
    return dict(partners)


def _still(colmap: Any, folder: Path, job: Job, listed: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(matches that stand still, matches that move) of pairs: see :func:`suspect.still_and_moving`."""
    found = []
    with colmap.Database.open(folder / _DATABASE) as database:
        ids = _ids(database, job["copies"])
        keypoints: dict[int, np.ndarray] = {}
        for i, j in listed[:: max(1, len(listed) // _STILL_PAIRS)]:
            if job["copies"][i]["working"] != job["copies"][j]["working"] or not {i, j} <= ids.keys():
                continue
            matches = np.asarray(database.read_matches(ids[i], ids[j]))
            for number in (i, j):
                if number not in keypoints:
                    keypoints[number] = np.asarray(database.read_keypoints(ids[number]))[:, :2]
            if len(matches):
                found.append(suspect.still_and_moving(keypoints[i][matches[:, 0]], keypoints[j][matches[:, 1]]))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
