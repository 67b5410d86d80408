"""``.spz``: versions 2, 3 and 4, the same splat in several formats, and files that lie."""

import gzip
import struct
from pathlib import Path

import pytest
import torch
import zstandard
from file_laws import assert_cuts_are_refused, assert_round_trip, assert_survives_damage, assert_within, sentence, some

from semsplat.splatting import formats
from semsplat.splatting.errors import InputError
from semsplat.splatting.formats import spz
from semsplat.splatting.formats.reading import Tolerance


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_there_and_back(tmp_path: Path, version: int, degree: int) -> None:
    assert_round_trip(tmp_path / "a.spz", spz, some(degree=degree), version=version)


@pytest.mark.parametrize("version", [3, 4])
def test_none_at_all(tmp_path: Path, version: int) -> None:
    spz.write(tmp_path / "a.spz", some(0), version)
    assert len(formats.read(tmp_path / "a.spz")) == 0


def test_the_farthest_mean_sets_the_step(tmp_path: Path) -> None:
    near, far = some(50), some(50)
    near = near.replace(means=near.means * 0.01)
    far = far.replace(means=far.means * 1e5)
    assert spz.fractional_bits(near) == spz.MOST_FRACTIONAL_BITS and spz.fractional_bits(far) < 6
    assert_round_trip(tmp_path / "a.spz", spz, near)
    assert_round_trip(tmp_path / "a.spz", spz, far)
    with pytest.raises(InputError, match="SPZ ends at"):
        spz.write(tmp_path / "b.spz", far.replace(means=far.means * 1e5))


def header(version: int, count: int, degree: int = 0, flags: int = 0) -> bytes:
    return struct.pack("<4sIIBBBB", b"NGSP", version, count, degree, 12, flags, 0)


def test_version_2_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.spz"
    mean = (4096).to_bytes(3, "little") + (-8192 & 0xFFFFFF).to_bytes(3, "little") + bytes(3)
    path.write_bytes(gzip.compress(header(2, 1) + mean + bytes([255, 128, 128, 128, 160, 144, 128, 255, 127, 127])))
    one = formats.read(path)
    torch.testing.assert_close(one.means, torch.tensor([[1.0, 2.0, 0.0]]))
    torch.testing.assert_close(one.log_scales, torch.tensor([[0.0, -1.0, -2.0]]))
    torch.testing.assert_close(one.quats.abs(), torch.tensor([[0.0, 1.0, 0.0, 0.0]]), atol=0.01, rtol=0)
    assert float(one.opacities) > 1 - 1e-6


def test_degree_4_loses_its_last_degree(tmp_path: Path) -> None:
    path = tmp_path / "a.spz"
    path.write_bytes(gzip.compress(header(3, 2, degree=4, flags=1) + bytes([200] * 2 * (20 + 72))))
    reading = formats.read_with_notes(path)
    assert reading.gaussians.sh.shape == (2, 16, 3)
    assert "antialiasing" in reading.notes[0] and "degree 4" in reading.notes[1]


@pytest.mark.parametrize("version", [3, 4])
def test_damaged_files(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.spz"
    spz.write(path, some(20, 1), version)
    whole = path.read_bytes()
    assert_cuts_are_refused(path, whole, step=7)
    assert_survives_damage(path, whole)


def test_files_that_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.spz"
    assert "not an SPZ" in sentence(path, b"hello")
    assert "no SPZ" in sentence(path, gzip.compress(b"hello, this is text"))
    assert "claims" in sentence(path, gzip.compress(header(3, 2**32 - 1)))
    assert "claims" in sentence(path, struct.pack("<4sIIBBBBI12x", b"NGSP", 4, 2**32 - 1, 3, 12, 0, 6, 32))
    assert "truncated" in sentence(path, gzip.compress(header(3, 1000)))
    assert "goes on" in sentence(path, gzip.compress(header(3, 1) + bytes(10_000_000)))
    assert "version 1 in gzip" in sentence(path, gzip.compress(header(1, 1) + bytes(20)))
    assert "version 3 without gzip" in sentence(path, header(3, 1) + bytes(40))
    assert "degree 9" in sentence(path, gzip.compress(header(3, 1, degree=9) + bytes(20)))


def test_a_stream_that_holds_more_than_it_says(tmp_path: Path) -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    streams = [bomb] + [zstandard.ZstdCompressor().compress(bytes(size)) for size in (1, 3, 3, 4)]
    table = b"".join(struct.pack("<QQ", len(s), size) for s, size in zip(streams, (9, 1, 3, 3, 4), strict=True))
    start = struct.pack("<4sIIBBBBI12x", b"NGSP", 4, 1, 0, 12, 0, 5, 32)
    assert "more than the 9 bytes" in sentence(tmp_path / "a.spz", start + table + b"".join(streams))


def test_files_of_other_programs(captures: Path) -> None:
    splats = captures / "splats"
    assert "version 2 without gzip" in sentence(splats / "st_minimal-raw.spz")
    for version in (3, 4):
        minimal = formats.read(splats / f"st_minimal-v{version}.spz")
        assert minimal.means.abs().tolist() == [[1, 0, 1], [0, 0, 1], [1, 0, 0], [0, 0, 0]]
        torch.testing.assert_close(minimal.quats, torch.tensor([[1.0, 0, 0, 0]]).expand(4, 4))
    assert len(formats.read(splats / "st_minimal-v2.spz")) == 4


def test_the_same_splat_as_ply_and_as_spz(captures: Path) -> None:
    """Their writer keeps 12 bits after the point."""
    plain = formats.read(captures / "splats" / "playbot_lod3_3dgs_sh2.ply")
    packed = formats.read(captures / "splats" / "playbot_sh2.spz")
    expected = spz.representable(plain)
    stated = spz.tolerance(expected)
    means = torch.tensor(0.501 / 4096)
    sh = stated.sh.clone()
    sh[1:] += 0.6 / 128  # they round twice: to 1/128, then to the step
    assert_within(packed, expected, Tolerance(means, stated.log_scales, sh, stated.opacities, stated.rotations))


def test_the_same_splat_compressed_and_as_spz(captures: Path) -> None:
    """Rows are in another order: each mean has a neighbour within both quantisations."""
    from scipy.spatial import KDTree

    splats = captures / "splats"
    first = formats.read(splats / "playcanvas_biker.compressed.ply")
    second = formats.read(splats / "playcanvas_biker.spz")
    assert len(first) == len(second) == 152_746
    distance, row = KDTree(first.means.numpy()).query(second.means.numpy())
    assert distance.max() < 0.001
    same = distance < 0.0003
    colors = (first.sh[row, 0] - second.sh[:, 0])[same].abs().amax(1)
    assert float(colors.quantile(0.5)) < 0.02
