"""GsplatBlend without a GPU: its own logic over gsplat's torch code, and ours against that code."""

import dataclasses
import re
import sys
import types
import weakref

import gsplat
import numpy as np
import pytest
import torch
from gsplat.cuda import _torch_impl as theirs
from gsplat_double import CHANNELS, DOUBLE
from scenes import camera, cloud

from semsplat.splatting import _cpu, _cuda_tools, _gsplat, sh
from semsplat.splatting._dense import dense
from semsplat.splatting._gsplat import GsplatBlend, blend_with, gsplat_blend
from semsplat.splatting._gsplat_operations import adapted, passes
from semsplat.splatting.blend import Limits
from semsplat.splatting.camera import Camera
from semsplat.splatting.errors import DeviceError
from semsplat.splatting.gaussians import GEOMETRY, Gaussians
from semsplat.splatting.project import project

VIEW = camera(dtype=torch.float32)


def scene(count: int = 120, leaf: bool = False, seed: int = 0) -> Gaussians:
    """A cloud around and beside the camera, so that some are behind it and some off the picture."""
    found = cloud(count, seed, torch.float32)
    found = found.replace(means=found.means * 1.6)
    return found.map(lambda t: t.requires_grad_() if leaf and t.is_floating_point() else t)


def ours(gaussians: Gaussians, view: Camera = VIEW) -> GsplatBlend:
    return blend_with(DOUBLE, gaussians, view, Limits())


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ------------------------------------------------------------------------------------------- GsplatBlend = definition


