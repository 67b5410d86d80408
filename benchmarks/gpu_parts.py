"""The parts of gpu.py: each takes the machine and a file for notes, and gives what it found."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gpu_products
import torch
from gpu_machine import TESTS, Machine, dry, generated, real, view
from gpu_training import memory, training, training_speed

from semsplat.app.layers import Rgb
from semsplat.app.pictures import to_bytes
from semsplat.distill.ask.scores import heat
from semsplat.distill.field import FeatureField
from semsplat.splatting.average import Averaged
from semsplat.splatting.gaussians import GEOMETRY
from semsplat.splatting.lift import lift
from semsplat.splatting.losses import psnr
from semsplat.splatting.splat import rasterizer, splat

__all__ = ["PARTS", "dry", "real"]


class PartFailed(Exception):
    """A part that has something to report although it failed."""

    def __init__(self, message: str, found: dict[str, Any]) -> None:
        super().__init__(message)
        self.found = found


def machine(machine: Machine, notes: Path) -> dict[str, Any]:
    """What ran."""
    packages = {}
    for name in ("semsplat", "torch", "triton", "gsplat", "numpy", "numba"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    found = {"python": platform.python_version(), "packages": packages, "cuda_of_torch": torch.version.cuda}
    if machine.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {"gpu": properties.name, "capability": f"{properties.major}.{properties.minor}"}
        found["gpu_memory_gb"] = round(properties.total_memory / 1e9, 1)
        found["rasterizer"] = rasterizer(torch.device("cuda"))
    return found


def build(machine: Machine, notes: Path) -> dict[str, Any]:
    """The first picture: gsplat is compiled, if it was not yet; then the first wide product."""
    from semsplat.splatting._cuda_tools import needs_build

    due, began = needs_build() and not machine.dry, time.perf_counter()
    gaussians, camera = generated(100).to(machine.device), view(20, 16)
    blend = splat(gaussians, camera).detach()
    blend.composite(gaussians.colors(camera))
    machine.wait()
    first = time.perf_counter() - began
    (blend @ machine.random(100, 48)).sum().item()
    wide = time.perf_counter() - began - first
    return {
        "compiled_now": due,
        "seconds_to_first_picture": round(first, 1),
        "seconds_to_first_wide_product": round(wide, 1),
        "environment": {key: os.environ.get(key) for key in ("TORCH_CUDA_ARCH_LIST", "MAX_JOBS")},
    }


def tests(machine: Machine, notes: Path) -> dict[str, Any]:
    """pytest -m gpu, in a process of its own; a dry run only collects."""
    if not TESTS.is_dir():
        return {"skipped": f"{TESTS} is not there"}
    options = ["--collect-only"] if machine.dry else []
    files = [str(TESTS / "splatting" / "test_gpu.py"), str(TESTS / "test_devices.py")]
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-v", "--no-header", "-p", "no:cacheprovider"]
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    limit = 800 if machine.dry else 160
    shared = {"cwd": TESTS.parent, "env": environment, "capture_output": True, "text": True, "timeout": limit}
    try:
        done = subprocess.run([*command, *options, *files], check=False, **shared)
    except subprocess.TimeoutExpired as error:  # its output is in bytes
        output = (error.stdout or b"").decode(errors="replace")[-6000:]
        raise PartFailed(f"pytest -m gpu took over {limit} s", {"output": output}) from None
    said = done.stdout.strip().splitlines()
    found = {"status": done.returncode, "summary": said[-1] if said else done.stderr[-500:]}
    if done.returncode:
        raise PartFailed("pytest -m gpu did not pass", found | {"output": "\n".join(said)[-6000:]})
    return found


def compare(machine: Machine, notes: Path) -> dict[str, Any]:
    """The same scene by both rasterizers: pictures, depth, and every gradient."""
    camera, pictures, gradients = view(*machine.sizes[0]), {}, {}
    for where in (machine.device, "cpu"):
        gaussians = generated(max(40, machine.count // 50)).to(where)
        gaussians = gaussians.map(lambda t: t.requires_grad_() if t.is_floating_point() else t)
        blend = splat(gaussians, camera)
        image, alpha = blend.composite(gaussians.colors(camera))
        (image * torch.linspace(-1, 1, image.numel(), device=where).reshape(image.shape)).sum().backward()
        pictures[where] = image.detach().cpu(), alpha.detach().cpu(), blend.detach().depth().cpu()
        found = {name: getattr(gaussians, name).grad for name in (*GEOMETRY, "sh")}
        found["center_gradients"] = blend.center_gradients
        gradients[where] = {name: tensor.detach().cpu() for name, tensor in found.items()}
    mine, truth = pictures[machine.device], pictures["cpu"]
    error = (mine[0] - truth[0]).abs()
    return {
        "psnr_db": round(psnr(mine[0], truth[0]), 2),
        "largest_error": float(error.max()),
        "share_of_pixels_off_by_1e-4": float((error.amax(-1) > 1e-4).double().mean()),
        "largest_error_coverage": float((mine[1] - truth[1]).abs().max()),
        "median_error_depth": float((mine[2] - truth[2]).abs().median()),
        "relative_error_of_gradients": {
            name: float((own - gradients["cpu"][name]).norm() / gradients["cpu"][name].norm().clamp_min(1e-20))
            for name, own in gradients[machine.device].items()
        },
    }


def feature_map(machine: Machine, notes: Path) -> dict[str, Any]:
    """Feature maps a second of all channels at full size, in half precision; the camera moves. Goal: over 476."""
    gaussians = generated(machine.count).to(machine.device)
    values = machine.random(machine.count, machine.widest, dtype=torch.bfloat16)
    width, height = machine.map_size
    views = [view(width, height, 0.05 * k) for k in range(2 if machine.dry else 8)]

    def moving() -> None:
        for camera in views:
            splat(gaussians, camera).detach() @ values

    still = splat(gaussians, views[0]).detach()
    with torch.no_grad():
        each = machine.milliseconds(moving) / len(views)
        alone = machine.milliseconds(lambda: still @ values)
    return {
        "size": [width, height],
        "channels": machine.widest,
        "frames_per_second": round(1e3 / each, 1),
        "frames_per_second_of_a_still_camera": round(1e3 / alone, 1),
        "goal": 476,
        "peak_gb": machine.peak_gb(),
    }


def text_query(machine: Machine, notes: Path) -> dict[str, Any]:
    """Answers a second to new words: a score for each Gaussian, one channel drawn. Goal: over 1000."""
    gaussians = generated(machine.count, features=0).to(machine.device)
    codes = machine.random(machine.count, machine.widest, dtype=torch.bfloat16)
    field = FeatureField("t", slice(0, machine.widest), torch.eye(machine.widest, device=machine.device))
    words, (width, height) = machine.random(1, machine.widest), machine.map_size
    blend = splat(gaussians, view(width, height)).detach()
    units = torch.nn.functional.normalize(codes.float(), dim=1).to(codes.dtype)

    def ask() -> torch.Tensor:
        return heat(blend, field.scores(codes, words)[:, 0].float())

    def ask_units() -> torch.Tensor:  # codes of unit length: their norms are known
        return heat(blend, (units @ words[0].to(units.dtype)).float())

    with torch.no_grad():
        return {
            "queries_per_second": round(1e3 / machine.milliseconds(ask), 1),
            "queries_per_second_norms_known": round(1e3 / machine.milliseconds(ask_units), 1),
            "goal": 1000,
            "peak_gb": machine.peak_gb(),
        }


def lifting(machine: Machine, notes: Path) -> dict[str, Any]:
    """The mean of many views' maps on every Gaussian, views streamed. Goal: under 4 s for 300 of 1M x 512."""
    gaussians, (width, height) = generated(machine.count).to(machine.device), machine.lift_size
    maps = [machine.random(*machine.grid, machine.widest) for _ in range(4)]
    scale = torch.ones(*machine.grid, 1, device=machine.device)

    def views() -> Any:
        for k in range(machine.views):
            blend = splat(gaussians, view(width, height, 6.28 * k / machine.views)).detach()
            yield Averaged(blend, scale), maps[k % len(maps)]

    if not machine.dry:
        lift(one for _, one in zip(range(2), views(), strict=False))  # compiled before the clock starts
    machine.peak_gb()
    machine.wait()
    began = time.perf_counter()
    with torch.no_grad():
        values, mass = lift(views())
    machine.wait()
    return {
        "views": machine.views,
        "gaussians": machine.count,
        "channels": machine.widest,
        "lifting_seconds": round(time.perf_counter() - began, 3),
        "goal": 4,
        "seen": round(float((mass > 0).float().mean()), 3),
        "finite": bool(values.isfinite().all()),
        "peak_gb": machine.peak_gb(),
    }


