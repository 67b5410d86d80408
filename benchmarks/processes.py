"""What a training step costs in one process and in several: processor time, and bytes that each process sends.

    python benchmarks/processes.py SOURCE --batch 2
    torchrun --nproc-per-node 2 benchmarks/processes.py SOURCE --batch 2

Processor time is that of the first process, all threads together, so it says what a step costs also on a machine that
does other things; an all-reduce in a ring sends 2 (N - 1) / N times the bytes that are summed.
"""

import argparse
import contextlib
import json
import os
import resource
import tempfile
import time
from pathlib import Path

from semsplat.splatting import capture, processes
from semsplat.splatting.start import start
from semsplat.splatting.train import train
from semsplat.splatting.train_types import TrainConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    for name, value in (("batch", 1), ("steps", 40), ("cap", 10_000), ("resolution", 320)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    many = int(os.environ.get("WORLD_SIZE", "1"))
    with processes.joined() if many > 1 else contextlib.nullcontext(), tempfile.TemporaryDirectory() as cache:
        found = capture.load(asked.source)
        frames = capture.prepare(found, cache, asked.resolution)
        config = TrainConfig(steps=2 * asked.steps, cap=asked.cap, batch=asked.batch)
        summed, spent, add = [], [], processes.add

        def watched(tensors):
            began = time.process_time()
            add(tensors)
            spent.append(time.process_time() - began)
            summed.append(sum(t.numel() * t.element_size() for t in tensors))

        processes.add = watched
        for progress in train(start(found, config, frames), frames, config):
            if progress.step == asked.steps:  # past the small pictures
                summed.clear(), spent.clear()
                began, count = time.process_time(), progress.count
        if processes.is_first():
            result = {
                "processes": processes.count(),
                "batch": asked.batch,
                "gaussians": count,
                "cpu_ms_per_step": round(1e3 * (time.process_time() - began) / asked.steps, 2),
                "cpu_ms_summing": round(1e3 * sum(spent) / asked.steps, 2),
                "bytes_summed_per_step": round(sum(summed) / asked.steps),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
            print(json.dumps(result))


if __name__ == "__main__":
    main()
