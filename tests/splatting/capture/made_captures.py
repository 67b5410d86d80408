"""Small captures written by the tests: known points, known cameras, and pictures of dots where the points must be."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass
class Made:
    """Points seen by cameras on a ring, with the pixel where each must appear worked out here, in OpenGL axes."""

    folder: Path
    width: int = 160
    height: int = 120
    fx: float = 150.0
    fy: float = 140.0
    cx: float = 83.0
    cy: float = 57.0
    views: int = 3
    points: np.ndarray = field(init=False)
    poses: list[np.ndarray] = field(init=False)  # camera to world, OpenGL axes

    def __post_init__(self):
        self.points = np.random.default_rng(3).uniform(-1.2, 1.2, (12, 3))
        self.poses = []
        for turn in np.linspace(0.3, 2.0, self.views):
            back = np.array([np.cos(turn), np.sin(turn), 0.4])
            back /= np.linalg.norm(back)
            right = np.cross([0.0, 0.0, 1.0], back)
            right /= np.linalg.norm(right)
            pose = np.eye(4)
            pose[:3, :3] = np.stack([right, np.cross(back, right), back], 1)
            pose[:3, 3] = 4 * back
            self.poses.append(pose)

    def ideal(self, view: int) -> np.ndarray:
        """x right and y down over depth, (n, 2)."""
        inverse = np.linalg.inv(self.poses[view])
        x, y, z = (self.points @ inverse[:3, :3].T + inverse[:3, 3]).T
        return np.stack([x / -z, -y / -z], 1)

    def pixels(self, view: int, bend=lambda x, y: (x, y)) -> np.ndarray:
        """Where the points must appear, (n, 2) in pixels."""
        x, y = bend(*self.ideal(view).T)
        return np.stack([self.fx * x + self.cx, self.fy * y + self.cy], 1)

    def lens(self) -> dict:
        return {
            "w": self.width, "h": self.height, "fl_x": self.fx, "fl_y": self.fy, "cx": self.cx, "cy": self.cy,
        }  # fmt: skip

    def name(self, view: int) -> str:
        return f"images/{view}.png"

    def frames(self) -> list[dict]:
        return [{"file_path": self.name(i), "transform_matrix": p.tolist()} for i, p in enumerate(self.poses)]

    def write_pictures(self, bend=lambda x, y: (x, y)) -> None:
        for view in range(self.views):
            path = self.folder / self.name(view)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(dots(self.pixels(view, bend), self.width, self.height)).save(path)

    def write(self, meta: dict | None = None, name: str = "transforms.json", **more) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**(self.lens() if meta is None else meta), "frames": self.frames(), **more}))
        return path


def dots(centers: np.ndarray, width: int, height: int, radius: float = 1.3) -> np.ndarray:
    """Gray picture (h, w, 3) uint8 with a soft dot at every pixel position (first pixel centre at 0.5)."""
    y, x = np.mgrid[:height, :width] + 0.5
    picture = np.zeros((height, width))
    for u, v in centers:
        picture = np.maximum(picture, np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * radius**2)))
    return np.repeat((255 * picture).round().astype(np.uint8)[..., None], 3, axis=2)


def found(picture: np.ndarray, near: np.ndarray, reach: float = 3.5) -> np.ndarray:
    """Centroid of what is bright within ``reach`` pixels of (u, v)."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    weight = picture[..., 0].astype(float) * ((x - near[0]) ** 2 + (y - near[1]) ** 2 < reach**2)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / max(weight.sum(), 1e-9)


def projected(frame, points: np.ndarray) -> np.ndarray:
    """Points (n, 3) through the camera of a frame, (n, 2) in pixels."""
    matrix, intrinsics = (m.double().numpy() for m in (frame.camera.world_to_camera, frame.camera.intrinsics))
    inside = points @ matrix[:3, :3].T + matrix[:3, 3]
    image = inside @ intrinsics.T
    assert (inside[:, 2] > 0).all()
    return image[:, :2] / image[:, 2:]


def apart(picture_points: np.ndarray, size: tuple[int, int], reach: float = 8.0) -> np.ndarray:
    """Which of the dots lie alone and away from the border, so that a centroid is theirs."""
    distances = np.linalg.norm(picture_points[:, None] - picture_points[None], axis=-1) + 1e9 * np.eye(
        len(picture_points)
    )
    inside = (picture_points > reach) & (picture_points < np.array(size) - reach)
    return (distances.min(1) > reach) & inside.all(1)
