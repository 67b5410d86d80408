"""SAM as a teacher: maps that cover the picture, prompts in its pixels, files that are not SAM's."""

import importlib
import json
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import torch
from sam_weights import tiny_state
from torch import Tensor, nn

from semsplat.distill.teachers import open_teacher, pixels, reopen, sam, sam_package
from semsplat.distill.teachers.base import Options, Prompts
from semsplat.distill.teachers.sam_automatic import Everything
from semsplat.distill.teachers.sam_network import Frame
from semsplat.distill.teachers.sam_prompts import Ready
from semsplat.splatting.errors import InputError

NO_POINTS, NO_SIGNS = torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool)


def click(*points: tuple[float, float], signs: tuple[bool, ...] | None = None) -> Prompts:
    return Prompts(torch.tensor(points).reshape(-1, 2).float(), torch.tensor(signs or (True,) * len(points)))


def random_picture(height: int, width: int) -> Tensor:
    return torch.rand(height, width, 3, generator=torch.Generator().manual_seed(height))


@pytest.fixture(scope="module")
def teacher(tiny_sam: Path) -> sam.Sam:
    return sam.open(Options(weights=tiny_sam))


def test_a_map_is_what_metas_own_steps_give(teacher: sam.Sam) -> None:
    image = random_picture(480, 360)  # portrait, 4:3: whole patches, so that nothing gives way
    features = teacher.look(image)
    assert features.shape == (16, 12, 256)
    model = teacher.network._sam
    small = pixels.resize(image, (256, 192)) * 255  # ResizeLongestSide, RGB in [0, 255]
    with torch.no_grad():
        embedding = model.image_encoder(model.preprocess(small.movedim(-1, 0)[None]))
    assert torch.allclose(features, embedding[0, :, :, :12].movedim(0, -1), atol=1e-4)
    assert not torch.allclose(features, teacher.look(image.flip(-1)), atol=0.1)  # RGB is not BGR


@pytest.mark.parametrize(
    "size, grid", [((100, 150), (11, 16)), ((150, 100), (16, 11)), ((64, 64), (16, 16)), ((9, 400), (1, 16))]
)
def test_maps_cover_the_picture_exactly(teacher: sam.Sam, size: tuple[int, int], grid: tuple[int, int]) -> None:
    features = teacher.look(random_picture(*size))
    assert features.shape == (*grid, 256)
    answer = teacher.masks(features, click((size[1] / 2, size[0] / 2)), size)
    assert answer.masks.shape == (3, *size) and answer.quality.shape == (3,)


def test_masks_are_metas_own(teacher: sam.Sam) -> None:
    """Against the untouched embedding: the same with its padding, nearly the same with ours in its place."""
    image, size, spot = random_picture(120, 90), (120, 90), (30.0, 40.0)
    features, model = teacher.look(image), teacher.network._sam  # the first look loads the image half
    with torch.no_grad():
        small = pixels.resize(image, (256, 192)) * 255
        embedding = model.image_encoder(model.preprocess(small.movedim(-1, 0)[None]))
        points = torch.tensor([[spot]]) * (256 / 120) - 0.5
        sparse, dense = model.prompt_encoder((points, torch.ones(1, 1)), None, None)
        want, quality = model.mask_decoder(embedding, model.prompt_encoder.get_dense_pe(), sparse, dense, True)
    want = want[..., :48]
    masks, scores = teacher._coarse(Ready((embedding,), Frame((16, 12), size, 16)), [click(spot)])
    assert torch.allclose(masks, want, atol=1e-5) and torch.allclose(scores, quality, atol=1e-5)
    masks, scores = teacher._coarse(teacher.ready(features, size), [click(spot)])
    assert ((masks > 0) == (want > 0)).float().mean() > 0.95
    assert torch.allclose(scores, quality, atol=0.1)


def test_maps_of_another_size_are_brought_to_sams_grid(teacher: sam.Sam) -> None:
    image, size = random_picture(120, 160), (120, 160)
    features = teacher.look(image)
    drawn = features.repeat_interleave(3, 0).repeat_interleave(3, 1)  # as from a rendering at another resolution
    one, other = (teacher.masks(some, click((50.0, 60.0)), size).masks for some in (features, drawn))
    assert ((one > 0) == (other > 0)).float().mean() > 0.9


def test_many_prompts_at_once_are_each_ones_own(teacher: sam.Sam) -> None:
    size = (96, 128)
    features = teacher.look(random_picture(*size))
    box = torch.tensor([10.0, 10.0, 90.0, 60.0])
    asked = [
        click((20.0, 30.0)),
        Prompts(NO_POINTS, NO_SIGNS, box),
        click((20.0, 30.0), (100.0, 80.0), signs=(True, False)),
        click((64.0, 48.0)),
        Prompts(torch.tensor([[50.0, 50.0]]), torch.tensor([True]), box),
    ]
    together = teacher.masks_of_many(features, asked, size)
    for prompts, answer in zip(asked, together, strict=True):
        alone = teacher.masks(features, prompts, size)
        assert torch.allclose(answer.masks, alone.masks, atol=1e-4)
        assert torch.allclose(answer.quality, alone.quality, atol=1e-5)
    assert not torch.allclose(together[0].masks, together[2].masks, atol=1e-3)


