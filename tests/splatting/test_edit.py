"""Laws of edits: the original stays, what is not named stays bitwise, inverses undo, pictures turn with the camera."""

import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import camera, cloud

from semsplat.splatting import sh as spherical_harmonics
from semsplat.splatting.camera import Camera
from semsplat.splatting.edit import (
    KINDS,
    Delete,
    Duplicate,
    Edit,
    Fill,
    Gain,
    Group,
    Hue,
    Insert,
    Keep,
    Move,
    Opacity,
    Rename,
    Rotate,
    Scale,
    Tint,
    Ungroup,
    describe,
    pivot,
    turn,
)
from semsplat.splatting.edit_base import LARGEST_NUMBER, mint
from semsplat.splatting.edit_color import LUMINANCE, hue_matrix
from semsplat.splatting.edit_table import Table
from semsplat.splatting.errors import InputError
from semsplat.splatting.formats import ply
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.project import rotations
from semsplat.splatting.splat import splat

IDS = torch.tensor([3, 5, 8, 13, 21])


def every_kind(ids: torch.Tensor = IDS) -> list[Edit]:
    return [
        Delete(ids),
        *([Keep(ids)] if len(ids) else []),
        Tint(ids, (0.9, 0.1, 0.2), 0.8, 0.5),
        Hue(ids, 100.0),
        Gain(ids, (1.3, 1.0, 0.7)),
        Opacity(ids, 0.5),
        Move(ids, (0.2, 0.0, -0.1)),
        Rotate(ids, (0.9, 0.1, -0.3, 0.2), (0.1, 0.2, 0.3)),
        Scale(ids, 1.7, (0.1, 0.2, 0.3)),
        Duplicate(ids, (0.0, 0.4, 0.0)),
        Insert(cloud(7, seed=4, sh_degree=1), "small.ply", (1.0, 0.2, 0.0, 0.0), 0.5, (1.0, 0.0, 0.0), (0.4, 0.5, 0.3)),
        Fill(ids, cloud(5, seed=6, sh_degree=0), 3),
        *([Rename(ids, "cup", "mug"), Group(ids, "Geschirr"), Ungroup(ids, "dishes")] if len(ids) else []),
    ]


def scene(features: int = 4) -> Gaussians:
    """Ids in no order, with gaps."""
    found = cloud(30, dtype=torch.float32)
    make = torch.Generator().manual_seed(1)
    return found.replace(
        features=torch.randn(30, features, generator=make), ids=torch.randperm(40, generator=make)[:30].contiguous()
    )


def same(one: Gaussians, other: Gaussians) -> bool:
    return all(torch.equal(getattr(one, name), tensor) for name, tensor in other.tensors())


def named(edit: Edit, gaussians: Gaussians) -> torch.Tensor:
    return torch.isin(gaussians.ids, getattr(edit, "ids", IDS[:0]))


def test_every_kind_is_tried_here() -> None:
    assert {type(edit) for edit in every_kind()} == set(KINDS.values())


@pytest.mark.parametrize("edit", every_kind(), ids=lambda edit: type(edit).__name__)
def test_an_edit_changes_what_it_names_and_nothing_else(edit: Edit) -> None:
    before = scene()
    copy = before.map(torch.clone)
    after = edit(before)
    assert same(before, copy)
    others = ~named(edit, before) if not isinstance(edit, Keep) else named(edit, before)
    kept = torch.isin(after.ids, before.ids[others])
    assert same(after[kept], before[others])
    assert len(after.ids.unique()) == len(after) and bool(after.is_finite().all())
    assert same(edit(before), after)


def test_columns_that_stay_are_the_same_tensors() -> None:
    before = scene()
    changed = {
        type(edit): {n for n, t in edit(before).tensors() if t is not getattr(before, n)} for edit in every_kind()
    }
    assert changed[Tint] == changed[Hue] == changed[Gain] == {"sh"}
    assert changed[Opacity] == {"logit_opacities"}
    assert changed[Move] == {"means"}
    assert changed[Rotate] == {"means", "quats", "sh"}
    assert changed[Scale] == {"means", "log_scales"}


@pytest.mark.parametrize("ids", [torch.zeros(0, dtype=torch.int64), torch.tensor([1000, 2000])])
def test_nobody_there_is_no_change(ids: torch.Tensor) -> None:
    before = scene()
    for edit in every_kind(ids):
        if not isinstance(edit, Keep | Insert | Fill):
            after = edit(before)
            assert all(tensor is getattr(before, name) for name, tensor in after.tensors()), describe(edit)
            assert len(edit(before[:0])) == 0
    assert len(Insert(before[:0])(before)) == len(before)


