"""W @ F and W.T @ G against channels: gsplat in passes of 32, 64 and 128, ours on tensor cores, and the limit."""

import time
from pathlib import Path
from typing import Any

import torch
from gpu_machine import Machine, generated, note, view

from semsplat.splatting import _triton
from semsplat.splatting._gsplat import TILE, GsplatBlend
from semsplat.splatting._gsplat_operations import passes
from semsplat.splatting.splat import splat

DENSITIES = {"dense": 1.6, "sparse": 0.8}  # how large the Gaussians are
PASSES = (32, 64, 128)  # channels of a pass of gsplat's
COMPILED = (1, 2, 3, 4, 8, 16, 32, 64, 128)
SECONDS = 110.0  # what is not begun by then is left out, and said to be
SLOW = 400.0  # ms: what takes longer is run once or twice only


def ceilings(machine: Machine, notes: Path) -> dict[str, Any]:
    """What the device can do at most: bytes of a copy, operations of large matrix products."""
    side, numbers = (64, 1 << 16) if machine.dry else (8192, 1 << 31)
    source = torch.empty(numbers, dtype=torch.uint8, device=machine.device).random_()
    target = torch.empty_like(source)
    copy = machine.milliseconds(lambda: target.copy_(source))
    found: dict[str, Any] = {"copy_gb_per_s": float(f"{2 * numbers / copy / 1e6:.4g}")}
    for name, dtype in (("bf16", torch.bfloat16), ("float32", torch.float32)):
        a, b = machine.random(side, side, dtype=dtype), machine.random(side, side, dtype=dtype)
        took = machine.milliseconds(lambda a=a, b=b: a @ b, 5)
        found[f"{name}_tflop_per_s"] = float(f"{2 * side**3 / took / 1e9:.4g}")
    return found


