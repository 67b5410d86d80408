"""The training loop: it learns, keeps its promises about caps and budgets, and goes on where it was cut off."""

import dataclasses
import gc
import multiprocessing
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes import camera, cloud

from semsplat.splatting import density
from semsplat.splatting.camera import Camera
from semsplat.splatting.capture.types import Capture, Frame
from semsplat.splatting.errors import InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.losses import psnr
from semsplat.splatting.optimizer import adam
from semsplat.splatting.splat import splat
from semsplat.splatting.start import occupied, scene_middle, start
from semsplat.splatting.train import begin, train
from semsplat.splatting.train_types import TrainConfig, TrainState


def drawn() -> Gaussians:
    """Forty large, smooth Gaussians of one colour each."""
    scene = cloud(40, dtype=torch.float32, sh_degree=0)
    return scene.replace(log_scales=scene.log_scales * 0.3 - 0.9, sh=scene.sh * 4)


def write_frames(folder: Path, count: int = 6, weights: str | None = None) -> list[Frame]:
    """Pictures of a random cloud, drawn by our own rasterizer, from a ring of cameras."""
    scene = drawn()
    frames = []
    for k in range(count):
        angle = torch.tensor(2 * torch.pi * k / count)
        eye = torch.stack([3 * angle.sin(), -3 * angle.cos(), torch.tensor(0.6)])
        view = Camera.look_at(eye, torch.zeros(3), torch.tensor([0.0, 0.0, 1.0]), 0.8, 64, 48)
        image, alpha = splat(scene, view).composite(scene.colors(view))
        pixels = (image.clamp(0, 1) * 255).byte().numpy()
        if weights:
            pixels = np.concatenate([pixels, ((alpha > 0.5) * 255).byte().numpy()], axis=-1)
        np.save(folder / f"{k}.npy", pixels)
        frames.append(Frame(f"{k}", view, folder / f"{k}.npy", background=weights == "alpha"))
    return frames


def capture_of(count: int = 40) -> Capture:
    """Grey points near the drawn Gaussians."""
    make = torch.Generator().manual_seed(1)
    points = drawn().means.repeat(-(-count // 40), 1)[:count]
    return Capture((), points + 0.05 * torch.randn(count, 3, generator=make), torch.full((count, 3), 0.5))


def quality(scene: Gaussians, frames: list[Frame]) -> float:
    """Mean PSNR over the frames where they count, dB."""
    total = 0.0
    for frame in frames:
        photo, weight = frame.shown_to(frame.camera, torch.device("cpu"))
        drawn = splat(scene, frame.camera) @ scene.colors(frame.camera)
        counts = torch.ones_like(photo[..., :1]) if weight is None else weight
        total += psnr(drawn * counts, photo * counts)
    return total / len(frames)


def fit(frames: list[Frame], config: TrainConfig, **options):
    return list(train(start(capture_of(), config, frames), frames, config, **options))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["mcmc", "classic"])
@pytest.mark.parametrize("weights", [None, "mask", "alpha"])
def test_it_learns_and_keeps_the_cap(tmp_path: Path, way: str, weights: str | None) -> None:
    frames, config = write_frames(tmp_path, weights=weights), TrainConfig(steps=150, cap=400, density=way)
    steps = fit(frames, config)
    assert [p.step for p in steps] == list(range(1, 151))
    before, after = start(capture_of(), config, frames), steps[-1].gaussians
    assert quality(after, frames) > quality(before, frames) + 2.0
    assert max(p.count for p in steps) <= 400
    final = steps[-1].gaussians
    assert len(final) == steps[-1].count and final.is_finite().all()
    assert len(final.ids.unique()) == len(final)


@pytest.mark.slow
def test_same_seed_same_bits_whatever_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, config = write_frames(tmp_path), TrainConfig(steps=25, cap=400)
    results = []
    for threads in ("1", "2"):
        monkeypatch.setenv("SEMSPLAT_THREADS", threads)
        results.append(fit(frames, config)[-1].gaussians)
    for (name, one), (_, two) in zip(*(r.tensors() for r in results), strict=True):
        assert torch.equal(one, two), name


@pytest.mark.slow
@pytest.mark.parametrize("way", ["mcmc", "classic"])
@pytest.mark.parametrize("cut", [1, 13, 29])
def test_resumed_bit_for_bit(tmp_path: Path, way: str, cut: int) -> None:
    frames, config = write_frames(tmp_path), TrainConfig(steps=30, cap=500, density=way)
    whole = fit(frames, config)[-1].state
    parts = train(start(capture_of(), config, frames), frames, config)
    for _ in range(cut):
        half = next(parts).state
    saved = TrainState({n: t.clone() for n, t in half.tensors.items()}, dict(half.numbers), list(half.curve))
    del parts
    rest = list(train(Gaussians.from_points(torch.zeros(1, 3), torch.zeros(1, 3)), frames, config, state=saved))
    assert len(rest) == 30 - cut
    assert rest[-1].state.tensors.keys() == whole.tensors.keys()
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, rest[-1].state.tensors[name]), name
    assert rest[-1].state.curve == whole.curve