@pytest.mark.parametrize("channels", [0, 1, 3, 7, 33, 70])
def test_both_products_are_those_of_the_definition(channels: int) -> None:
    gaussians = scene()
    blend, truth = ours(gaussians), dense(gaussians, VIEW)
    values, image = normal(len(gaussians), channels), normal(*truth.shape[:2], channels)
    torch.testing.assert_close(blend @ values, truth @ values, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(blend.T @ image, truth.T @ image, rtol=1e-4, atol=1e-3)
    drawn, alpha = blend.composite(values)
    torch.testing.assert_close(drawn, truth @ values, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(alpha, truth.alpha, rtol=1e-5, atol=1e-5)
    assert blend.alpha is alpha


@pytest.mark.parametrize("channels", [3, 38])
def test_gradients_are_those_of_the_definition(channels: int) -> None:
    """Values and geometry; coverage takes part; several passes add up."""
    gradients = []
    for make in (ours, dense):
        gaussians = scene(leaf=True)
        values = normal(len(gaussians), channels).requires_grad_()
        image, alpha = make(gaussians, VIEW).composite(values)
        loss = (image * normal(*image.shape, seed=2)).sum() + (alpha * normal(*alpha.shape, seed=3)).sum()
        loss.backward()
        gradients.append([values.grad, *(getattr(gaussians, name).grad for name in GEOMETRY)])
    for mine, truth in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, truth, rtol=1e-3, atol=1e-4 * float(truth.abs().max()))


@pytest.mark.parametrize("channels", [4, 38])
def test_pull_at_the_centers_is_that_of_the_cpu(channels: int) -> None:
    pulls = []
    for make in (lambda g, v: _cpu.cpu_blend(g, v, Limits()), ours):
        gaussians = scene(leaf=True)
        blend = make(gaussians, VIEW)
        assert not blend.center_gradients.any()
        image = blend @ normal(len(gaussians), channels)
        (image * normal(*image.shape, seed=2)).sum().backward()
        pulls.append(blend.center_gradients)
    if channels <= 32:  # more take several passes, and absolute values of parts are not those of the sum
        torch.testing.assert_close(pulls[1], pulls[0], rtol=1e-3, atol=1e-4 * float(pulls[0].max()))
    kept = blend.footprints.centers.grad
    assert kept.any() and (pulls[1] + 1e-5 * pulls[1].max() >= kept.abs()).all()


def test_a_detached_blend_has_gradients_for_values_alone() -> None:
    gaussians = scene(leaf=True)
    blend = ours(gaussians).detach()
    values = normal(len(gaussians), 5).requires_grad_()
    image = blend @ values
    image.sum().backward()
    assert all(getattr(gaussians, name).grad is None for name in GEOMETRY)
    torch.testing.assert_close(values.grad, blend.T @ torch.ones_like(image), rtol=1e-4, atol=1e-4)
    assert not blend.center_gradients.any() and blend.detach() is blend


def test_the_transposed_product_is_differentiable_for_the_image() -> None:
    gaussians = scene()
    blend, weights = ours(gaussians), normal(len(gaussians), 2)
    image = normal(*blend.shape[:2], 2).requires_grad_()
    ((blend.T @ image) * weights).sum().backward()
    torch.testing.assert_close(image.grad, blend @ weights, rtol=1e-4, atol=1e-5)


def test_a_row_is_that_of_the_definition() -> None:
    gaussians = scene().replace(ids=torch.arange(120).flip(0))
    blend, truth = ours(gaussians), dense(gaussians, VIEW)
    for x, y in ((0, 0), (26, 18), (51, 36), (16, 15), (40, 5)):
        ids, weights = blend.row(x, y)
        expected_ids, expected = truth.row(x, y)
        assert ids.tolist() == expected_ids.tolist()
        torch.testing.assert_close(weights, expected, rtol=1e-4, atol=1e-5)


def test_footprints_are_those_of_the_definition_where_they_touch_the_picture() -> None:
    gaussians = scene()
    found, truth = ours(gaussians).footprints, project(gaussians, VIEW)
    assert not (found.visible & ~truth.visible).any() and found.visible.sum() > 50
    for name in ("centers", "conics", "depths", "opacities", "covariances"):
        mine, definition = getattr(found, name), getattr(truth, name)
        torch.testing.assert_close(mine[found.visible], definition[found.visible], rtol=1e-3, atol=1e-3)
        assert not mine[~found.visible].any()
    torch.testing.assert_close(found.radii()[found.visible], truth.radii()[found.visible], rtol=1e-3, atol=1e-3)
    assert not (dense(gaussians, VIEW).weights.sum(0) > 0)[~found.visible].any()


# ---------------------------------------------------------------------------------------------------------- the edges


@pytest.mark.parametrize("count", [0, 4])
def test_nothing_to_see_is_an_empty_picture(count: int) -> None:
    gaussians = scene(count, leaf=True)
    behind = Camera(torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0])), VIEW.intrinsics, 20, 17)
    gaussians = gaussians.replace(means=(gaussians.means.detach() + torch.tensor([0, 0, 90.0])).requires_grad_())
    blend = ours(gaussians, behind)
    values = normal(count, 2).requires_grad_()
    image, alpha = blend.composite(values)
    assert image.shape == (17, 20, 2) and not image.any() and not alpha.any() and not blend.depth().any()
    assert (blend.T @ normal(17, 20, 2)).shape == (count, 2) and len(blend.row(3, 4)[0]) == 0
    (image.sum() + alpha.sum()).backward()
    assert not values.grad.any() and not blend.center_gradients.any()
    assert all(g is None or not g.any() for g in (getattr(gaussians, name).grad for name in GEOMETRY))


def test_gaussians_that_are_not_finite_or_too_large_never_reach_gsplat() -> None:
    clean = scene()
    spoiled = clean.map(torch.clone)
    for row, (name, value) in enumerate(
        (
            ("means", torch.nan),
            ("log_scales", torch.inf),
            ("log_scales", 70.0),
            ("log_scales", 41.0),
            ("log_scales", 17.0),
            ("quats", 0.0),
            ("logit_opacities", torch.nan),
            ("logit_opacities", torch.inf),
            ("means", -torch.inf),
        )
    ):
        getattr(spoiled, name)[row] = value
    spoiled = spoiled.map(lambda t: t.requires_grad_() if t.is_floating_point() else t)
    blend = ours(spoiled)
    values = normal(len(clean), 3)
    image = blend @ values
    torch.testing.assert_close(image, dense(clean[9:], VIEW) @ values[9:], rtol=1e-4, atol=1e-4)
    image.sum().backward()
    for name in GEOMETRY:
        gradient = getattr(spoiled, name).grad
        assert gradient.isfinite().all() and not gradient[:9].any() and gradient[9:].any()


def test_one_pixel_and_one_gaussian() -> None:
    gaussians = scene(1).replace(means=torch.zeros(1, 3))
    tiny = VIEW.resized(1, 1)
    image = ours(gaussians, tiny) @ torch.ones(1, 1)
    torch.testing.assert_close(image, dense(gaussians, tiny) @ torch.ones(1, 1), rtol=1e-5, atol=1e-6)


