"""What leaves a page is what was there: files, pictures, films and links."""

import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from small_scenes import BLUE, GREEN, RED, front, pixel_of, three_balls

from semsplat.app import sharing
from semsplat.app.layers import Depth, Rgb
from semsplat.app.layers_combined import compose, steady
from semsplat.app.layers_shapes import Ellipsoids
from semsplat.app.poses import Pose
from semsplat.splatting.camera import Camera
from semsplat.splatting.errors import InputError

UP = torch.tensor([0.0, 0.0, 1.0])


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("room", "red mug"), "room-red-mug.ply"),
        (("../../etc/passwd", ""), "etc-passwd.ply"),
        (("<b>", "Ångström/чашка"), "b-Ångström-чашка.ply"),
        (("...",), "semsplat.ply"),
        (("a" * 500,), "a" * 60 + ".ply"),
    ],
)
def test_files_have_names_that_every_system_takes(words, name):
    assert sharing.file_name(words, ".ply") == name


def test_another_size_keeps_the_place_and_the_vertical_angle():
    camera = front(120, 80)
    wide = sharing.seen_at(camera, 320, 160)
    assert wide.fov == pytest.approx(camera.fov)
    x, y = pixel_of(wide, (0.0, 0.0, 0.5))
    below, above = pixel_of(camera, (0.0, 0.0, 0.5))
    assert (x, y) == pytest.approx((160, above * 2))
    assert below == pytest.approx(60)


def test_a_picture_is_a_png_of_what_the_layer_shows():
    camera = sharing.seen_at(front(), 200, 100)
    picture = Image.open(io.BytesIO(sharing.png(three_balls(), Rgb(), camera)))
    assert picture.format == "PNG"
    assert picture.size == (200, 100)
    for place, color in (((-1.2, -1.0, 0.0), RED), ((0.0, 0.0, 0.0), GREEN), ((1.2, 2.0, 0.0), BLUE)):
        x, y = pixel_of(camera, place)
        np.testing.assert_allclose(np.asarray(picture)[int(y), int(x)] / 255, color, atol=0.06)


def test_a_link_says_where_one_stands_and_what_one_sees():
    pose = Pose(torch.tensor([1.0, -2.5, 1e-7]), torch.tensor([0.0, 0.0, 0.25]), UP, 0.75)
    address = sharing.link("http://127.0.0.1:8080/?fixedDpr=0.5&layer=Depth&initialCameraFov=2#x", pose, "Heat & more")
    assert address == (
        "http://127.0.0.1:8080/?initialCameraPosition=1,-2.5,1e-07&initialCameraLookAt=0,0,0.25"
        "&initialCameraUp=0,0,1&initialCameraFov=0.75&layer=Heat+%26+more"
    )
    assert sharing.Wanted.of(address).layer == "Heat & more"


@pytest.mark.parametrize("address", ["", "http://[", "http://a/?layer=", "http://a/?layer=Depth&layer=Heat", "?x=%ff"])
def test_a_link_that_asks_for_nothing_is_none(address):
    assert sharing.Wanted.of(address).layer is None


def test_a_link_does_not_pass_the_token_on():
    pose = Pose(torch.zeros(3), torch.ones(3), UP, 0.75)
    assert "secret" not in sharing.link("http://10.0.0.1:8080/?token=secret-secret", pose, "Colour")


def test_splats_are_those_that_are_shown_in_the_colours_of_the_layer(monkeypatch):
    gaussians, camera = three_balls(), front()
    shown = (gaussians.ids >= 400).float()
    part, colors = sharing.splats_of(gaussians, compose(Rgb(), visible=shown), camera)
    assert part.ids.tolist() == list(range(400, 600))
    torch.testing.assert_close(colors, torch.tensor(BLUE).expand(200, 3), atol=0.01, rtol=0)
    with pytest.raises(InputError, match="nothing of the scene is shown"):
        sharing.splats_of(gaussians, compose(Rgb(), visible=0 * shown), camera)
    shapes, _ = sharing.splats_of(gaussians, Ellipsoids(), camera)
    assert not torch.equal(shapes.log_scales, gaussians.log_scales)
    monkeypatch.setattr(sharing, "MOST_SPLATS", 50)
    part, _ = sharing.splats_of(gaussians, compose(Rgb(), visible=shown), camera, 1.0 * gaussians.ids)
    assert part.ids.tolist() == list(range(550, 600))


