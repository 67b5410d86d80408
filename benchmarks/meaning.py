"""Acceptance of meaning: fields, words, clicks and masks against the truth, on the bundled capture and on real photos.

    python benchmarks/meaning.py --only room --work scenes --pictures pictures --save

Parts: room and noisy need nothing; cape and deeplab need the real captures in the folder SEMSPLAT_CAPTURES.
"""

import json
import sys
from pathlib import Path

import torch
from common import RESULTS, arguments, machine, saved

PARTS = ("room", "noisy", "cape", "deeplab")


def main() -> None:
    """Run the parts that were asked for; one JSON line, and with --save benchmarks/results/meaning.json."""
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="which parts")
    parser.add_argument("--work", type=Path, default=Path("meaning-scenes"), help="folder for the fitted scenes, kept")
    parser.add_argument(
        "--pictures", type=Path, default=Path("meaning-pictures"), help="folder for pictures to look at"
    )
    options = parser.parse_args()
    from meaning_cape import cape
    from meaning_deeplab import deeplab
    from meaning_room import noisy, room

    parts = {"room": room, "noisy": noisy, "cape": cape, "deeplab": deeplab}
    torch.set_num_threads(1)  # the kernels have the cores
    options.pictures.mkdir(parents=True, exist_ok=True)
    options.work.mkdir(parents=True, exist_ok=True)
    path, before = RESULTS / "meaning.json", saved("meaning") if options.save else {}
    result = {**before, "benchmark": "meaning", "command": "python benchmarks/meaning.py --save", **machine()}
    for name in options.only:
        print(f"== {name}", file=sys.stderr, flush=True)
        result[name] = parts[name](options.work, options.pictures)
        if options.save:
            path.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
