"""How long a click takes on the CPU: the graph once, then click to selection, and sliding the tolerance.

Everything on one thread, so that the figures are comparable where other programs run.

python benchmarks/select_speed.py [--quick] [--save]
"""

import argparse
import time

import torch
from common import arguments, emit, one_thread, shell, timed

from semsplat.distill import segment
from semsplat.distill.field import FeatureField
from semsplat.splatting.gaussians import Gaussians

COUNT, DIMENSION = 100_000, 32


def with_field(gaussians: Gaussians) -> tuple[Gaussians, FeatureField]:
    """Codes that change smoothly over the scene, as distilled ones do, with noise."""
    make = torch.Generator().manual_seed(0)
    waves = torch.randn(3, DIMENSION, generator=make)
    codes = (2.0 * gaussians.means @ waves).sin() + 0.1 * torch.randn(len(gaussians), DIMENSION, generator=make)
    features = torch.cat([codes, torch.ones(len(gaussians), 1)], dim=1)
    return gaussians.replace(features=features), FeatureField("folder", slice(0, DIMENSION), torch.eye(DIMENSION))


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    with one_thread():
        measure(options)


def measure(options: argparse.Namespace) -> None:
    count, runs = (2_000, 1) if options.quick else (COUNT, 7)
    views = shell(count, views=12)
    gaussians, field = with_field(views.gaussians.replace(logit_opacities=torch.full((count,), 2.0)))
    camera = views.cameras[0]
    click = [segment.Click(camera, camera.width / 2, camera.height / 2)]
    mask = torch.zeros(camera.height, camera.width, dtype=torch.bool)
    mask[camera.height // 3 : camera.height // 2, camera.width // 3 : camera.width // 2] = True
    outline = [segment.MaskPrompt(camera, mask)]
    segment.select(gaussians[:500], click, segment.build(gaussians[:500], views.cameras), field)  # compiles the kernels

    began = time.process_time()
    graph = segment.build(gaussians, views.cameras, field)
    built = time.process_time()
    len(graph.tree.parent), graph.links
    ready = time.process_time()
    found = segment.select(gaussians, click, graph, field)
    result = {
        "gaussians": count,
        "joints": len(graph.pairs),
        "graph_cpu_s": round(built - began, 2),
        "tree_cpu_s": round(ready - built, 2),
        "click_field_ms": timed(lambda: segment.select(gaussians, click, graph, field), runs),
        "click_no_field_ms": timed(lambda: segment.select(gaussians, click, graph), runs),
        "mask_ms": timed(lambda: segment.select(gaussians, outline, graph), runs),
        "slide_ms": timed(lambda: found.at(0.3), runs),
    }
    names = {
        "click_field_ms": "click, field of 32",
        "click_no_field_ms": "click, no field",
        "mask_ms": "mask in one view",
    }
    built_in = f"CPU seconds of the graph {result['graph_cpu_s']}, of the tree {result['tree_cpu_s']}"
    lines = [f"{count:,} Gaussians, {len(graph.pairs):,} joints: {built_in}"]
    for key, name in (names | {"slide_ms": "sliding the tolerance"}).items():
        lines.append(
            f"{name:24} {result[key]['median']:8.2f} ms  ({result[key]['min']:.2f} to {result[key]['max']:.2f})"
        )
    emit("select_speed", result, lines, options.save)


if __name__ == "__main__":
    main()
