"""LSeg: a checkpoint as the authors' loads, and the network does what the original's formulas say."""

import gzip
import math
import os
import shutil
from pathlib import Path

import lseg_original
import pytest
import torch
from lseg_original import MERGES, SMALL

from semsplat.distill.teachers import lseg, lseg_keys, open_teacher, reopen, windows
from semsplat.distill.teachers.base import Options
from semsplat.distill.teachers.clip_text import VOCABULARY, tokenizer_from_merges
from semsplat.splatting.errors import InputError

CPU = torch.device("cpu")
STATE = lseg_original.random_state(SMALL)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small checkpoint and a small vocabulary under their official names."""
    folder = tmp_path_factory.mktemp("lseg")
    lseg_original.write_checkpoint(folder / lseg.CHECKPOINT.name, STATE)
    lseg_original.write_vocabulary(folder / VOCABULARY.name)
    return folder


@pytest.fixture(scope="module")
def teacher(weights: Path) -> lseg.Lseg:
    return lseg.open(Options(weights=weights))


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (32, 160)])
def test_the_network_is_the_originals(teacher: lseg.Lseg, size: tuple[int, int]) -> None:
    batch = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(3))
    expected = lseg_original.features(STATE, batch)
    with torch.no_grad():
        found = teacher.network(batch)
    assert found.shape == (1, SMALL["channels"], size[0] // 2, size[1] // 2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_the_text_tower_is_the_originals(teacher: lseg.Lseg, weights: Path) -> None:
    texts = ["mug", "a chair &amp; table", "chai"]
    tokenizer = tokenizer_from_merges(weights / VOCABULARY.name, SMALL["vocabulary"])
    ids = tokenizer(["mug", "a chair & table", "chai"])["input_ids"]
    expected = torch.stack([lseg_original.text_vector(STATE, row) for row in ids])
    expected /= expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(teacher.read(texts), expected, rtol=0, atol=1e-5)


def test_a_look_is_one_pass_over_the_whole_picture(teacher: lseg.Lseg) -> None:
    image = torch.rand(60, 90, 3, generator=torch.Generator().manual_seed(5))
    found = teacher.look(image)
    assert found.shape == (352 // 2, 512 // 2, SMALL["channels"])
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(found.shape[:2]))
    assert not found.is_inference()


@pytest.mark.slow
def test_scales_and_flips_are_averaged(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BASE": 96, "CROP": 64, "STRIDE": 32}.items():
        monkeypatch.setattr(lseg, name, value)
    teacher = lseg.Lseg(weights / lseg.CHECKPOINT.name, weights / VOCABULARY.name, CPU, multi_scale=True)
    passes = []
    monkeypatch.setattr(teacher.network, "forward", counted(teacher.network.forward, passes))
    image = torch.rand(72, 96, 3, generator=torch.Generator().manual_seed(5))
    found = teacher.look(image)
    assert found.shape == (36, 48, SMALL["channels"])
    assert len(passes) == 2 * (2 + 4 + 6 + 15) and set(passes) == {(64, 64)}
    monkeypatch.setattr(lseg, "SCALES", (1.0,))  # where windows lie alike from left and right
    torch.testing.assert_close(teacher.look(image.flip(1)).flip(1), teacher.look(image), rtol=0, atol=1e-4)


def counted(forward, passes: list):
    def call(batch: torch.Tensor) -> torch.Tensor:
        passes.append(tuple(batch.shape[-2:]))
        return forward(batch)

    return call


def test_as_many_passes_as_feature_3dgs() -> None:
    sizes = [(math.ceil(520 * scale), math.ceil(390 * scale)) for scale in lseg.SCALES]
    count = [
        len(windows.starts(w, lseg.CROP, lseg.STRIDE)) * len(windows.starts(h, lseg.CROP, lseg.STRIDE))
        for w, h in sizes
    ]
    assert 2 * sum(count) == 26


@pytest.mark.slow
def test_words_alone_do_not_load_the_image_half(teacher: lseg.Lseg) -> None:
    again = reopen("lseg", teacher.memory(), CPU)
    assert "network" not in vars(again)
    torch.testing.assert_close(again.read(["mug"]), teacher.read(["mug"]))
    image = torch.rand(20, 20, 3)
    assert torch.equal(again.look(image), teacher.look(image))


def test_the_registry_opens_it(weights: Path) -> None:
    teacher = open_teacher("lseg", Options(weights=weights / lseg.CHECKPOINT.name))
    assert teacher.name == "lseg" and teacher.channels == SMALL["channels"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pretrained.model.cls_token": None}, "'pretrained.model.cls_token' is missing"),
        ({"scratch.refinenet2.resConfUnit1.bn1.weight": None}, r"lacks scratch.refinenet2.resConfUnit1.bn1.weight;"),
        (
            {f"pretrained.model.blocks.{n}.attn.qkv.weight": None for n in range(4)},
            r"lacks pretrained.model.blocks.0.attn.qkv.weight, .*1.attn.qkv.weight, .*2.attn.qkv.weight and 1 more",
        ),
        ({"pretrained.model.blocks.3.norm1.bias": torch.zeros(5)}, r"blocks.3.norm1.bias is 5, not 128"),
        ({"clip_pretrained.ln_final.bias": None}, r"lacks clip_pretrained.ln_final.bias"),
        (
            {"clip_pretrained.text_projection": torch.zeros(9, 32)},
            r"text_projection is 9x32, not 64x32",
        ),
    ],
)
def test_wrong_entries_are_named(weights: Path, tmp_path: Path, change: dict, said: str) -> None:
    state = {key: value for key, value in {**STATE, **change}.items() if value is not None}
    path = lseg_original.write_checkpoint(tmp_path / lseg.CHECKPOINT.name, state)
    lseg_original.write_vocabulary(tmp_path / VOCABULARY.name)
    with pytest.raises(InputError, match=said):
        lseg.open(Options(weights=path))


class Program:
    """What must not run when a checkpoint is read."""

    def __init__(self, function: object, *values: object) -> None:
        self.call = (function, values)

    def __reduce__(self) -> tuple:
        return self.call


def test_nothing_in_a_checkpoint_runs(tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "bad.ckpt"
    for program in (Program(shutil.copyfile, __file__, marker), Program(marker.touch), Program(os.mkdir, str(marker))):
        torch.save({"state_dict": {"net.a": torch.ones(2)}, "extra": program}, path)
        try:
            assert lseg_keys.read_checkpoint(path)["a"].tolist() == [1, 1]
        except InputError as error:
            assert str(path) in str(error)
        assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"<html>quota exceeded</html>", b"PK\x03\x04 cut off"])
def test_what_is_no_checkpoint_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "demo_e200.ckpt").write_bytes(content)
    with pytest.raises(InputError, match=r"demo_e200\.ckpt"):
        lseg_keys.read_checkpoint(tmp_path / "demo_e200.ckpt")


def test_a_missing_vocabulary_is_told(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMSPLAT_WEIGHTS", str(tmp_path / "none"))
    path = tmp_path / lseg.CHECKPOINT.name
    path.symlink_to(weights / lseg.CHECKPOINT.name)
    with pytest.raises(InputError, match=VOCABULARY.name):
        lseg.open(Options(weights=path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no gzip", "is not CLIP's gzipped vocabulary"),
        (gzip.compress(b"#version\na b\n"), f"the {MERGES} merges"),
        (gzip.compress(b"#version\n" + MERGES * b"ab c\n"), "merges 'ab', which it never made"),
    ],
    ids=["no gzip", "too few", "senseless"],  # a gzip holds the second it was made in
)
def test_a_wrong_vocabulary_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / VOCABULARY.name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        tokenizer_from_merges(tmp_path / VOCABULARY.name, SMALL["vocabulary"])


@pytest.fixture(scope="module")
def real_vocabulary() -> Path:
    path = Path(os.environ.get("SEMSPLAT_CAPTURES", "/nonexistent")).parent / "weights" / VOCABULARY.name
    if not path.is_file():
        pytest.skip("CLIP's vocabulary is not beside SEMSPLAT_CAPTURES")
    return path


def test_ids_are_those_of_clip(real_vocabulary: Path) -> None:
    """The ids that OpenAI's clip.tokenize gives (its README's example, and words in other scripts)."""
    tokenizer = tokenizer_from_merges(real_vocabulary, 49408)
    assert tokenizer("a diagram")["input_ids"] == [49406, 320, 22697, 49407]
    assert tokenizer("a photo of a cat")["input_ids"] == [49406, 320, 1125, 539, 320, 2368, 49407]
    for text in ("красная кружка", "赤いマグカップ", "κούπα", "كوب أحمر", "mug ☕️", "Straße"):
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == 49406 and ids[-1] == 49407 and 3 < len(ids) < 30 and max(ids[1:-1]) < 49406
        assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == text.lower().replace(" ", "")


@pytest.mark.slow
def test_the_real_sizes_are_the_originals() -> None:
    """343 million parameters, ViT-L/16 at 384: names, shapes and values fit those of the original."""
    state = lseg_original.random_state({**lseg_original.REAL, "layers": 1, "vocabulary": 600})
    image = {key: value for key, value in state.items() if not key.startswith(lseg_keys.TEXT)}
    assert len(image) == 427 and 342e6 < sum(value.numel() for value in image.values()) < 344e6
    with torch.device("meta"):
        network = lseg.Network(lseg_keys.image_config(state, Path("demo_e200.ckpt")), 512)
    lseg_keys.fill(network, lseg_keys.IMAGE_NAMES, "", state, Path("demo_e200.ckpt"))
    batch = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    expected = lseg_original.features(state, batch)
    with torch.no_grad():
        found = network.eval()(batch)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