def test_passes_are_compiled_numbers_and_few() -> None:
    for channels in range(1, 600):
        parts = passes(channels)
        assert sum(parts) == channels and set(parts) <= set(CHANNELS) and max(parts) <= 33
    assert passes(0) == () and passes(4) == (4,) and passes(64) == (32, 32) and passes(33) == (33,)
    assert [len(passes(c)) for c in (24, 35, 512, 513)] == [2, 2, 16, 16]


def test_what_gsplat_cannot_do_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    gaussians = scene(5)
    with pytest.raises(DeviceError, match="the Gaussians are on cpu"):
        gsplat_blend(gaussians, VIEW, Limits())
    with pytest.raises(DeviceError, match=r"float32 Gaussians, not torch\.float64"):
        _gsplat.check(gaussians.double())
    with pytest.raises(DeviceError, match=r"compiled with .*alpha_max=0.999.*CPU only"):
        _gsplat.check(gaussians, Limits(alpha_max=0.99), Limits())
    blend = ours(gaussians)
    with pytest.raises(DeviceError, match=r"blend @ values wants torch.float32 on cpu.*not torch.float64"):
        blend @ torch.ones(5, 2).double()
    with pytest.raises(ValueError, match=re.escape("(5, c) values, not (4, 2)")):
        blend @ torch.ones(4, 2)


