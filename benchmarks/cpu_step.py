"""A whole training step on the CPU: projection, SH of degree 3, raster, L1 + SSIM, all gradients, Adam.

10,000 Gaussians at 320 x 240, RGB. In the same run: a straightforward torch tile rasterizer on the same scene (the one
of `semsplat bench`, semsplat/app/bench/rival.py), and what this machine could do at most (arithmetic and memory),
measured by two small loops. The scene is made here; where $SEMSPLAT_CAPTURES names a folder with the set bench10k, that
one is measured too.
"""

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Views, arguments, captured, emit, one_thread, shell, spread_of, timed

from semsplat.app.bench.rival import Rival
from semsplat.app.bench.steps import Ours, agreement
from semsplat.splatting import _cpu_project
from semsplat.splatting._cpu_raster import Raster, bin_tiles, reaches
from semsplat.splatting._kernels import fill, jit, load, spread, store
from semsplat.splatting.blend import Limits
from semsplat.splatting.losses import photometric
from semsplat.splatting.train import one_torch_thread

# Floating-point operations of one contribution (an exponential counts 16) and of one Gaussian or number elsewhere.
ALPHA, FORWARD, FORWARD_CHANNEL, BACKWARD, BACKWARD_CHANNEL = 27, 4, 2, 31, 4
PROJECTION, SSIM, ADAM = 900, 380, 12
REPORTED = {  # by another program on another day, on 2 cores: what it says of bench10k, not measured here
    "OpenSplat, August 2026": 108.0,
    "OpenSplat 1.1.5": 970.0,
}


