"""Codes fitted with the colours: the colours do not notice, unless features may move the shape."""

from pathlib import Path

import pytest
import torch
from small_maps import Seer, frames, scene, truth

from semsplat.distill import fit, fit_joint, maps
from semsplat.distill.fit_joint import Together
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.train import train
from semsplat.splatting.train_types import TrainConfig

CPU = torch.device("cpu")


def fitted(shown, together: Together | None, steps: int = 60) -> Gaussians:
    begin = scene()
    extra = {}
    if together is not None:
        begin = begin.replace(features=torch.zeros(len(begin), together.dimension))
        extra = {"feature_loss": together.loss, "feature_geometry": together.feature_geometry}
    steps_taken = train(begin, shown, TrainConfig(steps=steps, cap=100), **extra)
    last = next(steps_taken)
    for progress in steps_taken:
        if together is not None:
            together.learn()
        last = progress
    return last.gaussians


@pytest.mark.slow
def test_colours_are_the_same_to_the_bit_without_feature_geometry(tmp_path: Path) -> None:
    shown = frames(tmp_path)
    made = maps.make(shown, Seer(shown, truth()), tmp_path / "maps", 8)
    alone = fitted(shown, None)
    for method, moves in (("joint", False), ("decoder", False), ("joint", True)):
        joint = fitted(shown, Together(made, method, 3, CPU, moves))
        same = all(torch.equal(getattr(alone, n), getattr(joint, n)) for n in Gaussians.names() if n != "features")
        assert same is not moves
        assert joint.features.abs().max() > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("method", ["joint", "decoder"])
def test_codes_come_to_look_like_the_maps(tmp_path: Path, method: str) -> None:
    shown = frames(tmp_path)
    made = maps.make(shown, Seer(shown, truth(), (18, 24)), tmp_path / "maps", 8)
    cosines = []
    for steps in (40, 240):
        together = Together(made, method, 3, CPU)
        gaussians = fitted(shown, together, steps)
        decoder = together.decoder
        assert decoder.shape == ((3 if method == "decoder" else 5), 5)
        codes = gaussians.features @ decoder @ made.basis.rows.T
        cosines.append(fit.held_out(gaussians, codes, shown, made)[1])
    assert cosines[1] > cosines[0] and cosines[1] > 0.85
    reliability = fit_joint.agreement(gaussians, shown, made)
    assert len(reliability) == len(gaussians) and reliability.max() <= 1


def test_only_photos_with_a_map_and_large_enough_pictures_count(tmp_path: Path) -> None:
    from semsplat.splatting.splat import splat

    shown = frames(tmp_path, 3)
    made = maps.make(shown[:2], Seer(shown, truth()), tmp_path / "maps", 8)
    together = Together(made, "joint", 5, CPU)
    features = torch.zeros(80, 5)
    assert together.loss(splat(scene(), shown[2].camera).detach(), shown[2], features) is None
    assert together.loss(splat(scene(), shown[0].camera.scaled(0.25)).detach(), shown[0], features) is None
    assert together.loss(splat(scene(), shown[0].camera.scaled(0.5)).detach(), shown[0], features) > 0
