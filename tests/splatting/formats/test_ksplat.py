"""``.ksplat``: files made here byte by byte, one of another program, and what is broken."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from file_laws import assert_cuts_are_refused, assert_survives_damage, sentence

from semsplat.splatting import formats

C0 = 0.28209479177387814


def ksplat(level: int, rows: bytes, count: int, degree: int = 0, centres: bytes = b"", **section: int) -> bytes:
    """A file of one section; ``centres``: sizes of those that are not full, then centres."""
    numbers = {"size": 256, "buckets": 0, "full": 0, "partial": 0} | section
    head = struct.pack("<BBxxIIIIHxx3fff", 0, 1, 1, 1, count, count, level, 0, 0, 0, -2.0, 2.0).ljust(4096, b"\0")
    part = struct.pack(
        "<IIIIfHxxIIIIH", count, count, numbers["size"], numbers["buckets"], 5.0, 12 if centres else 0, 32767, 0,
        numbers["full"], numbers["partial"], degree,
    )  # fmt: skip
    return head + part.ljust(1024, b"\0") + centres + rows


@pytest.mark.parametrize("level", [0, 1, 2])
def test_each_level_by_hand(tmp_path: Path, level: int) -> None:
    color = bytes([255, 0, 51, 204])
    if level == 0:
        row = (
            struct.pack("<10f", 1.0, 2.0, 3.0, 0.5, 1.0, 2.0, 0.0, 1.0, 0.0, 0.0)
            + color
            + struct.pack("<9f", *range(9))
        )
        content = ksplat(0, row, 1, degree=1)
    else:
        mean = np.rint(np.array([0.5, 0.0, -1.0]) / 2.5 * 32767 + 32767).astype("<u2").tobytes()
        row = mean + np.array([0.5, 1.0, 2.0, 0.0, 1.0, 0.0, 0.0], "<f2").tobytes() + color
        rest = np.arange(9, dtype="<f2").tobytes() if level == 1 else bytes([0, 255, 51, 0, 0, 0, 255, 255, 255])
        centres = struct.pack("<I", 1) + struct.pack("<3f", 0.5, 2.0, 4.0)
        content = ksplat(level, row + rest, 1, 1, centres, buckets=1, partial=1)
    path = tmp_path / "a.ksplat"
    path.write_bytes(content)
    one = formats.read(path)
    torch.testing.assert_close(one.means, torch.tensor([[1.0, 2.0, 3.0]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(one.scales, torch.tensor([[0.5, 1.0, 2.0]]))
    torch.testing.assert_close(one.opacities, torch.tensor([0.8]))
    assert one.quats.tolist() == [[0, 1, 0, 0]]
    torch.testing.assert_close(one.sh[0, 0] * C0 + 0.5, torch.tensor([1.0, 0.0, 0.2]))
    expected = [[0.0, 3, 6], [1, 4, 7], [2, 5, 8]] if level < 2 else [[-2.0, -2, 2], [2, -2, 2], [-1.2, -2, 2]]
    torch.testing.assert_close(one.sh[0, 1:], torch.tensor(expected))


def rows_of(count: int) -> bytes:
    make = np.random.default_rng(0)
    row = np.dtype([("m", "<u2", 3), ("s", "<f2", 7), ("c", "u1", 4)])
    rows = np.empty(count, row)
    rows["m"], rows["s"] = make.integers(0, 65535, (count, 3)), make.random((count, 7)) + 0.1
    rows["c"] = make.integers(0, 255, (count, 4))
    return rows.tobytes()


def test_buckets_that_are_full_and_not(tmp_path: Path) -> None:
    path = tmp_path / "a.ksplat"
    centres = struct.pack("<2I", 2, 1) + np.arange(9, dtype="<f4").tobytes()
    same = rows_of(1) * 7
    path.write_bytes(ksplat(1, same, 7, 0, centres, size=4, buckets=3, full=1, partial=2))
    x = formats.read(path).means[:, 0]
    torch.testing.assert_close(x - x[0], torch.tensor([0.0, 0, 0, 0, 3, 3, 6]))


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.ksplat"
    centres = struct.pack("<I", 3) + np.arange(6, dtype="<f4").tobytes()
    whole = ksplat(1, rows_of(7), 7, 0, centres, size=4, buckets=2, full=1, partial=1)
    path.write_bytes(whole)
    assert len(formats.read(path)) == 7
    assert_cuts_are_refused(path, whole, step=331)
    head, section, rows = whole[:64], whole[4096 : 4096 + 48], whole[5120:]
    for place in range(len(head) + len(section)):
        at = place if place < len(head) else 4096 + place - len(head)
        for value in (1, 127, 255):
            damaged = bytearray(whole)
            damaged[at] = value
            path.write_bytes(damaged)
            try:
                formats.read(path)
            except formats.InputError as error:
                assert "\n" not in str(error)
    assert rows
    assert_survives_damage(path, whole, tries=30)
    assert "too few" in sentence(path, b"hello")
    assert "version 1.1" in sentence(path, b"\1" + whole[1:])
    assert "do not hold" in sentence(
        path, ksplat(1, rows_of(7), 7, 0, centres, size=4, buckets=2, full=2**31, partial=1)
    )
    assert "truncated" in sentence(path, ksplat(1, rows_of(7), 2**31))


def test_a_file_of_another_program(captures: Path) -> None:
    ours, same = (formats.read(captures / "splats" / f"st_minimal{end}") for end in (".ksplat", ".splat"))
    for name, tensor in ours.tensors():
        torch.testing.assert_close(tensor, getattr(same, name), msg=name)