def parts(ours: Ours, camera: Any, photo: torch.Tensor, seconds: dict[str, list[float]]) -> tuple[int, int]:
    """One step piece by piece; gives its (contributions, pairs)."""

    def clocked(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        seconds[name].append(time.perf_counter() - start)
        return result

    def project() -> tuple:
        footprints, levels = _cpu_project.footprints(ours.gaussians, camera, Limits())
        colors = ours.gaussians.colors(camera)
        return footprints, levels, torch.cat([colors, torch.ones_like(colors[:, :1])], dim=1)

    footprints, levels, values = clocked("projection and SH", project)
    clocked("binning", lambda: bin_tiles(footprints, levels, reaches(footprints, levels), camera))
    raster = Raster(footprints, levels, camera, Limits())
    image = clocked("raster forward", lambda: raster.draw(values, stored=False))
    picture = image[..., :3].detach().contiguous().requires_grad_()
    clocked("L1 + SSIM with gradient", lambda: photometric(picture, photo).backward())
    slope = torch.nn.functional.pad(picture.grad, (0, 1))
    pulled = clocked("raster backward", lambda: raster.pull(values.detach(), image, slope))
    outputs = [footprints.centers, footprints.conics, footprints.opacities, values]
    slopes = [pulled[:, 0:2], pulled[:, 2:5], pulled[:, 5], pulled[:, 8:]]
    clocked("projection and SH backward", lambda: torch.autograd.backward(outputs, slopes))
    clocked("Adam", ours.move)
    return len(raster.sparse.by_pixel[2]), len(raster.bins.tile_rows)


@jit
def multiply_add(begin, end, given, out):
    """Ten independent chains of multiply-adds: what arithmetic units can do at most."""
    for part in range(begin, end):
        x, y = load(given, 0), load(given, 16)
        a, b, c, d, e, f, g, h, p, q = y, y, y, y, y, y, y, y, y, y
        for _ in range(200_000):
            a, b, c, d, e = a * x + y, b * x + y, c * x + y, d * x + y, e * x + y
            f, g, h, p, q = f * x + y, g * x + y, h * x + y, p * x + y, q * x + y
        store(out, part * 16, a + b + c + d + e + f + g + h + p + q + fill(given[0]))


def machine_limits(quick: bool) -> dict[str, float]:
    """Best of several: GFLOP/s of float32 multiply-adds on all threads, GB/s of a copy (read and written)."""
    works, size = 16, 2**22 if quick else 2**26
    given, out = np.full(32, 0.5, np.float32), np.empty(works * 16, np.float32)
    flops = timed(lambda: spread(multiply_add, works, given, out, least=1), 2 if quick else 7)
    source, target = torch.ones(size), torch.ones(size)
    copy = timed(lambda: target.copy_(source), 2 if quick else 7)
    return {
        "gflops": round(works * 200_000 * 10 * 2 * 16 / flops["min"] / 1e6, 1),
        "gb_per_s": round(2 * 4 * size / copy["min"] / 1e6, 1),
    }


def needed(count: int, pixels: int, contributions: int, pairs: int, peak: dict[str, float]) -> dict[str, float]:
    """Arithmetic and memory traffic that a step of this algorithm cannot do without, and the time that would take."""
    channels, columns = 4, 59  # drawn with the coverage; numbers of a Gaussian
    blended = 2 * ALPHA + FORWARD + BACKWARD + channels * (FORWARD_CHANNEL + BACKWARD_CHANNEL)
    gflop = (contributions * blended + count * (PROJECTION + columns * ADAM) + 3 * pixels * SSIM) / 1e9
    gradients = 4 * 2 * pairs * (8 + channels)  # written by pair, read again
    pictures = 4 * pixels * 4 * 8  # drawn, photo, three maps and slope written, read
    gigabytes = (4 * count * columns * (1 + 2 + 7) + gradients + pictures) / 1e9
    return {
        "gflop": round(gflop, 3),
        "gigabytes": round(gigabytes, 4),
        "ms_at_peak_flops": round(gflop / peak["gflops"] * 1e3, 2),
        "ms_at_peak_bandwidth": round(gigabytes / peak["gb_per_s"] * 1e3, 2),
    }


def clock(step: Callable[[Any, torch.Tensor], Any], views: Views, k: int) -> tuple[float, float]:
    """Seconds of wall and of CPU time of one step on view k."""
    k %= len(views.cameras)
    start, busy = time.perf_counter(), time.process_time()
    step(views.cameras[k], views.photos[k])
    return time.perf_counter() - start, time.process_time() - busy


def measure(views: Views, peak: dict[str, float], steps: int, rivals: int) -> dict[str, Any]:
    """One scene: steps and the rival's in turn, then the breakdown."""
    same = agreement(views.gaussians, views.cameras[0])
    ours, rival, pieces = Ours(views), Rival(views.gaussians), Ours(views)
    mine, theirs, breakdown, counts = [], [], defaultdict(list), []
    for k in range(-1, rivals):
        theirs += [clock(rival.step, views, k)[0]] * (k >= 0)
        for j in range(-2, steps // rivals):  # two steps until the rival's threads have gone to sleep
            wall, _ = clock(ours.step, views, max(k, 0) * (steps // rivals) + j)
            mine += [wall] * (k >= 0 and j >= 0)
    for k in range(steps):
        view = k % len(views.cameras)
        with one_torch_thread(views.photos[view].device):
            counts.append(parts(pieces, views.cameras[view], views.photos[view], breakdown))
    with one_thread():
        single = [[clock(who.step, views, k)[1] for k in range(1 + 2 * rivals)][1:] for who in (ours, rival)]
    contributions, pairs = (round(statistics.mean(c)) for c in zip(*counts, strict=True))
    pixels = views.cameras[0].width * views.cameras[0].height
    return {
        "step_ms": spread_of(mine),
        "rival_ms": spread_of(theirs),
        "ratio": round(statistics.median(theirs) / statistics.median(mine), 1),
        "one_thread": {  # CPU time, not wall
            "step_ms": spread_of(single[0]),
            "rival_ms": spread_of(single[1]),
            "ratio": round(statistics.median(single[1]) / statistics.median(single[0]), 1),
        },
        "breakdown_ms": {name: spread_of(found[1:]) for name, found in breakdown.items()},
        "contributions_per_pixel": round(contributions / pixels, 1),
        "gaussian_tile_pairs": pairs,
        "limits": needed(len(views.gaussians), pixels, contributions, pairs, peak),
        "same_picture": same,
    }


def table(name: str, found: dict[str, Any]) -> list[str]:
    def ms(times: dict[str, float]) -> str:
        return f"{times['median']:8.2f} ms  ({times['min']:.2f} - {times['max']:.2f})"

    lines = [
        f"{name}: {found['contributions_per_pixel']} contributions a pixel",
        f"  whole step {ms(found['step_ms'])}",
    ]
    lines += [f"  {part:28s} {ms(times)}" for part, times in found["breakdown_ms"].items()]
    limits = found["limits"]
    return [
        *lines,
        f"  {'torch rival':28s} {ms(found['rival_ms'])}: {found['ratio']} times ours",
        f"  {'on one thread, CPU time':28s} {ms(found['one_thread']['step_ms'])}",
        f"  {'torch rival, the same':28s} {ms(found['one_thread']['rival_ms'])}: {found['one_thread']['ratio']} times",
        f"  limits: {limits['gflop']} GFLOP = {limits['ms_at_peak_flops']} ms at peak arithmetic, "
        f"{limits['gigabytes']} GB = {limits['ms_at_peak_bandwidth']} ms at peak bandwidth",
    ]


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    scenes = {"made here": shell(600, 96, 64, views=3) if options.quick else shell()}
    given = Path(os.environ.get("SEMSPLAT_CAPTURES", "")) / "bench10k"
    if os.environ.get("SEMSPLAT_CAPTURES") and given.is_dir() and not options.quick:
        scenes["bench10k"] = captured(given)
    peak = machine_limits(options.quick)
    steps, rivals = (2, 1) if options.quick else (60, 6)
    found = {name: measure(views, peak, steps, rivals) for name, views in scenes.items()}
    lines = [line for name, result in found.items() for line in table(name, result)]
    emit("cpu_step", {"peak": peak, "scenes": found, "reported_elsewhere_ms": REPORTED}, lines, options.save)


if __name__ == "__main__":
    main()