# ---------------------------------------------------------------------------------------------------- gsplat's tools


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path) -> types.SimpleNamespace:
    """A machine with gsplat's package and with nothing that compiles it."""
    from torch.utils import cpp_extension

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "environment" / "python"))
    monkeypatch.delitem(sys.modules, "gsplat.cuda._backend", raising=False)
    _gsplat.operations.cache_clear()

    def add(name: str, said: str = "", folder: str = ".") -> None:
        place = tmp_path / folder
        place.mkdir(exist_ok=True)
        (place / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (place / name).chmod(0o755)

    return types.SimpleNamespace(add=add, extensions=tmp_path / "extensions")


def test_each_missing_tool_is_one_sentence(bare: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DeviceError, match=r"^gsplat compiles its CUDA code on first use and finds no nvcc: install the"
    ):
        _gsplat.operations()
    bare.add("nvcc", "Cuda compilation tools, release 12.4, V12.4.99")
    with pytest.raises(DeviceError, match=r"finds no c\+\+: install a C\+\+ compiler"):
        _cuda_tools.check_tools()
    bare.add("c++")
    with pytest.raises(DeviceError, match=r"finds no ninja: pip install 'semsplat\[cuda\]'"):
        _cuda_tools.check_tools()
    bare.add("ninja", folder="environment")
    _cuda_tools.check_tools()
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(DeviceError, match=r"is of CUDA 12 and torch of CUDA 13.0"):
        _cuda_tools.check_tools()


def test_gsplat_is_taken_as_it_comes(bare: types.SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled already, compiled to nothing, and not to be compiled."""
    name = "gsplat.cuda._backend"
    monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    with pytest.raises(DeviceError, match=r"CUDA code could not be compiled or loaded: .*_backend"):
        _gsplat.operations()
    monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(_C=None))
    with pytest.raises(DeviceError, match="finds no nvcc"):
        _gsplat.operations()
    monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(_C=object()))
    assert _gsplat.operations().rasterize is gsplat.rasterize_to_pixels
    _gsplat.operations.cache_clear()


def test_whether_a_build_is_due(bare: types.SimpleNamespace) -> None:
    assert _cuda_tools.needs_build()
    built = bare.extensions / "gsplat_cuda" / "gsplat_cuda.so"
    built.write_bytes(b"")
    assert not _cuda_tools.needs_build()


def test_gsplat_not_here_or_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.7.0")
    with pytest.raises(DeviceError, match=r"gsplat 1.7.0 is installed, but semsplat is written for 1.5 or 1.6"):
        _cuda_tools.check_installed()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DeviceError, match=r"not installed: pip install 'semsplat\[cuda\]'"):
        _cuda_tools.check_installed()
    assert not _cuda_tools.needs_build()


def test_gsplat_1_6_is_taken_with_what_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says where it cuts alpha off, leaves out tiles that only a box touches, and pads no channels."""

    def isect_tiles(means2d, radii, depths, tile_size, tile_width, tile_height, conics=None, opacities=None):
        raise NotImplementedError

    newer = types.SimpleNamespace(**{name: getattr(gsplat, name) for name in dir(gsplat) if not name.startswith("__")})
    newer.isect_tiles = isect_tiles
    newer.cuda = types.SimpleNamespace(_constants=types.SimpleNamespace(MAX_ALPHA=0.99))
    monkeypatch.delenv("NUM_CHANNELS", raising=False)
    found, known = adapted(newer), adapted(gsplat)
    assert (found.alpha_max, found.exact, found.channels) == (0.99, True, known.channels)
    assert (known.alpha_max, known.exact) == (0.999, False)
    monkeypatch.setenv("NUM_CHANNELS", "3,4,32,33,64")
    assert adapted(newer).channels == (3, 4, 32, 33) and adapted(gsplat).channels == known.channels
    assert passes(1, (3, 4, 32, 33)) == (3,) and passes(36, (3, 4, 32, 33)) == (33, 3)


def test_channels_that_gsplat_is_not_compiled_for_are_padded() -> None:
    gaussians = scene()
    blend = blend_with(dataclasses.replace(DOUBLE, channels=(3, 4, 32)), gaussians, VIEW, Limits())
    for channels in (1, 5, 37):
        values, image = normal(len(gaussians), channels), normal(VIEW.height, VIEW.width, channels)
        torch.testing.assert_close(blend @ values, dense(gaussians, VIEW) @ values, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(blend.T @ image, dense(gaussians, VIEW).T @ image, rtol=1e-4, atol=1e-3)


def test_half_precision_goes_in_and_comes_out() -> None:
    gaussians = scene()
    blend, values = ours(gaussians), normal(len(gaussians), 5)
    image = blend @ values.half()
    assert image.dtype == torch.float16
    torch.testing.assert_close(image.float(), blend @ values, rtol=0, atol=5e-3)
    assert (blend.T @ image).dtype == torch.float32


def test_the_gist_of_a_failed_build() -> None:
    said = "Error building extension 'gsplat_cuda': [1/2] nvcc\nFAILED: a.o\n/x/a.cu:3: fatal error: no glm\n"
    assert _cuda_tools.gist(RuntimeError(said)) == "/x/a.cu:3: fatal error: no glm"
    assert _cuda_tools.gist(OSError("no space left")) == "no space left"
    assert _cuda_tools.gist(KeyError()) == "KeyError"


# ------------------------------------------------------------------------------------ ours against gsplat's torch code


def by_gsplat(gaussians: Gaussians, view: Camera) -> tuple[torch.Tensor, ...]:
    """radii, means2d, depths, conics of one camera by gsplat's torch code."""
    covars, _ = theirs._quat_scale_to_covar_preci(gaussians.quats, gaussians.scales, True, False)
    matrices = view.world_to_camera[None], view.intrinsics[None]
    found = theirs._fully_fused_projection(gaussians.means, covars, *matrices, view.width, view.height)
    return tuple(t[0] for t in found[:4])


def in_front(dtype: torch.dtype, leaf: bool = False) -> tuple[Gaussians, Camera]:
    """gsplat's own conditions: all Gaussians well in front of the camera."""
    gaussians, view = cloud(300, 4, dtype), camera(200, 150, dtype, distance=6.0)
    return gaussians.map(lambda t: t.requires_grad_() if leaf and t.is_floating_point() else t), view


def test_projection_is_gsplats_in_float64() -> None:
    results = []
    for mine in (True, False):
        gaussians, view = in_front(torch.float64, leaf=True)
        if mine:
            f = project(gaussians, view)
            seen = f.visible
            found = f.centers, f.depths, f.conics
        else:
            found = by_gsplat(gaussians, view)[1:]
        found = [t[seen] for t in found]
        sum((t * torch.linspace(-1, 1, t.numel(), dtype=t.dtype).reshape(t.shape)).sum() for t in found).backward()
        results.append([*found, gaussians.means.grad, gaussians.quats.grad, gaussians.log_scales.grad])
    assert seen.sum() > 250
    for mine, truth in zip(*results, strict=True):
        torch.testing.assert_close(mine, truth, rtol=1e-7, atol=1e-8)


def test_cpu_projection_is_gsplats_within_its_tolerances() -> None:
    """Tolerances of gsplat's tests/test_basic.py::test_projection: values 1e-4, gradients as loose as there."""
    results = []
    for mine in (True, False):
        gaussians, view = in_front(torch.float32, leaf=True)
        if mine:
            f = _cpu.cpu_blend(gaussians, view, Limits()).footprints
            seen, radii = f.visible, f.radii().detach()
            found = f.centers, f.depths, f.conics
        else:
            boxes, *found = by_gsplat(gaussians, view)
        found = [t[seen] for t in found]
        (found[0].sum() + (found[1] * 3).sum() + (found[2] * torch.tensor([1.0, -2.0, 0.5])).sum()).backward()
        results.append([*found, gaussians.means.grad, gaussians.quats.grad, gaussians.log_scales.grad])
    for (mine, truth), (rtol, atol) in zip(
        zip(*results, strict=True),
        ((1e-4, 1e-4), (1e-4, 1e-4), (1e-4, 1e-4), (1e-2, 6e-2), (2e-1, 2e-2), (5e-1, 2e-1)),
        strict=True,
    ):
        torch.testing.assert_close(mine, truth, rtol=rtol, atol=atol)
    on_picture = seen & (boxes > 0).all(-1)
    levels = 2 * (gaussians.opacities * 255).log()[:, None]  # ours end where alpha does, gsplat's at 3.33 sigma
    halves = (f.covariances[:, ::2] * levels).sqrt()
    assert on_picture.sum() > 100 and (halves <= boxes + 1e-3)[on_picture].all()
    assert ((radii + 1e-3)[:, None] >= halves)[on_picture].all()


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_spherical_harmonics_are_gsplats(degree: int) -> None:
    gaussians, view = in_front(torch.float32)
    directions, upstream = (gaussians.means - view.center), normal(len(gaussians), 3)
    results = []
    for evaluate in (
        lambda d, c: sh.evaluate(c[:, : sh.count(degree)], torch.nn.functional.normalize(d, dim=-1)),
        lambda d, c: theirs._spherical_harmonics(degree, d, c),
        lambda d, c: gaussians.replace(means=view.center + d, sh=c).colors(view, degree) - 0.5,
    ):
        leaves = directions.clone().requires_grad_(), (gaussians.sh * 0.2).requires_grad_()
        colors = evaluate(*leaves)
        (colors * upstream).sum().backward()
        moved = leaves[0].grad if leaves[0].grad is not None else torch.zeros_like(directions)
        results.append((colors.detach(), moved, leaves[1].grad))
    assert results[1][0].min() > -0.5  # so that our cut at zero does not show
    for mine in (results[0], results[2]):
        for found, truth in zip(mine, results[1], strict=True):
            torch.testing.assert_close(found, truth, rtol=1e-4, atol=1e-4)


def test_tiles_are_within_gsplats_boxes() -> None:
    """Ours are exact: none beside or below the picture, none that gsplat would not visit, fewer in all."""
    gaussians, view = scene(400, seed=5), camera(150, 101, torch.float32)
    assert (project(gaussians, view).centers[:, 1] > view.height + 40).any()
    radii, centers, depths, _ = by_gsplat(gaussians, view)
    _, keys, rows = theirs._isect_tiles(centers[None], radii[None], depths[None], 16, 10, 7)
    boxes = set(zip(rows.tolist(), (keys >> 32).tolist(), strict=True))
    bins = _cpu.cpu_blend(gaussians, view, Limits()).raster.bins
    tiles = bins.tiles.repeat(np.diff(bins.tile_starts))
    mine = set(zip(bins.tile_rows.tolist(), tiles.tolist(), strict=True))
    assert mine <= boxes and 500 < len(mine) < 0.9 * len(boxes)


@pytest.mark.parametrize("backward", [True, False])
def test_a_blend_leaves_nothing_behind(backward: bool) -> None:
    """No cycle through the graph, which no collector would see: a step's memory is free when the step is over."""
    gaussians = scene(leaf=True)
    blend = ours(gaussians)
    image, alpha = blend.composite(normal(len(gaussians), 38))
    gathered = blend.T @ image.detach().requires_grad_()
    if backward:
        (image.sum() + alpha.sum()).backward()
    remains = [weakref.ref(t) for t in (blend, image, alpha, blend.footprints.centers, blend._passes[0])]
    del blend, image, alpha, gathered
    assert [r() for r in remains] == [None] * 5
