"""``.splat``: there and back, what others wrote, and what is none."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from file_laws import assert_round_trip, assert_survives_damage, sentence, some

from semsplat.splatting import formats
from semsplat.splatting.errors import InputError
from semsplat.splatting.formats import splat


@pytest.mark.parametrize("degree", [0, 3])
def test_there_and_back(tmp_path: Path, degree: int) -> None:
    assert_round_trip(tmp_path / "a.splat", splat, some(degree=degree))


def test_one_row_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.splat"
    path.write_bytes(struct.pack("<6f8B", 1, 2, 3, 0.5, 1, 2, 255, 0, 51, 204, 128, 0, 128, 128))
    one = formats.read(path)
    assert one.means.tolist() == [[1, 2, 3]]
    torch.testing.assert_close(one.scales, torch.tensor([[0.5, 1.0, 2.0]]))
    torch.testing.assert_close(one.sh[0, 0] * 0.28209479 + 0.5, torch.tensor([1.0, 0.0, 0.2]))
    torch.testing.assert_close(one.opacities, torch.tensor([0.8]))
    assert one.quats.tolist() == [[0, -1, 0, 0]]


def test_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.splat"
    splat.write(path, some(3))
    whole = path.read_bytes()
    for length in (0, 1, 31, 95, 97):
        assert "no .splat" in sentence(path, (whole + b"x")[:length])
    assert "make no sense" in sentence(path, np.full(80, np.nan, "<f4").tobytes())
    with pytest.raises(InputError, match="empty file"):
        splat.write(path, some(0))
    with pytest.raises(InputError, match="not finite"):
        splat.write(path, some(3).replace(means=torch.full((3, 3), torch.nan)))
    assert_survives_damage(path, whole)


def test_rows_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.splat"
    splat.write(path, some(5))
    rows = bytearray(path.read_bytes())
    rows[32:36] = struct.pack("<f", np.inf)
    path.write_bytes(rows)
    reading = formats.read_with_notes(path)
    assert len(reading.gaussians) == 4 and "1 of 5" in reading.notes[0]


def test_a_scale_of_zero_is_tiny(tmp_path: Path) -> None:
    path = tmp_path / "a.splat"
    path.write_bytes(struct.pack("<6f8B", 1, 2, 3, 0, 1, 2, 255, 0, 51, 204, 255, 128, 128, 128))
    assert bool(formats.read(path).is_finite().all())


def test_files_of_other_programs(captures: Path) -> None:
    model = formats.read_with_notes(captures / "splats" / "juleelee_model.splat")
    assert len(model.gaussians) == 60_634 and model.notes == ()
    minimal = formats.read(captures / "splats" / "st_minimal.splat")
    assert minimal.means.tolist() == [[-1, 0, -1], [0, 0, -1], [-1, 0, 0], [0, 0, 0]]
    torch.testing.assert_close(minimal.scales, torch.full((4, 3), 0.1))
    torch.testing.assert_close(minimal.opacities, torch.full((4,), 230 / 255))
