"""From photos with poses to a file for Blender or three.js: python photos_to_glb.py PHOTOS OUT.glb [STEPS]"""

import sys

import torch

from semsplat.app.upright import stand
from semsplat.splatting import capture, formats
from semsplat.splatting.similarity import Similarity, upright
from semsplat.splatting.start import start
from semsplat.splatting.train import train
from semsplat.splatting.train_types import TrainConfig

photos, out, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 3000

found = capture.load(photos)  # a COLMAP project, or a transforms.json and its folder
frames = capture.prepare(found, f"{out}.cache", resolution=512)  # undistorted, on disk: they stream
training, held_out = capture.split(frames, every=8)
config = TrainConfig(steps=steps, cap=30_000)
for progress in train(start(found, config, training), training, config):
    if progress.step % 500 == 0:
        print(f"step {progress.step} of {progress.steps}: {progress.psnr:.1f} dB, {progress.count:,} Gaussians")

gaussians = progress.gaussians
world, said = stand(gaussians, [frame.camera for frame in frames])
print(said)
turned = Similarity(upright(world.up, torch.tensor([0.0, -1.0, 0.0]))).gaussians(gaussians)  # -y is up in 3DGS files
formats.write(out, turned)  # and y in .glb: the format turns that by itself
print(f"{len(turned):,} Gaussians written to {out}")
