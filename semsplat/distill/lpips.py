"""LPIPS (Zhang et al. 2018): how different two pictures look, by VGG-16 and weights that the person has.

The version 0.1 of its authors: inputs in [-1, 1], shifted and scaled; features after the last ReLU of each of the five
blocks, each pixel of unit length; squared differences, weighted by channel, averaged over pixels, added over blocks.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from ..splatting.errors import InputError
from .teachers.weights import check_keys, read_state

WIDTHS = (64, 128, 256, 512, 512)
BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))  # places of the convolutions in VGG-16
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
SMALLEST = 16  # pixels a side: the last block sees every 16th
_CONVOLUTION = re.compile(r"(?:features|net\.slice[1-5])\.(\d+)\.(weight|bias)$")
_WEIGHTING = re.compile(r"lins?\.?([0-4])\.model\.1\.weight$")
_SUFFIXES = (".pth", ".pt", ".safetensors")
WANTED = "give torchvision's vgg16-397923af.pth and lpips' weights/v0.1/vgg.pth in one folder, or lpips' whole state"


@dataclass(frozen=True, eq=False)
class Lpips:
    """The network, with its weights."""

    tensors: Mapping[str, Tensor]  # conv{i}.weight, conv{i}.bias as in torchvision's features.{i}; lin{k}: (1, c, 1, 1)

    @classmethod
    def open(cls, path: Path, device: torch.device) -> "Lpips":
        """Weights from one file, or from all files (.pth, .pt, .safetensors) of a folder.

        Raises:
            InputError: missing, damaged, more than tensors, or not VGG-16 with LPIPS' five weightings.
        """
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in _SUFFIXES) if path.is_dir() else [path]
        if not files:
            raise InputError(f"There are no weights in {path}; {WANTED}.")
        found: dict[str, Tensor] = {}
        for file in files:
            found |= {key: value for name, value in read_state(file).items() if (key := _ours(name))}
        if not any(key.startswith("conv") for key in found) or not any(key.startswith("lin") for key in found):
            lacks = "VGG-16's convolutions" if any(key.startswith("lin") for key in found) else "LPIPS' weightings"
            raise InputError(f"{path} lacks {lacks if found else 'what LPIPS needs'}; {WANTED}.")
        expected = _shapes()
        check_keys(expected, found, path)
        return cls({key: found[key].to(device=device, dtype=torch.float32) for key in expected})

    @torch.no_grad()
    def __call__(self, one: Float[Tensor, "h w 3"], other: Float[Tensor, "h w 3"]) -> float:
        """The distance of two pictures with colours in [0, 1]; 0 for equal ones.

        Raises:
            InputError: they are smaller than 16 x 16 pixels.
        """
        if min(one.shape[:2]) < SMALLEST:
            raise InputError(
                f"LPIPS needs pictures of at least 16 x 16 pixels, not {one.shape[1]} x {one.shape[0]}; leave it out."
            )
        pictures = torch.stack([one, other]).permute(0, 3, 1, 2).to(self.tensors["lin0"])
        shift, scale = (pictures.new_tensor(numbers)[:, None, None] for numbers in (SHIFT, SCALE))
        x = (2.0 * pictures - 1.0 - shift) / scale
        total = x.new_zeros(())
        for number, block in enumerate(BLOCKS):
            x = functional.max_pool2d(x, 2) if number else x
            for place in block:
                weight, bias = (self.tensors[f"conv{place}.{kind}"] for kind in ("weight", "bias"))
                x = functional.conv2d(x, weight, bias, padding=1).relu()
            unit = x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10)
            difference = (unit[0] - unit[1]).square()[None]
            total = total + functional.conv2d(difference, self.tensors[f"lin{number}"]).mean()
        return total.item()


def _ours(name: str) -> str | None:
    if found := _CONVOLUTION.search(name):
        return f"conv{found[1]}.{found[2]}"
    found = _WEIGHTING.search(name)
    return f"lin{found[1]}" if found else None


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    before = 3
    for number, (width, block) in enumerate(zip(WIDTHS, BLOCKS, strict=True)):
        for place in block:
            shapes |= {f"conv{place}.weight": (width, before, 3, 3), f"conv{place}.bias": (width,)}
            before = width
        shapes[f"lin{number}"] = (1, width, 1, 1)
    return shapes