def test_a_filling_stands_in_the_place_of_others() -> None:
    before, filling = scene(), cloud(5, seed=6, sh_degree=0)
    edit = Fill(IDS, filling)
    after = edit(before)
    gone = int(torch.isin(before.ids, IDS).sum())
    assert len(after) == len(before) - gone + 5 and same(Delete(IDS)(before), after[:-5])
    assert torch.equal(after.ids[-5:], edit.minted) and torch.equal(after.means[-5:], filling.float().means)
    assert torch.equal(after.sh[-5:, :1], filling.float().sh) and not after.sh[-5:, 1:].any()
    assert describe(edit) == f"Fill with 5 Gaussians in the place of {len(IDS)} Gaussians"
    assert describe(Fill(IDS[:0], filling)) == "Fill with 5 Gaussians"


def test_keeping_is_deleting_the_others() -> None:
    before = scene()
    others = before.ids[~torch.isin(before.ids, IDS)]
    assert same(Keep(IDS)(before), Delete(others)(before))
    with pytest.raises(InputError, match="Nothing is selected"):
        Keep(IDS[:0])


def test_ids_are_made_ascending_and_single() -> None:
    assert Delete(torch.tensor([9, 2, 2, 5])).ids.tolist() == [2, 5, 9]


def test_inverses() -> None:
    before = cloud()
    for there, back in [
        (Move(before.ids, (0.3, -0.2, 7.0)), Move(before.ids, (-0.3, 0.2, -7.0))),
        (Scale(before.ids, 3.0, (1.0, 2.0, 3.0)), Scale(before.ids, 1 / 3.0, (1.0, 2.0, 3.0))),
        (Rotate(before.ids, turn((1, 2, 3), 70), (1.0, 0, 0)), Rotate(before.ids, turn((1, 2, 3), -70), (1.0, 0, 0))),
        (Opacity(before.ids, 0.25), Opacity(before.ids, 4.0)),
    ]:  # fmt: skip
        after = back(there(before))
        for name, tensor in before.tensors():
            found, wanted = (
                t / t.norm(dim=-1, keepdim=True) if name == "quats" else t for t in (getattr(after, name), tensor)
            )
            assert torch.allclose(found, wanted, atol=1e-12), (there, name)  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- turning


def turned(view: Camera, rotation: tuple[float, ...], center: torch.Tensor) -> Camera:
    """The camera that was turned with the scene."""
    world = torch.eye(4, dtype=torch.float64)
    world[:3, :3] = rotations(torch.tensor([rotation], dtype=torch.float64))[0]
    world[:3, 3] = center - world[:3, :3] @ center
    return dataclasses.replace(view, world_to_camera=view.world_to_camera @ torch.linalg.inv(world))


def picture(gaussians: Gaussians, view: Camera) -> torch.Tensor:
    return splat(gaussians, view) @ gaussians.colors(view)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_a_turned_scene_looks_the_same_from_a_turned_camera(degree: int) -> None:
    before, view, center = cloud(sh_degree=degree), camera(), torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    rotation = (0.4, -0.7, 0.5, 0.2)
    after = Rotate(before.ids, rotation, tuple(center.tolist()))(before)
    wanted = picture(before, view)
    assert wanted.std() > 0.05
    assert (picture(after, turned(view, rotation, center)) - wanted).abs().max() < 1e-4  # the kernels draw in float32
    colors = after.colors(turned(view, rotation, center))
    assert torch.allclose(colors, before.colors(view), atol=1e-5)
    assert degree == 0 or not torch.allclose(after.sh, before.sh, atol=1e-2)


