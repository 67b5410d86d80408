"""What each format of Gaussians costs: size, seconds, and PSNR of pictures after writing and reading.

Run: python benchmarks/formats.py --save --scene FITTED (a scene fitted to the bundled capture; fitted now without
--scene, three minutes). With $SEMSPLAT_CAPTURES also splats of others.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from common import arguments, emit, shell
from meaning_common import captures, fitted

from semsplat import assets
from semsplat.app.scene import Scene
from semsplat.distill.own_cameras import choose
from semsplat.splatting import formats
from semsplat.splatting.camera import Camera
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

REAL = ("playcanvas_biker.compressed.ply", "playbot_lod3_3dgs_sh2.ply", "juleelee_model.splat")
VIEWS, WIDTH, HEIGHT = 8, 320, 240


@torch.no_grad()
def pictures(gaussians: Gaussians, cameras: list[Camera]) -> torch.Tensor:
    """Over black, in [0, 1]."""
    return torch.stack([(splat(gaussians, c) @ gaussians.colors(c)).clamp(0.0, 1.0) for c in cameras])


def trial(gaussians: Gaussians, cameras: list[Camera]) -> dict[str, dict[str, Any]]:
    """Every format that can be written."""
    before, found = pictures(gaussians, cameras), {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in sorted(formats.writable()):
            path = Path(folder) / f"all{suffix}"
            began = time.perf_counter()
            formats.write(path, gaussians)
            written = time.perf_counter()
            back = formats.read(path)
            read = time.perf_counter()
            error = (pictures(back, cameras) - before).square().mean().item()
            found[suffix] = {
                "bytes_a_gaussian": round(path.stat().st_size / max(len(gaussians), 1), 2),
                "megabytes": round(path.stat().st_size / 1e6, 3),
                "psnr": round(-10.0 * torch.tensor(error).log10().item(), 2) if error else None,  # None: the same
                "write_seconds": round(written - began, 3),
                "read_seconds": round(read - written, 3),
            }
    return found


def table(name: str, gaussians: Gaussians, found: dict[str, dict[str, Any]]) -> list[str]:
    """For people."""
    lines = [f"{name}: {len(gaussians):,} Gaussians, degree {gaussians.sh_degree}"]
    lines.append(f"  {'':16}{'MB':>9}{'bytes each':>12}{'PSNR dB':>10}{'write s':>9}{'read s':>9}")
    for suffix, one in found.items():
        psnr = "exact" if one["psnr"] is None else f"{one['psnr']:.2f}"
        lines.append(
            f"  {suffix:16}{one['megabytes']:9.3f}{one['bytes_a_gaussian']:12.2f}{psnr:>10}"
            f"{one['write_seconds']:9.3f}{one['read_seconds']:9.3f}"
        )
    return lines


def main() -> None:
    """See the module."""
    parser = arguments(__doc__)
    parser.add_argument("--scene", type=Path, help="a scene fitted to the bundled capture")
    wanted = parser.parse_args()
    scenes: dict[str, tuple[Gaussians, list[Camera]]] = {}
    if wanted.quick:
        some = shell(count=300)
        scenes["shell"] = some.gaussians, list(some.cameras)[:2]
    else:
        opened = Scene.open(wanted.scene or fitted(Path("build/formats/room"), assets.ROOM, "--cap", 20_000))
        scenes["bundled room"] = opened.gaussians, [view.camera for view in opened.views if view.held_out]
        for name in REAL if (real := captures()) is not None else ():
            gaussians = formats.read(real / "splats" / name)
            cameras, _ = choose(gaussians, VIEWS, WIDTH, HEIGHT, torch.tensor([0.0, -1.0, 0.0]))
            scenes[name] = gaussians, cameras
    result, lines = {}, []
    for name, (gaussians, cameras) in scenes.items():
        result[name] = trial(gaussians, cameras)
        lines += table(name, gaussians, result[name])
    emit("formats", {"views": VIEWS, "scenes": result}, lines, wanted.save)


if __name__ == "__main__":
    main()