@pytest.mark.parametrize(
    "prompts, says",
    [
        (Prompts(NO_POINTS, NO_SIGNS), "empty"),
        (click((5.0, 5.0), signs=(False,)), "only what is not meant"),
        (click((130.0, 5.0)), "point 130,5 lies outside of the picture of 128 x 96"),
        (click((5.0, 5.0), (float("nan"), 0.0)), "point nan,0 lies outside"),
        (Prompts(NO_POINTS, NO_SIGNS, torch.tensor([50.0, 10.0, 40.0, 20.0])), "upper left corner first"),
        (Prompts(NO_POINTS, NO_SIGNS, torch.tensor([200.0, 10.0, 240.0, 20.0])), "holds nothing"),
    ],
)
def test_prompts_that_mean_nothing_get_a_sentence(teacher: sam.Sam, prompts: Prompts, says: str) -> None:
    with pytest.raises(InputError, match=says):
        teacher.masks(torch.zeros(12, 16, 256), prompts, (96, 128))


def test_a_map_of_another_teacher_gets_a_sentence(teacher: sam.Sam) -> None:
    with pytest.raises(InputError, match="512 channels, and SAM's have 256"):
        teacher.masks(torch.zeros(12, 16, 512), click((1.0, 1.0)), (96, 128))


def test_reopened_it_answers_the_same_without_the_encoder(tiny_sam: Path) -> None:
    first = open_teacher("sam", Options(weights=tiny_sam))
    features, size = first.look(random_picture(120, 90)), (120, 90)
    memory = json.loads(json.dumps(first.memory()))
    assert memory["weights"] == str(tiny_sam) and len(memory["sha256"]) == 64 and memory["variant"] == "2 blocks"
    again = reopen("sam", memory, torch.device("cpu"))
    one, other = (some.masks(features, click((45.0, 60.0)), size) for some in (first, again))
    assert (one.masks - other.masks).abs().max() < 1e-3
    assert again.network._sam.image_encoder.pos_embed.is_meta
    with pytest.raises(InputError, match="other weights"):
        reopen("sam", memory | {"sha256": "0" * 64}, torch.device("cpu"))
    with pytest.raises(InputError, match="no longer there"):
        reopen("sam", memory | {"weights": str(tiny_sam) + "x"}, torch.device("cpu"))


@pytest.mark.slow
def test_files_that_are_not_sams(tmp_path: Path) -> None:
    state = tiny_state(side=64)
    for change, says in (
        ({"image_encoder.pos_embed": None}, "not a file of SAM 1"),
        (
            {"mask_decoder.iou_token.weight": None, "mask_decoder.mask_tokens.weight": None},
            "iou_token.weight, mask_dec",
        ),
        ({"mask_decoder.iou_token.weight": torch.zeros(1, 128)}, "iou_token.weight is 1x128, not 1x256"),
    ):
        wrong = {key: value for key, value in (state | change).items() if value is not None}
        torch.save(wrong, tmp_path / "wrong.pth")
        with pytest.raises(InputError, match=says):
            sam.open(Options(weights=tmp_path / "wrong.pth"))
    torch.save(state, tmp_path / "right.pth")
    with pytest.raises(InputError, match="holds 2 blocks, not vit_h"):
        sam.open(Options(weights=tmp_path / "right.pth", variant="vit_h"))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="type 'bert', and 'sam' is needed"):
        sam.open(Options(weights=tmp_path))


def test_missing_weights_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSPLAT_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match=r"semsplat models get sam --variant vit_l .*sam_vit_l_0b3195\.pth"):
        sam.open(Options(variant="vit_l"))
    with pytest.raises(InputError, match=r"no variant 'vit_x'; it has vit_b, vit_l, vit_h"):
        sam.open(Options(variant="vit_x"))


@pytest.mark.parametrize("variant", ["vit_b", "vit_l", "vit_h"])
def test_the_published_sizes_are_told_by_their_shapes(variant: str) -> None:
    sam_package.modeling()
    package = importlib.import_module(f"{sam_package.ALIAS}.build_sam")
    with torch.device("meta"):
        want = getattr(package, f"build_sam_{variant}")(None)
    ours = sam_package.build(want.state_dict(), Path("published.pth"))
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in want.state_dict().items()}
    assert str(ours) == str(want)  # heads and windows too, as far as modules print them
    for one, other in zip(ours.image_encoder.blocks, want.image_encoder.blocks, strict=True):
        assert (one.window_size, one.attn.num_heads) == (other.window_size, other.attn.num_heads)
    sizes = (len(ours.image_encoder.blocks), ours.image_encoder.pos_embed.shape[-1])
    assert sam_package.SIZES[sizes[::-1]] == variant


def test_importing_metas_package_leaves_others_alone() -> None:
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "segment_anything"}
    found = []
    workers = [threading.Thread(target=lambda: found.append(sam_package.modeling())) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len({id(module) for module in found}) == 1
    after = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "segment_anything"}
    assert after == before and "torchvision" not in sys.modules
    assert isinstance(found[0].Sam, type) and issubclass(found[0].Sam, nn.Module)
    assert partial(found[0].MaskDecoder).func.__module__.startswith(sam_package.ALIAS)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
def test_on_a_gpu_maps_and_masks_are_nearly_the_same(tiny_sam: Path) -> None:
    cpu, gpu = (sam.open(Options(weights=tiny_sam, device=torch.device(name))) for name in ("cpu", "cuda"))
    image, size = random_picture(120, 90), (120, 90)
    features = cpu.look(image)
    assert (gpu.look(image).cpu() - features).abs().mean() < 0.02  # the encoder runs in half precision there
    one, other = (some.masks(features, click((45.0, 60.0)), size) for some in (cpu, gpu))
    assert ((one.masks > 0) == (other.masks.cpu() > 0)).float().mean() > 0.98
    found = gpu.everything(features, size, Everything(points_per_side=2, quality=-9.0, stability=0.0))
    assert found.masks.device.type == "cuda"