def test_the_harmonics_turn_as_a_group() -> None:
    first, second = rotations(torch.tensor([[0.4, -0.7, 0.5, 0.2], [0.8, 0.1, 0.2, -0.6]], dtype=torch.float64))
    one, two = (spherical_harmonics.rotation_matrix(rotation, 16) for rotation in (first, second))
    assert torch.allclose(spherical_harmonics.rotation_matrix(first @ second, 16), one @ two, atol=1e-12)
    assert torch.allclose(one @ one.T, torch.eye(16, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(spherical_harmonics.rotation_matrix(torch.eye(3), 16), torch.eye(16).double(), atol=1e-12)
    sh, directions = torch.randn(50, 16, 3, dtype=torch.float64), torch.randn(50, 3, dtype=torch.float64)
    directions /= directions.norm(dim=-1, keepdim=True)
    found = spherical_harmonics.evaluate(spherical_harmonics.rotated(sh, first), directions @ first.T)
    assert torch.allclose(found, spherical_harmonics.evaluate(sh, directions), atol=1e-12)


def test_a_scaled_scene_looks_the_same_from_further_away() -> None:
    before, view = cloud(), camera()
    center = (0.3, -0.2, 0.5)
    after = Scale(before.ids, 2.0, center)(before)
    pose = view.world_to_camera.clone()
    eye = torch.tensor(center).double() + 2.0 * (view.center - torch.tensor(center).double())
    pose[:3, 3] = -pose[:3, :3] @ eye
    assert (picture(after, dataclasses.replace(view, world_to_camera=pose)) - picture(before, view)).abs().max() < 1e-4


def test_a_quarter_turn_by_the_right_hand() -> None:
    one = cloud(1).replace(means=torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64))
    found = Rotate(one.ids, turn((0.0, 0.0, 2.0), 90.0), (0.0, 0.0, 0.0))(one).means
    assert torch.allclose(found, torch.tensor([[0.0, 1.0, 0.0]]).double(), atol=1e-12)
    assert pivot(one, one.ids) == (1.0, 0.0, 0.0) and pivot(one, one.ids + 1) == (0.0, 0.0, 0.0)


# -------------------------------------------------------------------------------------------------------------- colour


def base_colors(gaussians: Gaussians) -> torch.Tensor:
    return 0.5 + spherical_harmonics.C0 * gaussians.sh[:, 0]


def test_paint_is_flat_and_shading_keeps_light_and_shadow() -> None:
    before = cloud()
    color = torch.tensor([0.8, 0.1, 0.3]).double()
    flat = Tint(before.ids, (0.8, 0.1, 0.3), shading=0.0)(before)
    assert torch.allclose(base_colors(flat), color.expand(200, 3)) and not flat.sh[:, 1:].any()
    shaded = Tint(before.ids, (0.8, 0.1, 0.3))(before)
    directions = torch.nn.functional.normalize(torch.randn(200, 3, dtype=torch.float64), dim=-1)
    weights = torch.tensor(LUMINANCE, dtype=torch.float64)
    light = (spherical_harmonics.evaluate(before.sh, directions) + 0.5) @ weights
    found = spherical_harmonics.evaluate(shaded.sh, directions) + 0.5
    gain = (found / color) / light[:, None]
    assert torch.allclose(
        gain, gain.mean().expand_as(gain)
    )  # the same luminance but for one factor, in every direction
    mean = (before.opacities[:, None] * base_colors(shaded)).sum(0) / before.opacities.sum()
    assert torch.allclose(mean, color, atol=0.05)


def test_strength_is_how_far() -> None:
    before = cloud()
    half, whole = (Tint(before.ids, (0.2, 0.5, 0.9), strength)(before).sh for strength in (0.5, 1.0))
    assert torch.allclose(half, (before.sh + whole) / 2)
    assert Tint(before.ids, (0.2, 0.5, 0.9), 0.0)(before).sh is before.sh


def test_a_black_thing_becomes_no_noise() -> None:
    black = cloud().replace(sh=torch.zeros(200, 16, 3).double())
    black.sh[:, 0] = spherical_harmonics.from_color(torch.zeros(3).double())
    assert base_colors(Tint(black.ids, (1.0, 0.0, 0.0))(black)).abs().max() < 1e-9


def test_hue_keeps_grey_and_luminance() -> None:
    matrix = hue_matrix(77.0)
    assert torch.allclose(matrix @ torch.ones(3).double(), torch.ones(3).double(), atol=1e-3)
    weights = torch.tensor([0.213, 0.715, 0.072], dtype=torch.float64)
    assert torch.allclose(weights @ matrix, weights, atol=1e-3)
    assert torch.allclose(hue_matrix(360.0), torch.eye(3).double(), atol=1e-12)
    red = matrix.new_tensor([1.0, 0.0, 0.0])
    assert (hue_matrix(120.0) @ red).argmax() == 1 and (hue_matrix(240.0) @ red).argmax() == 2


@given(factor=st.floats(0, 50), logit=st.floats(-15, 15))
@settings(max_examples=60, deadline=None)
def test_opacities_are_multiplied(factor: float, logit: float) -> None:
    one = cloud(1).replace(logit_opacities=torch.tensor([logit], dtype=torch.float64))
    found = Opacity(one.ids, factor)(one)
    assert torch.allclose(found.opacities, (one.opacities * factor).clamp(2e-9, 1 - 2e-9), rtol=1e-6, atol=1e-8)
    assert bool(found.is_finite().all())


def test_a_factor_of_one_is_no_change_also_of_the_densest() -> None:
    one = cloud(1, dtype=torch.float32).replace(logit_opacities=torch.tensor([19.0]))
    assert Opacity(one.ids, 1.0)(one).logit_opacities.item() == 19.0
    assert Opacity(one.ids, 0.5)(one).opacities.item() == pytest.approx(0.5)


# ---------------------------------------------------------------------------------------------------------- new ones


def test_a_copy_has_features_and_ids_of_its_own() -> None:
    before = scene()
    edit = Duplicate(IDS, (0.0, 0.4, 0.0), number=7)
    after = edit(before)
    for at, minted in zip(IDS, edit.minted, strict=True):
        old, new = before[before.ids == at], after[after.ids == minted]
        assert len(old) == len(new)
        if len(old):
            assert torch.equal(new.features, old.features) and torch.equal(new.sh, old.sh)
            assert torch.allclose(new.means - old.means, torch.tensor([[0.0, 0.4, 0.0]]))


def test_minted_ids_depend_on_the_edit_alone() -> None:
    before, edit = scene(), Duplicate(IDS, (1.0, 0.0, 0.0), number=2)
    there = IDS[torch.isin(IDS, before.ids)]
    whole, fewer = edit(before), edit(Delete(there[:1])(before))
    assert set(fewer.ids.tolist()) == set(whole.ids.tolist()) - {int(there[0]), int(edit.minted[there[0] == IDS])}
    again = Duplicate(edit.minted, (1.0, 0.0, 0.0), number=3)(whole)
    assert len(again.ids.unique()) == len(again) == len(whole) + len(there)
    with pytest.raises(InputError, match="already"):
        edit(whole)


def test_inserted_ones_have_no_meaning_and_the_higher_degree_wins() -> None:
    before, other = scene(), cloud(7, seed=4, dtype=torch.float32)
    edit = Insert(other, "other.ply", by=(1.0, 2.0, 3.0), number=9)
    after = edit(before)
    new = after[torch.isin(after.ids, edit.minted)]
    assert len(new) == 7 and not new.features.any() and new.features.shape == (7, 4)
    assert torch.allclose(new.means, other.means + torch.tensor([1.0, 2.0, 3.0]))
    low = before.replace(sh=before.sh[:, :1])
    after = edit(low)
    assert after.sh.shape == (37, 16, 3) and torch.equal(after.sh[:30, :1], low.sh) and not after.sh[:30, 1:].any()
    assert Insert(other.replace(sh=other.sh[:, :4]))(before).sh.shape == (37, 16, 3)


def test_what_is_not_finite_is_not_inserted() -> None:
    other = cloud(4, dtype=torch.float32)
    other.means[1, 0] = float("nan")
    edit = Insert(other)
    assert len(edit.source) == 3 and edit.minted.tolist() == mint(1, torch.arange(3)).tolist()
    assert describe(edit) == "Insert another scene (3 Gaussians)"


def test_an_object_file_is_inserted_turned_and_scaled(tmp_path: Path) -> None:
    ply.write(tmp_path / "mug.ply", cloud(5, dtype=torch.float32))
    edit = Insert.read(tmp_path / "mug.ply", scale=2.0, rotation=turn((0.0, 1.0, 0.0), 30.0))
    assert describe(edit) == "Insert mug.ply (5 Gaussians)"
    plain = cloud(5, dtype=torch.float32)
    wanted = Rotate(plain.ids, turn((0.0, 1.0, 0.0), 30.0), (0, 0, 0))(Scale(plain.ids, 2.0, (0, 0, 0))(plain))
    found = edit(scene())[-5:]
    for name in ("means", "log_scales", "sh"):
        assert torch.allclose(getattr(found, name), getattr(wanted, name), atol=1e-5)
    with pytest.raises(InputError, match="no known format"):
        Insert.read(tmp_path / "mug.doc")


def test_an_object_is_put_on_a_point() -> None:
    source = cloud(5, dtype=torch.float32)
    edit = Insert.at(source, (1.0, 2.0, 3.0), "mug", turn((1.0, 1.0, 0.0), 50.0), 0.3)
    found = edit(scene())
    assert pivot(found, edit.minted) == pytest.approx((1.0, 2.0, 3.0), abs=1e-6)
    assert torch.allclose(torch.pdist(found.means[-5:]), 0.3 * torch.pdist(source.means), atol=1e-6)


def test_the_largest_ids_survive_a_file(tmp_path: Path) -> None:
    ids = mint(LARGEST_NUMBER, torch.tensor([0, 1, 2**32 - 1]))
    assert int(ids.max()) < 2**52
    ply.write(tmp_path / "a.ply", cloud(3, dtype=torch.float32).replace(ids=ids), ids=True)
    assert torch.equal(ply.read(tmp_path / "a.ply").ids, ids)


def test_many_small_additions_in_one_table() -> None:
    table, copies = Table(scene()), 40
    for number in range(1, copies + 1):
        Duplicate(IDS, (0.0, 0.0, 1.0), number=number).on(table)
        Delete(mint(number, torch.arange(1))).on(table)
    one_by_one = scene()
    for number in range(1, copies + 1):
        one_by_one = Duplicate(IDS, (0.0, 0.0, 1.0), number=number)(one_by_one)
        one_by_one = Delete(mint(number, torch.arange(1)))(one_by_one)
    assert same(table.gaussians(), one_by_one)


def test_a_table_may_go_on_after_it_was_read() -> None:
    table = Table(scene())
    Move(IDS, (1.0, 0.0, 0.0)).on(table)
    first = table.gaussians()
    copy = first.map(torch.clone)
    for edit in every_kind():
        edit.on(table)
    assert same(first, copy)


# ------------------------------------------------------------------------------------------------------------ sentences


def test_edits_in_words() -> None:
    ids = torch.arange(1204)
    assert describe(Delete(ids[:312])) == "Delete 312 Gaussians"
    assert describe(Keep(ids[:1])) == "Keep only 1 Gaussian"
    assert describe(Move(ids, (0.2, 0, 0))) == "Move 1,204 Gaussians by 0.20, 0, 0"
    assert describe(Tint(ids, (1.0, 0.0, 0.5), 0.5)) == "Tint 1,204 Gaussians #ff0080 by 50%"
    assert describe(Rotate(ids, turn((0, 1, 0), 90), (0, 0, 0))) == "Turn 1,204 Gaussians by 90 degrees"
    assert describe(Scale(ids, 0.004, (0, 0, 0))) == "Scale 1,204 Gaussians by 0.004"
    assert describe(Duplicate(ids, (0, 0, -0.3))) == "Duplicate 1,204 Gaussians, the copy 0, 0, -0.30 away"
    assert describe(Opacity(ids, 0.5)) == "Opacity of 1,204 Gaussians times 0.50"
    assert describe(Hue(ids, 60)) == "Turn the hue of 1,204 Gaussians by 60 degrees"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Move(IDS, (float("nan"), 0.0, 0.0)),
        lambda: Scale(IDS, 0.0, (0.0, 0.0, 0.0)),
        lambda: Scale(IDS, -1.0, (0.0, 0.0, 0.0)),
        lambda: Rotate(IDS, (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        lambda: Tint(IDS, (1.2, 0.0, 0.0)),
        lambda: Tint(IDS, (1.0, 0.0, 0.0), 2.0),
        lambda: Hue(IDS, float("inf")),
        lambda: Opacity(IDS, -0.5),
        lambda: Duplicate(IDS, (0.0, 0.0, 0.0), number=0),
        lambda: Duplicate(IDS, (0.0, 0.0, 0.0), number=2**20),
        lambda: turn((0.0, 0.0, 0.0), 3.0),
    ],
)
def test_what_cannot_be_is_one_sentence(make) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)  # the test run adds notes of its own


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here")
def test_edits_on_a_gpu_are_those_on_a_cpu() -> None:
    for edit in every_kind():
        wanted, found = edit(scene()), edit(scene().to("cuda"))
        assert found.means.device.type == found.ids.device.type == "cuda"
        for name, tensor in wanted.tensors():
            assert torch.allclose(getattr(found, name).cpu(), tensor, atol=1e-5), (describe(edit), name)