@pytest.mark.slow
def test_a_time_budget_is_kept(tmp_path: Path) -> None:
    frames, config = write_frames(tmp_path), TrainConfig(minutes=0.1, cap=400)
    fit(frames, TrainConfig(steps=2, cap=400))  # compiled before the clock runs
    began = time.perf_counter()
    steps = fit(frames, config)
    assert time.perf_counter() - began == pytest.approx(6.0, rel=0.05)
    assert steps[-1].count == 400  # the schedule came to its end too


@pytest.mark.slow
def test_a_fit_of_few_steps_grows_few_gaussians(tmp_path: Path) -> None:
    """On a slow machine a time budget means few steps; they must not be spread over a cap of Gaussians."""
    steps = fit(write_frames(tmp_path), TrainConfig(steps=25, cap=100_000))
    assert steps[0].count < steps[-1].count < 1.7 * steps[0].count


def test_stop_and_too_little_input(tmp_path: Path) -> None:
    frames = write_frames(tmp_path)
    config = TrainConfig(steps=50, cap=400)
    assert len(fit(frames, config, stop=lambda: True)) == 1
    with pytest.raises(InputError, match="at least 2 views, 1 given"):
        fit(frames[:1], config)
    with pytest.raises(InputError, match="at least one Gaussian"):
        next(train(cloud(0), frames, config))


def test_feature_loss_trains_features_and_leaves_the_geometry_alone(tmp_path: Path) -> None:
    frames, config = write_frames(tmp_path), TrainConfig(steps=12, cap=300)
    plain = fit(frames, config)[-1].gaussians

    def loss(blend, frame, features):
        assert not blend.footprints.centers.requires_grad
        return ((blend @ features) - 0.7).square().mean()

    scene = start(capture_of(), config, frames)
    scene = scene.replace(features=torch.zeros(len(scene), 5))
    taught = list(train(scene, frames, config, feature_loss=loss))[-1].gaussians
    assert torch.equal(taught.means, plain.means)
    assert taught.features.abs().mean() > 0.01


def test_start_without_points_lies_in_front_of_the_cameras(tmp_path: Path) -> None:
    frames, config = write_frames(tmp_path), TrainConfig(cap=500)
    scene = start(Capture((), torch.zeros(0, 3), torch.zeros(0, 3)), config, frames)
    assert len(scene) == 500 and scene.is_finite().all()
    seen = torch.stack([splat(scene, f.camera).footprints.visible for f in frames])
    assert seen.any(0).all()
    assert start(capture_of(2000), config, frames).means.shape == (500, 3)
    assert torch.equal(scene.means, start(Capture((), torch.zeros(0, 3), torch.zeros(0, 3)), config, frames).means)


