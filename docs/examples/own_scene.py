"""A scene without photos: Gaussians made by hand, drawn, changed, written: python own_scene.py FOLDER"""

import math
import sys
from pathlib import Path

import torch
from PIL import Image

from semsplat.splatting import formats
from semsplat.splatting.camera import Camera
from semsplat.splatting.edit import Duplicate, Rotate, Tint, turn
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
turns = torch.linspace(0.0, 6 * math.pi, 3000)  # a spring that stands on the origin, z up
points = torch.stack([turns.cos(), turns.sin(), 0.1 * turns], dim=1)
colors = 0.5 + 0.5 * torch.stack([points[:, 0], points[:, 1], 1.0 - points[:, 2]], dim=1)
spring = Gaussians.from_points(points, colors.clamp(0.0, 1.0), sh_degree=0, opacity=0.9, largest_scale=0.04)
eye, target, up = torch.tensor([0.0, -5.0, 3.0]), torch.tensor([1.0, 0.0, 0.9]), torch.tensor([0.0, 0.0, 1.0])
camera = Camera.look_at(eye, target, up, math.radians(50), 640, 480)
upper = spring.ids[spring.means[:, 2] > 1.0]  # edits name Gaussians by id, so they can be undone and combined
edits = (
    Tint(upper, (1.0, 0.5, 0.0)),
    Rotate(upper, turn((0, 1, 0), 20.0), (0, 0, 1)),
    Duplicate(spring.ids, (2.5, 0, 0)),
)
for edit in edits:
    spring = edit(spring)
image = splat(spring, camera) @ spring.colors(camera)  # W @ colours: (480, 640, 3)
Image.fromarray((255 * image.detach().clamp(0.0, 1.0)).byte().numpy()).save(folder / "spring.png")
for name in ("spring.ply", "spring.spz", "spring.glb"):
    formats.write(folder / name, spring)
print(f"{len(spring):,} Gaussians in {folder}")
