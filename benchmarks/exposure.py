"""Do photos of different exposure and white balance become floaters, and what do maps of colours for each cost?

Fits a capture as it is, and with every training photo in a light of its own (exposure up to +-STOPS stops, red and blue
up to +-TINT), without and with ``--exposure``; scored on held-out photos, which stay as they are. Floaters are pixels
of the held-out views that are nearer than 0.8 times the depth of the fit to unchanged photos.

    python benchmarks/exposure.py [SOURCE] --steps 800 --cap 8000 --resolution 160
"""

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from common import RESULTS

from semsplat.app.demo import bundled
from semsplat.app.evaluate import evaluate
from semsplat.splatting import capture
from semsplat.splatting.splat import splat
from semsplat.splatting.start import start
from semsplat.splatting.train import train
from semsplat.splatting.train_types import TrainConfig

STOPS, TINT, GAMMA, NEARER = 0.7, 0.15, 2.2, 0.8


def relit(frames, folder: Path, seed: int = 5):
    """The frames in lights of their own."""
    make, changed = np.random.default_rng(seed), []
    for number, frame in enumerate(frames):
        red, blue = 1.0 + make.uniform(-TINT, TINT, 2)
        gains = 2.0 ** make.uniform(-STOPS, STOPS) * np.array([red, 1.0, blue])
        pixels = np.load(frame.pixels)
        light = (pixels[..., :3] / 255.0) ** GAMMA * gains
        pixels[..., :3] = np.rint(255.0 * light.clip(0, 1) ** (1 / GAMMA))
        np.save(folder / f"{number}.npy", pixels)
        changed.append(dataclasses.replace(frame, pixels=folder / f"{number}.npy"))
    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", type=Path, default=bundled())
    for name, value in (("steps", 800), ("cap", 8000), ("resolution", 160)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        found = capture.load(asked.source)
        frames = capture.prepare(found, cache, asked.resolution)
        training, held_out = capture.split(frames, 8)
        rows, depths = [], None
        for name, shown in (("as they are", training), ("relit", relit(training, Path(cache)))):
            for on in (False, True):
                config = TrainConfig(steps=asked.steps, cap=asked.cap, exposure=on)
                *_, last = train(start(found, config, shown), shown, config)
                scores = evaluate(last.gaussians, held_out)
                drawn = [splat(last.gaussians, f.camera).detach().depth() for f in held_out]
                depths = depths or drawn
                pairs = zip(drawn, depths, strict=True)
                near = torch.stack([(depth < NEARER * true)[true > 0].float().mean() for depth, true in pairs])
                row = {
                    "photos": name,
                    "exposure": "on" if on else "off",
                    "psnr": round(sum(s.psnr for s in scores) / len(scores), 2),
                    "psnr_corrected": round(sum(s.psnr_corrected or 0.0 for s in scores) / len(scores), 2),
                    "ssim": round(sum(s.ssim for s in scores) / len(scores), 4),
                    "nearer": round(float(near.mean()), 4),
                }
                print(row, flush=True)
                rows.append(row)
    facts = {name: getattr(asked, name) for name in ("steps", "cap", "resolution")}
    path = RESULTS / f"exposure_{asked.source.name}.json"
    path.write_text(json.dumps({"source": asked.source.name, **facts, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
