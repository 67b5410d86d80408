"""DINOv2's patches, from a small random model in the hub's layout."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from semsplat.distill.teachers import dino, open_teacher, reopen
from semsplat.distill.teachers.base import Options
from semsplat.splatting.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 channels, 2 blocks, positions for 37 x 37 patches, every value random."""
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    model = Dinov2Model(Dinov2Config(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=518))
    for value in model.parameters():
        value.data += 0.1 * torch.randn_like(value)
    path = tmp_path_factory.mktemp("dino") / "dinov2-tiny"
    model.save_pretrained(path)
    return path


@pytest.mark.slow
def test_patches_are_those_of_transformers_own_forward(folder: Path) -> None:
    from transformers import Dinov2Model

    teacher = open_teacher("dino", Options(weights=folder))
    for height, width in ((518, 518), (518, 602), (630, 518)):  # already whole patches: nothing is resized
        image = torch.rand(height, width, 3, generator=torch.Generator().manual_seed(width))
        features = teacher.look(image)
        batch = ((image - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])).permute(2, 0, 1)
        with torch.no_grad():
            hidden = Dinov2Model.from_pretrained(folder).eval()(batch[None]).last_hidden_state[0]
        want = torch.nn.functional.normalize(hidden[1:], dim=1).reshape(height // 14, width // 14, 24)
        assert torch.allclose(features, want, atol=1e-5)
        assert features.flatten(0, 1).std(0).mean() > 0.01  # patches differ


@pytest.mark.parametrize("size, grid", [((60, 80), (37, 49)), ((480, 270), (66, 37)), ((10, 300), (2, 74))])
def test_any_picture_gets_whole_patches(folder: Path, size: tuple[int, int], grid: tuple[int, int]) -> None:
    features = dino.open(Options(weights=folder)).look(torch.rand(*size, 3))
    assert features.shape == (*grid, 24)
    assert torch.allclose(features.norm(dim=-1), torch.ones(grid))


def test_memory_opens_it_again(folder: Path) -> None:
    memory = json.loads(json.dumps(dino.open(Options(weights=folder)).memory()))
    again = reopen("dino", memory, torch.device("cpu"))
    assert again.channels == 24 and "network" not in vars(again)
    with pytest.raises(InputError, match="other weights"):
        reopen("dino", memory | {"sha256": "1" * 64}, torch.device("cpu"))


def test_folders_that_are_not_dinos(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        dino.open(Options(weights=tmp_path))
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "vit"}))
    with pytest.raises(InputError, match="type 'vit', and 'dinov2' is needed"):
        dino.open(Options(weights=tmp_path))
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="cannot be read"):
        dino.open(Options(weights=tmp_path))
    state = load_file(folder / "model.safetensors")
    wrong = {key: value for key, value in state.items() if ".mlp.fc" not in key}
    save_file(wrong, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"mlp\.fc1\.bias, .*mlp\.fc1\.weight, .*mlp\.fc2\.bias and 5 more missing"):
        dino.open(Options(weights=tmp_path))
    wrong = {key: value[..., :12] if key.endswith("cls_token") else value for key, value in state.items()}
    save_file({k: v.contiguous() for k, v in wrong.items()}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"embeddings\.cls_token missing or of another shape"):
        dino.open(Options(weights=tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"not a file of tensors")
    with pytest.raises(InputError, match="cannot be read"):
        dino.open(Options(weights=tmp_path))
