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
from file_laws import assert_survives_damage, assert_within, sentence, some
from PIL import Image

from semsplat.splatting import formats
from semsplat.splatting.formats import reading
from semsplat.splatting.formats.reading import Tolerance

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
