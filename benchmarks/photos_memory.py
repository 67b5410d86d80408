"""Peak memory and time of preparing many large photos: is it flat in their number? Prints one line of JSON.

One synthetic 12-megapixel JPEG is linked under many names, with a distorting lens; every count runs in a process of its
own, and what is reported is the high-water mark of that process (Linux: VmHWM), with and without what importing took.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WIDTH, HEIGHT = 4032, 3024


def high_water() -> int:
    """Bytes of memory this process has had at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell the high-water mark of a process")


def make_capture(folder: Path, photos: int) -> None:
    """A transforms.json set of ``photos`` names for one noisy 12-megapixel picture."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (HEIGHT // 32, WIDTH // 32, 3), np.uint8)
    picture = Image.fromarray(small).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    noisy = np.asarray(picture).astype(np.int16) + rng.integers(-12, 12, (HEIGHT, WIDTH, 1), np.int16)
    (folder / "images").mkdir(parents=True)
    original = folder / "original.jpg"
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(original, quality=90)
    frames = []
    for number in range(photos):
        os.link(original, folder / "images" / f"{number:04d}.jpg")
        turn = 2 * math.pi * number / photos
        c, s = math.cos(turn), math.sin(turn)
        pose = [[c, 0, s, 3 * s], [0, 1, 0, 0], [-s, 0, c, 3 * c], [0, 0, 0, 1]]
        frames.append({"file_path": f"images/{number:04d}.jpg", "transform_matrix": pose})
    lens = {"w": WIDTH, "h": HEIGHT, "fl_x": 3100.0, "fl_y": 3100.0, "k1": 0.05, "k2": -0.08, "p1": 3e-4, "p2": -2e-4}
    (folder / "transforms.json").write_text(json.dumps({"camera_model": "OPENCV", **lens, "frames": frames}))


def measure(folder: Path, resolution: int) -> dict[str, float]:
    """Prepare the capture in ``folder``; runs in a process of its own."""
    from semsplat.splatting import capture

    imported = high_water()
    start, busy = time.perf_counter(), time.process_time()
    frames = capture.prepare(capture.load(folder), folder / "cache", resolution)
    return {
        "photos": len(frames),
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(time.process_time() - busy, 2),
        "peak_mib": round(high_water() / 2**20),
        "imported_mib": round(imported / 2**20),
    }


def main() -> None:
    """Measure every count and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, nargs="+", default=[30, 300])
    parser.add_argument("--resolution", type=int, default=960, help="pixels on the longest side")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # the child's
    options = parser.parse_args()
    if options.folder is not None:
        print(json.dumps(measure(options.folder, options.resolution)))
        return
    runs = []
    for photos in options.photos:
        with tempfile.TemporaryDirectory() as folder:
            make_capture(Path(folder) / "set", photos)
            command = [sys.executable, __file__, "--folder", str(Path(folder) / "set")]
            command += ["--resolution", str(options.resolution)]
            runs.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    photo = {"width": WIDTH, "height": HEIGHT, "resolution": options.resolution, "cores": os.cpu_count()}
    print(json.dumps({"benchmark": "photos_memory", **photo, "runs": runs}))


if __name__ == "__main__":
    main()
