"""Scores: perfect for the scene that made the photos, honest under masks, and made again when the cache is gone."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from small_capture import blobs, ring  # beside this file

from semsplat.app import evaluate, scene
from semsplat.app.layers import Rgb
from semsplat.app.scene import Scene
from semsplat.app.session import Session
from semsplat.distill import lpips
from semsplat.splatting.capture import Frame
from semsplat.splatting.errors import InputError


def test_the_scene_that_made_the_photos_scores_high(fitted: Path) -> None:
    scores = evaluate.evaluate(blobs(), Scene.open(fitted).frames)
    assert len(scores) == 10
    assert min(score.psnr for score in scores) > 45 and min(score.ssim for score in scores) > 0.99


def frame_with(tmp_path: Path, weight: np.ndarray, spoil: np.ndarray, background: bool = False) -> Frame:
    camera = ring()[0]
    drawn = (Session(blobs()).picture(camera, Rgb()).numpy() * 255).round().astype(np.uint8)
    pixels = np.dstack([np.where(spoil[..., None], 255 - drawn, drawn), weight.astype(np.uint8) * 255])
    np.save(tmp_path / "a.npy", pixels.astype(np.uint8))
    return Frame("a", camera, tmp_path / "a.npy", background)


def test_what_is_masked_does_not_count(tmp_path: Path) -> None:
    left = np.zeros((48, 64), bool)
    left[:, :32] = True
    (good,) = evaluate.evaluate(blobs(), [frame_with(tmp_path, ~left, left)])
    assert good.psnr > 45 and good.ssim > 0.99
    (bad,) = evaluate.evaluate(blobs(), [frame_with(tmp_path, ~left, ~left)])
    (whole,) = evaluate.evaluate(blobs(), [frame_with(tmp_path, np.ones_like(left), ~left)])
    assert bad.psnr < whole.psnr - 1, "the error is that of the half that counts, not diluted by the other"
    (nothing,) = evaluate.evaluate(blobs(), [frame_with(tmp_path, np.zeros_like(left), left)])
    assert nothing.psnr == 100.0


def test_alpha_means_black_behind(tmp_path: Path) -> None:
    empty = np.zeros((48, 64), bool)
    (score,) = evaluate.evaluate(blobs(), [frame_with(tmp_path, ~empty, empty, background=True)])
    assert score.psnr > 45
    photo, known = evaluate.compared(frame_with(tmp_path, empty, empty, background=True), torch.ones(48, 64, 3))
    assert known == 1.0 and photo.max() == 0


def test_the_command_writes_table_metrics_and_sheet(fitted: Path) -> None:
    console = Console(record=True, width=100, quiet=False, file=None, force_terminal=False)
    with console.capture() as captured:
        assert evaluate.run(fitted, "cpu", console) == 0
    text = captured.get()
    assert "images/00.png" in text and "mean of 3" in text and "Worst views: images/" in text
    metrics = scene.read_json(fitted / scene.METRICS)
    assert metrics["psnr"] > 45 and len(metrics["views"]) == 3
    with Image.open(fitted / evaluate.SHEET) as sheet:
        assert sheet.size == (3 * 324 - 4, 3 * (18 + 240 + 4) - 4)


def test_the_cache_may_be_deleted(fitted: Path, photos: Path, tmp_path: Path) -> None:
    shutil.rmtree(fitted / scene.CACHE)
    assert Scene.open(fitted).frames == []
    assert evaluate.run(fitted, "cpu", Console(quiet=True)) == 0
    shutil.rmtree(fitted / scene.CACHE)
    config = scene.read_json(fitted / scene.CONFIG)
    scene.write_json(fitted / scene.CONFIG, {**config, "source": str(tmp_path / "gone")})
    with pytest.raises(InputError, match="put it back"):
        evaluate.run(fitted, "cpu", Console(quiet=True))


def test_nothing_held_out(fitted: Path) -> None:
    scene.write_cameras(fitted, Scene.open(fitted).frames, [])
    with pytest.raises(InputError, match="--eval 8"):
        evaluate.run(fitted, "cpu", Console(quiet=True))


@pytest.mark.slow
def test_without_weights_lpips_is_said_to_have_none_and_with_them_it_is_written(fitted: Path, tmp_path: Path) -> None:
    before, shapes = 3, {}
    for number, (width, block) in enumerate(zip(lpips.WIDTHS, lpips.BLOCKS, strict=True)):
        for place in block:
            shapes |= {f"features.{place}.weight": (width, before, 3, 3), f"features.{place}.bias": (width,)}
            before = width
        shapes[f"lin{number}.model.1.weight"] = (1, width, 1, 1)
    make = torch.Generator().manual_seed(0)
    torch.save({name: 0.1 * torch.rand(shape, generator=make) for name, shape in shapes.items()}, tmp_path / "all.pth")
    console = Console(width=100, force_terminal=False)
    with console.capture() as captured:
        assert evaluate.run(fitted, "cpu", console) == 0
    assert "no weights" in captured.get() and scene.read_json(fitted / scene.METRICS)["lpips"] is None
    with console.capture() as captured:
        assert evaluate.run(fitted, "cpu", console, tmp_path / "all.pth") == 0
    found = scene.read_json(fitted / scene.METRICS)
    assert "no weights" not in captured.get() and all(view["lpips"] >= 0 for view in found["views"])
    assert found["lpips"] == pytest.approx(sum(view["lpips"] for view in found["views"]) / 3)
    with pytest.raises(InputError, match="no file"):
        evaluate.run(fitted, "cpu", console, tmp_path / "none.pth")
