"""Points of a capture, triangulated from its pictures at their known poses with COLMAP.

Run as `python -m semsplat.assets.room_points CAPTURE`, in a process of its own: pycolmap brings its own zlib, which
breaks the one of the process if it is loaded later.
"""

import json
import sys
import tempfile
import zlib  # noqa: F401  (must be loaded before pycolmap)
from pathlib import Path

import numpy as np
from PIL import Image

POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")])
OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


def triangulate(capture: Path) -> np.ndarray:
    """Points (POINT records) seen by at least three training pictures of a capture with a reprojection error < 1.2."""
    import pycolmap

    pycolmap.logging.minloglevel = pycolmap.logging.WARNING.value

    transforms = json.loads((capture / "transforms.json").read_text())
    poses = {frame["file_path"]: np.array(frame["transform_matrix"]) for frame in transforms["frames"]}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "images").mkdir()
        pose_of = {}
        for name in transforms["train_filenames"]:
            png = Path(name).with_suffix(".png").name
            Image.open(capture / name).save(folder / "images" / png)
            pose_of[png] = np.linalg.inv(poses[name] @ OPENGL_TO_OPENCV)
        intrinsics = [transforms[key] for key in ("fl_x", "fl_y", "cx", "cy")]
        _match(pycolmap, folder, intrinsics)
        model = _posed(pycolmap, folder, pose_of)
        model = pycolmap.triangulate_points(model, folder / "features.db", folder / "images", folder)
        kept = [p for p in model.points3D.values() if p.track.length() >= 3 and p.error < 1.2]
    kept.sort(key=lambda point: tuple(point.xyz))
    result = np.zeros(len(kept), dtype=POINT)
    for number, point in enumerate(kept):
        result[number] = (*point.xyz, *point.color)
    return result


def _match(pycolmap, folder: Path, intrinsics: list[float]) -> None:
    """SIFT features of every picture and matches of every pair, into features.db."""
    reader = pycolmap.ImageReaderOptions()
    reader.camera_model = "PINHOLE"
    reader.camera_params = ",".join(map(str, intrinsics))
    extraction = pycolmap.FeatureExtractionOptions()
    extraction.use_gpu, extraction.num_threads = False, 1
    extraction.sift.peak_threshold, extraction.sift.edge_threshold = 0.0008, 20.0
    matching = pycolmap.FeatureMatchingOptions()
    matching.use_gpu, matching.num_threads = False, 1
    matching.sift.max_ratio = 0.85
    database = folder / "features.db"
    pycolmap.extract_features(
        database,
        folder / "images",
        camera_mode=pycolmap.CameraMode.SINGLE,
        reader_options=reader,
        extraction_options=extraction,
        device=pycolmap.Device.cpu,
    )
    pycolmap.match_exhaustive(database, matching_options=matching, device=pycolmap.Device.cpu)


def _posed(pycolmap, folder: Path, pose_of: dict[str, np.ndarray]):
    """A reconstruction with the known camera and world-to-camera poses (4, 4) and no points."""
    database = pycolmap.Database.open(folder / "features.db")
    model = pycolmap.Reconstruction()
    for camera in database.read_all_cameras():
        model.add_camera_with_trivial_rig(camera)
    for image in database.read_all_images():
        pose = pose_of[image.name]
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose[:3]))
    database.close()
    return model


def write_points(path: Path, points: np.ndarray) -> None:
    """POINT records as a binary little-endian PLY."""
    kind = {"f": "float", "u": "uchar"}
    fields = "".join(f"property {kind[POINT[name].kind]} {name}\n" for name in POINT.names)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n{fields}end_header\n"
    path.write_bytes(header.encode() + points.astype(POINT).tobytes())


if __name__ == "__main__":
    write_points(Path(sys.argv[1]) / "points.ply", triangulate(Path(sys.argv[1])))
