"""One run on a machine with an NVIDIA GPU, one JSON: is the CUDA rasterizer right, and how fast is it?

    python benchmarks/gpu.py > gpu.json
    python benchmarks/gpu.py --only compare timings --minutes 0.5

Needs the package, its extra [cuda] and nothing else: scenes are generated, the capture comes with the package. A part
that fails is reported under its name, the others go on; exit status 1 then, 2 where there is no GPU.
"""

import argparse
import json
import math
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from semsplat.splatting import capture as captures
from semsplat.splatting.blend import Blend
from semsplat.splatting.camera import Camera
from semsplat.splatting.errors import SemsplatError
from semsplat.splatting.gaussians import GEOMETRY, Gaussians
from semsplat.splatting.losses import psnr, ssim
from semsplat.splatting.splat import splat
from semsplat.splatting.start import start
from semsplat.splatting.train import target, train
from semsplat.splatting.train_types import TrainConfig

ROOT = Path(__file__).parents[1]
CHANNELS = (3, 16, 32, 64, 128, 512)
DENSITIES = {"sparse": 0.8, "dense": 1.6}  # how large the Gaussians are: about 15 and 50 contributions a pixel
REPEATS, WARM = 10, 3


def generated(count: int, size: float, seed: int = 0) -> Gaussians:
    """Random Gaussians in a box, on the CPU; ``size`` times larger or smaller."""
    make = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=make)

    return Gaussians(
        means=(torch.rand(count, 3, generator=make) - 0.5) * 4,
        quats=normal(count, 4),
        log_scales=normal(count, 3) * 0.5 + math.log(size * 0.5 / count ** (1 / 3)),
        logit_opacities=normal(count) * 1.5,
        sh=normal(count, 16, 3) * 0.2,
    )


def view(width: int, height: int) -> Camera:
    """Into the box, from outside."""
    eye, up = torch.tensor([1.0, -4.0, 1.0]), torch.tensor([0.0, 0.0, 1.0])
    return Camera.look_at(eye, torch.zeros(3), up, 0.9, width, height)


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def milliseconds(work: Callable[[], Any], device: str) -> float:
    """Median wall time of ``work``, with the device idle before and after."""
    times = []
    for _ in range(WARM + REPEATS):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        times.append(1e3 * (time.perf_counter() - began))
    return round(statistics.median(times[WARM:]), 4)


def peak(device: str) -> float | None:
    """GB at the worst moment since the last call; None on the CPU."""
    if device != "cuda":
        return None
    most = torch.cuda.max_memory_allocated() / 1e9
    torch.cuda.reset_peak_memory_stats()
    return round(most, 3)


# --------------------------------------------------------------------------------------------------------- the parts


def machine(device: str, options: argparse.Namespace) -> dict[str, Any]:
    """What ran."""
    packages = {}
    for name in ("semsplat", "torch", "gsplat", "numpy", "numba"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    found = {"python": platform.python_version(), "packages": packages, "cuda_of_torch": torch.version.cuda}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {"gpu": properties.name, "capability": f"{properties.major}.{properties.minor}"}
        found["gpu_memory_gb"] = round(properties.total_memory / 1e9, 1)
    return found


def build(device: str, options: argparse.Namespace) -> dict[str, Any]:
    """The first picture: gsplat is compiled, if it was not yet."""
    from semsplat.splatting._cuda_tools import needs_build

    due, began = needs_build(), time.perf_counter()
    gaussians = generated(100, 1.0).to(device)
    splat(gaussians, view(64, 48)).composite(gaussians.colors(view(64, 48)))
    wait(device)
    return {"compiled_now": due, "seconds_to_first_picture": round(time.perf_counter() - began, 1)}


def tests(device: str, options: argparse.Namespace) -> dict[str, Any]:
    """pytest -m gpu, in a process of its own."""
    if not (ROOT / "tests").is_dir():
        return {"skipped": f"{ROOT} has no tests"}
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "--no-header", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=480, check=False)
    lines = done.stdout.strip().splitlines()
    found = {"status": done.returncode, "summary": lines[-1] if lines else done.stderr[-500:]}
    if done.returncode:
        found["output"] = "\n".join(lines)[-6000:]
        raise PartFailed(found)
    return found


