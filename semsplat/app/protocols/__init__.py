"""``semsplat eval SCENE --protocol NAME DATA``: a published protocol, and the same without what flatters it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from ...splatting.errors import InputError
from ...splatting.train import one_torch_thread
from .. import scene
from ..progress import say
from . import labels, pointed, space, words
from .bench import Bench
from .report import Report, table

KEY = "protocols"  # in metrics.json
PROTOCOLS: Mapping[str, Callable[[Bench, Path, Console], Report]] = {
    "lerf-ovs": words.lerf_ovs,
    "lerf-ovs-3d": space.lerf_ovs_3d,
    "3d-ovs": words.threed_ovs,
    "nvos": pointed.nvos,
    "spin-nerf": pointed.spin_nerf,
    "replica-feature3dgs": labels.replica,
}


def run(name: str, folder: Path, data: Path | None, device: str, console: Console) -> int:
    """Score a scene that was fitted from a set's photos; show the table, say what it means, add to metrics.json.

    Raises:
        InputError: no such protocol, no data, or data that is not of this scene.
    """
    if name not in PROTOCOLS:
        raise InputError(f"There is no protocol '{name}'; there are {', '.join(PROTOCOLS)}.")
    if data is None:
        raise InputError(f"Where is the set? semsplat eval {folder} --protocol {name} DATA")
    bench = Bench.of(folder, device)
    with one_torch_thread(bench.device):
        report = PROTOCOLS[name](bench, data, console)
    path = folder / scene.METRICS
    before = scene.read_json(path) if path.exists() else {}
    scene.write_json(path, {**before, KEY: {**before.get(KEY, {}), name: report.facts()}})
    for group in report.groups:
        console.print(table(f"{name}: {group.name}", group.rows))
    for sentence in report.sentences:
        say(console, sentence)
    return 0
