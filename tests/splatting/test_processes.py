"""Several processes: what they make together is what one makes alone, and none waits for one that is gone."""

import json
import multiprocessing
import os
import socket
import time
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from test_train import capture_of, write_frames

from semsplat.splatting import processes
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.lift import solve
from semsplat.splatting.splat import splat
from semsplat.splatting.start import start
from semsplat.splatting.tensors import load_tensors, save_tensors
from semsplat.splatting.train import train
from semsplat.splatting.train_types import TrainConfig, TrainState

MCMC = TrainConfig(steps=24, cap=300, batch=2)
CLASSIC = TrainConfig(steps=24, cap=300, batch=2, density="classic")
HALF = 11


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fitted(frames: list[Frame], config: TrainConfig, state: TrainState | None = None, until: int = 99) -> TrainState:
    for progress in train(start(capture_of(), config, frames), frames, config, state=state):
        if progress.step == until:
            break
    return progress.state


def saved(path: Path, state: TrainState) -> None:
    if processes.is_first():
        save_tensors(path, state.tensors, {"psnr": repr(state.numbers["psnr"])})


def halves(state: TrainState) -> TrainState:
    """As from a file."""
    return TrainState({n: t.detach().clone() for n, t in state.tensors.items()}, dict(state.numbers))


def lifted(frames: list[Frame]) -> torch.Tensor:
    """The photos' colours, lifted by all processes."""
    scene = start(capture_of(), MCMC, frames)
    views = [(splat(scene, f.camera).detach(), f.read()[..., :3] / 255.0) for f in processes.share(frames)]
    return solve(views, torch.zeros(len(scene), 3), 2)


def together(rank: int, ports: list[int], folder: Path) -> None:
    """What one of two processes does."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(ports[0])}
    frames = write_frames(folder / f"{rank}", weights="alpha")
    with processes.joined():
        assert processes.share(range(5)) == (range(0, 5, 2), range(1, 5, 2))[rank]
        given, facts = processes.of_first({"a": torch.arange(3) + rank, "none": torch.zeros(0, 4)}, {"rank": rank})
        assert given["a"].tolist() == [0, 1, 2] and given["none"].shape == (0, 4) and facts == {"rank": 0}
        if rank == 0:
            processes.hold()
            processes.hold()
        assert processes.any_of(rank == 1) and not processes.any_of(False)
        processes.first((folder / "first").touch)
        assert (folder / "first").exists()
        for config in (MCMC, CLASSIC):
            saved(folder / f"{config.density}.safetensors", fitted(frames, config))
        half = fitted(frames, MCMC, until=HALF)
        saved(folder / "half.safetensors", half)
        whole, _ = load_tensors(folder / "alone_half.safetensors", "")
        numbers = json.loads((folder / "alone_numbers.json").read_text())
        saved(folder / "rest.safetensors", fitted(frames, MCMC, TrainState(whole, numbers)))
        saved(folder / "lifted.safetensors", TrainState({"values": lifted(frames)}, {"psnr": 0.0}))
    lonely(rank, ports, folder, frames)


def lonely(rank: int, ports: list[int], folder: Path, frames: list[Frame]) -> None:
    """The second process hangs, and then is killed: the first one notices, and has its last whole step."""
    os.environ["MASTER_PORT"], processes.TIMEOUT = str(ports[1]), timedelta(seconds=2)
    try:
        with processes.joined():
            time.sleep(5 * rank)
            processes.any_of(False)
    except (processes.Lost, SystemExit) as error:
        (folder / f"hung{rank}").write_text(str(error))
    os.environ["MASTER_PORT"], processes.TIMEOUT = str(ports[2]), timedelta(minutes=1)
    progress = None
    try:
        with processes.joined():
            for progress in train(start(capture_of(), MCMC, frames), frames, MCMC):
                if rank == 1 and progress.step == HALF:
                    os._exit(9)
    except processes.Lost as error:
        assert progress is not None and progress.step == HALF
        (folder / "lost").write_text(str(error))
        saved(folder / "last.safetensors", progress.state)


def assert_same(path: Path, state: TrainState) -> None:
    """Bit for bit: with two addends there is no order in which a sum could differ."""
    tensors, metadata = load_tensors(path, "")
    assert tensors.keys() == state.tensors.keys() and metadata["psnr"] == repr(state.numbers["psnr"])
    for name, tensor in tensors.items():
        assert torch.equal(tensor, state.tensors[name].detach()), name


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch_and_survive_each_other(tmp_path: Path) -> None:
    for name in ("0", "1", "alone"):
        (tmp_path / name).mkdir()
    frames = write_frames(tmp_path / "alone", weights="alpha")
    half = fitted(frames, MCMC, until=HALF)
    saved(tmp_path / "alone_half.safetensors", half)
    (tmp_path / "alone_numbers.json").write_text(json.dumps(half.numbers))
    half, context, ports = halves(half), multiprocessing.get_context("spawn"), [free_port() for _ in range(3)]
    children = [context.Process(target=together, args=(rank, ports, tmp_path)) for rank in range(2)]
    for child in children:
        child.start()
    whole = fitted(frames, MCMC)
    classic, values = fitted(frames, CLASSIC), lifted(frames)
    for child in children:
        child.join(240)
    assert [child.exitcode for child in children] == [0, 9]
    assert_same(tmp_path / "mcmc.safetensors", whole)
    assert_same(tmp_path / "classic.safetensors", classic)
    assert_same(tmp_path / "half.safetensors", half)  # so that one process may go on with what two began
    assert_same(tmp_path / "rest.safetensors", whole)  # and two with what one began
    assert_same(tmp_path / "last.safetensors", half)
    torch.testing.assert_close(load_tensors(tmp_path / "lifted.safetensors", "")[0]["values"], values)
    assert (
        "Process 0 of 2" in (tmp_path / "hung0").read_text() and "lost another one" in (tmp_path / "lost").read_text()
    )


def test_alone_everything_is_as_it_was() -> None:
    tensor = torch.ones(2)
    processes.add([tensor])
    processes.wait()
    processes.hold()
    assert tensor.tolist() == [1, 1] and processes.share([1, 2]) == [1, 2]
    assert processes.any_of(True) and not processes.any_of(False)
    assert processes.of_first({"a": tensor}, 3) == ({"a": tensor}, 3)
