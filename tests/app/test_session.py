"""A session knows what is behind a pixel, keeps what viewers picked apart, and never changes the scene."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from small_scenes import front, pixel_of, three_balls, views

from semsplat.app.layers import Depth, Rgb
from semsplat.app.layers_combined import Tint
from semsplat.app.look import Look
from semsplat.app.panels.status import status
from semsplat.app.photos import frustum_size
from semsplat.app.poses import point_at
from semsplat.app.scene import View
from semsplat.app.session import EXPLAINED, Session
from semsplat.app.worker import Worker
from semsplat.distill.objects import Thing
from semsplat.distill.segment import Click
from semsplat.splatting import formats
from semsplat.splatting._dense import dense
from semsplat.splatting.camera import Camera, pinhole
from semsplat.splatting.edit import Delete, Duplicate
from semsplat.splatting.errors import InputError
from semsplat.splatting.pixel import row


@pytest.mark.parametrize("xy", [(0, 0), (20, 40), (60, 40), (90, 39), (119, 79)])
def test_a_row_equals_that_of_the_whole_picture(xy):
    gaussians, camera = three_balls(60).double(), front().to(torch.float64)
    ids, weights = row(gaussians, camera, *xy)
    whole_ids, whole_weights = dense(gaussians, camera).row(*xy)
    assert ids.tolist() == whole_ids.tolist()
    torch.testing.assert_close(weights, whole_weights, rtol=1e-12, atol=1e-12)


def test_a_row_equals_that_of_the_whole_picture_for_wild_gaussians_and_lenses():
    random = torch.Generator().manual_seed(0)
    gaussians = three_balls(100).double()
    wild = torch.randn(300, 3, generator=random, dtype=torch.float64)
    gaussians = gaussians.replace(log_scales=gaussians.log_scales + 1.5 * wild, means=gaussians.means * 2)
    camera = Camera(front().world_to_camera.double(), pinhole(70.0, 150.0, 10.0, 70.0).double(), 120, 80)
    blend = dense(gaussians, camera)
    for x, y in ((0, 0), (60, 40), (119, 0), (5, 79), (100, 60)):
        ids, weights = row(gaussians, camera, x, y)
        whole_ids, whole_weights = blend.row(x, y)
        assert ids.tolist() == whole_ids.tolist()
        torch.testing.assert_close(weights, whole_weights, rtol=1e-12, atol=1e-12)


def test_a_click_finds_the_ball_behind_it_and_no_other():
    session, camera = Session(three_balls()), front()
    for number, place in enumerate(((-1.2, -1.0, 0.0), (0.0, 0.0, 0.0), (1.2, 2.0, 0.0))):
        hit = session.click(camera, pixel_of(camera, place))
        assert len(hit.ids) > 0
        assert (hit.ids // 200 == number).all()
        assert hit.coverage > 0.99
        assert hit.depth == pytest.approx(place[1] + 5 - 0.4, abs=0.25)  # the front of the ball
        assert (hit.point - torch.tensor(place)).norm() < 0.6


def test_a_click_explains_the_pixel_front_to_back():
    session, camera = Session(three_balls()), front()
    xy = pixel_of(camera, (0.0, 0.0, 0.0))
    hit = session.click(camera, xy)
    ids, weights = row(session.gaussians, camera, int(xy[0]), int(xy[1]))
    assert hit.ids.tolist() == ids[: len(hit.ids)].tolist()
    assert weights[: len(hit.ids)].sum() >= EXPLAINED * weights.sum()
    assert weights[: len(hit.ids) - 1].sum() < EXPLAINED * weights.sum()


def test_a_click_beside_everything_finds_nothing():
    hit = Session(three_balls()).click(front(), (1.5, 1.5))
    assert len(hit.ids) == 0
    assert hit.coverage == 0.0
    assert hit.point is None


def test_a_click_outside_the_picture_is_refused():
    with pytest.raises(InputError, match=r"\(120, 5\) is outside the picture of 120 x 80 pixels"):
        Session(three_balls()).click(front(), (120.0, 5.0))


def test_clicking_and_drawing_change_nothing():
    gaussians = three_balls(30)
    before = {name: tensor.clone() for name, tensor in gaussians.tensors()}
    session = Session(gaussians)
    session.click(front(), (60.0, 40.0))
    Look(picked=torch.tensor([3])).drawn(session, session.now, front()).colors(session.gaussians, front())
    assert all(torch.equal(before[name], tensor) for name, tensor in session.gaussians.tensors())


def test_every_viewer_has_a_look_of_their_own():
    one, other, session = Look(), Look(), Session(three_balls(5))
    one.shown, one.picked = "Depth", torch.tensor([1])
    assert isinstance(other.drawn(session, session.now, front()), Rgb)
    layer = one.drawn(session, session.now, front())
    assert isinstance(layer, Tint) and isinstance(layer.layer, Depth)
    assert layer.strengths.nonzero()[:, 0].tolist() == [1]


def test_what_is_hidden_or_locked_is_not_picked():
    session = Session(three_balls(5))
    session.change_things(lambda _: [Thing("red", torch.arange(5)), Thing("green", torch.arange(5, 10))], "")
    look = Look(hidden=frozenset({"red"}), locked=frozenset({"green"}))
    assert look.pickable(session.now, torch.tensor([1, 7, 12, 99])).tolist() == [12]
    assert look.visible(session.now).tolist() == [0.0] * 5 + [1.0] * 10
    look.alone = "green"
    assert look.visible(session.now).tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 5


def test_edits_are_shared_undone_and_told(tmp_path):
    session, heard, me, other = Session(three_balls(5)), [], Look(), Look()
    deaf = session.listen(heard.append)
    before = session.now
    session.do(Delete(torch.arange(5)), "Delete red", by=me)
    assert session.gaussians.ids.tolist() == list(range(5, 15))
    assert before.gaussians.ids.tolist() == list(range(15))  # whoever works on it is not disturbed
    assert (heard[0].what, heard[0].said, heard[0].by) == ("edits", "Delete red", me)
    assert session.undo(by=other).label == "Delete red"
    assert (heard[1].said, heard[1].by, heard[1].author) == ("Delete red: this edit was undone", other, me)
    assert session.undo() is None
    assert torch.equal(session.gaussians.means, before.gaussians.means)
    session.redo()
    session.switch(session.now.history.entries[0].number, False)
    assert len(session.gaussians) == 15
    deaf()
    session.undo()
    assert len(heard) == 4


def test_edits_of_another_program_are_taken_over(tmp_path):
    session, other, heard = Session(three_balls(5), folder=tmp_path), Session(three_balls(5), folder=tmp_path), []
    session.listen(heard.append)
    other.do(Delete(torch.arange(5)), "Delete red")
    session.reread_edits()
    assert len(session.gaussians) == 10 and heard[-1].said == "Edits were made outside of this page"
    session.reread_edits()
    session.do(Delete(torch.arange(5, 10)), "Delete green")  # its own writing is no news
    session.reread_edits()
    assert [change.said for change in heard] == ["Edits were made outside of this page", "Delete green"]
    other.reread_edits()
    assert other.gaussians.ids.tolist() == [10, 11, 12, 13, 14]


def test_all_edits_are_taken_back_for_good_and_no_number_is_given_twice():
    session = Session(three_balls(5))
    session.do(Duplicate(torch.arange(5), (1.0, 0.0, 0.0)), "")
    first = session.now.history.entries[0].number
    session.clear_edits()
    assert session.gaussians is session.original
    assert not session.now.history.can_undo and not session.now.history.can_redo
    session.do(Delete(torch.arange(5)), "")
    assert session.now.history.entries[0].number == first + 1


def test_edits_and_objects_are_kept_in_the_folder(tmp_path):
    session = Session(three_balls(5), folder=tmp_path)
    session.do(Delete(torch.arange(5)), "Delete red")
    session.change_things(lambda things: [*things, Thing("green", torch.arange(5, 10))], "")
    again = Session(three_balls(5), folder=tmp_path)
    assert len(again.gaussians) == 10
    assert [thing.name for thing in again.now.things] == ["green"]
    again.undo()
    assert len(Session(three_balls(5), folder=tmp_path).gaussians) == 15


def test_while_a_scene_is_fitted_it_cannot_be_edited():
    session = Session(three_balls(5))
    session.locked = "The scene is being fitted; edits are possible when that is over."
    with pytest.raises(InputError, match="being fitted"):
        session.do(Delete(torch.arange(5)), "Delete red")
    session.renew(three_balls(7))
    assert len(session.gaussians) == 21


def test_clicks_find_whole_things_and_know_what_was_deleted():
    session, camera = Session(three_balls()), front()
    click = Click(camera, *pixel_of(camera, (0.0, 0.0, 0.0)))
    ids = session.select([click]).at()
    assert set((ids // 200).tolist()) == {1} and len(ids) > 150
    session.do(Delete(ids), "Delete")
    with pytest.raises(InputError, match="nothing"):
        session.select([click])


def test_gaussians_that_are_not_finite_are_left_out_and_counted():
    gaussians = three_balls(5)
    logits = gaussians.logit_opacities.clone()
    logits[3] = float("inf")
    session = Session(gaussians.replace(logit_opacities=logits))
    assert session.left_out == 1
    assert 3 not in session.gaussians.ids.tolist()
    assert "1 Gaussians are not finite" in status(session)


def test_a_point_of_the_picture_in_depth():
    camera = front()
    point = point_at(camera, pixel_of(camera, (0.7, 1.0, -0.3)), 6.0)
    torch.testing.assert_close(point, torch.tensor([0.7, 1.0, -0.3]), atol=1e-4, rtol=0)


def test_a_page_opens_at_the_first_photo_that_was_trained_on(tmp_path):
    session = Session(three_balls(), views(tmp_path))
    opening, camera = session.opening, session.views[1].camera
    torch.testing.assert_close(opening.position, camera.center)
    forward = torch.nn.functional.normalize(opening.target - opening.position, dim=0)
    torch.testing.assert_close(forward, camera.world_to_camera[2, :3], atol=1e-4, rtol=0)
    assert opening.target.norm() < 1.0  # on the green ball in the middle
    assert opening.up[2] > 0.95


def test_up_is_level_though_all_photos_look_down(tmp_path):
    z = torch.tensor([0.0, 0.0, 1.0])
    places = [torch.tensor([a, -3.0 + abs(a), 4.0]) for a in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    cameras = [Camera.look_at(place, torch.tensor([0.3, 0.0, 0.5]), z, 0.8, 120, 80) for place in places]
    session = Session(three_balls(5), [View("", camera, False, tmp_path) for camera in cameras])
    assert session.up @ z > 0.999
    same = Session(three_balls(5), [View("", cameras[2], False, tmp_path)] * 3)
    torch.testing.assert_close(same.up, -cameras[2].world_to_camera[1, :3], atol=1e-5, rtol=0)


def test_a_page_without_photos_opens_in_front_of_everything():
    session = Session(three_balls())
    opening = session.opening
    camera = Camera.look_at(opening.position, opening.target, opening.up, opening.fov, 100, 100)
    x, y = zip(*(pixel_of(camera, tuple(mean)) for mean in session.gaussians.means.tolist()), strict=True)
    assert min(*x, *y) > 0
    assert max(*x, *y) < 100


def test_an_empty_scene_opens_and_says_so(tmp_path):
    session = Session(three_balls()[:0], views(tmp_path))
    assert torch.isfinite(session.opening.target).all()
    assert torch.isfinite(Session(three_balls()[:0]).opening.target).all()
    assert len(session.click(front(), (5.0, 5.0)).ids) == 0
    assert "no Gaussians yet" in status(session)


def test_importance_is_what_the_photos_see(tmp_path):
    gaussians = three_balls(30)
    behind = gaussians.means.clone()
    behind[0] = torch.tensor([0.0, -50.0, 0.0])
    session = Session(gaussians.replace(means=behind), views(tmp_path))
    importance = session.importance()
    assert importance[0] == 0
    assert (importance[1:] > 0).float().mean() > 0.9
    assert (Session(gaussians).importance() > 0).all()


def test_thumbnails_are_small_and_need_no_cache(tmp_path):
    session = Session(three_balls(5), views(tmp_path))
    assert session.thumbnail(session.views[0]) is None
    np.save(tmp_path / "0.npy", np.full((300, 401, 4), 7, np.uint8))
    thumbnail = session.thumbnail(session.views[0])
    assert thumbnail.shape[2] == 3
    assert max(thumbnail.shape) <= 96
    assert (thumbnail == 7).all()


def test_status_names_what_is_known(tmp_path):
    session = Session(three_balls(), views(tmp_path), "room", 31.25, generated=True)
    text = status(session, ("A note.",))
    for part in ("room", "600 Gaussians", "4 photos, 1 held out", "31.2 dB on held-out photos", "made by a program"):
        assert part in text
    assert "program" not in status(Session(three_balls()))


def test_a_title_cannot_become_markup():
    text = status(Session(three_balls(2), title="<img src=x onerror=alert(1)> ![a](/etc/passwd) **b** [c](http://d)"))
    title = text.splitlines()[0].removeprefix("#### ")
    assert not set("<>![]()*/=\\`_|") & set(title)


def test_frusta_are_small_against_the_scene(tmp_path):
    assert 0 < frustum_size(tuple(views(tmp_path))) < 0.5
    assert frustum_size(()) > 0
    assert frustum_size(tuple(views(tmp_path, 1) * 3)) > 0  # all at one place


def test_a_worker_goes_on_after_an_error_and_keeps_only_the_newest_of_what_can_wait():
    done, failures = [], []
    worker = Worker(failures.append)
    for i in range(3):
        worker.post(lambda i=i: done.append(1 // i))
    for i in range(20):
        worker.when_calm(lambda i=i: done.append(100 + i), 0.05)
    worker.post(lambda: done.append(7))
    deadline = time.monotonic() + 5
    while len(done) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    worker.stop()
    assert done == [1, 0, 7, 119]
    assert [type(error) for error in failures] == [ZeroDivisionError]


def test_a_session_of_a_scene_folder(tmp_path):
    scene = pytest.importorskip("semsplat.app.scene")
    from semsplat.splatting.capture.types import Frame

    frames = [Frame(view.name, view.camera, view.pixels) for view in views(tmp_path)]
    folder = tmp_path / "room"
    folder.mkdir()
    scene.write_gaussians(folder, three_balls(10))
    scene.write_cameras(folder, frames, frames[:1])
    (folder / "config.json").write_text(json.dumps({"semsplat": "0.1.0", "generated": True}))
    (folder / "metrics.json").write_text(json.dumps({"psnr": 30.5}))
    session = Session.of(scene.Scene.open(folder))
    assert (len(session.gaussians), len(session.views), session.title) == (30, 4, "room")
    assert (session.held_out_psnr, session.generated) == (30.5, True)
    assert session.views[0].held_out


def test_a_session_of_a_file_of_gaussians(tmp_path):
    formats.write(tmp_path / "thing.ply", three_balls(20))
    session = Session.at(tmp_path / "thing.ply")
    assert session.title == "thing.ply" and len(session.gaussians) == len(three_balls(20)) and not session.views
    with pytest.raises(InputError, match="no known format"):
        (tmp_path / "x.abc").write_bytes(b"1")
        Session.at(tmp_path / "x.abc")


def test_what_reading_a_file_had_to_tell(tmp_path: Path) -> None:
    means = three_balls(20).means.clone()
    means[3] = float("nan")
    formats.write(tmp_path / "odd.ply", three_balls(20).replace(means=means))
    session = Session.at(tmp_path / "odd.ply")
    assert len(session.notes) == 1 and "1 of 60" in session.notes[0] and len(session.gaussians) == 59
