"""On an NVIDIA GPU: the CUDA rasterizer is the definition, the CPU rasterizer, and what the trainer needs.

``pytest -m gpu`` runs them; anywhere else they skip. The logic around gsplat is tested without a GPU beside this file.
"""

import json
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
from semsplat.splatting.optimizer import adam
from semsplat.splatting.splat import splat
from semsplat.splatting.train import train
from semsplat.splatting.train_types import TrainConfig

ROOT = Path(__file__).parents[2]
VIEW = camera(157, 101, torch.float32)
FLIPS = 1e-3  # share of pixels in which an alpha may lie on a limit
BF16 = 1e-2  # relative error of products on tensor cores, which more than 32 channels without geometry are


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
    (mine, alpha), (truth, cover) = cuda.composite(values.cuda()), cpu.composite(values)
    assert mine.device.type == "cuda" and mine.shape == truth.shape
    assert_close_but_for_flips(alpha, cover, 1e-4)
    back, gathered = (cuda.T @ image.cuda()).cpu(), cpu.T @ image
    assert back.shape == gathered.shape
    if channels > 32:
        assert relative(mine, truth) < BF16 and relative(back, gathered) < BF16
    elif channels:
        assert_close_but_for_flips(mine, truth, 1e-4)
        assert_close_but_for_flips(back, gathered, 1e-3 * float(gathered.abs().max()))


@gpu
@pytest.mark.parametrize("grid", [None, (9, 14), (40, 62), (90, 140)])
def test_compiled_kernels_are_the_definition_in_float32(grid: tuple[int, int] | None) -> None:
    """The same code that test_triton.py interprets, with exact operands: pixels, both sizes of cells, and neither."""
    from semsplat.splatting import _triton

    blend, cpu = splat(scene("cuda"), VIEW), splat(scene("cpu"), VIEW)
    f, starts = blend.footprints, blend.tiles.starts[0]
    given = f.centers, f.conics, f.opacities, starts, blend.tiles.rows, blend.shape[:2], blend.operations.alpha_max
    lists = _triton.lists(*given, exact=True)
    values, (height, width) = normal(2000, 48), grid or blend.shape[:2]
    image = normal(height, width, 48)
    mine, truth = _triton.draw(lists, values.cuda(), grid), cpu.means(values, height, width)
    assert relative(mine, truth) < 2e-3
    back = _triton.gather(lists, image.cuda(), coarse=grid is not None)
    assert relative(back, cpu.gather_means(image)) < 2e-3
    assert_close_but_for_flips(lists.alpha, cpu.alpha, 1e-4)


@gpu
def test_tensor_cores_and_passes_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """gsplat in passes of 32 channels is what tensor cores are held to, on the same lists."""
    blend = splat(scene("cuda"), VIEW)
    values = normal(2000, 100).cuda()
    monkeypatch.setattr(type(blend), "_is_wide", lambda self, channels: False)
    truth = blend @ values
    monkeypatch.undo()
    assert relative(blend @ values, truth) < BF16


def relative(mine: torch.Tensor, truth: torch.Tensor) -> float:
    truth = truth.detach().cpu()
    return float((mine.detach().cpu().float() - truth).norm() / truth.norm())


@gpu
def test_the_products_are_adjoint() -> None:
    blend = splat(scene("cuda"), VIEW)
    for channels, tolerance in ((30, 1e-5), (40, BF16)):
        values, image = normal(2000, channels).cuda(), normal(VIEW.height, VIEW.width, channels).cuda()
        drawn = (blend @ values).double()
        left, right = (drawn * image).sum(), (values.double() * (blend.T @ image)).sum()
        assert abs(left - right) < tolerance * drawn.norm() * image.norm()


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


@gpu
def test_adam_with_half_moments_goes_where_adam_goes() -> None:
    goal, start, places = normal(400, 64).cuda(), normal(400, 64, seed=2).cuda(), []
    for kind in (torch.float32, torch.bfloat16):
        place, first, second = start.clone(), *(torch.zeros(400, 64, dtype=kind, device="cuda") for _ in range(2))
        for step in range(1, 201):
            adam(place, (place - goal) * (1.0 if step < 50 else 0.1), first, second, 0.02, step)
        places.append((place, second.float()))
    (exact, square), (half, rounded) = places
    assert relative(half - start, exact - start) < 0.02
    assert abs(float(rounded.mean() / square.mean()) - 1) < 0.005


def test_every_process_of_the_benchmark_compiles_gsplat_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows a part that broke finds the compiled code of the process before, for the flags are the same."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import gpu_machine

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    environment = {"MAX_JOBS": "3"}
    monkeypatch.setattr(os, "environ", environment)
    assert gpu_machine.real().device == "cuda"
    assert environment == {"MAX_JOBS": "3", "TORCH_CUDA_ARCH_LIST": "9.0"}


@pytest.mark.slow
def test_the_benchmark_says_so_where_there_is_no_gpu() -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.strip() == "benchmarks/gpu.py needs an NVIDIA GPU, and torch sees none here."


@pytest.mark.slow
def test_every_line_of_the_benchmark_runs_without_a_gpu(tmp_path: Path) -> None:
    """A dry run: the double of gsplat and Triton's interpreter, tiny; every part says something."""
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--dry-run", "--out", str(tmp_path / "gpu.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "gpu.json").read_text()) and found["dry_run"]
    parts = set(found) - {"benchmark", "commit", "dry_run"}
    assert len(parts) == 14 and all("seconds" in found[part] for part in parts)
    (row,) = (row for name, row in found["products"].items() if "x" in name)
    assert row["48"]["relative_error"] < 2e-2 and row["48"]["relative_error_transposed"] < 2e-2


@pytest.mark.slow
def test_a_part_of_the_benchmark_that_breaks_or_hangs_loses_nothing_else(tmp_path: Path) -> None:
    """Run with parts that end the process, raise, and sleep for ever."""
    broken = tmp_path / "broken.py"
    broken.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'benchmarks')!r})\n"
        "import os, time, gpu\n"
        "from pathlib import Path\n"
        "gpu.__file__ = __file__\n"
        "gpu.BUDGETS = {'machine': 60, 'build': 60, 'compare': 60, 'viewer': 2, 'tests': 60}\n"
        "class Parts:\n"
        "    real = dry = staticmethod(lambda: None)\n"
        "    def hang(machine, notes): notes.write_text('[1]'); time.sleep(600)\n"
        "    def fail(machine, notes): raise ValueError('spoiled')\n"
        "    PARTS = {'machine': lambda m, n: {'fine': 1}, 'build': lambda m, n: os._exit(3), 'compare': fail,\n"
        "             'viewer': hang, 'tests': lambda m, n: {'fine': 2}}\n"
        "sys.modules['gpu_parts'] = Parts\n"
        "gpu.torch = None\n"
        "import torch; torch.cuda.is_available = lambda: True\n"
        "sys.exit(gpu.main())\n"
    )
    command = [sys.executable, str(broken), "--only", "machine", "build", "compare", "viewer", "tests"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    found = json.loads(done.stdout)
    assert done.returncode == 1 and found["machine"]["fine"] == 1 and found["tests"]["fine"] == 2
    assert found["build"]["error"] == "the process ended with status 3" and "spoiled" in found["compare"]["error"]
    assert found["viewer"]["error"].startswith("not finished after") and found["viewer"]["partial"] == [1]
