"""LPIPS on random weights against the formula written out, in every layout of the files; damaged files."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from semsplat.distill.lpips import BLOCKS, SCALE, SHIFT, WIDTHS, Lpips
from semsplat.splatting.errors import InputError

CPU = torch.device("cpu")


def random_weights() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """VGG-16 named as in torchvision, and the weightings as LPIPS names them."""
    make, vgg, before = torch.Generator().manual_seed(0), {}, 3
    for width, block in zip(WIDTHS, BLOCKS, strict=True):
        for place in block:
            vgg[f"features.{place}.weight"] = torch.randn(width, before, 3, 3, generator=make) / (3 * before**0.5)
            vgg[f"features.{place}.bias"] = 0.1 * torch.randn(width, generator=make)
            before = width
    heads = {f"lin{k}.model.1.weight": torch.rand(1, w, 1, 1, generator=make) for k, w in enumerate(WIDTHS)}
    return vgg | {"classifier.0.weight": torch.zeros(2, 2)}, heads


def by_the_formula(vgg: dict, heads: dict, one: np.ndarray, other: np.ndarray) -> float:
    """The same in NumPy, float64: convolution as a sum over the nine shifts."""

    def features(picture: np.ndarray) -> list[np.ndarray]:
        x = ((2 * picture.astype(np.float64) - 1) - np.array(SHIFT)) / np.array(SCALE)
        found = []
        for number, block in enumerate(BLOCKS):
            if number:
                h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
                x = x[:h, :w].reshape(h // 2, 2, w // 2, 2, -1).max((1, 3))
            for place in block:
                kernel = vgg[f"features.{place}.weight"].double().numpy()
                padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
                h, w = x.shape[:2]
                x = sum(padded[i : i + h, j : j + w] @ kernel[:, :, i, j].T for i in range(3) for j in range(3))
                x = np.maximum(x + vgg[f"features.{place}.bias"].double().numpy(), 0)
            found.append(x / (np.sqrt((x**2).sum(-1, keepdims=True)) + 1e-10))
        return found

    pairs = zip(features(one), features(other), strict=True)
    weights = [heads[f"lin{k}.model.1.weight"][0, :, 0, 0].double().numpy() for k in range(5)]
    return float(sum((((a - b) ** 2) @ w).mean() for (a, b), w in zip(pairs, weights, strict=True)))


@pytest.fixture(scope="module")
def weights() -> tuple[dict, dict]:
    return random_weights()


@pytest.mark.slow
def test_it_is_the_formula_in_every_layout(weights: tuple[dict, dict], tmp_path: Path) -> None:
    vgg, heads = weights
    torch.save(vgg, tmp_path / "vgg16.pth")
    torch.save(heads, tmp_path / "vgg.pth")
    starts = [(1, 4), (4, 9), (9, 16), (16, 23), (23, 30)]
    slices = {
        f"net.slice{next(s for s, (_, end) in enumerate(starts, 1) if int(name.split('.')[1]) < end)}."
        + name.removeprefix("features."): value
        for name, value in vgg.items()
        if name.startswith("features")
    }
    torch.save({"state_dict": slices | heads}, tmp_path / "whole.pt")
    make = torch.Generator().manual_seed(1)
    one, other = torch.rand(21, 34, 3, generator=make), torch.rand(21, 34, 3, generator=make)
    expected = by_the_formula(vgg, heads, one.numpy(), other.numpy())
    (folder := tmp_path / "both").mkdir()
    for name in ("vgg16.pth", "vgg.pth"):
        (tmp_path / name).rename(folder / name)
    for path in (folder, tmp_path / "whole.pt"):
        distance = Lpips.open(path, CPU)
        assert distance(one, other) == pytest.approx(expected, rel=1e-4) and expected > 0.01
        assert distance(one, one) == 0.0
        assert distance(one, other) == pytest.approx(distance(other, one), rel=1e-6)
    with pytest.raises(InputError, match="at least 16 x 16 pixels, not 20 x 8"):
        distance(one[:8, :20], other[:8, :20])


class _Harm:
    def __reduce__(self):
        return os.getcwd, ()


def test_what_is_no_weights_is_said(weights: tuple[dict, dict], tmp_path: Path) -> None:
    vgg, heads = weights
    cases: dict[str, tuple[object, str]] = {
        "heads.pth": (heads, "lacks VGG-16's convolutions"),
        "vgg.pth": (vgg, "lacks LPIPS' weightings"),
        "other.pth": ({"a": torch.zeros(1)}, "lacks what LPIPS needs"),
        "small.pth": (vgg | heads | {"features.0.bias": torch.zeros(3)}, "model of another size"),
        "harm.pth": ({"a": _Harm()}, "cannot be read as a file of tensors"),
    }
    for name, (content, said) in cases.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(InputError, match=said):
            Lpips.open(tmp_path / name, CPU)
    (tmp_path / "cut.pth").write_bytes((tmp_path / "heads.pth").read_bytes()[:900])
    (tmp_path / "empty").mkdir()
    for name, said in (("cut.pth", "damaged"), ("empty", "no weights in"), ("none.pth", "no file")):
        with pytest.raises(InputError, match=said):
            Lpips.open(tmp_path / name, CPU)
