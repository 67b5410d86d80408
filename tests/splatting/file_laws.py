"""What must hold of every format: read(write(x)) is x within what the format states, and bad files get a sentence."""

from pathlib import Path
from types import ModuleType

import pytest
import torch

from semsplat.splatting import formats
from semsplat.splatting.errors import InputError
from semsplat.splatting.formats.reading import Tolerance
from semsplat.splatting.gaussians import Gaussians


def some(count: int = 600, degree: int = 3, seed: int = 0) -> Gaussians:
    """Random Gaussians as a fit leaves them, with rotations of any length and sign."""
    make = torch.Generator().manual_seed(seed)
    shapes = ((count, 3), (count, 4), (count, 3), (count,), (count, (degree + 1) ** 2, 3))
    means, quats, scales, logits, sh = (torch.randn(*shape, generator=make) for shape in shapes)
    return Gaussians(means * 2.0, quats, scales * 1.5 - 4.0, logits * 3.0, sh * 0.4)


def assert_within(left: Gaussians, right: Gaussians, tolerance: Tolerance) -> None:
    """Row by row."""
    assert len(left) == len(right) and left.sh.shape == right.sh.shape
    for name in ("means", "log_scales", "sh"):
        error = (getattr(left, name) - getattr(right, name)).abs()
        assert bool((error <= getattr(tolerance, name) + 1e-9).all()), f"{name}: {float(error.max())}"
    opacity = (left.opacities - right.opacities).abs()
    assert float(opacity.max()) <= tolerance.opacities + 1e-7, f"opacities: {float(opacity.max())}"
    first, second = (torch.nn.functional.normalize(g.quats, dim=-1) for g in (left, right))
    turn = torch.minimum((first - second).abs().amax(1), (first + second).abs().amax(1))
    assert float(turn.max()) <= tolerance.rotations, f"rotations: {float(turn.max())}"


def assert_round_trip(path: Path, module: ModuleType, gaussians: Gaussians, **options: int) -> Gaussians:
    """Write, read, compare with what the module says; what was read comes back."""
    module.write(path, gaussians, **options)
    again = formats.read(path)
    expected = module.representable(gaussians)
    assert_within(again, expected, module.tolerance(expected))
    return again


def sentence(path: Path, content: bytes | None = None) -> str:
    """The one sentence with which a file is refused."""
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        formats.read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_cuts_are_refused(path: Path, content: bytes, step: int = 1) -> None:
    """Every truncation, and a byte too many."""
    for length in range(0, len(content), step):
        sentence(path, content[:length])
    sentence(path, content + b"x")


def assert_survives_damage(path: Path, content: bytes, tries: int = 150) -> None:
    """Changed bytes end in Gaussians or in a sentence, never in anything else."""
    make = torch.Generator().manual_seed(1)
    for _ in range(tries):
        damaged = bytearray(content)
        for place in torch.randint(len(content), (3,), generator=make).tolist():
            damaged[place] = int(torch.randint(256, (1,), generator=make))
        path.write_bytes(damaged)
        try:
            gaussians = formats.read(path)
        except InputError:
            continue
        assert bool(gaussians.is_finite().all())
