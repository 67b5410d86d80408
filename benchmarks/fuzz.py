"""Damaged files for every reader of Gaussians: each must end in Gaussians or in one sentence, soon, in little memory.

Run: python benchmarks/fuzz.py --save [--inputs 10000] [--readers .spz .sog] [--keep FOLDER]

Small valid files in every format, version and degree are cut, prolonged, shifted and changed, mostly near the
beginning, where counts and sizes are; of packed ones also what is inside, which a checksum would hide otherwise. With
$SEMSPLAT_CAPTURES the smallest files of others, too. Each input follows from its number, so any can be made again.
Readers run in processes of their own: a second of CPU time for one input ends them, and so does a crash. Wrong is:

- anything but Gaussians that are finite, or an InputError of one line
- more than a second of CPU time
- more memory than FREE_BYTES of :mod:`semsplat.splatting.formats.reading`, or a small multiple of the file

What was wrong is kept in the folder of --keep. Exit status 1 if anything was.
"""

import gzip
import io
import json
import os
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, emit, saved

from semsplat.splatting import formats
from semsplat.splatting.errors import InputError
from semsplat.splatting.formats import spz
from semsplat.splatting.formats.reading import FREE_BYTES, MOST_EXPANSION
from semsplat.splatting.gaussians import Gaussians

LONGEST = 1.0  # seconds of CPU time
MOST_MEMORY = 2 * FREE_BYTES  # bytes, for a small file; of larger ones 2 MOST_EXPANSION times the file
LARGEST_SEED = 10_000  # bytes of a file of others that is damaged
CRASHES = 20  # of one reader, then it is given up
NUMBERS = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff")
WORDS = (b"-1", b"1e99", b"999999999999", b"NaN", b"Infinity", b"null", b"[]", b"{}", b'""', b"[" * 4000)
FOLDER = "meta.json"  # a .sog unpacked: this is damaged, the pictures beside it are whole
ZERO_BOMB = gzip.compress(bytes(1 << 22), 9)


def some(count: int, degree: int) -> Gaussians:
    """Random Gaussians as a fit leaves them."""
    make = torch.Generator().manual_seed(count)
    shapes = ((count, 3), (count, 4), (count, 3), (count,), (count, (degree + 1) ** 2, 3))
    means, quats, scales, logits, sh = (torch.randn(*shape, generator=make) for shape in shapes)
    return Gaussians(means, quats, scales - 4.0, logits, 0.4 * sh)


def ksplat(level: int, count: int) -> bytes:
    """A .ksplat of one section in two buckets; this package only reads them."""
    make = np.random.default_rng(level)
    types = (("<f4", "<f4", "<f4"), ("<u2", "<f2", "<f2"), ("<u2", "<f2", "u1"))[level]
    rows = np.zeros(count, [("m", types[0], 3), ("s", types[1], 7), ("c", "u1", 4), ("r", types[2], 9)])
    for name in rows.dtype.names or ():
        rows[name] = 0.1 + make.random(rows[name].shape) * 200
    head = struct.pack("<BBxxIIIIHxx3fff", 0, 1, 1, 1, count, count, level, 0, 0, 0, -2.0, 2.0).ljust(4096, b"\0")
    buckets = struct.pack("<I6f", count - 4, *range(6)) if level else b""
    numbers = (4, 2, 5.0, 12, 32767, 0, 1, 1) if level else (256, 0, 5.0, 0, 32767, 0, 0, 0)
    return head + struct.pack("<IIIIfHxxIIIIH", count, count, *numbers, 1).ljust(1024, b"\0") + buckets + rows.tobytes()


