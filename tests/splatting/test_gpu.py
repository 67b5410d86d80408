"""On an NVIDIA GPU: the CUDA rasterizer is the definition, the CPU rasterizer, and what the trainer needs.

``pytest -m gpu`` runs them; anywhere else they skip. The logic around gsplat is tested without a GPU beside this file.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes import camera, cloud

from semsplat.splatting.blend import Blend, Limits
from semsplat.splatting.camera import Camera
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.errors import DeviceError
from semsplat.splatting.gaussians import GEOMETRY, Gaussians
from semsplat.splatting.losses import photometric, photometric_definition, ssim
from semsplat.splatting.splat import splat
from semsplat.splatting.train import train
from semsplat.splatting.train_types import TrainConfig

ROOT = Path(__file__).parents[2]
VIEW = camera(157, 101, torch.float32)
FLIPS = 1e-3  # share of pixels in which an alpha may lie on a limit


def gpu(function):
    """Marked gpu, and skipped with the reason where there is none."""
    skip = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here")
    return pytest.mark.gpu(skip(function))


def scene(device: str, count: int = 2000, leaf: bool = False) -> Gaussians:
    found = cloud(count, 3, torch.float32)
    found = found.replace(means=found.means * 1.5, log_scales=found.log_scales - 0.8).to(device)
    return found.map(lambda t: t.detach().requires_grad_() if leaf and t.is_floating_point() else t)


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def assert_close_but_for_flips(mine: torch.Tensor, truth: torch.Tensor, atol: float) -> None:
    error = (mine.detach().cpu() - truth.detach().cpu()).abs().reshape(-1, mine.shape[-1]).amax(-1)
    assert (error > atol).double().mean() <= FLIPS, f"largest error {error.max():.2e}"


@gpu
@pytest.mark.parametrize("channels", [0, 1, 3, 7, 32, 33, 100, 512])
def test_both_products_are_those_of_the_cpu(channels: int) -> None:
    cuda, cpu = splat(scene("cuda"), VIEW), splat(scene("cpu"), VIEW)
    values, image = normal(2000, channels), normal(VIEW.height, VIEW.width, channels)
    for mine, truth in zip(cuda.composite(values.cuda()), cpu.composite(values), strict=True):
        assert mine.device.type == "cuda"
        if mine.shape[-1]:
            assert_close_but_for_flips(mine, truth, 1e-4)
    mine, truth = (cuda.T @ image.cuda()).cpu(), cpu.T @ image
    assert mine.shape == truth.shape
    if channels:
        assert_close_but_for_flips(mine, truth, 1e-3 * float(truth.abs().max()))


@gpu
def test_the_products_are_adjoint() -> None:
    blend = splat(scene("cuda"), VIEW)
    values, image = normal(2000, 40).cuda(), normal(VIEW.height, VIEW.width, 40).cuda()
    left = ((blend @ values).double() * image).sum()
    right = (values.double() * (blend.T @ image)).sum()
    torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-2)


def pull(blend: Blend, gaussians: Gaussians) -> list[torch.Tensor]:
    """Gradients of the geometry and of the values, and the absolute ones of the centers."""
    device = gaussians.means.device
    values = normal(len(gaussians), 3).to(device).requires_grad_()
    image, alpha = blend.composite(values)
    (image * normal(*image.shape, seed=2).to(device)).sum().backward()
    found = [*(getattr(gaussians, name).grad for name in GEOMETRY), values.grad, blend.center_gradients]
    assert alpha.min() >= 0 and alpha.max() <= 1
    return [t.detach().cpu().reshape(len(gaussians), -1) for t in found]


@gpu
def test_gradients_are_those_of_the_cpu() -> None:
    results = []
    for device in ("cuda", "cpu"):
        gaussians = scene(device, leaf=True)
        results.append(pull(splat(gaussians, VIEW), gaussians))
    names = (*GEOMETRY, "values", "center_gradients")
    for name, mine, truth in zip(names, *results, strict=True):
        error = (mine - truth).norm() / truth.norm()
        assert truth.any() and error < 1e-2, f"{name}: relative error {error:.1e}"


@gpu
def test_footprints_colors_depth_and_rows_are_those_of_the_cpu() -> None:
    cuda, cpu = splat(scene("cuda"), VIEW), splat(scene("cpu"), VIEW)
    seen = cuda.footprints.visible.cpu()
    for name in ("centers", "conics", "depths", "opacities", "covariances"):
        mine, truth = getattr(cuda.footprints, name).cpu()[seen], getattr(cpu.footprints, name)[seen]
        torch.testing.assert_close(mine, truth, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(scene("cuda").colors(VIEW).cpu(), scene("cpu").colors(VIEW), rtol=1e-4, atol=1e-5)
    assert_close_but_for_flips(cuda.depth(), cpu.depth(), 1e-2)
    for x, y in ((80, 50), (3, 99), (156, 0)):
        (ids, weights), (expected_ids, expected) = cuda.row(x, y), cpu.row(x, y)
        assert ids.tolist() == expected_ids.tolist()
        torch.testing.assert_close(weights.cpu(), expected, rtol=1e-3, atol=1e-4)


@gpu
def test_the_edges() -> None:
    empty = splat(scene("cuda")[:0], VIEW)
    assert not (empty @ torch.zeros(0, 4, device="cuda")).any()
    away = scene("cuda").replace(means=torch.full((2000, 3), -1e4, device="cuda"))
    assert not splat(away, VIEW).alpha.any() and not (splat(away, VIEW).T @ torch.ones(101, 157, 2).cuda()).any()
    spoiled = scene("cuda").map(torch.clone)
    spoiled.means[0], spoiled.log_scales[1], spoiled.log_scales[2], spoiled.quats[3] = torch.nan, 70.0, 17.0, 0.0
    spoiled = spoiled.map(lambda t: t.requires_grad_() if t.is_floating_point() else t)
    image = splat(spoiled, VIEW) @ torch.ones(2000, 3, device="cuda")
    assert_close_but_for_flips(image, splat(scene("cpu")[4:], VIEW) @ torch.ones(1996, 3), 1e-4)
    image.sum().backward()
    assert all(getattr(spoiled, name).grad.isfinite().all() for name in GEOMETRY)
    with pytest.raises(DeviceError, match="float32"):
        splat(scene("cuda").double(), VIEW)
    with pytest.raises(DeviceError, match="CPU only"):
        splat(scene("cuda"), VIEW, Limits(alpha_max=0.99))


@gpu
def test_losses_are_those_of_the_cpu() -> None:
    rendered, photo = normal(61, 83, 3).sigmoid(), normal(61, 83, 3, seed=2).sigmoid()
    torch.testing.assert_close(ssim(rendered.cuda(), photo.cuda()).cpu(), ssim(rendered, photo), rtol=0, atol=1e-5)
    mine, truth = rendered.cuda().requires_grad_(), rendered.clone().requires_grad_()
    photometric(mine, photo.cuda()).backward()
    photometric_definition(truth, photo).backward()
    torch.testing.assert_close(mine.grad.cpu(), truth.grad, rtol=1e-3, atol=1e-8)


@gpu
def test_two_threads_draw_at_once() -> None:
    gaussians, values = scene("cuda"), normal(2000, 20).cuda()
    expected, failures = splat(gaussians, VIEW) @ values, []

    def draw() -> None:
        for _ in range(20):
            if not torch.equal(splat(gaussians, VIEW) @ values, expected):
                failures.append(1)

    threads = [threading.Thread(target=draw) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@gpu
@pytest.mark.parametrize("density", ["mcmc", "classic"])
def test_a_fit_of_fifty_steps_gets_better(density: str, tmp_path: Path) -> None:
    truth, eyes = scene("cpu", 300), ((0.4, -3.0, 0.8), (2.0, -2.3, 0.4), (-1.8, -2.5, 1.0), (0.0, -2.8, -1.2))
    frames = []
    for k, eye in enumerate(eyes):
        up = torch.tensor([0.0, 0.0, 1.0])
        view = Camera.look_at(torch.tensor(eye), torch.zeros(3), up, 0.9, 96, 64)
        picture = splat(truth, view) @ truth.colors(view)
        np.save(tmp_path / f"{k}.npy", (picture.clamp(0, 1) * 255).round().byte().numpy())
        frames.append(Frame(str(k), view, tmp_path / f"{k}.npy"))
    begin = Gaussians.from_points(truth.means + 0.02, torch.full((300, 3), 0.5), 1, 0.3).to("cuda")
    steps = list(train(begin, frames, TrainConfig(steps=50, cap=500, density=density, sh_degree=1)))
    assert len(steps) == 50 and steps[-1].gaussians.means.device.type == "cuda"
    assert bool(steps[-1].gaussians.is_finite().all()) and steps[-1].psnr > steps[0].psnr + 1
    assert steps[-1].count <= 500


@pytest.mark.slow
def test_the_benchmark_says_so_where_there_is_no_gpu() -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.strip() == "benchmarks/gpu.py needs an NVIDIA GPU, and torch sees none here."
