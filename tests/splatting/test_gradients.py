"""Analytic gradients against autograd through the definition, and against finite differences."""

import pytest
import torch
from scenes import camera, cloud, hand_placed
from torch import Tensor

from semsplat.splatting import losses, sh
from semsplat.splatting._dense import dense
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

COLUMNS = ("means", "quats", "log_scales", "logit_opacities", "sh")


def with_leaves(scene: Gaussians) -> tuple[Gaussians, dict[str, Tensor]]:
    leaves = {name: getattr(scene, name).clone().requires_grad_() for name in COLUMNS}
    return scene.replace(**leaves), leaves


def gradients(scene: Gaussians, make, by_definition: bool, view, channels: int = 3) -> dict[str, Tensor]:
    """Of a random linear function of colours, coverage and depth."""
    scene, leaves = with_leaves(scene)
    blend = make(scene, view)
    colors = scene.colors(view)
    if by_definition:
        colors = sh.colors(scene.means, scene.sh, view.center.to(scene.means))
    values = torch.cat([colors, blend.footprints.depths[:, None]] + [colors] * (channels // 3 - 1), dim=1)
    image, alpha = blend.composite(values)
    make_random = torch.Generator().manual_seed(5)
    pull = torch.randn(image.shape, generator=make_random, dtype=torch.float64).to(image)
    ((image * pull).sum() + (alpha * pull[..., :1]).sum()).backward()
    return {name: leaf.grad for name, leaf in leaves.items()}


@pytest.mark.parametrize("channels", [3, 60])
def test_analytic_gradients_are_those_of_the_definition(channels: int) -> None:
    scene, view = cloud(), camera()
    fast, slow = gradients(scene, splat, False, view, channels), gradients(scene, dense, True, view, channels)
    for name in COLUMNS:
        torch.testing.assert_close(fast[name], slow[name], rtol=1e-8, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")
        assert slow[name].abs().max() > 0.1


def test_single_precision_gradients_are_close() -> None:
    scene = cloud(dtype=torch.float32)
    fast = gradients(scene, splat, False, camera(dtype=torch.float32))
    slow = gradients(scene.double(), dense, True, camera())
    for name in COLUMNS:
        scale = slow[name].abs().max()
        assert (fast[name].double() - slow[name]).abs().max() < 1e-4 * scale, name


@pytest.mark.slow
@pytest.mark.parametrize("name", COLUMNS)
def test_finite_differences(name: str) -> None:
    scene, view = hand_placed(), camera(24, 20)

    def picture(column: Tensor) -> Tensor:
        changed = scene.replace(**{name: column})
        blend = splat(changed, view)
        colors = changed.colors(view)
        return blend @ torch.cat([colors, blend.footprints.depths[:, None]], dim=1)

    leaf = getattr(scene, name).clone().requires_grad_()
    assert torch.autograd.gradcheck(picture, (leaf,), eps=1e-6, atol=1e-5, rtol=1e-4, nondet_tol=0.0)


def test_gradient_to_values_is_the_transposed_product() -> None:
    scene, view = cloud(), camera()
    blend = splat(scene, view).detach()
    values = torch.randn(len(scene), 30, dtype=torch.float64, requires_grad=True)
    image = torch.randn(view.height, view.width, 30, dtype=torch.float64, requires_grad=True)
    ((blend @ values) * image).sum().backward()
    torch.testing.assert_close(values.grad, blend.T @ image.detach())
    image.grad = None
    ((blend.T @ image) * values.detach()).sum().backward()
    torch.testing.assert_close(image.grad, blend @ values.detach())


def test_detached_blend_gives_no_gradient_to_the_geometry() -> None:
    scene, leaves = with_leaves(cloud())
    values = torch.randn(len(scene), 2, dtype=torch.float64, requires_grad=True)
    (splat(scene, camera()).detach() @ values).sum().backward()
    assert values.grad.abs().max() > 0
    assert all(leaf.grad is None for leaf in leaves.values())


def test_absolute_centre_gradients() -> None:
    """The same as by the definition; they bound the signed ones, and pulls in opposite directions do not cancel."""
    found = []
    for make in (splat, dense):
        scene, _ = with_leaves(cloud())
        blend = make(scene, camera())
        assert blend.center_gradients.abs().sum() == 0
        blend.footprints.centers.retain_grad()
        image = blend @ scene.colors(camera())
        (
            image * torch.randn(image.shape, dtype=image.dtype, generator=torch.Generator().manual_seed(1))
        ).sum().backward()
        found.append((blend.center_gradients, blend.footprints.centers.grad.abs()))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-8, atol=1e-9)
    absolute, signed = found[0]
    assert (absolute + 1e-9 >= signed).all() and absolute.sum() > 1.5 * signed.sum()


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_colours_and_their_gradients(degree: int) -> None:
    scene, view = cloud(sh_degree=3), camera()
    eye = view.center
    pull = torch.randn(len(scene), 3, dtype=torch.float64)
    results = []
    for compiled in (True, False):
        means, coefficients = scene.means.clone().requires_grad_(), scene.sh.clone().requires_grad_()
        if compiled:
            colors = scene.replace(means=means, sh=coefficients).colors(view, degree)
        else:
            colors = sh.colors(means, coefficients[:, : sh.count(degree)], eye)
        (colors * pull).sum().backward()
        results.append(
            (colors.detach(), coefficients.grad, torch.zeros_like(means) if means.grad is None else means.grad)
        )
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (37, 53), (64, 16)])
@pytest.mark.parametrize("channels", [1, 3])
def test_photometric_loss_and_gradient(size: tuple[int, int], channels: int) -> None:
    make = torch.Generator().manual_seed(2)
    x = torch.rand(*size, channels, dtype=torch.float64, generator=make).requires_grad_()
    y = torch.rand(*size, channels, dtype=torch.float64, generator=make)
    fast = losses.photometric(x, y)
    (fast_gradient,) = torch.autograd.grad(3 * fast, x)
    slow = losses.photometric_definition(x, y)
    (slow_gradient,) = torch.autograd.grad(3 * slow, x)
    torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(fast_gradient, slow_gradient, rtol=1e-9, atol=1e-13)


def test_ssim_and_psnr_of_known_pictures() -> None:
    x = torch.rand(30, 40, 3, generator=torch.Generator().manual_seed(0))
    assert losses.ssim(x, x).item() == pytest.approx(1.0, abs=1e-5)
    assert losses.psnr(x, x) == 100.0
    assert losses.psnr(x, x + 0.1) == pytest.approx(20.0, abs=1e-4)
    assert losses.ssim(x, 1 - x).item() < 0.1


def test_windows_are_summed_where_a_gpu_keeps_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plane for each channel: given channels last, as pictures have them, cuDNN may round to ten bits (TF32)."""
    plain, layouts = torch.nn.functional.conv2d, []

    def conv2d(image: torch.Tensor, *rest: object, **named: object) -> torch.Tensor:
        layouts.append(image.is_contiguous())
        return plain(image, *rest, **named)

    monkeypatch.setattr(torch.nn.functional, "conv2d", conv2d)
    losses.ssim(torch.rand(20, 30, 3), torch.rand(20, 30, 3))
    assert layouts and all(layouts)