def valid_files(reader: str) -> Iterator[tuple[str, bytes]]:
    """(suffix, content) of small files that a reader opens."""
    version = {".spz v2": 2, ".spz v3": 3, ".spz v4": 4}.get(reader, 0)
    suffix = reader.split()[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        if reader == FOLDER:
            yield suffix, unpacked()[FOLDER]
            return
        for count, degree in ((40, 1), (3, 0), (12, 3)):
            if suffix == ".ksplat":
                yield suffix, ksplat(degree if degree < 3 else 2, 7)
                continue
            if version:
                spz.write(path, some(count, degree), version=max(version, 3))
            else:
                formats.write(path, some(count, degree))
            content = path.read_bytes()
            yield suffix, as_version_2(content) if version == 2 else content
        if reader == ".ply":
            yield suffix, as_text(path.read_bytes())
    captures = os.environ.get("SEMSPLAT_CAPTURES")
    for other in sorted(Path(captures, "splats").glob(f"*{suffix}")) if captures else ():
        data = other.read_bytes()
        if len(data) <= LARGEST_SEED and (not version or f"v{version}" in other.name):
            yield suffix, data


def unpacked() -> dict[str, bytes]:
    """The files of a small .sog, by name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sog"
        formats.write(path, some(40, 1))
        with zipfile.ZipFile(path) as file:
            return {name: file.read(name) for name in file.namelist()}


def as_version_2(packed: bytes) -> bytes:
    """An .spz of version 3 with rotations of three bytes; any will do."""
    plain = gzip.decompress(packed)
    magic, _, count, degree, *rest = struct.unpack_from("<4sIIBBBB", plain)
    start = 16 + 16 * count
    turned = bytes(k % 251 for k in range(3 * count))
    head = struct.pack("<4sIIBBBB", magic, 2, count, degree, *rest)
    return gzip.compress(head + plain[16:start] + turned + plain[start + 4 * count :])


def as_text(binary: bytes) -> bytes:
    """A .ply of floats in ASCII."""
    head, body = binary.split(b"end_header\n", 1)
    names = head.count(b"property")
    rows = np.frombuffer(body, "<f4").reshape(-1, names)
    lines = "\n".join(" ".join(f"{value:.6g}" for value in row) for row in rows)
    return head.replace(b"binary_little_endian", b"ascii") + b"end_header\n" + lines.encode() + b"\n"


def damaged(content: bytes, make: random.Random) -> bytes:
    """Cut, prolonged, a block lost or doubled, or bytes and numbers exchanged, mostly near the beginning."""
    kind = make.random()
    if kind < 0.15:
        return content[: make.randrange(len(content) + 1)]
    if kind < 0.2:
        return content + make.choice((make.randbytes(make.randrange(1, 50)), content, ZERO_BOMB))
    changed = bytearray(content)
    if kind < 0.3 and content:
        start, size = make.randrange(len(content)), make.randrange(1, 64)
        changed[start : start + size] = make.choice((b"", 2 * bytes(changed[start : start + size])))
        return bytes(changed)
    if kind < 0.45:
        numbers = [k for k in range(min(len(content), 4000)) if content[k : k + 1].isdigit()]
        if numbers:
            start = end = make.choice(numbers)
            while content[end : end + 1].isdigit():
                end += 1
            changed[start:end] = make.choice(WORDS)
            return bytes(changed)
    end = len(content) if make.random() < 0.5 else min(len(content), 400)
    for _ in range(make.randrange(1, 8) if end else 0):
        place = make.randrange(end)
        part = make.choice(NUMBERS) if make.random() < 0.5 else make.randbytes(1)
        changed[place : place + len(part)] = part
    return bytes(changed)


def damaged_inside(content: bytes, make: random.Random) -> bytes:
    """The same to what is packed: a gzip stream, a member of a zip, also as a bomb."""
    if content[:2] == b"\x1f\x8b":
        return gzip.compress(damaged(gzip.decompress(content), make) + bytes(1 << 22) * (make.random() < 0.02), 1)
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = {name: file.read(name) for name in file.namelist()}
        name = make.choice([*members, "meta.json"])
        members[name] = damaged(members[name], make) + b" " * (1 << 24) * (make.random() < 0.01)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
            for member, data in members.items():
                file.writestr(member, data)
        return stream.getvalue()
    return damaged(content, make)


def input_of(reader: str, number: int, seeds: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """(suffix, content) of an input."""
    make = random.Random(f"{reader} {number}")
    suffix, content = seeds[number % len(seeds)]
    return suffix, (damaged_inside if make.random() < 0.6 else damaged)(content, make)


def peak(anew: bool = False) -> int:
    """Largest resident memory, bytes; since the last call with ``anew`` where the system can tell (Linux)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])


