"""Two implementations of SAM, Meta's own and that of transformers, agree on the same random weights."""

import importlib
import json
from pathlib import Path

import pytest
import torch
from sam_weights import hub_state, randomized
from torch import Tensor

from semsplat.distill.teachers import sam, sam_package
from semsplat.distill.teachers.base import Options, Prompts
from semsplat.splatting.tensors import save_tensors

IMAGE = torch.rand(120, 90, 3, generator=torch.Generator().manual_seed(3))  # portrait
CLICKS = Prompts(torch.tensor([[20.0, 30.0], [70.5, 100.0]]), torch.tensor([True, False]))
BOX = Prompts(torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool), torch.tensor([10.0, 20.0, 60.0, 90.0]))
BOTH = Prompts(CLICKS.points, CLICKS.positive, BOX.box)


def hub_folder(folder: Path, state: dict[str, Tensor], side: int, **vision: object) -> Path:
    """A folder as the model hub has it, with Meta's tensors in it."""
    from transformers import SamConfig

    config = SamConfig(
        vision_config={"image_size": side, **vision},
        prompt_encoder_config={"image_size": side, "image_embedding_size": side // 16},
    )
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config.to_dict()), encoding="utf-8")
    save_tensors(folder / "model.safetensors", hub_state(state), {"format": "pt"})
    return folder


def assert_alike(meta: sam.Sam, hub: sam.Sam) -> None:
    ours, theirs = meta.look(IMAGE), hub.look(IMAGE)
    assert ours.shape == theirs.shape and ours.std() > 0.1
    assert (ours - theirs).abs().max() < 1e-4
    for prompts in (CLICKS, BOX, BOTH):
        one, other = (teacher.masks(ours, prompts, (120, 90)) for teacher in (meta, hub))
        assert one.masks.std() > 1e-3
        assert (one.masks - other.masks).abs().max() < 1e-4
        assert (one.quality - other.quality).abs().max() < 1e-4


@pytest.fixture(scope="module")
def tiny_folder(tiny_sam: Path) -> Path:
    state = torch.load(tiny_sam, weights_only=True)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_dim": 128}
    return hub_folder(tiny_sam.parent / "hub", state, 256, **sizes, window_size=7, global_attn_indexes=[1])


def test_metas_package_and_transformers_agree(tiny_sam: Path, tiny_folder: Path) -> None:
    meta, hub = sam.open(Options(weights=tiny_sam)), sam.open(Options(weights=tiny_folder))
    assert (meta.network.side, meta.network.patch) == (hub.network.side, hub.network.patch) == (256, 16)
    assert_alike(meta, hub)


@pytest.mark.slow
def test_they_agree_at_the_size_of_vit_b(tmp_path: Path) -> None:
    """As wide as it is and on pictures as large; of its four groups of blocks, which are alike, one."""
    modeling = sam_package.modeling()
    build = importlib.import_module(f"{sam_package.ALIAS}.build_sam")
    assert modeling.Sam
    sizes = {"encoder_embed_dim": 768, "encoder_depth": 3, "encoder_num_heads": 12}
    state = randomized(build._build_sam(**sizes, encoder_global_attn_indexes=[2]))
    torch.save(state, tmp_path / "sam.pth")
    meta = sam.open(Options(weights=tmp_path / "sam.pth"))
    folder = hub_folder(tmp_path / "hub", state, 1024, num_hidden_layers=3, global_attn_indexes=[2])
    hub = sam.open(Options(weights=folder))
    meta._padding = hub._padding = torch.zeros(256)  # or a third and a fourth picture would be encoded
    assert_alike(meta, hub)
