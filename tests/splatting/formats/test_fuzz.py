"""10,000 damaged files over all readers: a sentence or Gaussians, within a second and a stated memory."""

import gzip
import io
import random
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from file_laws import some
from test_ksplat import ksplat, rows_of
from test_sog import archive, parts

from semsplat.splatting import formats
from semsplat.splatting.errors import InputError
from semsplat.splatting.formats import spz
from semsplat.splatting.formats.reading import FREE_BYTES, MOST_EXPANSION

INPUTS = 10_000
LONGEST = 1.0  # seconds, with room for a busy machine
SMALL_CHANGES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff")


def valid_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(suffix, content) of a small file in each format and version."""
    for suffix in formats.writable():
        for count, degree in ((40, 1), (3, 0)):
            path = folder / f"valid{suffix}"
            formats.write(path, some(count, degree))
            yield suffix, path.read_bytes()
    spz.write(folder / "valid.spz", some(40, 1), version=4)
    yield ".spz", (folder / "valid.spz").read_bytes()
    yield ".sog", archive(*parts())
    yield ".ksplat", ksplat(1, rows_of(7), 7, 0, b"\7" + bytes(15), size=4, buckets=1, full=0, partial=1)


def damaged(content: bytes, make: random.Random) -> bytes:
    """Cut, longer, a block moved, or bytes and numbers exchanged, mostly near the beginning."""
    kind = make.random()
    if kind < 0.15:
        return content[: make.randrange(len(content) + 1)]
    if kind < 0.2:
        return content + make.randbytes(make.randrange(1, 50))
    changed = bytearray(content)
    if kind < 0.3:
        start, size = make.randrange(len(content)), make.randrange(1, 64)
        changed[start : start + size] = b""
        return bytes(changed)
    end = len(content) if make.random() < 0.5 else min(len(content), 400)
    for _ in range(make.randrange(1, 8)):
        place = make.randrange(end)
        part = make.choice(SMALL_CHANGES) if make.random() < 0.5 else make.randbytes(1)
        changed[place : place + len(part)] = part
    return bytes(changed)


def damaged_inside(content: bytes, make: random.Random) -> bytes:
    """The same to what is packed, which a checksum would hide otherwise: a gzip stream, a member of a zip."""
    if content[:2] == b"\x1f\x8b":
        return gzip.compress(damaged(gzip.decompress(content), make), 1)
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            members = {name: file.read(name) for name in file.namelist()}
        name = make.choice([*members, "meta.json"])
        members[name] = damaged(members[name], make)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as file:
            for name, data in members.items():
                file.writestr(name, data)
        return stream.getvalue()
    return damaged(content, make)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_damaged_files_of_every_format(tmp_path: Path) -> None:
    files, make = list(valid_files(tmp_path)), random.Random(0)
    for suffix, content in files:  # what is imported late is imported now
        (tmp_path / f"whole{suffix}").write_bytes(content)
        assert len(formats.read(tmp_path / f"whole{suffix}")) > 0
    refused = 0
    tracemalloc.start()
    try:
        for i in range(INPUTS):
            suffix, content = files[i % len(files)]
            data = (damaged_inside if make.random() < 0.6 else damaged)(content, make)
            path = tmp_path / f"damaged{suffix}"
            path.write_bytes(data)
            tracemalloc.reset_peak()
            before, start = tracemalloc.get_traced_memory()[0], time.process_time()
            try:
                assert bool(formats.read(path).is_finite().all())
            except InputError as error:
                assert "\n" not in str(error)
                refused += 1
            assert time.process_time() - start < LONGEST, f"input {i} ({suffix})"
            peak = tracemalloc.get_traced_memory()[1] - before
            assert peak < 4 * max(MOST_EXPANSION * len(data), FREE_BYTES), f"input {i} ({suffix}): {peak:,} bytes"
    finally:
        tracemalloc.stop()
    assert INPUTS / 10 < refused < INPUTS
