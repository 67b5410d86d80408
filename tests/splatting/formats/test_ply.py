"""The usual 3DGS .ply: there and back, any order, what others write, and what is not one."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from semsplat.splatting import formats, plyio
from semsplat.splatting.errors import InputError
from semsplat.splatting.formats import ply
from semsplat.splatting.gaussians import Gaussians


def random_gaussians(count: int = 7, degree: int = 3) -> Gaussians:
    make = torch.Generator().manual_seed(degree)
    shapes = ((count, 3), (count, 4), (count, 3), (count,), (count, (degree + 1) ** 2, 3))
    return Gaussians(*(torch.randn(*shape, generator=make) for shape in shapes))


def assert_same(left: Gaussians, right: Gaussians, but: tuple[str, ...] = ("features",)) -> None:
    for name, tensor in left.tensors():
        if name not in but:
            assert torch.equal(tensor, getattr(right, name)), name


def columns_of(path: Path) -> dict[str, np.ndarray]:
    return {name: column.copy() for name, column in plyio.read_vertices(path).items()}


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_there_and_back_is_exact(tmp_path: Path, degree: int) -> None:
    gaussians = random_gaussians(degree=degree)
    formats.write(tmp_path / "a.PLY", gaussians)
    assert_same(formats.read(tmp_path / "a.PLY"), gaussians)


def test_none_at_all(tmp_path: Path) -> None:
    formats.write(tmp_path / "a.ply", random_gaussians(0))
    assert len(formats.read(tmp_path / "a.ply")) == 0


def test_ids_are_kept_on_request(tmp_path: Path) -> None:
    gaussians = random_gaussians(4).replace(ids=torch.tensor([9, 3, 2**40, 0]))
    ply.write(tmp_path / "own.ply", gaussians, ids=True)
    assert_same(ply.read(tmp_path / "own.ply"), gaussians)
    ply.write(tmp_path / "own.ply", gaussians.replace(ids=torch.tensor([9, 3, 7, 0])), ids=True)
    assert columns_of(tmp_path / "own.ply")["id"].dtype == np.int32
    formats.write(tmp_path / "plain.ply", gaussians)
    assert ply.read(tmp_path / "plain.ply").ids.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("ids", [[1.0, 1.0, 2.0], [0.5, 1.0, 2.0], [-1.0, 0.0, 1.0], [np.nan, 0.0, 1.0]])
def test_an_id_that_means_something_else_is_not_taken(tmp_path: Path, ids: list[float]) -> None:
    ply.write(tmp_path / "a.ply", random_gaussians(3))
    plyio.write_vertices(tmp_path / "a.ply", {**columns_of(tmp_path / "a.ply"), "id": np.array(ids)})
    assert ply.read(tmp_path / "a.ply").ids.tolist() == [0, 1, 2]


def test_properties_in_any_order_and_further_ones(tmp_path: Path) -> None:
    gaussians = random_gaussians(5, 2)
    ply.write(tmp_path / "a.ply", gaussians, extra={"label": torch.arange(5), "score": torch.full((5,), 0.25)})
    columns = columns_of(tmp_path / "a.ply")
    shuffled = np.random.default_rng(1).permutation(list(columns)).tolist()
    plyio.write_vertices(tmp_path / "b.ply", {name: columns[name].astype("f8") for name in shuffled})
    reading = ply.read_with_notes(tmp_path / "b.ply")
    assert_same(reading.gaussians, gaussians)
    assert reading.notes == ()
    assert reading.extra["label"].tolist() == [0, 1, 2, 3, 4] and set(reading.extra) == {"label", "score"}


def test_rest_is_channel_major(tmp_path: Path) -> None:
    gaussians = random_gaussians(2, 1)
    ply.write(tmp_path / "a.ply", gaussians)
    columns = columns_of(tmp_path / "a.ply")
    assert [columns[f"f_rest_{i}"][0] for i in range(9)] == gaussians.sh[0, 1:].T.flatten().tolist()


def test_what_is_not_finite(tmp_path: Path) -> None:
    gaussians = random_gaussians(6)
    gaussians.logit_opacities[0], gaussians.logit_opacities[1] = torch.inf, -torch.inf
    gaussians.means[2, 1], gaussians.quats[3] = torch.nan, 0.0
    gaussians.logit_opacities[4] = torch.nan
    ply.write(tmp_path / "a.ply", gaussians, ids=True)
    reading = ply.read_with_notes(tmp_path / "a.ply")
    assert reading.gaussians.ids.tolist() == [0, 1, 5]
    assert reading.gaussians.logit_opacities[:2].tolist() == [20.0, -20.0]
    assert len(reading.notes) == 2 and ": 2 infinite" in reading.notes[0] and "3 of 6" in reading.notes[1]


def sentence(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        formats.read(path)
    return str(caught.value)


def test_other_things_get_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    plyio.write_vertices(path, {name: np.zeros(3, np.float32) for name in "xyz"})
    assert "point cloud or a mesh" in sentence(path)
    ply.write(path, random_gaussians(3))
    full = columns_of(path)
    plyio.write_vertices(path, {name: column for name, column in full.items() if name != "rot_3"})
    assert "incomplete" in sentence(path) and "rot_3" in sentence(path)
    plyio.write_vertices(path, {name: column for name, column in full.items() if name != "f_rest_7"})
    assert "44 properties f_rest_*" in sentence(path)
    ply.write(path, random_gaussians(3))
    path.write_bytes(path.read_bytes()[:-5])
    assert "truncated" in sentence(path)
    path.write_text("hello")
    assert "not a PLY" in sentence(path)
    assert ".ply, .sog" in sentence(tmp_path / "a.obj")


def test_files_of_other_programs(captures: Path) -> None:
    splats = captures / "splats"
    playbot = ply.read_with_notes(splats / "playbot_lod3_3dgs_sh2.ply")
    assert playbot.gaussians.sh.shape == (31_000, 9, 3) and playbot.notes == ()
    biker = ply.read_with_notes(splats / "biker_top60k_3dgs_sh0.ply")
    assert len(biker.gaussians) == 60_000 and ": 198 infinite" in biker.notes[0]
    assert "point cloud" in sentence(captures / "bear" / "sparse_pc.ply")


@pytest.mark.parametrize("degree", [0, 3])
def test_gsplats_exporter_writes_the_same(tmp_path: Path, degree: int) -> None:
    exporter = pytest.importorskip("gsplat.exporter")
    gaussians = random_gaussians(9, degree)
    stream = exporter.export_splats(
        means=gaussians.means, scales=gaussians.log_scales, quats=gaussians.quats,
        opacities=gaussians.logit_opacities, sh0=gaussians.sh[:, :1], shN=gaussians.sh[:, 1:], format="ply",
    )  # fmt: skip
    (tmp_path / "theirs.ply").write_bytes(io.BytesIO(stream).read())
    assert_same(formats.read(tmp_path / "theirs.ply"), gaussians)
    formats.write(tmp_path / "ours.ply", gaussians)
    theirs, ours = columns_of(tmp_path / "theirs.ply"), columns_of(tmp_path / "ours.ply")
    for name, column in theirs.items():
        np.testing.assert_array_equal(column, ours[name], err_msg=name)
