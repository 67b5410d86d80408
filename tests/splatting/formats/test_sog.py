"""``.sog``: an archive made here by the specification, one of PlayCanvas, and traps."""

import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from file_laws import assert_round_trip, assert_survives_damage, assert_within, sentence, some
from PIL import Image
from scenes import camera, cloud

from semsplat.splatting import formats
from semsplat.splatting.errors import InputError
from semsplat.splatting.formats import reading, sog, sog_writing
from semsplat.splatting.formats.reading import Tolerance
from semsplat.splatting.splat import splat

SIDE = 6  # pixels


def webp(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", lossless=True, exact=True)
    return stream.getvalue()


def picture(*columns: np.ndarray) -> bytes:
    """Bytes of each Gaussian, (n, 1..4), side by side, as a picture with alpha."""
    pixels = np.full((SIDE * SIDE, 4), 255, np.uint8)
    table = np.concatenate([column.reshape(len(column), -1) for column in columns], axis=1)
    pixels[: len(table), : table.shape[1]] = table
    return webp(pixels.reshape(SIDE, SIDE, 4))


def parts(seed: int = 0, count: int = 30) -> tuple[dict[str, Any], dict[str, bytes]]:
    """meta.json and the pictures of some Gaussians of degree 1, and codebooks of even steps."""
    table = some(count, 1, seed)
    means = table.means.double().numpy()
    logs = np.sign(means) * np.log1p(np.abs(means))
    low, high = logs.min(0), logs.max(0)
    steps = np.rint((logs - low) / (high - low) * 65535).astype(np.uint16)
    quats = torch.nn.functional.normalize(table.quats, dim=-1).double().numpy()
    three, largest = reading.smallest_three(quats)
    book = np.linspace(-10, 5, 256)
    scales = np.abs(table.log_scales.numpy()[..., None] - book).argmin(-1)
    colors = np.abs(table.sh[:, 0].numpy()[..., None] - book).argmin(-1)
    opacity = np.rint(table.opacities.numpy() * 255)[:, None]
    palette = np.zeros((1, 64 * 3, 4), np.uint8)
    palette[0, :9, :3] = np.arange(27).reshape(9, 3)
    labels = np.stack([np.arange(count) % 3, np.zeros(count), np.zeros(count)], axis=1)
    meta = {
        "version": 2, "count": count,
        "means": {"mins": low.tolist(), "maxs": high.tolist(), "files": ["means_l.webp", "means_u.webp"]},
        "scales": {"codebook": book.tolist(), "files": ["scales.webp"]}, "quats": {"files": ["quats.webp"]},
        "sh0": {"codebook": book.tolist(), "files": ["sh0.webp"]},
        "shN": {"count": 3, "bands": 1, "codebook": book.tolist(), "files": ["c.webp", "l.webp"]},
    }  # fmt: skip
    files = {
        "means_l.webp": picture(steps & 255), "means_u.webp": picture(steps >> 8), "scales.webp": picture(scales),
        "quats.webp": picture(np.rint((three / math.sqrt(2) + 0.5) * 255), largest[:, None] + 252),
        "sh0.webp": picture(colors, opacity), "c.webp": webp(palette), "l.webp": picture(labels),
    }  # fmt: skip
    return meta, files


def archive(meta: Any, files: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as file:
        for name, data in ({"meta.json": json.dumps(meta).encode()} | files).items():
            file.writestr(name, data)
    return stream.getvalue()


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_was_put_in_comes_out(tmp_path: Path, packing: int) -> None:
    path = tmp_path / "a.sog"
    path.write_bytes(archive(*parts(), packing))
    again, table = formats.read(path), some(30, 1)
    book = torch.linspace(-10, 5, 256)
    expected = table.replace(log_scales=table.log_scales.clamp(-10, 5), sh=again.sh)
    half = torch.tensor(7.6 / 255)
    assert_within(again, expected, Tolerance(torch.tensor(0.002), half, half, 0.501 / 255, 0.01))
    assert float((again.sh[:, 0] - table.sh[:, 0]).abs().max()) < float(half)
    rows = torch.arange(27).reshape(3, 3, 3)[torch.arange(30) % 3]
    torch.testing.assert_close(again.sh[:, 1:], book[rows])


def changed(**change: Any) -> bytes:
    meta, files = parts()
    return archive(meta | change, files)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_there_and_back(tmp_path: Path, degree: int) -> None:
    assert_round_trip(tmp_path / "a.sog", sog, some(degree=degree))
    assert_round_trip(tmp_path / "a.sog", sog, some(1, degree))
    sog.write(tmp_path / "a.sog", some(0, degree))
    assert len(formats.read(tmp_path / "a.sog")) == 0


def test_what_was_read_is_written_without_loss(tmp_path: Path) -> None:
    """Codebooks, palette and ends are found again; the same scene gives the same bytes."""
    sog.write(tmp_path / "a.sog", some(500, 2))
    first = formats.read(tmp_path / "a.sog")
    sog.write(tmp_path / "b.sog", first)
    second = formats.read(tmp_path / "b.sog")
    assert_within(second, first, Tolerance(*(torch.tensor(1e-6),) * 3, 1e-6, 0.006))
    sog.write(tmp_path / "c.sog", some(500, 2))
    assert (tmp_path / "a.sog").read_bytes() == (tmp_path / "c.sog").read_bytes()


def test_a_palette_that_many_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sog_writing, "LARGEST_PALETTE", 200)
    assert_round_trip(tmp_path / "a.sog", sog, some(1500, 1))


def test_pictures_look_alike(tmp_path: Path) -> None:
    """PSNR of a picture before and after: 50 dB here."""
    scene, view = cloud(400, dtype=torch.float32), camera(dtype=torch.float32)
    formats.write(tmp_path / "a.sog", scene)
    again = formats.read(tmp_path / "a.sog")
    before, after = ((splat(g, view) @ g.colors(view)).clamp(0, 1) for g in (scene, again))
    assert -10 * math.log10(float((before - after).square().mean())) > 45


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_cannot_be_written(tmp_path: Path, bad: float) -> None:
    scene = some(5)
    scene.means[2, 1] = bad
    with pytest.raises(InputError, match="1 of 5 Gaussians are not finite"):
        formats.write(tmp_path / "a.sog", scene)
    assert not (tmp_path / "a.sog").exists()


def test_files_that_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.sog"
    meta, files = parts()
    assert "no SOG" in sentence(path, b"hello")
    assert "no meta.json" in sentence(path, archive({}, {}).replace(b"meta.json", b"beta.json"))
    assert "version 1" in sentence(path, archive({"means": {}}, {}))
    assert "version None" in sentence(path, archive([], {}))
    assert "count -3" in sentence(path, changed(count=-3))
    assert "claims" in sentence(path, changed(count=10**12))
    assert "fewer than 37" in sentence(path, changed(count=37))
    assert "no 2 files" in sentence(path, changed(means={"files": ["a"]}))
    assert "ends of its means" in sentence(path, changed(means=meta["means"] | {"mins": [1, 2]}))
    assert "list of numbers" in sentence(path, changed(scales={"codebook": "abc", "files": ["scales.webp"]}))
    assert "too large" in sentence(path, changed(scales={"codebook": [10**400], "files": ["scales.webp"]}))
    assert "codebook of 300" in sentence(path, changed(sh0={"codebook": [0] * 300, "files": ["sh0.webp"]}))
    assert "degree from 1 to 3" in sentence(path, changed(shN=meta["shN"] | {"bands": 7}))
    assert "palette" in sentence(path, changed(shN=meta["shN"] | {"bands": 2}))
    assert "no quats.webp" in sentence(path, archive(meta, {k: v for k, v in files.items() if k != "quats.webp"}))
    assert "no WebP" in sentence(path, archive(meta, files | {"quats.webp": b"RIFF"}))


@pytest.mark.slow
def test_bombs(tmp_path: Path) -> None:
    path = tmp_path / "a.sog"
    meta, files = parts()
    large = webp(np.zeros((9000, 9000, 4), np.uint8))
    assert len(large) < 100_000
    assert "claims" in sentence(path, archive(meta, files | {"scales.webp": large}))
    packed = archive(meta, files | {"scales.webp": bytes(200_000_000)}, zipfile.ZIP_DEFLATED)
    assert "trap" in sentence(path, packed)
    text = archive(meta | {"x": "a" * 20_000_000}, files, zipfile.ZIP_DEFLATED)
    assert "meta.json inside it has" in sentence(path, text)


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.sog"
    whole = archive(*parts())
    for length in range(0, len(whole), 97):
        sentence(path, whole[:length])
    assert_survives_damage(path, whole)


def test_the_same_splat_as_ply_and_as_sog(captures: Path) -> None:
    """The .ply was made from the .sog, so all but the last bits are equal."""
    packed = formats.read(captures / "splats" / "playcanvas_playbot_lod3.sog")
    plain = formats.read(captures / "splats" / "playbot_lod3_3dgs_sh2.ply")
    tiny = torch.tensor(1e-5)
    assert_within(packed, plain, Tolerance(tiny, tiny, tiny, 1e-5, 1e-5))


def test_side_by_side_in_a_folder(tmp_path: Path) -> None:
    meta, files = parts()
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "a.sog").write_bytes(archive(meta, files))
    packed, beside = formats.read(tmp_path / "a.sog"), formats.read(tmp_path / "meta.json")
    assert all(torch.equal(tensor, getattr(packed, name)) for name, tensor in beside.tensors())
    assert "meta.json" not in formats.writable()
    (tmp_path / "quats.webp").unlink()
    assert "quats.webp" in sentence(tmp_path / "meta.json")
    meta["quats"]["files"] = ["../quats.webp"]
    assert "only files beside it" in sentence(tmp_path / "meta.json", json.dumps(meta).encode())
    for broken in (b"", b"{", b"[]", b'{"version": 2}', json.dumps(meta | {"count": 10**12}).encode()):
        sentence(tmp_path / "meta.json", broken)


def test_a_folder_of_another_program(captures: Path) -> None:
    beside = formats.read(captures / "splats" / "playbot_lod3_unbundled" / "meta.json")
    packed = formats.read(captures / "splats" / "playcanvas_playbot_lod3.sog")
    assert len(beside) == len(packed)
    assert float((beside.means - packed.means).abs().max()) < 1e-3
