"""Photos in lights of their own: the scene stays clean, and what the maps do can be undone, resumed and scored."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes import cloud
from test_train import capture_of, fit, quality, write_frames

from semsplat.splatting import exposure
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.losses import psnr
from semsplat.splatting.train import begin, train
from semsplat.splatting.train_types import TrainConfig, TrainState

ON = TrainConfig(steps=30, cap=400, exposure=True)


def relit(frames, folder: Path):
    """Every second photo darker and yellower, the others brighter and bluer."""
    changed = []
    for number, frame in enumerate(frames):
        gains = np.array([0.8, 0.75, 0.6]) if number % 2 else np.array([1.1, 1.15, 1.3])
        pixels = np.rint((np.load(frame.pixels) * gains).clip(0, 255)).astype(np.uint8)
        np.save(folder / f"relit{number}.npy", pixels)
        changed.append(dataclasses.replace(frame, pixels=folder / f"relit{number}.npy"))
    return changed


@pytest.mark.slow
def test_lights_of_their_own_do_not_reach_the_scene(tmp_path: Path) -> None:
    frames = write_frames(tmp_path)
    shown = relit(frames, tmp_path)
    config = TrainConfig(steps=150, cap=400)
    plain = fit(shown, config)[-1].gaussians
    last = fit(shown, dataclasses.replace(config, exposure=True))[-1]
    assert quality(last.gaussians, frames) > quality(plain, frames)
    maps = last.state.tensors[exposure.NAME]
    torch.testing.assert_close(maps.mean(0), exposure.identity(1, maps)[0], atol=1e-5, rtol=0)
    grey = maps @ torch.tensor([0.5, 0.5, 0.5, 1.0])
    assert (grey[0::2].mean(0) > grey[1::2].mean(0))[1:].all()  # green and blue, which differ most


@pytest.mark.slow
def test_resumed_bit_for_bit_and_only_with_the_same_photos(tmp_path: Path) -> None:
    frames = write_frames(tmp_path)
    whole = fit(frames, ON)[-1].state
    parts = train(begin_of(frames), frames, ON)
    for _ in range(13):
        half = next(parts).state
    saved = TrainState({n: t.detach().clone() for n, t in half.tensors.items()}, dict(half.numbers), list(half.curve))
    rest = list(train(Gaussians.from_points(torch.zeros(1, 3), torch.zeros(1, 3)), frames, ON, state=saved))[-1].state
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, rest.tensors[name]), name
    with pytest.raises(InputError, match="begun with 6 training photos, not 5"):
        next(train(begin_of(frames), frames[:5], ON, state=whole))


def begin_of(frames) -> Gaussians:
    from semsplat.splatting.start import start

    return start(capture_of(), ON, frames)


def test_the_best_map_undoes_any_affine_change_of_colours_and_no_more() -> None:
    make = torch.Generator().manual_seed(0)
    photo = 0.2 + 0.6 * torch.rand(20, 30, 3, generator=make)
    changed = photo @ (torch.eye(3) + 0.1 * torch.randn(3, 3, generator=make)) * 0.8 + 0.05
    assert psnr(exposure.best(changed, photo), photo) > 60
    noisy = (photo + 0.1 * torch.randn(photo.shape, generator=make)).clamp(0, 1)
    assert psnr(noisy, photo) < psnr(exposure.best(noisy, photo), photo) < psnr(noisy, photo) + 2
    grey = torch.full_like(photo, 0.5)
    assert exposure.best(grey, photo).isfinite().all()
    weight = torch.zeros(20, 30, 1)
    weight[:10] = 1.0
    half = torch.cat([changed[:10], grey[:10]])
    assert psnr(exposure.best(half, photo, weight)[:10], photo[:10]) > 60


def test_off_leaves_no_trace() -> None:
    state = begin(cloud(10, dtype=torch.float32), TrainConfig())
    exposure.ready(state, 3, TrainConfig())
    assert exposure.NAME not in state.tensors and exposure.leaf(state, TrainConfig()) == []
