"""How long edits take: do, undo, redo and switch at the end of a long list, the whole list anew, saving and opening.

The list is what a long session leaves: selections of a hundredth of the scene, all kinds of edits in turn, and one in a
hundred that names every Gaussian. CPU time on one thread: what else the machine does counts little. Ratios are to one
copy of the scene's tensors.

python benchmarks/edit_speed.py [--quick] [--save]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from common import arguments, emit, one_thread, shell, spread_of

from semsplat.splatting import history_files
from semsplat.splatting.edit import (
    Delete,
    Duplicate,
    Edit,
    Gain,
    Group,
    Hue,
    Move,
    Opacity,
    Rename,
    Rotate,
    Scale,
    Tint,
    turn,
)
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.history import Folds, History

FEATURES = 32
MIDDLE = (0.0, 0.0, 0.0)
KINDS: tuple[Callable[[torch.Tensor], Edit], ...] = (
    lambda ids: Tint(ids, (0.9, 0.1, 0.1)),
    lambda ids: Move(ids, (0.1, 0.0, 0.0)),
    lambda ids: Opacity(ids, 0.9),
    lambda ids: Rotate(ids, turn((0.0, 0.0, 1.0), 5.0), MIDDLE),
    lambda ids: Duplicate(ids[:100], (0.0, 0.0, 0.1)),
    lambda ids: Scale(ids, 1.01, MIDDLE),
    lambda ids: Hue(ids, 20.0),
    lambda ids: Gain(ids, (1.01, 1.0, 0.99)),
    lambda ids: Rename(ids, "cup", "mug"),
    lambda ids: Group(ids, "dishes"),
    lambda ids: Delete(ids[:20]),
)


def timed(work: Callable[[], Any], runs: int, warm: int = 1) -> dict[str, float]:
    """CPU times of ``runs`` calls in milliseconds, after ``warm`` calls that do not count."""
    seconds = []
    for k in range(warm + runs):
        start = time.process_time()
        work()
        if k >= warm:
            seconds.append(time.process_time() - start)
    return spread_of(seconds)


def long_list(count: int, edits: int, original: Gaussians) -> History:
    """Edits as a long session leaves them, and as it opens them again: folded once, at the end."""
    make, history = torch.Generator().manual_seed(0), History()
    for number in range(edits):
        start = int(torch.randint(0, count - count // 100, (1,), generator=make))
        ids = torch.arange(count) if number % 100 == 50 else torch.arange(start, start + count // 100)
        kind = KINDS[number % len(KINDS)]
        history = history.do(kind(ids) if number % 100 != 50 else Hue(ids, 3.0))
    history.fold(original)
    return history


def measure(count: int, edits: int, runs: int) -> dict:
    """Times in milliseconds for one size of scene."""
    original = shell(count, views=1).gaussians
    original = original.replace(features=torch.rand(count, FEATURES))
    history = long_list(count, edits, original)
    ids = torch.arange(count // 3, count // 3 + count // 20)
    number = history.entries[-3].number
    before = history.undo()
    before.fold(original)
    copies: list[Gaussians] = []  # kept, as folds are: fresh memory costs more than memory that was just let go
    works = {
        "copy": lambda: copies.append(original.map(torch.clone)),
        "tint": lambda: history.do(Tint(ids, (0.2, 0.4, 0.9))).fold(original),
        "move": lambda: history.do(Move(ids, (0.1, 0.0, 0.0))).fold(original),
        "turn": lambda: history.do(Rotate(ids, turn((0, 0, 1), 30.0), MIDDLE)).fold(original),
        "duplicate": lambda: history.do(Duplicate(ids, (0.0, 0.0, 1.0))).fold(original),
        "delete": lambda: history.do(Delete(ids)).fold(original),
        "undo_redo": lambda: (history.undo().fold(original), history.fold(original)),
        "switch_late": lambda: (history.switch(number, False).fold(original), history.fold(original)),
    }
    times = {}
    for name, work in works.items():
        times[name] = timed(work, runs)
        copies.clear()
    walk = [history]
    for _ in range(min(50, edits - 1)):
        walk.append(walk[-1].undo())
    steps = [timed(lambda version=version: version.fold(original), 1, 0)["max"] for version in walk[1:]]
    times["undo_50_worst"] = {"median": max(steps), "min": min(steps), "max": max(steps)}
    times["switch_first"] = timed(lambda: history.switch(1, False).fold(original), 1, 0)
    times["all_anew"] = timed(
        lambda: History(history.entries, history.done, history.next_number, Folds()).fold(original), 1, 0
    )
    with tempfile.TemporaryDirectory() as folder:
        times["save"] = timed(lambda: history_files.write(folder, history), min(runs, 3))
        times["open"] = timed(lambda: history_files.read(folder), min(runs, 3))
    return times


NAMES = {
    "copy": "one copy of the scene (the unit)",
    "tint": "tint a twentieth",
    "move": "move a twentieth",
    "turn": "turn a twentieth",
    "duplicate": "duplicate a twentieth",
    "delete": "delete a twentieth",
    "undo_redo": "undo and redo the last edit",
    "switch_late": "third last edit off and on",
    "undo_50_worst": "worst of 50 undos after opening",
    "switch_first": "first edit off, all others anew",
    "all_anew": "all edits on a fresh scene",
    "save": "save the list",
    "open": "open the list",
}


def main() -> None:
    options = arguments(__doc__ or "").parse_args()
    with one_thread():
        run(options)


def run(options: argparse.Namespace) -> None:
    sizes = {2_000: 30} if options.quick else {20_000: 1000, 200_000: 1000, 1_000_000: 200}  # edits
    result: dict = {"features": FEATURES}
    lines = []
    for count, edits in sizes.items():
        times = measure(count, edits, 1 if options.quick else 5)
        unit = max(times["copy"]["median"], 1e-3)
        result[str(count)] = {
            "edits": edits,
            "cpu_ms": times,
            "copies": {name: round(time["median"] / unit, 2) for name, time in times.items()},
        }
        lines.append(f"{count:,} Gaussians (degree 3, {FEATURES} features) after {edits:,} edits")
        for name, said in NAMES.items():
            time = times[name]["median"]
            lines.append(f"  {said:34} {time:10.2f} ms  {time / unit:8.2f} copies")
    emit("edit_speed", result, lines, options.save)


if __name__ == "__main__":
    main()
