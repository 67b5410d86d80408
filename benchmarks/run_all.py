"""All CPU benchmarks, one after the other, about four minutes: results to benchmarks/results/, tables to the README."""

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = ("cpu_step", "cpu_channels", "first_picture")
MARK = "<!-- from here on written by run_all.py -->\n"


def main() -> None:
    """Run them, then put their tables below the mark of the README."""
    started = time.perf_counter()
    for name in SCRIPTS:
        print(f"== {name}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, str(HERE / f"{name}.py"), "--save"], check=True)
    readme = HERE / "README.md"
    text = readme.read_text().split(MARK)[0] + MARK
    for name in SCRIPTS:
        text += f"\n## {name}\n\n```\n{(HERE / 'results' / f'{name}.txt').read_text()}```\n"
        if (HERE / "results" / f"{name}.png").exists():
            text += f"\n![cost against channels, Gaussians and pixels](results/{name}.png)\n"
    readme.write_text(text)
    print(f"== {time.perf_counter() - started:.0f} seconds", file=sys.stderr)


if __name__ == "__main__":
    main()
