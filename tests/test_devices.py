"""One product, two devices: what people do on an NVIDIA GPU is what they get on the CPU, within stated tolerances.

``pytest -m gpu`` runs it on a GPU. Without one the same lines run on the CPU with gsplat's double and Triton's
interpreter in place of the GPU, so that they are known to be right before a GPU sees them.
"""

import contextlib
import dataclasses
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_maps
import torch
from gsplat_double import DOUBLE
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from semsplat.app.layers import Rgb
from semsplat.app.layers_meaning import Heat
from semsplat.distill import field as fields
from semsplat.distill import fit
from semsplat.distill.fit_joint import Together
from semsplat.distill.maps import Maps, make
from semsplat.splatting import _cpu, formats
from semsplat.splatting import train as fitting
from semsplat.splatting._gsplat import GsplatBlend, blend_with
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.lift import lift
from semsplat.splatting.splat import splat
from semsplat.splatting.train import train
from semsplat.splatting.train_types import TrainConfig

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here")
DOUBLED = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: the other one runs")
BF16 = 1.5e-2  # relative error of products on tensor cores; of single precision it is SINGLE
SINGLE = 2e-3
WIDE = 48  # channels: more than gsplat has in a pass


@pytest.fixture(params=[pytest.param("cuda", marks=(pytest.mark.gpu, GPU)), pytest.param("double", marks=DOUBLED)])
def device(request: pytest.FixtureRequest) -> str:
    return request.param


@contextlib.contextmanager
def on(device: str) -> Iterator[str]:
    """Draws inside as the device does; gives the device of the tensors."""
    if device != "double":
        yield device
        return
    operations = dataclasses.replace(DOUBLE, tensor_cores=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            _cpu, "cpu_blend", lambda g, camera, limits: blend_with(operations, g, camera, limits or Limits())
        )
        yield "cpu"


def error(mine: torch.Tensor, truth: torch.Tensor) -> float:
    assert mine.shape == truth.shape
    return float((mine.detach().cpu().float() - truth.detach()).norm() / truth.detach().norm().clamp_min(1e-20))


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    return small_maps.frames(tmp_path_factory.mktemp("photos"), 4)


