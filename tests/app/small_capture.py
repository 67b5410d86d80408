"""A small capture made on the spot: coloured blobs drawn by the rasterizer, as photos with a transforms.json."""

import json
import math
from pathlib import Path

import torch
from PIL import Image

from semsplat.app.layers import Rgb
from semsplat.app.pictures import to_bytes
from semsplat.app.session import Session
from semsplat.splatting.camera import Camera
from semsplat.splatting.gaussians import Gaussians

VIEWS, WIDTH, HEIGHT = 10, 64, 48


def blobs(count: int = 60) -> Gaussians:
    make = torch.Generator().manual_seed(3)
    points = torch.rand(count, 3, generator=make) - 0.5
    colors = torch.rand(count, 3, generator=make)
    return Gaussians.from_points(points, colors, sh_degree=0, opacity=0.9, largest_scale=0.08)


def ring(count: int = VIEWS) -> list[Camera]:
    """Cameras all around, looking a little down at the origin."""
    cameras = []
    for i in range(count):
        turn = 2 * math.pi * i / count
        position = torch.tensor([2.0 * math.cos(turn), 2.0 * math.sin(turn), 0.8])
        up = torch.tensor([0.0, 0.0, 1.0])
        cameras.append(Camera.look_at(position, torch.zeros(3), up, 0.7, WIDTH, HEIGHT))
    return cameras


def write_capture(folder: Path, gaussians: Gaussians | None = None) -> Path:
    (folder / "images").mkdir(parents=True)
    session, frames = Session(blobs() if gaussians is None else gaussians), []
    opengl = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    for i, camera in enumerate(ring()):
        name = f"images/{i:02}.png"
        Image.fromarray(to_bytes(session.picture(camera, Rgb()))).save(folder / name)
        frames.append({"file_path": name, "transform_matrix": (camera.camera_to_world @ opengl).tolist()})
    fx, fy, cx, cy = (camera.intrinsics[i, j].item() for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    lens = {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": WIDTH, "h": HEIGHT}
    (folder / "transforms.json").write_text(json.dumps({**lens, "frames": frames}))
    return folder
