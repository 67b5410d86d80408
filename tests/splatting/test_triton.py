"""Products on tensor cores without a GPU: Triton's interpreter against the definition, in float32 and as with bf16.

The interpreter is slow, so pictures are of a few tiles. test_triton_compiles.py compiles the same kernels for GPUs.
"""

import dataclasses
import itertools

import pytest
import torch
from gsplat_double import DOUBLE
from scenes import camera, cloud

triton = pytest.importorskip("triton")

from semsplat.splatting import _triton  # noqa: E402
from semsplat.splatting._dense import DenseBlend, dense  # noqa: E402
from semsplat.splatting._gsplat import GsplatBlend, blend_with  # noqa: E402
from semsplat.splatting.average import Averaged, average, spread_back  # noqa: E402
from semsplat.splatting.blend import Limits  # noqa: E402
from semsplat.splatting.gaussians import Gaussians  # noqa: E402
from semsplat.splatting.lift import lift  # noqa: E402
from semsplat.splatting.optimizer import BETAS, EPSILON, adam  # noqa: E402

VIEW = camera(20, 18, torch.float32)  # four tiles, three of them cut off by the border
COUNT = 90
BF16 = 1.5e-2  # relative error: the interpreter cuts numbers off where a GPU rounds, so twice what one has

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="test_gpu.py tests the compiled kernels")


def scene(seed: int = 0) -> Gaussians:
    found = cloud(COUNT, seed, torch.float32)
    return found.replace(means=found.means * 1.4, logit_opacities=found.logit_opacities + 1.0)


def both(limits: Limits | None = None, exact: bool = True) -> tuple[_triton.Lists, DenseBlend]:
    """What the kernels start from, with gsplat's own tile lists, and the definition."""
    gaussians, limits = scene(), limits or Limits()
    blend = blend_with(DOUBLE, gaussians, VIEW, limits)
    f, tiles = blend.footprints, blend.tiles
    size = VIEW.height, VIEW.width
    lists = _triton.lists(
        f.centers, f.conics, f.opacities, tiles.starts[0], tiles.rows, size, limits.alpha_max, exact=exact
    )
    return lists, dense(gaussians, VIEW, limits)


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def error(mine: torch.Tensor, truth: torch.Tensor) -> float:
    assert mine.shape == truth.shape
    return float((mine.float() - truth).norm() / truth.norm())


@pytest.mark.slow
@pytest.mark.parametrize(("alpha_max", "channels"), [(0.999, 37), (0.99, 64)])
def test_both_products_are_those_of_the_definition(alpha_max: float, channels: int) -> None:
    lists, truth = both(Limits(alpha_max=alpha_max))
    values, image = normal(COUNT, channels), normal(VIEW.height, VIEW.width, channels)
    torch.testing.assert_close(lists.alpha, truth.alpha, rtol=0, atol=1e-5)
    assert error(_triton.draw(lists, values), truth @ values) < 1e-5
    assert error(_triton.gather(lists, image), truth.T @ image) < 1e-5


@pytest.mark.slow
def test_rows_that_no_pixel_needs_are_left_out_and_those_that_finish_one_are_kept() -> None:
    """Forty opaque layers: a pixel is finished by the first few, the last of which has no weight but ends it."""
    gaussians = scene()[:40].replace(
        means=torch.linspace(-1, 1, 40)[:, None] * torch.tensor([0.0, 1.0, 0.0]),
        log_scales=torch.full((40, 3), 0.3),
        logit_opacities=torch.linspace(0.5, 4.0, 40),
    )
    blend = blend_with(DOUBLE, gaussians, VIEW, Limits())
    f = blend.footprints
    lists = _triton.lists(
        f.centers, f.conics, f.opacities, blend.tiles.starts[0], blend.tiles.rows, (18, 20), 0.999, exact=True
    )
    kept = int((lists.ends - lists.starts[:-1]).sum())
    assert kept < 0.75 * len(blend.tiles.rows)
    values = normal(40, 33)
    assert error(_triton.draw(lists, values), dense(gaussians, VIEW) @ values) < 1e-5


