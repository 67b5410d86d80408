"""What the CPU rasterizer costs against channels, pixels and Gaussians, and how much memory it takes.

Every point is a process of its own, so that its high-water mark is its own. Forward and backward of ``blend @ values``
with gradients to values and geometry, and of the detached blend (values alone: features, heat, lifting), where the
stored W is made once and used again, as fields are fitted.
"""

import argparse
import json
import resource
import subprocess
import sys
from typing import Any

from common import RESULTS, Views, arguments, emit, shell, timed

CHANNELS, COUNTS, SIZES = (3, 16, 64, 128, 512), (1_000, 3_000, 10_000, 30_000, 100_000), (80, 160, 320, 640, 1280)


def high_water() -> float:
    """Memory that this process has had at most, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure(count: int, width: int, channels: int, runs: int) -> dict[str, Any]:
    """One point; runs in a process of its own."""
    import torch

    from semsplat.splatting.splat import splat

    def draw(views: Views, channels: int) -> tuple[Any, Any, Any]:
        scene, columns = views.gaussians, ("means", "quats", "log_scales", "logit_opacities")
        scene = scene.replace(**{name: getattr(scene, name).requires_grad_() for name in columns})
        values = torch.rand(len(scene), channels, generator=torch.Generator().manual_seed(0)).requires_grad_()
        return scene, splat(scene, views.cameras[0]), values

    _, blend, values = draw(shell(50, 32, 32, views=1), 40)  # compiled code is loaded here, not measured
    ((blend @ values).sum() + (blend.detach() @ values).sum()).backward()
    views = shell(count, width, width * 3 // 4, views=1)
    camera = views.cameras[0]
    slope = torch.rand(camera.height, camera.width, channels)
    before = high_water()
    found: dict[str, Any] = {"gaussians": count, "width": width, "height": camera.height, "channels": channels}
    scene, blend, values = draw(views, channels)
    found["forward_ms"] = timed(lambda: blend @ values, runs)
    image = blend @ values
    pulled = [blend.footprints.centers, blend.footprints.conics, blend.footprints.opacities, values]
    found["backward_ms"] = timed(lambda: torch.autograd.grad(image, pulled, slope, retain_graph=True), runs)
    found["peak_mib"], found["before_mib"] = round(high_water()), round(before)
    del image
    still = blend.detach()
    found["first_values_forward_ms"] = timed(lambda: still @ values, 1, warm=0)
    found["values_forward_ms"] = timed(lambda: still @ values, runs)
    image = still @ values
    found["first_values_backward_ms"] = timed(
        lambda: torch.autograd.grad(image, values, slope, retain_graph=True), 1, 0
    )
    found["values_backward_ms"] = timed(lambda: torch.autograd.grad(image, values, slope, retain_graph=True), runs)
    found["splat_ms"] = timed(lambda: splat(scene, camera), runs)
    nonzeros = len(blend.raster.sparse.by_pixel[2])
    found["contributions_per_pixel"] = round(nonzeros / (width * camera.height), 1)
    found["peak_with_values_mib"] = round(high_water())
    return found


def point(count: int, width: int, channels: int, runs: int) -> dict[str, Any]:
    """:func:`measure` in a child."""
    command = [sys.executable, __file__, "--point", str(count), str(width), str(channels), str(runs)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def plot(sweeps: dict[str, list[dict[str, Any]]], file: str) -> None:
    """Three panels: cost against channels, Gaussians and pixels, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    axes_of = {"channels": "channels", "gaussians": "Gaussians", "width": "pixels"}
    lines = {
        "forward_ms": ("forward", "C0", "-"),
        "backward_ms": ("backward: geometry and values", "C3", "-"),
        "values_forward_ms": ("values alone, forward", "C0", ":"),
        "values_backward_ms": ("values alone, backward", "C3", ":"),
    }
    figure, panels = pyplot.subplots(1, 3, figsize=(10.5, 3.4), sharey=True, layout="constrained")
    for panel, (key, points) in zip(panels, sweeps.items(), strict=True):
        xs = [p["width"] * p["height"] if key == "width" else p[key] for p in points]
        for name, (label, color, style) in lines.items():
            panel.loglog(xs, [p[name]["median"] for p in points], style, color=color, label=label, marker="o", ms=3)
        fixed = {k: points[0][k] for k in axes_of if k != key}
        held = ", ".join(f"{fixed[k]:,} {axes_of[k] if k != 'width' else 'pixels wide'}" for k in fixed)
        panel.set(xlabel=axes_of[key], title=held)
        panel.title.set_fontsize(9)
        panel.grid(alpha=0.3, which="both", lw=0.4)
    panels[0].set_ylabel("milliseconds")
    panels[0].legend(fontsize=7)
    figure.savefig(RESULTS / file, dpi=80)


def table(points: list[dict[str, Any]]) -> list[str]:
    heads = ("N", "pixels", "C", "c/px", "forward", "backward", "values fwd", "values bwd", "peak MiB")
    lines = ["".join(f"{h:>12s}" for h in heads)]
    for p in points:
        times = [p[k]["median"] for k in ("forward_ms", "backward_ms", "values_forward_ms", "values_backward_ms")]
        row = [p["gaussians"], p["width"] * p["height"], p["channels"], p["contributions_per_pixel"], *times]
        lines.append("".join(f"{x:>12,}" for x in (*row, p["peak_mib"])))
    return lines


def main() -> None:
    """Measure every point and print."""
    parser = arguments(__doc__)
    parser.add_argument("--point", type=int, nargs=4, help=argparse.SUPPRESS)  # the child's
    options = parser.parse_args()
    if options.point:
        print(json.dumps(measure(*options.point)))
        return
    if options.quick:
        sweeps = {"channels": [point(500, 64, c, 2) for c in (3, 20)]}
    else:
        channels = [point(10_000, 320, c, 7) for c in CHANNELS]
        known = {(10_000, 320, 3): channels[0]}

        def of(*key: int) -> dict[str, Any]:
            return known.get(key) or point(*key, 7)

        sweeps = {
            "channels": channels,
            "gaussians": [of(n, 320, 3) for n in COUNTS],
            "width": [of(10_000, width, 3) for width in SIZES],
        }
    lines = [line for points in sweeps.values() for line in table(points)]
    emit("cpu_channels", {"sweeps": sweeps}, lines, options.save)
    if options.save and not options.quick:
        plot(sweeps, "cpu_channels.png")


if __name__ == "__main__":
    main()
