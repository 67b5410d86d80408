"""What any W must obey, and that the fast one is the defined one."""

import pytest
import torch
from scenes import camera, cloud
from torch import Tensor

from semsplat.splatting._dense import dense
from semsplat.splatting.blend import Blend, Limits
from semsplat.splatting.camera import Camera
from semsplat.splatting.errors import DeviceError, InputError
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.splat import splat

CHANNELS = [0, 1, 3, 4, 11, 33, 70]


def randn(*shape: int, seed: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("detached", [False, True])
def test_dense_is_cpu_in_double_precision(channels: int, detached: bool) -> None:
    scene, view = cloud(), camera()
    fast, slow = splat(scene, view), dense(scene, view)
    if detached:
        fast = fast.detach()
    values, image = randn(len(scene), channels), randn(view.height, view.width, channels)
    torch.testing.assert_close(fast @ values, slow @ values, rtol=0, atol=1e-12)
    torch.testing.assert_close(fast.T @ image, slow.T @ image, rtol=1e-12, atol=1e-11)


def near_a_limit(scene: Gaussians, view: Camera, limits: Limits) -> Tensor:
    """Pixels (h * w) in which an alpha or the transmittance lies within 1e-4 of a limit: rounding may flip them."""
    from semsplat.splatting._dense import _alphas
    from semsplat.splatting.project import project

    open_limits = Limits(alpha_min=0.0, alpha_max=limits.alpha_max, transmittance_min=0.0)
    footprints = project(scene, view, limits.alpha_min)
    centers = footprints.centers.expand(view.height * view.width, -1, -1)
    alphas = _alphas(footprints, centers, view, open_limits)[:, footprints.depths.argsort(stable=True)]
    kept = torch.where(alphas >= limits.alpha_min, alphas, 0.0)
    behind = torch.cumprod(1 - kept, dim=1)
    close = (alphas - limits.alpha_min).abs() < 1e-4
    return (close | ((behind - limits.transmittance_min).abs() < 1e-4)).any(dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_dense_is_cpu_in_single_precision(seed: int) -> None:
    """To 1e-5, except where rounding moves an alpha over a limit: at most 0.1 % of the pixels."""
    scene, view = cloud(300, seed, torch.float32), camera(150, 110, torch.float32)
    fast, alpha = splat(scene, view).composite(scene.colors(view))
    slow = dense(scene.double(), view.to(torch.float64)) @ scene.double().colors(view.to(torch.float64))
    wrong = ((fast.double() - slow).abs() > 1e-5).any(-1).flatten()
    undecided = near_a_limit(scene.double(), view.to(torch.float64), Limits())
    assert wrong.double().mean() <= 1e-3
    assert not (wrong & ~undecided).any()
    assert alpha.min() >= 0 and alpha.max() <= 1


@pytest.mark.parametrize("make", [dense, splat])
@pytest.mark.parametrize("channels", [1, 3, 40])
def test_transpose_is_the_adjoint(make, channels: int) -> None:
    """<W v, g> = <v, W.T g>"""
    scene, view = cloud(), camera()
    blend: Blend = make(scene, view)
    values, image = randn(len(scene), channels), randn(view.height, view.width, channels, seed=4)
    left, right = ((blend @ values) * image).sum(), (values * (blend.T @ image)).sum()
    torch.testing.assert_close(left, right, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("channels", [2, 40])
def test_products_are_linear(channels: int) -> None:
    scene, view = cloud(), camera()
    blend = splat(scene, view)
    a, b = randn(len(scene), channels), randn(len(scene), channels, seed=9)
    torch.testing.assert_close(blend @ (2 * a - 3 * b), 2 * (blend @ a) - 3 * (blend @ b), rtol=0, atol=1e-11)


def test_coverage_is_a_row_sum_between_zero_and_one() -> None:
    scene, view = cloud(2000), camera()
    blend = splat(scene, view)
    assert blend.alpha.min() >= 0 and blend.alpha.max() <= 1
    assert blend.alpha.max() > 0.99
    torch.testing.assert_close(blend.alpha, blend @ torch.ones(len(scene), 1, dtype=torch.float64))
    torch.testing.assert_close(blend.composite(randn(len(scene), 5))[1], blend.alpha)


def test_order_of_rows_does_not_matter() -> None:
    scene, view = cloud(), camera()
    mixed = torch.randperm(len(scene), generator=torch.Generator().manual_seed(1))
    values = randn(len(scene), 3)
    torch.testing.assert_close(
        splat(scene, view) @ values, splat(scene[mixed], view) @ values[mixed], rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("make", [dense, splat])
def test_row_is_a_row_of_w(make) -> None:
    scene, view = cloud(), camera()
    blend: Blend = make(scene, view)
    ids, weights = blend.row(30, 20)
    full = torch.zeros(len(scene), dtype=torch.float64).index_add(0, ids, weights)
    torch.testing.assert_close(full, dense(scene, view).weights[20 * view.width + 30])
    depths = dense(scene, view).footprints.depths[ids]
    assert len(ids) > 3 and (depths.diff() >= 0).all()


def test_row_names_ids_and_refuses_pixels_outside() -> None:
    scene, view = cloud(), camera()
    renamed = scene.replace(ids=scene.ids + 1000)
    assert (splat(renamed, view).row(30, 20)[0] == splat(scene, view).row(30, 20)[0] + 1000).all()
    with pytest.raises(InputError, match=r"Pixel \(52, 3\) is outside the picture of 52 x 37 pixels"):
        splat(scene, view).row(52, 3)


def test_empty_scene_is_an_empty_picture() -> None:
    blend = splat(cloud()[:0], camera())
    assert (blend @ torch.zeros(0, 3, dtype=torch.float64)).abs().max() == 0
    assert (blend.T @ randn(37, 52, 3)).shape == (0, 3)
    assert len(blend.row(0, 0)[0]) == 0


def test_one_pixel() -> None:
    scene, view = cloud(), camera().resized(1, 1)
    values = randn(len(scene), 3)
    torch.testing.assert_close(splat(scene, view) @ values, dense(scene, view) @ values)


def test_camera_inside_a_gaussian_and_behind_others() -> None:
    scene = cloud()
    eye = scene.means[0]
    view = Camera.look_at(
        eye, eye + torch.tensor([0.3, 1.0, 0.1]).double(), torch.tensor([0.0, 0, 1]).double(), 1.2, 40, 30
    )
    behind = (scene.means @ view.world_to_camera[2, :3] + view.world_to_camera[2, 3]) < 0
    assert behind.sum() > 20
    blend = splat(scene, view)
    torch.testing.assert_close(blend @ randn(len(scene), 3), dense(scene, view) @ randn(len(scene), 3))
    assert not blend.footprints.visible[behind].any()
    assert (blend.T @ randn(30, 40, 2))[behind].abs().max() == 0


@pytest.mark.parametrize("column", ["means", "quats", "log_scales", "logit_opacities"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_gaussian_that_is_not_finite_is_not_drawn(column: str, number: float) -> None:
    scene, view = cloud(), camera()
    good = torch.ones(len(scene), dtype=torch.bool)
    good[[3, 50]] = False
    broken = getattr(scene, column).clone()
    broken[~good] = number
    values = randn(len(scene), 3)
    drawn = splat(scene.replace(**{column: broken}), view) @ values
    torch.testing.assert_close(drawn, splat(scene[good], view) @ values[good], rtol=0, atol=1e-14)


def test_colours_that_are_not_finite_stay_out_of_the_picture() -> None:
    scene = cloud()
    sh = scene.sh.clone()
    sh[5] = float("nan")
    assert scene.replace(sh=sh).colors(camera()).isfinite().all()


def test_extreme_gaussians_do_not_break_the_picture() -> None:
    scene, view = cloud(dtype=torch.float32), camera(dtype=torch.float32)
    log_scales = scene.log_scales.clone()
    log_scales[:20], log_scales[20:40], log_scales[40:60, 0] = -30.0, 30.0, 8.0
    logits = scene.logit_opacities.clone()
    logits[60:80] = 60.0
    means = scene.means.clone()
    means[80:90] *= 1e6
    wild = scene.replace(log_scales=log_scales, logit_opacities=logits, means=means)
    image, alpha = splat(wild, view).composite(wild.colors(view))
    assert image.isfinite().all() and alpha.min() >= 0 and alpha.max() <= 1 + 1e-6


def test_limits_are_parameters() -> None:
    scene, view = cloud(), camera()
    limits = Limits(alpha_min=0.05, alpha_max=0.6, transmittance_min=0.05)
    values = randn(len(scene), 3)
    drawn = splat(scene, view, limits) @ values
    torch.testing.assert_close(drawn, dense(scene, view, limits) @ values)
    assert (drawn - splat(scene, view) @ values).abs().max() > 0.01


def test_depth_is_the_mean_along_the_axis() -> None:
    scene, view = cloud(), camera()
    blend = splat(scene, view)
    expected = (blend @ blend.footprints.depths[:, None]) / blend.alpha.clamp_min(1e-6)
    seen = blend.alpha > 1e-3
    torch.testing.assert_close(blend.depth()[seen], expected[seen])
    assert blend.depth()[blend.alpha == 0].abs().sum() == 0


def test_wrong_shapes_and_devices_are_refused_in_words() -> None:
    scene, view = cloud(), camera()
    with pytest.raises(ValueError, match=r"wants \(200, c\) values, not \(5, 3\)"):
        splat(scene, view) @ torch.zeros(5, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"wants \(37, 52\) pixels"):
        splat(scene, view).T @ torch.zeros(5, 3, 1, dtype=torch.float64)
    with pytest.raises(DeviceError, match=r"No rasterizer for device 'meta'; move the Gaussians to cpu or cuda\."):
        splat(scene.to("meta"), view)
    with pytest.raises(DeviceError, match=r"wants float32 or float64 Gaussians, not torch\.float16"):
        splat(scene.map(lambda t: t.half() if t.is_floating_point() else t), view)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_half_of_the_coverage_is_reached_where_the_rows_of_w_say(dtype: torch.dtype) -> None:
    scene, view = cloud(300, 4, dtype), camera(67, 45, dtype)
    blend = splat(scene, view).detach()
    found = blend.raster.half_way(blend.alpha[..., 0])
    bare = 0
    for y in range(view.height):
        for x in range(view.width):
            ids, weights = blend.row(x, y)
            if not len(ids):
                assert found[y, x] == -1
                bare += 1
                continue
            share = weights.cumsum(0) / weights.sum()
            expected = int((share < 0.5).sum())
            if (share - 0.5).abs().min() > 1e-5:
                assert found[y, x] == ids[expected]
    assert 0 < bare < 0.5 * view.height * view.width