def test_start_where_empty_space_is_known_is_a_visual_hull(tmp_path: Path) -> None:
    frames = write_frames(tmp_path, weights="alpha")
    nothing = Capture((), torch.zeros(0, 3), torch.zeros(0, 3))
    masked = [dataclasses.replace(f, background=False) for f in frames]
    hull = occupied(start(nothing, TrainConfig(cap=500), frames).means, frames)
    anywhere = occupied(start(nothing, TrainConfig(cap=500), masked).means, frames)
    assert hull.min() > 0.9 and anywhere.mean() < 0.8


def test_middle_of_a_ring_of_cameras(tmp_path: Path) -> None:
    frames = write_frames(tmp_path)
    torch.testing.assert_close(scene_middle([f.camera for f in frames]), torch.zeros(3), atol=1e-4, rtol=0)


def test_relocation_keeps_the_look() -> None:
    """N copies of a relocated Gaussian add up to the original: centre exactly, the whole picture nearly."""
    scene = cloud(1)[:1].replace(means=torch.zeros(1, 3).double(), logit_opacities=torch.tensor([1.5]).double())
    view = camera()
    before = splat(scene, view).alpha
    for copies in (2, 5, 20):
        opacities, log_scales = density.relocated(scene.opacities, scene.log_scales, torch.tensor([copies]))
        many = scene[torch.zeros(copies, dtype=torch.int64)]
        many = many.replace(logit_opacities=opacities.logit().expand(copies), log_scales=log_scales.expand(copies, 3))
        after = splat(many, view).alpha
        assert (after - before).abs().max() < 0.12
        assert abs(after.sum() / before.sum() - 1) < 0.1


def state_of(scene: Gaussians, way: str = "mcmc") -> TrainState:
    return begin(scene, TrainConfig(density=way))


def test_dead_gaussians_move_to_living_ones() -> None:
    scene = cloud(100, dtype=torch.float32)
    logits = scene.logit_opacities.clone()
    logits[:30] = -9.0
    state = state_of(scene.replace(logit_opacities=logits))
    state.tensors["adam_first.means"] += 1.0
    density.refine_mcmc(state, TrainConfig(cap=110), 5, torch.Generator().manual_seed(0))
    tensors = state.tensors
    assert len(tensors["means"]) <= 110 and (tensors["logit_opacities"].sigmoid() > density.DEAD * 0.99).all()
    assert len(tensors["ids"].unique()) == len(tensors["ids"])
    moved = tensors["ids"] >= 100
    assert moved.sum() >= 30
    assert (tensors["adam_first.means"][moved] == 0).all() and (tensors["adam_first.means"] == 1).any()


def test_gaussians_that_no_view_of_an_epoch_saw_are_moved() -> None:
    state = state_of(cloud(100, dtype=torch.float32))
    density.hide_unseen(state)  # at the end of an epoch in whose midst all were made
    assert (state.tensors["logit_opacities"].sigmoid() > density.DEAD).all()
    state.tensors["density.seen"][30:] = 4
    density.hide_unseen(state)
    assert (state.tensors["density.seen"] == 0).all()
    density.refine_mcmc(state, TrainConfig(cap=100), 5, torch.Generator().manual_seed(0))
    moved = state.tensors["ids"] >= 100
    assert moved[:30].all() and len(moved) == 100


def test_classic_clones_splits_and_prunes() -> None:
    scene = cloud(100, dtype=torch.float32)
    logits, log_scales = scene.logit_opacities.clone().clamp_min(0), scene.log_scales.clone().fill_(-6.0)
    logits[:10] = -9.0
    log_scales[10:20] = -1.0
    state = state_of(scene.replace(logit_opacities=logits, log_scales=log_scales), "classic")
    state.tensors["density.pull"][10:30] = 1.0
    state.tensors["density.seen"] += 1
    density.refine_classic(state, TrainConfig(cap=1000), 3.0, torch.Generator().manual_seed(0))
    tensors = state.tensors
    assert len(tensors["means"]) == 90 + 20
    assert int((tensors["log_scales"][:, 0] == -6.0).sum()) == 80 + 10
    assert int((tensors["log_scales"][:, 0] < -1.4).sum() - 90) == 20
    assert (tensors["density.pull"] == 0).all()
    density.reset_opacities(state)
    assert tensors["logit_opacities"].sigmoid().max() <= 0.0201


