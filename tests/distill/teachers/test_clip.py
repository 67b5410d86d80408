"""CLIP as a dense teacher: NACLIP's last block is what its formula says, on a small random model in a hub folder."""

import json
import math
from pathlib import Path

import lseg_original
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, layer_norm, linear

from semsplat.distill.teachers import clip, open_teacher, reopen
from semsplat.distill.teachers.base import Options
from semsplat.distill.teachers.clip_text import byte_letters, tokenizer_from_folder, tokenizer_from_merges
from semsplat.splatting.errors import InputError

CPU = torch.device("cpu")
PATCH, SIDE, WIDTH, HEADS = 16, 14, 32, 2
VOCABULARY = 514 + lseg_original.MERGES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the model hub has openai/clip-vit-base-patch16, but small: three blocks of 32 channels."""
    from transformers import CLIPConfig, CLIPModel

    folder = tmp_path_factory.mktemp("clip")
    ends = {"bos_token_id": VOCABULARY - 2, "eos_token_id": VOCABULARY - 1, "pad_token_id": 0}
    both = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": HEADS}
    text = {**both, **ends, "vocab_size": VOCABULARY, "projection_dim": 24}
    vision = {**both, "image_size": PATCH * SIDE, "patch_size": PATCH, "projection_dim": 24}
    torch.manual_seed(11)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
    for parameter in model.parameters():  # the usual beginning is too flat for a difference to show
        parameter.data += 0.1 * torch.randn(parameter.shape)
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def write_tokenizer(folder: Path) -> None:
    """vocab.json and merges.txt, as CLIP's folder has them."""
    lseg_original.write_vocabulary(folder / "words.gz")
    tokenizer = tokenizer_from_merges(folder / "words.gz", VOCABULARY)
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    (folder / "words.gz").unlink()
    (folder / "vocab.json").write_text(json.dumps(tokenizer.get_vocab()), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def teacher(folder: Path) -> clip.Clip:
    return clip.open(Options(weights=folder))


def naclip(state: dict[str, Tensor], image: Tensor) -> Tensor:
    """NACLIP's features of patches, one number after the other."""
    name = "vision_model."
    tokens = conv2d(image, state[name + "embeddings.patch_embedding.weight"], stride=PATCH)[0]
    height, width = tokens.shape[1:]
    x = torch.cat([state[name + "embeddings.class_embedding"][None], tokens.flatten(1).T])
    position = state[name + "embeddings.position_embedding.weight"]
    grid = position[1:].T.reshape(1, WIDTH, SIDE, SIDE)
    grid = torch.nn.functional.interpolate(grid, (height, width), mode="bicubic", align_corners=False)
    x = norm(state, name + "pre_layrnorm", x + torch.cat([position[:1], grid[0].flatten(1).T]))
    for n in range(2):
        x = block(state, f"{name}encoder.layers.{n}.", x)
    last = f"{name}encoder.layers.2."
    inner = norm(state, last + "layer_norm1", x)
    keys = linear(inner, *pair(state, last + "self_attn.k_proj"))
    values = linear(inner, *pair(state, last + "self_attn.v_proj"))
    near = torch.zeros(len(x), len(x))
    for i in range(height * width):
        for j in range(height * width):
            dy, dx = i // width - j // width, i % width - j % width
            near[i + 1, j + 1] = math.exp(-(dy**2 + dx**2) / (2 * 5.0**2))
    mixed = attend(keys, keys, values, near)
    mixed = linear(mixed, *pair(state, last + "self_attn.out_proj"))
    return norm(state, name + "post_layernorm", mixed[1:]) @ state["visual_projection.weight"].T


def pair(state: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    return state[f"{name}.weight"], state[f"{name}.bias"]


def norm(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return layer_norm(x, (WIDTH,), *pair(state, name))


def attend(queries: Tensor, keys: Tensor, values: Tensor, added: Tensor | float = 0.0) -> Tensor:
    size = WIDTH // HEADS
    parts = []
    for head in range(HEADS):
        q, k, v = (each[:, head * size : (head + 1) * size] for each in (queries, keys, values))
        parts.append((q @ k.T / size**0.5 + added).softmax(-1) @ v)
    return torch.cat(parts, 1)


def block(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    inner = norm(state, name + "layer_norm1", x)
    q, k, v = (linear(inner, *pair(state, f"{name}self_attn.{which}_proj")) for which in "qkv")
    x = x + linear(attend(q, k, v), *pair(state, name + "self_attn.out_proj"))
    inner = linear(norm(state, name + "layer_norm2", x), *pair(state, name + "mlp.fc1"))
    return x + linear(inner * torch.sigmoid(1.702 * inner), *pair(state, name + "mlp.fc2"))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(14, 14), (3, 5)])
def test_the_last_block_is_naclips(teacher: clip.Clip, folder: Path, size: tuple[int, int]) -> None:
    image = torch.randn(1, 3, PATCH * size[0], PATCH * size[1], generator=torch.Generator().manual_seed(2))
    from safetensors.torch import load_file

    expected = naclip(load_file(folder / "model.safetensors"), image).T.reshape(24, *size)
    with torch.no_grad():
        found = clip.dense(teacher.network, image)[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_a_look_is_unit_vectors_of_whole_patches(teacher: clip.Clip) -> None:
    found = teacher.look(torch.rand(60, 90, 3))
    assert found.shape == (336 // PATCH, 504 // PATCH, 24) and not found.is_inference()
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(found.shape[:2]))


def test_a_very_long_picture_stays_affordable(teacher: clip.Clip) -> None:
    assert teacher.look(torch.rand(20, 400, 3)).shape == (3, clip.LONGEST // PATCH, 24)


def test_sliding_windows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = clip.open(Options(weights=folder, multi_scale=True))
    image = torch.rand(48, 64, 3)
    monkeypatch.setattr(clip, "SHORTEST", 48)
    with monkeypatch.context() as patch:
        patch.setattr(clip, "WINDOW", 32)
        patch.setattr(clip, "STRIDE", 16)
        assert teacher.look(image).shape == (3, 4, 24)
    monkeypatch.setattr(clip, "WINDOW", 48)
    monkeypatch.setattr(clip, "STRIDE", 16)
    left, right = teacher.look(image[:, :48]), teacher.look(image[:, 16:])
    torch.testing.assert_close(teacher.look(image)[:, 0], left[:, 0])
    torch.testing.assert_close(teacher.look(image)[:, -1], right[:, -1])


def test_words_are_means_over_seven_phrases(teacher: clip.Clip, folder: Path) -> None:
    from transformers import CLIPModel

    tokenizer = tokenizer_from_folder(folder)
    model = CLIPModel.from_pretrained(folder)
    expected = []
    with torch.no_grad():
        for phrase in clip.SEVEN:
            ids = torch.tensor([tokenizer(phrase.replace("{}", "red mug"))["input_ids"]])
            vector = model.get_text_features(input_ids=ids).pooler_output[0]
            expected.append(vector / vector.norm())
    mean = torch.stack(expected).mean(0)
    found = teacher.read(["chai", "red mug", "красная кружка", "コップ"])
    torch.testing.assert_close(found[1], mean / mean.norm(), rtol=0, atol=1e-5)


def test_words_alone_do_not_load_the_image_half(teacher: clip.Clip) -> None:
    again = reopen("clip", teacher.memory(), CPU)
    assert "network" not in vars(again)
    torch.testing.assert_close(again.read(["mug"]), teacher.read(["mug"]))
    image = torch.rand(20, 20, 3)
    torch.testing.assert_close(again.look(image), teacher.look(image))


def test_the_registry_opens_it(folder: Path) -> None:
    assert open_teacher("clip", Options(weights=folder)).channels == 24


def test_a_folder_without_words_is_told(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "vocab.json"):
        (tmp_path / name).symlink_to(folder / name)
    with pytest.raises(InputError, match=r"has no tokenizer: put vocab\.json and merges\.txt"):
        clip.open(Options(weights=tmp_path))


def test_wrong_weights_are_named(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for name in ("config.json", "merges.txt", "vocab.json"):
        (tmp_path / name).symlink_to(folder / name)
    state = load_file(folder / "model.safetensors")
    del state["vision_model.post_layernorm.weight"]
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"post_layernorm\.weight"):
        clip.open(Options(weights=tmp_path))


def test_missing_weights_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSPLAT_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match="semsplat models get clip"):
        clip.open(Options())


def test_a_size_that_there_is_not_is_told(folder: Path) -> None:
    with pytest.raises(InputError, match="'clip' has no variant 'l14'"):
        clip.open(Options(weights=folder, variant="l14"))


def test_letters_of_bytes() -> None:
    letters = byte_letters()
    assert len(set(letters)) == 256 and letters[:3] == ["!", '"', "#"] and letters[188] == "Ā"
