"""SAM 2 answers clicks and boxes in a picture, from a small random model in the hub's layout."""

import json
from pathlib import Path

import pytest
import torch

from semsplat.distill.teachers import open_teacher, pixels, reopen, sam2
from semsplat.distill.teachers.base import Options, Prompts
from semsplat.distill.teachers.sam_automatic import Everything
from semsplat.splatting.errors import InputError

SIZE = (60, 90)
CLICKS = Prompts(torch.tensor([[20.0, 30.0], [70.5, 50.0]]), torch.tensor([True, False]))
BOX = Prompts(torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool), torch.tensor([10.0, 20.0, 60.0, 50.0]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """128 pixels, 8 x 8 tokens of 32 channels; every value random."""
    from transformers import Sam2Config, Sam2Model

    torch.manual_seed(0)
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [128, 128],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 1, 1],
        "window_size_per_stage": [8, 4, 4, 2],
        "global_attention_blocks": [3],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        "fpn_hidden_size": 32,
    }
    decoder = {"hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32}
    config = Sam2Config(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 32, "image_size": 128, "patch_size": 16},
        mask_decoder_config=decoder,
    )
    model = Sam2Model(config)
    for value in model.parameters():
        value.data += 0.2 * torch.randn_like(value)
    path = tmp_path_factory.mktemp("sam2") / "tiny"
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def teacher(folder: Path) -> sam2.Sam2:
    return sam2.open(Options(weights=folder))


def test_masks_are_those_of_transformers_own_forward(teacher: sam2.Sam2) -> None:
    image = torch.rand(*SIZE, 3, generator=torch.Generator().manual_seed(2))
    features = teacher.look(image)
    assert features.shape == (8, 8, 4 * 16 + 8 * 4 + 32) and teacher.channels == 128
    batch = pixels.normalized(pixels.resize(image, (128, 128)), *pixels.IMAGENET)
    scale = torch.tensor([128 / 90, 128 / 60])
    with torch.no_grad():
        point = {"input_points": (CLICKS.points * scale - 0.5)[None, None], "input_labels": torch.tensor([[[1, 0]]])}
        box = {"input_boxes": (BOX.box.reshape(2, 2) * scale - 0.5).reshape(1, 1, 4)}
        for prompts, asked in ((CLICKS, point), (BOX, box)):
            want = teacher.network(pixel_values=batch, **asked)
            masks, quality = teacher._coarse(teacher.ready(features, SIZE), [prompts])
            assert torch.allclose(masks, want.pred_masks[0], atol=1e-5) and masks.std() > 1e-3
            assert torch.allclose(quality, want.iou_scores[0], atol=1e-6)
            answer = teacher.masks(features, prompts, SIZE)
            assert answer.masks.shape == (3, *SIZE) and answer.quality.shape == (3,)


def test_everything_and_prompts_that_mean_nothing(teacher: sam2.Sam2) -> None:
    features = teacher.look(torch.rand(*SIZE, 3))
    found = teacher.everything(features, SIZE, Everything(points_per_side=2, quality=-1, stability=0.0, overlap=1.0))
    assert found.masks.shape[1:] == SIZE
    with pytest.raises(InputError, match="prompt is empty"):
        teacher.masks(features, Prompts(CLICKS.points[:0], CLICKS.positive[:0]), SIZE)
    with pytest.raises(InputError, match="map is 8x8x32, and SAM 2 answers prompts only on its own maps of 8x8x128"):
        teacher.masks(features[..., :32], CLICKS, SIZE)


@pytest.mark.slow
def test_it_is_reopened_and_not_distilled(folder: Path) -> None:
    teacher = open_teacher("sam2", Options(weights=folder))
    assert not teacher.distils
    again = reopen("sam2", json.loads(json.dumps(teacher.memory())), torch.device("cpu"))
    assert again.channels == teacher.channels


@pytest.mark.slow
def test_folders_of_the_video_model_are_its_own_but_others_are_not(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "sam2_video"}))  # as published
    image = torch.rand(*SIZE, 3)
    one, other = (sam2.open(Options(weights=some)).look(image) for some in (folder, tmp_path))
    assert torch.equal(one, other)
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "sam"}))
    with pytest.raises(InputError, match="type 'sam', and 'sam2' is needed"):
        sam2.open(Options(weights=tmp_path))