def child(reader: str, first: int, last: int, folder: Path) -> None:
    """Read inputs first..last; facts go to facts.json, and the input in hand stays in the folder when this dies."""
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    seeds = list(valid_files(reader))
    for name, content in unpacked().items() if reader == FOLDER else ():
        (folder / name).write_bytes(content)
    whole = folder / f"whole{seeds[0][0]}"
    for _, content in seeds:  # what is imported late is imported now
        whole.write_bytes(content)
        if not len(formats.read(whole)):
            raise ValueError(f"a valid {reader} is empty")
    refused, slowest, most, wrong = 0, 0.0, 0, []
    for number in range(first, last):
        suffix, data = input_of(reader, number, seeds)
        path = folder / f"{number}{suffix}"
        opened = folder / FOLDER if reader == FOLDER else path  # that one is known by its name alone
        for file in {path, opened}:
            file.write_bytes(data)
        before, problem = peak(anew=True), ""
        signal.setitimer(signal.ITIMER_PROF, LONGEST)
        start = time.process_time()
        try:
            if not bool(formats.read(opened).is_finite().all()):
                problem = "numbers that are not finite"
        except InputError as error:
            refused += 1
            problem = "a sentence of several lines" if "\n" in str(error) else ""
        except BaseException as error:
            problem = f"{type(error).__name__}: {error}"[:200]
        slowest = max(slowest, time.process_time() - start)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        used = peak() - before
        most = max(most, used)
        if used > max(MOST_MEMORY, 2 * MOST_EXPANSION * len(data)):
            problem = problem or f"{used:,} bytes of memory for {len(data):,}"
        if problem:
            wrong.append({"input": number, "problem": problem})
        else:
            path.unlink()
    facts = {"refused": refused, "slowest_seconds": round(slowest, 3), "memory_megabytes": round(most / 1e6, 1)}
    (folder / "facts.json").write_text(json.dumps(facts | {"wrong": wrong}))


def fuzz(reader: str, inputs: int, folder: Path) -> dict[str, Any]:
    """All inputs of a reader; a process that dies is followed by another behind the input that killed it."""
    folder.mkdir(parents=True, exist_ok=True)
    total: dict[str, Any] = {"inputs": inputs, "refused": 0, "slowest_seconds": 0.0, "memory_megabytes": 0.0}
    wrong, first = [], 0
    while first < inputs and len(wrong) < CRASHES:
        command = [sys.executable, __file__, "--child", reader, str(first), str(inputs), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        facts = folder / "facts.json"
        if done.returncode == 0:
            found = json.loads(facts.read_text())
            facts.unlink()
            total["refused"] += found["refused"]
            for key in ("slowest_seconds", "memory_megabytes"):
                total[key] = max(total[key], found[key])
            wrong += found["wrong"]
            break
        found = (re.match(r"\d+", path.name) for path in folder.iterdir())
        left = [int(match[0]) for match in found if match]
        if not left:
            raise RuntimeError(done.stderr[-2000:])
        how = "over a second" if done.returncode == -signal.SIGPROF else f"died with {done.returncode}"
        wrong.append({"input": max(left), "problem": f"{how} {done.stderr[-300:]}"})
        first = max(left) + 1
    return total | {"wrong": wrong}


def main() -> int:
    """See the module."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
        return 0
    known = [suffix for suffix in sorted(formats.FORMATS) if suffix != ".spz"] + [".spz v2", ".spz v3", ".spz v4"]
    parser = arguments(__doc__ or "")
    parser.add_argument("--inputs", type=int, default=10_000, help="of each reader")
    parser.add_argument("--readers", nargs="+", default=known, choices=known)
    parser.add_argument("--keep", type=Path, help="folder for the inputs with which something was wrong")
    wanted = parser.parse_args()
    inputs = min(wanted.inputs, 60) if wanted.quick else wanted.inputs
    result: dict[str, Any] = saved("fuzz").get("readers", {}) if wanted.save else {}
    lines = [f"{'':16}{'inputs':>8}{'refused':>9}{'wrong':>7}{'slowest s':>11}{'memory MB':>11}"]
    with tempfile.TemporaryDirectory() as temporary:
        for reader in wanted.readers:
            folder = (wanted.keep or Path(temporary)) / reader.strip(".").replace(" ", "-")
            result[reader] = fuzz(reader, inputs, folder)
    for reader, one in sorted(result.items()):
        lines.append(
            f"{reader:16}{one['inputs']:8,}{one['refused']:9,}{len(one['wrong']):7}"
            f"{one['slowest_seconds']:11.3f}{one['memory_megabytes']:11.1f}"
        )
        lines += [f"    input {case['input']}: {case['problem']}" for case in one["wrong"][:5]]
    emit("fuzz", {"readers": result}, lines, wanted.save)
    return 1 if any(one["wrong"] for one in result.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
