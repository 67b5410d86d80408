"""The parts of ``semsplat bench`` one after another: a table for people on stderr, one line of JSON on stdout."""

import contextlib
import json
import time
from collections.abc import Iterable
from typing import Any, Literal

import torch
from rich.console import Console

from ... import __version__
from ..plan import pick_device, why
from ..progress import clock, counter, say
from . import sending, steps, taught, values
from .clock import Limit, machine, one_thread
from .rows import Row, table

DOUBTS = {
    "cpu": "Both on one thread, CPU time, so that others at work change it little; medians of calls in turns.",
    "cuda": "Wall time between two moments when the GPU was idle; medians of calls in turns.",
}
NO_TIME = "Lifting against joint training is left out: the machine is too busy to let joint training run long enough."
QUICK = "--quick is a smoke test: its figures mean nothing."
PARTS = {  # seconds on the wall's clock that each may take: after them it comes to its end with what it has
    "a training step against a plain-torch tile rasterizer": 20,
    "features, masks and heat (values only) against plain torch": 35,
    "lifting against joint training": 50,
    "what is sent to a page": 5,
}


def run(device: Literal["auto", "cpu", "cuda"], quick: bool, console: Console) -> int:
    """Measure, tell, print.

    Args:
        console: for people; the line of JSON goes to stdout.
    """
    where = pick_device(device)
    facts = machine(where.type)
    say(console, f"{_told(facts)}, device {where.type}: {why(where, device)}.")
    rows, began, due = [], time.monotonic(), sum(PARTS.values())
    for number, (what, seconds) in enumerate(PARTS.items(), 1):
        left = "" if quick else f", at most {clock(due)} left"
        say(console, f"[{number}/{len(PARTS)}] {what}{left}")
        with one_thread() if where.type == "cpu" else contextlib.nullcontext():
            rows += _part(number, where, quick, Limit(seconds), console)
        due -= seconds
    say(console, "")
    notes = [DOUBTS[where.type], QUICK] if quick else [DOUBTS[where.type]]
    if not any(row.part == "lifting" for row in rows):
        notes.append(NO_TIME)
    for line in (*table(rows), *notes):
        say(console, line)
    found = {"benchmark": "bench", "semsplat": __version__, "device": where.type, "quick": quick, **facts}
    found |= {"seconds": round(time.monotonic() - began, 1), "rows": [row.json() for row in rows]}
    print(json.dumps(found), flush=True)
    return 0


def _part(number: int, device: torch.device, quick: bool, limit: Limit, console: Console) -> Iterable[Row]:
    if number == 1:
        return steps.measured(device, quick, limit)
    if number == 2:
        return values.measured(device, quick, limit)
    if number == 3:
        return taught.measured(device, quick, limit, counter(console, "    fitting, then teaching"))
    return sending.measured(quick)


def _told(facts: dict[str, Any]) -> str:
    """The machine in words."""
    busy = "" if facts["load_before"] is None else f", load before {facts['load_before']}"
    gpu = f"{facts['gpu']}, " if "gpu" in facts else ""
    return f"{gpu}{facts['machine']}, torch {facts['torch']}{busy}"
