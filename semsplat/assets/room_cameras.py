"""Where the 48 pictures of the generated room are taken: walks around the table at four heights."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

WIDTH, HEIGHT, FIELD_OF_VIEW = 320, 240, 62.0
WALKS = [
    # pictures, distance (m), camera height (m), height looked at (m), azimuth from and to (degrees)
    (16, 2.30, 1.28, 0.80, -104.0, 14.0),
    (15, 2.05, 1.78, 0.70, 12.0, -102.0),
    (11, 1.42, 1.22, 0.78, -98.0, 8.0),
    (6, 2.35, 0.80, 0.72, -4.0, -88.0),
]
HELD_OUT = (3, 9, 13, 19, 25, 29, 35, 38)


@dataclass(frozen=True)
class View:
    """One picture: pose (4, 4; OpenGL camera axes, metres), focal length in pixels, exposure factor, noise (of 255),
    size in pixels."""

    camera_to_world: np.ndarray
    focal: float
    exposure: float
    noise: float
    held_out: bool
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def azimuth(self) -> float:
        """Direction from the table to the camera, degrees from +x."""
        return float(np.degrees(np.arctan2(self.camera_to_world[1, 3], self.camera_to_world[0, 3])))


@lru_cache(1)
def views() -> list[View]:
    """All views in the order of the pictures; held-out ones, a little further in, have exposure 1 and no noise."""
    rng = np.random.default_rng(2024)
    focal = WIDTH / 2 / np.tan(np.radians(FIELD_OF_VIEW / 2))
    result = []
    for count, distance, height, target, begin, end in WALKS:
        for azimuth in np.radians(np.linspace(begin, end, count)):
            out = len(result) in HELD_OUT
            shake = rng.normal(0, 1, 7) * (0.6 if out else 1.0)
            reach, level = distance + 0.05 * shake[0] - 0.09 * out, height + 0.03 * shake[1] - 0.05 * out
            eye = np.array([reach * np.cos(azimuth), reach * np.sin(azimuth), level])
            centre = np.array([0.04, 0.02, target]) + 0.035 * shake[2:5]
            pose = looking(eye, centre, roll=1.0 * shake[5])
            exposure = 1.0 if out else float(np.clip(1 + 0.015 * shake[6], 0.97, 1.03))
            result.append(View(pose, focal, exposure, 0.0 if out else 1.2, out))
    return result


def looking(eye: np.ndarray, centre: np.ndarray, roll: float = 0.0) -> np.ndarray:
    """The pose (4, 4) of a camera at `eye` that looks at `centre`: x right, y up, z backwards, rolled by degrees."""
    back = (eye - centre) / np.linalg.norm(eye - centre)
    right = np.cross([0, 0, 1.0], back)
    right /= np.linalg.norm(right)
    up = np.cross(back, right)
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    pose = np.eye(4)
    pose[:3] = np.stack([c * right + s * up, c * up - s * right, back, eye], axis=1)
    return pose