@pytest.mark.parametrize("rest", [None, 0.002])
def test_adam_is_that_of_torch(rest: float | None) -> None:
    make = torch.Generator().manual_seed(0)
    ours = torch.randn(3000, 16, 3, generator=make)
    head, tail = ours[:, :1].clone().requires_grad_(), ours[:, 1:].clone().requires_grad_()
    groups = [{"params": [head], "lr": 0.02}, {"params": [tail], "lr": rest or 0.02}]
    theirs = torch.optim.Adam(groups, eps=1e-15)
    first, second = torch.zeros_like(ours), torch.zeros_like(ours)
    for step in range(1, 6):
        gradient = torch.randn(ours.shape, generator=make)
        head.grad, tail.grad = gradient[:, :1].clone(), gradient[:, 1:].clone()
        theirs.step()
        adam(ours, gradient, first, second, 0.02, step, rest)
    torch.testing.assert_close(ours, torch.cat([head, tail], dim=1).detach(), rtol=1e-5, atol=5e-6)


def test_a_step_leaves_nothing_behind(tmp_path: Path) -> None:
    """Blends and their graphs go without the garbage collector, or memory would grow with every step."""
    scene, view = drawn(), camera(dtype=torch.float32)
    scene = scene.replace(means=scene.means.clone().requires_grad_())
    blend = splat(scene, view)
    image, alpha = blend.composite(scene.colors(view))
    (image.sum() + alpha.sum()).backward()
    left = weakref.ref(blend.raster)
    gc.disable()
    try:
        del blend, image, alpha
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.slow
def test_fitting_while_two_threads_render(tmp_path: Path) -> None:
    """Kernels are entered from three threads at once; the fit ends with the very bits that it has alone."""
    frames, config = write_frames(tmp_path), TrainConfig(steps=40, cap=400)
    alone = fit(frames, config)[-1].gaussians
    scene, view = cloud(300, dtype=torch.float32), camera(200, 150, torch.float32)
    values = torch.ones(len(scene), 40)
    expected = splat(scene, view).composite(scene.colors(view))[0], splat(scene, view).detach() @ values
    stop, wrong, drawn = threading.Event(), [], []

    def render() -> None:
        while not stop.is_set():
            found = splat(scene, view).composite(scene.colors(view))[0], splat(scene, view).detach() @ values
            drawn.append(1)
            if not all(torch.equal(a, b) for a, b in zip(found, expected, strict=True)):
                wrong.append(1)

    renderers = [threading.Thread(target=render) for _ in range(2)]
    for thread in renderers:
        thread.start()
    try:
        watched = fit(frames, config)[-1].gaussians
    finally:
        stop.set()
        for thread in renderers:
            thread.join()
    assert not wrong and len(drawn) > 4
    assert torch.equal(watched.means, alone.means) and torch.equal(watched.sh, alone.sh)


def _draw_in_child(queue: "multiprocessing.Queue") -> None:
    scene, view = cloud(100, dtype=torch.float32), camera(dtype=torch.float32)
    queue.put(splat(scene, view).composite(scene.colors(view))[0].sum().item())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # the very thing tried
@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_kernels_in_a_child_process(way: str) -> None:
    """A child forked after kernels ran here has none of our threads, and makes its own."""
    scene, view = cloud(100, dtype=torch.float32), camera(dtype=torch.float32)
    here = splat(scene, view).composite(scene.colors(view))[0].sum().item()
    context = multiprocessing.get_context(way)
    queue = context.Queue()
    child = context.Process(target=_draw_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=120) == pytest.approx(here)
    child.join(10)