def test_too_large_a_file_is_refused_with_a_way_out(monkeypatch):
    monkeypatch.setattr(sharing, "MOST_BYTES", 5)
    assert sharing.checked(b"12345") == b"12345"
    with pytest.raises(InputError, match="semsplat export"):
        sharing.checked(b"123456")


def test_the_range_of_a_film_holds_for_all_of_it():
    depths = [Depth(near=1.0, far=3.0), Depth(near=0.5, far=2.0)]
    assert steady(depths) == Depth(near=0.5, far=3.0)
    lit = torch.ones(600)
    wrapped = steady([compose(depth, 0.5, lit, None, 0.4) for depth in depths])
    assert wrapped == compose(Depth(near=0.5, far=3.0), 0.5, lit, None, 0.4)
    assert steady([Rgb(), Rgb()]) == Rgb()


def keyframes() -> list[Camera]:
    places = torch.tensor([[-2.0, -5.0, 0.5], [0.0, -5.0, 0.5], [2.0, -4.0, 1.0]])
    return [Camera.look_at(place, torch.zeros(3), UP, 0.8, 120, 80) for place in places]


def test_a_path_goes_through_its_keyframes_in_time():
    cameras = sharing.travel(keyframes(), 2.0, 10.0, (64, 36))
    assert len(cameras) == 20
    assert {(camera.width, camera.height) for camera in cameras} == {(64, 36)}
    for place, keyframe in ((0, 0), (-1, 2)):
        torch.testing.assert_close(cameras[place].center, keyframes()[keyframe].center, atol=1e-4, rtol=0)
        assert cameras[place].fov == pytest.approx(0.8, abs=1e-5)
    nearest = min((camera.center - keyframes()[1].center).norm().item() for camera in cameras)
    assert nearest < 0.2
    with pytest.raises(InputError, match="two keyframes"):
        sharing.travel(keyframes()[:1], 2.0, 10.0, (64, 36))


def test_a_film_has_all_its_pictures_and_says_how_far_it_is():
    av = pytest.importorskip("av")
    told = []
    cameras = sharing.travel(keyframes(), 0.5, 12.0, (64, 36))
    film = sharing.film(
        three_balls(), Rgb(), cameras, 12.0, lambda done, of: told.append((done, of)), threading.Event()
    )
    with av.open(io.BytesIO(film)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 12
    assert len(frames) == 6
    assert frames[0].shape == (36, 64, 3)
    assert told == [(done, 6) for done in range(6)]
    x, y = pixel_of(cameras[0], (0.0, 0.0, 0.0))
    assert frames[0][int(y), int(x)].argmax() == 1  # the green ball


def test_a_film_that_nobody_wants_any_more_ends():
    cancelled = threading.Event()
    cameras = sharing.travel(keyframes(), 10.0, 24.0, (64, 36))
    told = []

    def report(done: int, of: int) -> None:
        told.append(done)
        cancelled.set()

    with pytest.raises(sharing.Cancelled):
        sharing.film(three_balls(), Rgb(), cameras, 24.0, report, cancelled)
    assert told == [0]


def test_a_camera_stands_where_it_was_and_looks_ahead():
    camera = front()
    pose = sharing.standing(camera, 5.0, UP)
    torch.testing.assert_close(pose.target, torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(pose.camera(120, 80).world_to_camera, camera.world_to_camera, atol=1e-5, rtol=0)