@pytest.mark.slow
def test_bf16_is_within_its_error() -> None:
    lists, truth = both(exact=False)
    values, image, cells = normal(COUNT, 48), normal(VIEW.height, VIEW.width, 48), normal(5, 6, 48)
    drawn = _triton.draw(lists, values.half())
    assert drawn.dtype == torch.float16 and error(drawn, truth @ values) < BF16
    gathered = _triton.gather(lists, image.bfloat16())
    assert gathered.dtype == torch.float32 and error(gathered, truth.T @ image) < BF16
    assert error(_triton.draw(lists, values, (5, 6)), average(truth @ values, 5, 6)) < BF16
    assert error(_triton.gather(lists, cells, coarse=True), truth.T @ spread_back(cells, 18, 20)) < BF16


@pytest.mark.slow
@pytest.mark.parametrize(("grid", "span"), [((3, 2), 4), ((9, 7), 8), ((14, 20), None)])
def test_means_over_cells_are_those_of_the_definition(grid: tuple[int, int], span: int | None) -> None:
    """Fused where a tile has few cells, else in pieces of the channels."""
    lists, truth = both()
    assert _triton._span(lists.size, grid) == span
    channels = 40 if span else _triton.PIECE + 16
    values, cells = normal(COUNT, channels), normal(*grid, channels)
    assert error(_triton.draw(lists, values, grid), average(truth @ values, *grid)) < 1e-5
    assert error(_triton.gather(lists, cells, coarse=True), truth.T @ spread_back(cells, 18, 20)) < 1e-5


def test_cells_of_every_tile_are_counted() -> None:
    for fine, coarse in ((20, 2), (37, 19), (728, 64), (986, 70), (33, 5)):
        edges = list(itertools.pairwise(k * fine / coarse for k in range(coarse + 1)))
        tiles = [(t, min(t + 16, fine)) for t in range(0, fine, 16)]
        touched = [sum(a < end and b > first for a, b in edges) for first, end in tiles]
        assert max(touched) <= _triton._cells(fine, coarse) <= max(touched) + 1


@pytest.mark.slow
@pytest.mark.parametrize("grid", [None, (3, 2)])
def test_gradients_are_the_other_product(grid: tuple[int, int] | None) -> None:
    lists, truth = both()
    values = normal(COUNT, 40).requires_grad_()
    image = _triton.draw(lists, values, grid)
    pull = normal(*image.shape, seed=2)
    (image * pull).sum().backward()
    spread = pull if grid is None else spread_back(pull, 18, 20)
    assert error(values.grad, truth.T @ spread) < 1e-5
    given = normal(*image.shape).requires_grad_()
    (_triton.gather(lists, given, coarse=grid is not None) * values.detach()).sum().backward()
    assert error(given.grad, image.detach()) < 1e-5


@pytest.mark.slow
def test_any_layout_of_values_is_taken() -> None:
    """Columns of a larger table, not contiguous and not aligned; gsplat's packed rows; nothing in view."""
    lists, truth = both()
    table = normal(COUNT, 60)
    values = table[:, 3:51]
    assert values.data_ptr() % 16 and error(_triton.draw(lists, values), truth @ values) < 1e-5
    ids, columns = torch.tensor([1, 4, 6]), normal(3, 2)
    rows, (full,) = _triton.unpacked(ids, 8, torch.tensor([2, 0, 1], dtype=torch.int32), columns)
    assert rows.tolist() == [6, 1, 4] and torch.equal(full[ids], columns) and full.count_nonzero() == 6
    total = normal(COUNT, 50)
    mine, before = total[:, :48], total.clone()
    _triton.gather_into(mine, lists, normal(18, 20, 48))
    assert error(mine, before[:, :48] + truth.T @ normal(18, 20, 48)) < 1e-5
    assert torch.equal(total[:, 48:], before[:, 48:])
    nothing = dataclasses.replace(lists, rows=lists.rows[:0])
    assert not _triton.draw(nothing, values).any() and not _triton.gather(nothing, normal(18, 20, 48)).any()