def viewer(machine: Machine, notes: Path) -> dict[str, Any]:
    """Pictures a second that the server draws and fetches at 1080p, and with the JPEG that a page is sent."""
    import io

    from PIL import Image

    gaussians = generated(machine.count).to(machine.device)
    camera = view(*((20, 16) if machine.dry else (1920, 1080))).to(torch.device(machine.device))

    def draw() -> Any:
        return to_bytes(Rgb().picture(gaussians, camera))

    def send() -> None:
        Image.fromarray(draw()).save(io.BytesIO(), format="jpeg", quality=60)

    with torch.no_grad():
        return {
            "drawn_per_second": round(1e3 / machine.milliseconds(draw), 1),
            "with_jpeg_per_second": round(1e3 / machine.milliseconds(send), 1),
            "gaussians": machine.count,
            "peak_gb": machine.peak_gb(),
        }


PARTS: dict[str, Callable[[Machine, Path], dict[str, Any]]] = {
    "machine": machine,
    "build": build,
    "ceilings": gpu_products.ceilings,
    "compare": compare,
    "feature_map": feature_map,
    "text_query": text_query,
    "lifting": lifting,
    "products": gpu_products.products,
    "tests": tests,
    "memory": memory,
    "training_speed": training_speed,
    "viewer": viewer,
    "blocks": gpu_products.blocks,
    "training": training,
}