def by_gsplat(blend: GsplatBlend, values: torch.Tensor, most: int) -> torch.Tensor:
    """W @ values by gsplat alone, in passes of at most ``most`` channels."""
    f, lists = blend.footprints, (blend.tiles.starts, blend.tiles.rows)
    height, width, _ = blend.shape
    compiled = tuple(number for number in COMPILED if number <= most)
    images = []
    step = [most] * (values.shape[1] // most) + list(passes(values.shape[1] % most, compiled))
    for part in values.split(step, dim=1):
        given = f.centers[None], f.conics[None], part[None].contiguous(), f.opacities[None]
        images.append(blend.operations.rasterize(*given, width, height, TILE, *lists, packed=False)[0][0])
    return images[0] if len(images) == 1 else torch.cat(images, dim=-1)


def products(machine: Machine, notes: Path) -> dict[str, Any]:
    """Milliseconds forward, and forward with the gradient of the values; what matters most first."""
    ends, found = time.monotonic() + SECONDS, {"ceilings": ceilings(machine, notes)}
    names = list(DENSITIES)[: 1 if machine.dry else None]
    scenes = {name: generated(machine.count, DENSITIES[name]).to(machine.device) for name in names}
    for channels in machine.channels:
        for width, height in machine.sizes:
            for name, scene in scenes.items():
                row = found.setdefault(f"{width}x{height} {name}", {})
                if time.monotonic() > ends and not machine.dry:
                    row[str(channels)] = {"left_out": "no time was left for it"}
                    continue
                blend = splat(scene, view(width, height)).detach()
                if "tiles" not in row:
                    row["tiles"] = crowding(machine, blend, scene)
                row[str(channels)] = methods(machine, blend, channels)
                row[str(channels)] |= limits(row["tiles"], found["ceilings"], channels, width * height)
                note(notes, found)
    return found


def crowding(machine: Machine, blend: GsplatBlend, scene: Any) -> dict[str, Any]:
    """How long the lists are, before and after trimming, and what making them takes."""
    blend.composite(torch.ones(len(scene), 48, device=machine.device))
    lists, tiles = blend._lists, blend.tiles.starts.numel()
    kept = int((lists.ends - lists.starts[:-1]).sum())
    camera = blend.camera
    f, starts = blend.footprints, blend.tiles.starts[0]
    again = (f.centers, f.conics, f.opacities, starts, blend.tiles.rows, blend.shape[:2], lists.alpha_max)
    return {
        "tiles": tiles,
        "listed_per_tile": round(len(blend.tiles.rows) / tiles, 1),
        "kept": kept,
        "kept_per_tile": round(kept / tiles, 1),
        "longest": int((lists.ends - lists.starts[:-1]).max()),
        "coverage": round(float(lists.alpha.mean()), 3),
        "splat_ms": machine.milliseconds(lambda: splat(scene, camera)),
        "trim_ms": machine.milliseconds(lambda: _triton.lists(*again)),
    }


def methods(machine: Machine, blend: GsplatBlend, channels: int) -> dict[str, Any]:
    """Times of all ways for one number of channels, and how far ours is from gsplat's."""
    values, pull = machine.random(blend.shape[2], channels), machine.random(*blend.shape[:2], channels)
    ways = {
        f"gsplat_{most}": (lambda v, most=most: by_gsplat(blend, v, most))
        for most in PASSES
        if most <= channels or most == 32
    }
    ways["ours"] = lambda v: _triton.draw(blend._lists, v)
    found: dict[str, Any] = {}
    for name, way in ways.items():
        machine.peak_gb()
        try:
            found[name] = timed(machine, way, values, pull)
        except Exception as error:
            found[name] = {"error": f"{type(error).__name__}: {error}"[:500]}
    half, half_pull = values.bfloat16(), pull.bfloat16()
    found["ours_bf16"] = timed(machine, ways["ours"], half, half_pull)
    with torch.no_grad():
        truth, mine = ways["gsplat_32"](values), ways["ours"](values)
        found["relative_error"] = float((mine - truth).norm() / truth.norm())
        back = _triton.gather(blend._lists, pull)
    leaf = values.clone().requires_grad_()
    (slope,) = torch.autograd.grad(ways["gsplat_32"](leaf), leaf, pull)
    found["relative_error_transposed"] = float((back - slope).norm() / slope.norm())
    return found


def timed(machine: Machine, way: Any, values: torch.Tensor, pull: torch.Tensor) -> dict[str, Any]:
    with torch.no_grad():
        first = machine.milliseconds(lambda: way(values), 1)
        forward = machine.milliseconds(lambda: way(values), 2 if first > SLOW else None)
    leaf = values.clone().requires_grad_()
    both = machine.milliseconds(lambda: torch.autograd.grad(way(leaf), leaf, pull), 2 if first > SLOW else None)
    return {"forward_ms": forward, "forward_and_backward_ms": both, "peak_gb": machine.peak_gb()}


def limits(tiles: dict[str, Any], ceiling: dict[str, float], channels: int, pixels: int) -> dict[str, float]:
    """The least time that the copy's and the matrix products' ceilings allow: dense tiles, bf16 values and picture."""
    work = 2.0 * TILE * TILE * tiles["kept"] * channels / (ceiling["bf16_tflop_per_s"] * 1e9)
    forward = 2.0 * channels * (pixels + tiles["kept"]) / (ceiling["copy_gb_per_s"] * 1e6)
    backward = channels * (2.0 * pixels + 8.0 * tiles["kept"]) / (ceiling["copy_gb_per_s"] * 1e6)
    return {
        "limit_forward_ms": round(max(work, forward), 4),
        "limit_forward_and_backward_ms": round(max(work, forward) + max(work, backward), 4),
    }


def blocks(machine: Machine, notes: Path) -> dict[str, Any]:
    """Other sizes of blocks and numbers of warps than those that are shipped, at the goal's size."""
    width, height = machine.map_size
    scene = generated(machine.count, DENSITIES["dense"]).to(machine.device)
    blend = splat(scene, view(width, height)).detach()
    values, pull = (machine.random(*s, machine.widest, dtype=torch.bfloat16) for s in ((len(scene),), (height, width)))
    tries = [
        ("draw", {"PIXELS": p, "ENTRIES": e, "CHANNELS": c}, w)
        for p, e, c, w in (
            (128, 32, 256, 8),
            (128, 32, 128, 8),
            (128, 64, 128, 8),
            (128, 32, 128, 4),
            (256, 32, 128, 8),
        )
    ]
    tries += [
        ("gather", {"ENTRIES": e, "CHANNELS": c}, w)
        for e, c, w in ((32, 128, 8), (64, 128, 8), (32, 64, 8), (64, 64, 8), (32, 128, 4))
    ]
    shipped, found = _triton.blocks, {}
    for name, sizes, warps in tries[:: 5 if machine.dry else 1]:
        _triton.blocks = lambda kernel, *rest, sizes=sizes, warps=warps: (sizes, warps)
        key = f"{name} {' '.join(map(str, sizes.values()))} warps {warps}"
        try:
            with torch.no_grad():
                work = (
                    (lambda: _triton.draw(blend._lists, values))
                    if name == "draw"
                    else (lambda: _triton.gather(blend._lists, pull))
                )
                found[key] = machine.milliseconds(work)
        except Exception as error:
            found[key] = f"{type(error).__name__}: {error}"[:300]
        finally:
            _triton.blocks = shipped
        note(notes, found)
    return {"ms": found}