# --------------------------------------------------------------------------------------------------- through the blend


def wide(gaussians: Gaussians) -> GsplatBlend:
    return blend_with(dataclasses.replace(DOUBLE, tensor_cores=True), gaussians, VIEW, Limits())


@pytest.mark.slow
def test_a_blend_takes_tensor_cores_for_many_channels_without_geometry(monkeypatch: pytest.MonkeyPatch) -> None:
    gaussians, used = scene(), []
    launch = _triton._launch
    monkeypatch.setattr(
        _triton, "_launch", lambda name, *rest, **named: (used.append(name), launch(name, *rest, **named))
    )
    blend, truth = wide(gaussians), dense(gaussians, VIEW)
    values, cells = normal(COUNT, 40), normal(3, 2, 40)
    image, alpha = blend.composite(values)
    assert error(image, truth @ values) < BF16 and error(alpha, truth.alpha) < 1e-5
    mean, cover = blend.composite_means(values, 3, 2)
    assert error(mean, average(truth @ values, 3, 2)) < BF16 and error(cover, average(truth.alpha, 3, 2)) < 1e-5
    averaged = Averaged(blend, torch.ones(3, 2, 1))
    assert error(averaged.T @ cells, truth.T @ spread_back(cells, 18, 20)) < BF16
    assert used == ["draw", "draw_mean", "gather_mean"] and blend.bytes > wide(gaussians).bytes
    assert error(blend @ values[:, :32], truth @ values[:, :32]) < 1e-5 and len(used) == 3
    leaf = gaussians.map(lambda t: t.clone().requires_grad_() if t.is_floating_point() else t)
    assert error((wide(leaf) @ values).detach(), truth @ values) < 1e-5 and len(used) == 3


@pytest.mark.slow
def test_lifting_through_tensor_cores_is_that_of_the_definition() -> None:
    gaussians, maps = scene(), [normal(18, 20, 40), normal(3, 2, 40)]
    found = []
    for make in (wide, lambda given: dense(given, VIEW)):
        blend = make(gaussians)
        views = [(blend, maps[0]), (Averaged(blend, torch.ones(3, 2, 1)), maps[1])]
        found.append(lift(views))
    assert error(found[0][1], found[1][1]) < 1e-4
    torch.testing.assert_close(found[0][0], found[1][0], rtol=0.05, atol=0.03)


# ------------------------------------------------------------------------------------------------------- half moments


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_adam_with_half_moments_goes_where_adam_goes(device: str) -> None:
    """The second moment falls by a thousandth a step, which bf16 cannot show: rounding at random must."""
    goal, start = normal(40, 64), normal(40, 64, seed=2)
    places = []
    for kind in (torch.float32, torch.bfloat16):
        place, first, second = start.clone(), torch.zeros(40, 64, dtype=kind), torch.zeros(40, 64, dtype=kind)
        for step in range(1, 61):
            slope = (place - goal) * (1.0 if step < 20 else 0.1)
            if device == "gpu" and kind == torch.bfloat16:
                rate, correction = 0.05 / (1 - BETAS[0] ** step), (1 - BETAS[1] ** step) ** 0.5
                _triton.adam_half(place, slope, first, second, rate, *BETAS, EPSILON, correction, step)
            else:
                adam(place, slope, first, second, 0.05, step)
        places.append((place, second.float()))
    (exact, square), (half, rounded) = places
    assert error(half - start, exact - start) < 0.02
    assert abs(float(rounded.mean() / square.mean()) - 1) < 0.005


def test_who_draws_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from semsplat.splatting._gsplat_operations import TENSOR_CORES, description

    assert f"tensor cores (Triton {triton.__version__})" in description()
    monkeypatch.setenv(TENSOR_CORES, "0")
    assert description().endswith("features in passes of 32 channels (SEMSPLAT_TENSOR_CORES=0)")
    monkeypatch.delenv(TENSOR_CORES)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "Triton is not installed" in description()
