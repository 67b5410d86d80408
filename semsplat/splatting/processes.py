"""Many processes at work on one scene. The only file that knows torch.distributed.

``torchrun --nproc-per-node N`` starts N processes, on one machine or on several that share the scene's folder. Each
does its :func:`share` of what there is to do, what they found out is :func:`add`-ed, and the :func:`first` of them
writes. Started without torchrun a process is all there is: its share is everything and a sum is what it has already,
so code that uses these functions never asks how many there are.

All processes must come by the same calls in the same order. Small things and what lies on CPUs travel by gloo, which
notices at once when the other end is gone; what lies on GPUs travels by NCCL.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from .errors import DeviceError, InputError, SemsplatError

Item = TypeVar("Item")
TIMEOUT = timedelta(minutes=5)  # that the others may be late by, in the middle of work that is split evenly
PATIENCE = timedelta(hours=12)  # where one works alone, or nobody knows for how long
GO_ON, YES, HOLD = 0, 1, 2  # what is said in :func:`any_of`
_SPOKEN = "semsplat/spoken"  # in the store: how many ended and said why
SHY = 3.0  # seconds that others give the first one to save and speak
_patient: Any = None  # the same processes, with PATIENCE


class Lost(SemsplatError):
    """Another process ended or hangs; what this one has is as it was after its last whole step."""


@contextmanager
def joined() -> Iterator[None]:
    """Be one of the processes that torchrun started (its variables are read), until the end of the context.

    Raises:
        InputError: they do not find each other.
        SystemExit: another one ended and has said why; status 2.
    """
    global _patient
    kinds = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "cpu:gloo"
    try:
        dist.init_process_group(kinds, timeout=TIMEOUT)
        _patient = dist.new_group(timeout=PATIENCE, backend="gloo")
    except (RuntimeError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        raise InputError(f"The processes did not find each other ({said}); start them again.") from error
    try:
        yield
    except Lost:
        time.sleep(0.0 if is_first() else SHY)
        if _speaks_second():
            raise SystemExit(2) from None
        raise
    except SemsplatError:
        if _speaks_second():
            raise SystemExit(2) from None
        raise
    finally:
        _patient = None
        dist.destroy_process_group()


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Whether this is the process that writes files and talks."""
    return rank() == 0


def own_gpu() -> torch.device:
    """The GPU that is meant for this process.

    Raises:
        DeviceError: there are fewer GPUs than processes on this machine.
    """
    if count() == 1:
        return torch.device("cuda")
    here, there = int(os.environ.get("LOCAL_RANK", rank())), torch.cuda.device_count()
    if here >= there:
        many = int(os.environ.get("LOCAL_WORLD_SIZE", count()))
        raise DeviceError(f"{many} processes were started here for {there} GPUs; start one for each, or --device cpu.")
    torch.cuda.set_device(here)
    return torch.device("cuda", here)


def share(items: Sequence[Item]) -> Sequence[Item]:
    """This process's part of the items: every item is in one part, and parts differ by one item at most."""
    return items[rank() :: count()]


def add(tensors: Sequence[Tensor]) -> None:
    """Sum each tensor over all processes, in place; shapes and kinds are the same everywhere.

    Raises:
        Lost: another process ended or did not answer within TIMEOUT; the tensors are as they were.
    """
    if count() == 1:
        return
    for kind in sorted({(str(t.dtype), str(t.device)) for t in tensors}):
        group = [t for t in tensors if (str(t.dtype), str(t.device)) == kind]
        flat = torch.cat([t.detach().reshape(-1) for t in group])
        with _hearing():
            dist.all_reduce(flat)
            if flat.device.type == "cuda":
                torch.cuda.synchronize()
        for tensor, sums in zip(group, flat.split([t.numel() for t in group]), strict=True):
            tensor.detach().copy_(sums.view_as(tensor))


def any_of(flag: bool) -> bool:
    """Whether it is true in any process.

    Raises:
        Lost: another process ended or did not answer within TIMEOUT.
    """
    if count() == 1:
        return flag
    while (said := _loudest(YES if flag else GO_ON)) == HOLD:
        pass
    return said == YES


def hold() -> None:
    """Ask the others, who wait in :func:`any_of`, to wait on: called now and then by one that is kept from work."""
    if count() > 1:
        _loudest(HOLD)


def wait() -> None:
    """Until all processes are here, however long that takes.

    Raises:
        Lost: another process ended.
    """
    if count() > 1:
        with _hearing():
            dist.all_reduce(torch.zeros(1), group=_patient)


def first(work: Callable[..., Any], *arguments: Any) -> None:
    """Let the first process do something for all, while the others wait."""
    if is_first():
        work(*arguments)
    wait()


def of_first(tensors: Mapping[str, Tensor], facts: Any = None) -> tuple[dict[str, Tensor], Any]:
    """The first process's tensors, on the CPU, and its facts (anything JSON knows); the others' are not looked at."""
    if count() == 1:
        return dict(tensors), facts
    kinds = {name: [list(t.shape), str(t.dtype).removeprefix("torch.")] for name, t in tensors.items()}
    letter = torch.frombuffer(bytearray(json.dumps([kinds, facts]).encode()), dtype=torch.uint8)
    size = torch.tensor([letter.numel()])
    with _hearing():
        dist.broadcast(size, 0, group=_patient)
        letter = letter if is_first() else torch.empty(int(size), dtype=torch.uint8)
        dist.broadcast(letter, 0)
        kinds, facts = json.loads(bytes(letter.tolist()))
        given = {}
        for name, (shape, kind) in kinds.items():
            tensor = tensors[name].detach().cpu().contiguous() if is_first() else None
            given[name] = torch.empty(shape, dtype=getattr(torch, kind)) if tensor is None else tensor
            dist.broadcast(given[name], 0)
    return given, facts


def _loudest(said: int) -> int:
    word = torch.tensor([said])
    with _hearing():
        dist.all_reduce(word, dist.ReduceOp.MAX)
    return int(word)


def _speaks_second() -> bool:
    """Whether another process has said already why all end; from now on this one has."""
    try:
        return dist.distributed_c10d._get_default_store().add(_SPOKEN, 1) > 1
    except RuntimeError:  # whoever kept the store is gone, too
        return False


@contextmanager
def _hearing() -> Iterator[None]:
    """What torch says when the other end is gone or silent, as a sentence."""
    try:
        yield
    except RuntimeError as error:
        said = str(error).strip().splitlines()[0].split(". ")[0].rstrip(".")
        raise Lost(f"Process {rank()} of {count()} (counted from 0) lost another one ({said}).") from error
