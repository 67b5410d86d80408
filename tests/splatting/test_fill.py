"""Holes where something stood: a ball on a plane, before a wall too; hostile input; the edit on disk."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from semsplat.splatting import history_files
from semsplat.splatting.camera import Camera
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.edit import Delete, Fill
from semsplat.splatting.errors import InputError
from semsplat.splatting.fill import Stopped, fill
from semsplat.splatting.fill_surface import in_the_air
from semsplat.splatting.fill_texture import textured
from semsplat.splatting.fill_views import Sight, look, pixels_of
from semsplat.splatting.gaussians import Gaussians
from semsplat.splatting.history import History
from semsplat.splatting.losses import psnr
from semsplat.splatting.splat import splat

WIDE, RADIUS = 0.05, 0.3  # spacing of the floor; of the ball


def sheet(origin: tuple[float, ...], along: tuple[float, ...], across: tuple[float, ...], scale: float) -> Gaussians:
    """A square of stripes, dense and opaque."""
    steps = torch.arange(-1.2, 1.2, WIDE)
    u, v = (part.reshape(-1, 1) for part in torch.meshgrid(steps, steps, indexing="ij"))
    points = torch.tensor(origin) + u * torch.tensor(along) + v * torch.tensor(across)
    light = (0.55 + 0.25 * torch.sin(9.0 * u)) * scale
    color = torch.cat([light, 0.8 * light, 0.5 * light], 1)
    found = Gaussians.from_points(points, color, sh_degree=0, opacity=0.95)
    normal = torch.linalg.cross(torch.tensor(along), torch.tensor(across)).abs()
    return found.replace(log_scales=torch.where(normal > 0.5, 0.004, 0.6 * WIDE).log().expand(len(points), 3).clone())


def ball(count: int = 500) -> Gaussians:
    """Blue, on the floor."""
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    points = RADIUS * directions + torch.tensor([0.0, 0.0, RADIUS])
    return Gaussians.from_points(points, torch.tensor([0.1, 0.2, 0.8]).expand(count, 3), sh_degree=0, opacity=0.97)


def cameras(count: int = 8) -> list[Camera]:
    angles = [0.35 * math.pi * (2.0 * k / (count - 1) - 1.0) for k in range(count)]
    up, target = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, 0.15])
    eyes = [torch.tensor([2.2 * math.sin(a), -2.2 * math.cos(a), 1.3 + 0.3 * (k % 2)]) for k, a in enumerate(angles)]
    return [Camera.look_at(eye, target, up, 0.8, 72, 54) for eye in eyes]


def draw(gaussians: Gaussians, camera: Camera) -> torch.Tensor:
    return splat(gaussians, camera).detach().composite(gaussians.colors(camera))[0].clamp(0, 1)


class Room:
    """What should be there, the scene as it was fitted (nothing below the ball), and its photos."""

    def __init__(self, folder: Path, wall: bool = False) -> None:
        ground = sheet((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), 1.0)
        if wall:
            ground = Gaussians.cat([ground, sheet((0.0, 0.42, 1.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), 0.7)])
        near = (ground.means - torch.tensor([0.0, 0.1, 0.0])).norm(dim=1) < 0.8 * RADIUS
        if wall:  # nothing behind the ball, either
            x, y, z = ground.means.unbind(1)
            near |= (y > 0.41) & (y < 0.43) & (x.abs() < 0.3) & (z < 0.45)
        scene = Gaussians.cat([ground[~near], ball()])
        self.truth = ground.replace(ids=torch.arange(len(ground)))
        self.scene = scene.replace(ids=torch.arange(len(scene)))
        self.ball = self.scene.ids[-500:]
        self.cameras = cameras()
        self.frames = []
        for number, camera in enumerate(self.cameras):
            np.save(folder / f"{number}.npy", (draw(self.scene, camera) * 255).round().byte().numpy())
            self.frames.append(Frame(f"{number}.jpg", camera, folder / f"{number}.npy"))

    def score(self, gaussians: Gaussians) -> float:
        """PSNR where the ball was, mean over the views, dB."""
        scores = []
        for camera in self.cameras:
            mask = draw(ball(), camera).sum(-1) > 0.1
            scores.append(psnr(draw(gaussians, camera)[mask][None], draw(self.truth, camera)[mask][None]))
        return sum(scores) / len(scores)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return Room(tmp_path_factory.mktemp("room"))


@pytest.fixture(scope="module")
def filling(room: Room) -> Fill:
    return fill(room.scene, room.ball, room.frames, steps=40)


def test_the_floor_goes_on_below_the_ball(room: Room, filling: Fill) -> None:
    before = Delete(room.ball)(room.scene)
    after = filling(before)
    assert len(filling.source) > 20
    assert room.score(after) > room.score(before) + 4.0
    assert (filling.source.means[:, 2].abs() < 0.2).float().mean() > 0.9  # on the floor


def test_only_whom_the_ball_hid_is_taken_away(room: Room, filling: Fill) -> None:
    taken = room.scene[torch.isin(room.scene.ids, filling.ids)]
    assert not torch.isin(filling.ids, room.ball).any()
    assert (taken.means.norm(dim=1) < 3.0 * RADIUS).all()


@pytest.mark.slow
def test_a_corner_has_two_surfaces(tmp_path: Path) -> None:
    room = Room(tmp_path, wall=True)
    before = Delete(room.ball)(room.scene)
    edit = fill(room.scene, room.ball, room.frames, steps=20)
    after, (_, y, z) = edit(before), edit.source.means.unbind(1)
    assert ((z.abs() < 0.06) & (y < 0.4)).sum() > 50 and ((y - 0.42).abs() < 0.06).sum() > 50
    assert room.score(after) > room.score(before)
    for camera in room.cameras:
        covered, right = (splat(g, camera).detach().alpha[..., 0] > 0.5 for g in (after, room.truth))
        assert (covered | ~right).float().mean() > 0.99  # no hole is left


def test_photos_that_see_through_a_point_clear_it(room: Room) -> None:
    photos, _, _ = look(room.scene, torch.isin(room.scene.ids, room.ball), room.frames, lambda share, words: None)
    on_the_floor, above = torch.tensor([[0.6, 0.0, 0.0]]), torch.tensor([[0.6, 0.0, 0.3]])
    hidden = torch.tensor([[0.0, 0.0, 0.3]])  # in the ball
    assert in_the_air(torch.cat([on_the_floor, above, hidden]), photos, 0.03).tolist() == [False, True, False]


def test_the_part_around_a_hole_reaches_to_points_that_are_seen() -> None:
    eye, up, zero = torch.tensor([0.0, -3.0, 0.0]), torch.tensor([0.0, 0.0, 1.0]), torch.zeros(3)
    camera = Camera.look_at(eye, zero, up, 1.0, 240, 160)
    hidden = torch.zeros(160, 240, dtype=torch.bool)
    hidden[75:85, 115:125] = True
    photo = torch.rand(160, 240, 3, generator=torch.Generator().manual_seed(0))
    whole = Sight(camera, photo, ~hidden, hidden, torch.full((160, 240), 3.0), hidden)
    far = torch.tensor([[-1.2, 0.0, 0.0], [0.0, -9.0, 0.0]])  # left of the hole; behind the camera
    part, more = whole.around(), whole.around(far)
    assert (part.camera.width, part.camera.height) == (58, 58)  # 24 pixels more on each side
    assert (more.camera.width, more.camera.height) == (112, 58)
    (at, _), _, inside = pixels_of(far, more.camera)
    assert inside.tolist() == [True, False] and not pixels_of(far, part.camera)[2].any()
    assert (more.photo.reshape(-1, 3)[at] == photo.reshape(-1, 3)[pixels_of(far, camera)[0][0]]).all()
    assert part.hidden.sum() == more.hidden.sum() == 100


@pytest.mark.slow
def test_the_same_again(room: Room, filling: Fill) -> None:
    again = fill(room.scene, room.ball, room.frames, steps=40)
    assert torch.equal(again.ids, filling.ids)
    assert all(torch.equal(getattr(again.source, name), tensor) for name, tensor in filling.source.tensors())


def test_replayed_from_disk_and_undone(room: Room, filling: Fill, tmp_path: Path) -> None:
    history = History().do(Delete(room.ball), "Delete ball").do(filling, "Fill")
    history_files.write(tmp_path, history)
    found = history_files.read(tmp_path)
    one, other = history.fold(room.scene), found.fold(room.scene)
    assert all(torch.equal(getattr(one, name), tensor) for name, tensor in other.tensors())
    assert len(history.undo().fold(room.scene)) == len(room.scene) - len(room.ball)
    assert torch.equal(found.undo().undo().fold(room.scene).ids, room.scene.ids)


@pytest.mark.slow
def test_progress_and_giving_up(room: Room) -> None:
    told: list[float] = []
    with pytest.raises(Stopped):
        fill(room.scene, room.ball, room.frames, lambda share, words: told.append(share), lambda: len(told) > 12)
    assert told == sorted(told) and told[0] == 0.0 and told[-1] < 1.0


def test_what_cannot_be_filled_is_said(room: Room) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    for ids, said in ((none, "Nothing is deleted"), (none + 10**9, "Nothing"), (room.scene.ids, "Everything")):
        with pytest.raises(InputError, match=said):
            fill(room.scene, ids, room.frames)
    with pytest.raises(InputError, match="No photo"):
        fill(room.scene, room.ball, [])


def test_nothing_around_is_no_surface(room: Room) -> None:
    alone = room.scene[torch.isin(room.scene.ids, room.ball)]
    far = room.scene[:3].replace(means=room.scene.means[:3] + 50.0)
    assert not len(fill(Gaussians.cat([alone, far]), room.ball, room.frames, steps=2).source)


@pytest.mark.slow
def test_rows_that_are_not_finite_do_no_harm(room: Room) -> None:
    broken = room.scene.map(torch.clone)
    broken.means[5], broken.log_scales[-3] = math.nan, math.inf
    edit = fill(broken, room.ball, room.frames, steps=3)
    assert len(edit.source) > 20 and bool(edit.source.is_finite().all())


def test_texture_goes_on() -> None:
    rows = np.arange(60)
    picture = np.repeat((0.5 + 0.3 * np.sign(np.sin(rows * 2 * np.pi / 8 + 0.1)))[None, :, None], 60, 0).repeat(3, 2)
    wanted = np.zeros((60, 60), bool)
    wanted[25:37, 22:38] = True
    start = np.where(wanted[..., None], 0.5, picture)
    found = textured(start, ~wanted, wanted)
    assert np.abs(found - picture).max() < 0.05  # of stripes 0.6 apart
    plain = np.full_like(picture, 0.4)
    assert textured(plain, ~wanted, wanted) is plain


def test_light_is_no_texture() -> None:
    lit = np.broadcast_to(np.linspace(0.2, 0.7, 60)[None, :, None], (60, 60, 3)).copy()
    wanted = np.zeros((60, 60), bool)
    wanted[25:37, 22:38] = True
    assert textured(lit, ~wanted, wanted) is lit  # a plain wall, brighter on one side