def compare(device: str, options: argparse.Namespace) -> dict[str, Any]:
    """The same scene by both rasterizers: pictures, depth, and every gradient."""
    camera, pictures, gradients = view(640, 360), {}, {}
    for where in (device, "cpu"):
        gaussians = generated(options.count // 10, 1.0).to(where)
        gaussians = gaussians.map(lambda t: t.requires_grad_() if t.is_floating_point() else t)
        blend = splat(gaussians, camera)
        image, alpha = blend.composite(gaussians.colors(camera))
        (image * torch.linspace(-1, 1, image.numel(), device=where).reshape(image.shape)).sum().backward()
        pictures[where] = image.detach().cpu(), alpha.detach().cpu(), blend.detach().depth().cpu()
        found = {name: getattr(gaussians, name).grad for name in (*GEOMETRY, "sh")}
        found["center_gradients"] = blend.center_gradients
        gradients[where] = {name: tensor.detach().cpu() for name, tensor in found.items()}
    error = (pictures[device][0] - pictures["cpu"][0]).abs()
    return {
        "psnr_db": round(psnr(pictures[device][0], pictures["cpu"][0]), 2),
        "largest_error": float(error.max()),
        "share_of_pixels_off_by_1e-4": float((error.amax(-1) > 1e-4).double().mean()),
        "largest_error_coverage": float((pictures[device][1] - pictures["cpu"][1]).abs().max()),
        "median_error_depth": float((pictures[device][2] - pictures["cpu"][2]).abs().median()),
        "relative_error_of_gradients": {
            name: float((mine - gradients["cpu"][name]).norm() / gradients["cpu"][name].norm().clamp_min(1e-20))
            for name, mine in gradients[device].items()
        },
    }


def timings(device: str, options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds forward and backward against channels, two densities; medians."""
    camera, found = view(*options.size), {}
    for name, size in DENSITIES.items():
        gaussians = generated(options.count, size).to(device)
        leaf = gaussians.map(lambda t: t.clone().requires_grad_() if t.is_floating_point() else t)
        still = splat(gaussians, camera)
        row: dict[str, Any] = {"gaussians": options.count, "size": options.size, **crowding(still)}
        row["splat_ms"] = milliseconds(lambda given=gaussians: splat(given, camera), device)
        for channels in CHANNELS:
            row[str(channels)] = guarded(lambda c=channels, g=leaf, s=still: products(g, s, camera, c, device))
        found[name] = row
    return found


def crowding(blend: Blend) -> dict[str, float]:
    """Contributions per pixel, counted on one pixel in many."""
    height, width, _ = blend.shape
    places = [(x, y) for y in range(height // 16, height, height // 8) for x in range(width // 16, width, width // 8)]
    return {"contributions_per_pixel": statistics.mean(len(blend.row(x, y)[0]) for x, y in places)}


def products(leaf: Gaussians, still: Blend, camera: Camera, channels: int, device: str) -> dict[str, Any]:
    """Times of one number of channels."""
    values = torch.rand(len(leaf), channels, device=device)
    trained = values.clone().requires_grad_()
    upstream = torch.rand(camera.height, camera.width, channels, device=device)
    columns = [getattr(leaf, name) for name in GEOMETRY]
    peak(device)

    def values_alone() -> None:
        torch.autograd.grad(still @ trained, trained, upstream)

    def geometry_too() -> None:
        torch.autograd.grad(splat(leaf, camera) @ trained, [trained, *columns], upstream)

    with torch.no_grad():
        forward = milliseconds(lambda: still @ values, device)
        transposed = milliseconds(lambda: still.T @ upstream, device)
    return {
        "forward_ms": forward,
        "transposed_ms": transposed,
        "forward_and_backward_of_values_ms": milliseconds(values_alone, device),
        "splat_forward_and_backward_with_geometry_ms": milliseconds(geometry_too, device),
        "peak_gb": peak(device),
    }


def training(device: str, options: argparse.Namespace) -> dict[str, Any]:
    """The bundled capture, for a stated time."""
    from semsplat import assets

    found = captures.load(Path(assets.__file__).parent / "room")
    config = TrainConfig(minutes=options.minutes)
    with tempfile.TemporaryDirectory(prefix="semsplat-") as folder:
        frames = captures.prepare(found, Path(folder), None)
        held_out = {photo.name for photo in found.photos if photo.held_out}
        learn = [frame for frame in frames if frame.name not in held_out]
        peak(device)
        *_, last = train(start(found, config, learn).to(device), learn, config)
        gaussians, scores = last.gaussians, []
        for frame in frames:
            if frame.name in held_out:
                with torch.no_grad():
                    drawn = splat(gaussians, frame.camera) @ gaussians.colors(frame.camera)
                photo, _ = target(frame, frame.camera, torch.device(device))
                scores.append((psnr(drawn.clamp(0, 1), photo), float(ssim(drawn.clamp(0, 1), photo))))
    return {
        "minutes": options.minutes,
        "steps": last.step,
        "steps_per_second": round(last.step / last.seconds, 2),
        "gaussians": last.count,
        "held_out_views": len(scores),
        "held_out_psnr_db": round(statistics.mean(score[0] for score in scores), 3),
        "held_out_ssim": round(statistics.mean(score[1] for score in scores), 4),
        "peak_gb": peak(device),
    }


PARTS = {
    "machine": machine,
    "build": build,
    "tests": tests,
    "compare": compare,
    "timings": timings,
    "training": training,
}


class PartFailed(Exception):
    """A part that has something to report although it failed."""


def guarded(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the work finds, or what went wrong."""
    try:
        return work()
    except PartFailed as error:
        return {"error": "failed", **error.args[0]}
    except Exception as error:
        sentence = str(error) if isinstance(error, SemsplatError) else f"{type(error).__name__}: {error}"
        return {"error": sentence[:2000], "where": traceback.format_exc()[-1500:]}


def main() -> int:
    parser = argparse.ArgumentParser(description="Is the CUDA rasterizer right, and how fast is it? Prints one JSON.")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="parts to run")
    parser.add_argument("--minutes", type=float, default=1.0, help="of training")
    parser.add_argument("--count", type=int, default=200_000, help="Gaussians of the timings")
    parser.add_argument("--size", type=int, nargs=2, default=[1280, 720], help="of the timings' picture")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("benchmarks/gpu.py needs an NVIDIA GPU, and torch sees none here.", file=sys.stderr)
        return 2
    found = {}
    for name in options.only:
        began = time.perf_counter()
        print(f"{name} ...", file=sys.stderr, flush=True)
        found[name] = guarded(lambda part=PARTS[name]: part("cuda", options))
        found[name]["seconds"] = round(time.perf_counter() - began, 1)
    print(json.dumps(found, indent=1))
    return 1 if has_error(found) else 0


def has_error(found: Any) -> bool:
    """Whether some part, or a part of one, went wrong."""
    return isinstance(found, dict) and ("error" in found or any(map(has_error, found.values())))


if __name__ == "__main__":
    sys.exit(main())
