"""The graph on disk: found again for the very same, made again for anything else, never in the way."""

from pathlib import Path

import pytest
import torch
from table_scene import cameras, scene

from semsplat.distill.field import FeatureField
from semsplat.distill.segment import graph as graphs
from semsplat.distill.segment import kept


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every graph that is really built."""
    found, build = [], graphs.build
    monkeypatch.setattr(graphs, "build", lambda *given: found.append(build(*given)) or found[-1])
    return found


def test_the_very_same_is_found_again(tmp_path: Path, built: list[object]) -> None:
    gaussians, _ = scene()
    first, second = (kept(tmp_path / "graphs", gaussians, cameras()) for _ in range(2))
    assert len(built) == 1 and len(first) == len(second)
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in ("pairs", "contact", "distance"))
    assert torch.equal(first.surface.normals, second.surface.normals)


def test_anything_else_is_made_again(tmp_path: Path, built: list[object]) -> None:
    gaussians, _ = scene()
    gaussians = gaussians.replace(features=torch.ones(len(gaussians), 2))
    field = FeatureField("dino", slice(0, 1), torch.ones(1, 1))
    kept(tmp_path, gaussians, cameras())
    kept(tmp_path, gaussians.replace(means=gaussians.means + 1e-4), cameras())
    kept(tmp_path, gaussians, cameras(5))
    kept(tmp_path, gaussians, cameras(5), field)
    assert len(built) == 4 and len(list(tmp_path.iterdir())) == 2
    kept(tmp_path, gaussians, cameras(5), field)
    assert len(built) == 4


@pytest.mark.slow
def test_a_damaged_file_and_a_place_that_cannot_be_written_are_no_hindrance(tmp_path: Path, built: list) -> None:
    gaussians, _ = scene()
    kept(tmp_path, gaussians, cameras())
    path = tmp_path / "none.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    kept(tmp_path, gaussians, cameras())
    (tmp_path / "file").touch()
    kept(tmp_path / "file" / "graphs", gaussians, cameras())
    kept(None, gaussians, cameras())
    assert len(built) == 4