@pytest.fixture(scope="module")
def maps(frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Maps:
    """Of a teacher with more channels than gsplat has in a pass, on a grid of an eighth of the photos."""
    teacher = small_maps.Seer(frames, small_maps.truth(channels=WIDE), (5, 6))
    return make(frames, teacher, tmp_path_factory.mktemp("maps"), WIDE)


@pytest.mark.parametrize("density", ["mcmc", "classic"])
def test_training_goes_the_same_way(device: str, density: str, frames: list[Frame]) -> None:
    """The first steps of both kinds of density control, from the same state with the same noise."""
    scene = small_maps.scene()
    start = scene.replace(means=scene.means + 0.01, logit_opacities=scene.logit_opacities - 1.0)
    config, ends = TrainConfig(steps=4, cap=120, density=density, sh_degree=0), []
    for where in (None, device):
        with on(where) if where else contextlib.nullcontext("cpu") as place:
            steps = list(train(start.to(place), frames, config))
            ends.append((torch.tensor([step.loss for step in steps]), steps[-1].gaussians))
    (losses, truth), (found, mine) = ends
    assert error(found, losses) < SINGLE and len(mine) == len(truth)
    assert error(mine.means, truth.means) < SINGLE and error(mine.sh, truth.sh) < 2e-2


@pytest.mark.slow
def test_wide_products_are_those_of_the_cpu(device: str, frames: list[Frame]) -> None:
    """512 numbers of each Gaussian (fewer where they are interpreted): drawn, averaged, gathered, lifted; in half."""
    scene, camera, grid = small_maps.scene(), frames[0].camera.resized(20, 16), (3, 4)
    channels = 512 if device == "cuda" else 80
    values = torch.randn(80, channels, generator=torch.Generator().manual_seed(1))
    image = torch.randn(*grid, channels, generator=torch.Generator().manual_seed(2))
    truth = splat(scene, camera).detach()
    seen = truth @ values
    with on(device) as place:
        blend = splat(scene.to(place), camera).detach()
        mean, cover = blend.composite_means(values.to(place), *grid)
        half = blend @ values.to(place).half()
        lifted, mass = lift(
            [(blend, truth.detach() @ values)] if place == "cpu" else [(blend, (truth @ values).to(place))]
        )
        gathered = blend.gather_means(image.to(place))
    expected, expected_cover = truth.composite_means(values, *grid)
    assert error(mean, expected) < BF16 and error(cover, expected_cover) < SINGLE
    assert half.dtype == torch.float16 and error(half, seen) < BF16
    assert error(gathered, truth.gather_means(image)) < BF16
    wanted, weight = lift([(truth, seen)])
    assert error(mass, weight) < SINGLE and error(lifted.cpu() * weight.sqrt(), wanted * weight.sqrt()) < 2 * BF16


@pytest.mark.slow
def test_lifted_codes_are_those_of_the_cpu(device: str, frames: list[Frame], maps: Maps) -> None:
    """The mean of all views, without sweeps: they would amplify what bf16 leaves out in directions nobody sees."""
    truth = fit.lift(small_maps.scene(), frames[:2], maps, sweeps=0)
    with on(device) as place:
        found = fit.lift(small_maps.scene().to(place), frames[:2], maps, sweeps=0)
    assert error(found.codes, truth.codes) < 2 * BF16
    torch.testing.assert_close(found.reliability.cpu(), truth.reliability, rtol=0, atol=0.03)


@pytest.mark.slow
def test_the_joint_loss_and_its_gradient_are_those_of_the_cpu(device: str, frames: list[Frame], maps: Maps) -> None:
    codes, found = torch.randn(80, WIDE, generator=torch.Generator().manual_seed(3)), []
    for where in (None, device):
        with on(where) if where else contextlib.nullcontext("cpu") as place:
            features = codes.clone().to(place).requires_grad_()
            blend = splat(small_maps.scene().to(place), frames[0].camera).detach()
            loss = Together(maps, "joint", WIDE, torch.device(place)).loss(blend, frames[0], features)
            loss.backward()
            found.append((loss, features.grad))
    (truth, slope), (mine, own) = found
    assert error(mine, truth) < BF16 and error(own, slope) < 0.1  # L1: a sign may flip where the error is near 0


def test_pictures_of_the_viewer_are_those_of_the_cpu(device: str, frames: list[Frame]) -> None:
    """What the server sends where it draws: colours, and a text's heat of one score for each Gaussian."""
    scene, camera = small_maps.scene(), frames[1].camera
    scores = torch.linspace(0, 1, 80)
    pictures = []
    for where in (None, device):
        with on(where) if where else contextlib.nullcontext("cpu") as place:
            given = scene.to(place)
            layers = Rgb(), Heat(scores.to(place), 0.0, 1.0)
            pictures.append([layer.picture(given, camera.to(torch.device(place))) for layer in layers])
    for truth, mine in zip(*pictures, strict=True):
        wrong = (mine.detach().cpu() - truth).abs().amax(-1) > 2 / 255
        assert mine.shape[-1] == 3 and float(wrong.double().mean()) < 2e-3


@pytest.mark.parametrize("suffix", [".ply", ".splat", ".spz"])
def test_exports_are_those_of_the_cpu(device: str, suffix: str, tmp_path: Path) -> None:
    files = []
    for name, where in (("cpu", None), ("device", device)):
        with on(where) if where else contextlib.nullcontext("cpu") as place:
            formats.write(tmp_path / f"{name}{suffix}", small_maps.scene().to(place))
            files.append((tmp_path / f"{name}{suffix}").read_bytes())
    assert files[0] == files[1]


def test_a_field_is_saved_and_asked_on_both(device: str, tmp_path: Path) -> None:
    codes, words = small_maps.truth(channels=WIDE), small_maps.truth(3, WIDE)
    scene = small_maps.scene()
    with on(device) as place:
        stored = fields.StoredField(
            "t", scene.ids.to(place), codes.to(place), codes[:, 0].to(place), torch.eye(WIDE).to(place)
        )
        path = fields.save(tmp_path, stored)
        attached, known = fields.attach(scene.to(place), [fields.load(path)])
        scores = known["t"].scores(known["t"].codes(attached), words.to(place))
    assert scores.shape == (80, 3)
    torch.testing.assert_close(scores.cpu(), torch.nn.functional.normalize(codes, dim=1) @ words.T, rtol=0, atol=2e-3)


@DOUBLED
def test_the_double_takes_the_way_of_a_gpu(frames: list[Frame]) -> None:
    with on("double"):
        blend = splat(small_maps.scene(), frames[0].camera).detach()
    assert isinstance(blend, GsplatBlend) and blend._is_wide(WIDE) and not blend._is_wide(32)


class Held(TorchDispatchMode):
    """Bytes of tensors of one shape that are alive, and the most that ever were."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape, self.alive, self.most = shape, {}, 0

    def __torch_dispatch__(self, function: Any, kinds: Any, given: Any = (), named: Any = None) -> Any:
        made = function(*given, **(named or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tensor.shape == self.shape:
                storage = tensor.untyped_storage()
                self.alive[storage.data_ptr()] = (weakref.ref(storage), storage.nbytes())
        self.alive = {key: one for key, one in self.alive.items() if one[0]() is not None}
        self.most = max(self.most, sum(size for _, size in self.alive.values()))
        return made


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", pytest.param("double", marks=DOUBLED)])
def test_wide_features_cost_sixteen_bytes_a_number_while_training(device: str, frames: list[Frame], maps: Maps) -> None:
    """Counted on a small scene: all tensors as large as the codes, while steps run. 16 bytes a number are 8.2 GB.

    Codes and their gradient in float32, two moments in bf16: 12. Pictures are of the teacher's cells, so they are left
    out: at 512 channels a map has no more than 2 MB on disk.
    """
    seen, count = small_maps.scene(), 400
    far = seen[torch.arange(count) % 80]
    far = far.replace(means=torch.where(torch.arange(count)[:, None] < 80, far.means, far.means - 1e4))
    scene = Gaussians(
        far.means, far.quats, far.log_scales, far.logit_opacities, far.sh, torch.zeros(count, maps.dimension)
    )
    config = TrainConfig(steps=3, cap=count, density="mcmc", sh_degree=0)
    numbers = count * maps.dimension
    with on(device), Held(count, maps.dimension) as held:
        state = fitting.begin(scene, config)
        scene = None
        loss = Together(maps, "joint", maps.dimension, torch.device("cpu")).loss
        steps = list(train(small_maps.scene(), frames, config, loss, state))
    assert state.tensors["adam_first.features"].dtype == torch.bfloat16 and state.tensors["features"].any()
    assert len(steps) == 3 and 11 < held.most / numbers <= 16
