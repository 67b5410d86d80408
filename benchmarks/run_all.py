"""All CPU benchmarks, one after the other, with their results written to benchmarks/results/: about five minutes."""

import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = ("cpu_step", "cpu_channels", "first_picture")


def main() -> None:
    """Run them; the options go on to every script."""
    started = time.perf_counter()
    for name in SCRIPTS:
        print(f"== {name}", file=sys.stderr, flush=True)
        command = [sys.executable, str(Path(__file__).with_name(f"{name}.py")), *(sys.argv[1:] or ["--save"])]
        subprocess.run(command, check=True)
    print(f"== {time.perf_counter() - started:.0f} seconds", file=sys.stderr)


if __name__ == "__main__":
    main()
