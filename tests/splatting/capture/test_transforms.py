"""transforms.json in all its dialects: known points must fall on known pixels, and nonsense ends in a sentence."""

import json
import math

import numpy as np
import pytest
from made_captures import Made, dots
from PIL import Image

from semsplat.splatting.capture import load, prepare
from semsplat.splatting.errors import InputError
from semsplat.splatting.plyio import write_vertices

BROWN = {"k1": 0.25, "k2": -0.08, "p1": 0.02, "p2": -0.015}


def brown(x, y, k1=0.25, k2=-0.08, p1=0.02, p2=-0.015):
    r2 = x**2 + y**2
    radial = 1 + k1 * r2 + k2 * r2**2
    return x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2), y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y


def fisheye(x, y, k=(0.05, -0.02, 0.004, -0.001)):
    r = np.hypot(x, y)
    theta = np.arctan(r)
    bent = theta * (1 + k[0] * theta**2 + k[1] * theta**4 + k[2] * theta**6 + k[3] * theta**8)
    return x * bent / r, y * bent / r


def refused(made, **meta) -> str:
    path = made.write(**meta)
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value).startswith(str(path)), error.value
    return str(error.value)[len(str(path)) :]


def test_shared_pinhole(made, tmp_path, check_dots):
    made.write_pictures()
    made.write()
    capture = load(made.folder)
    assert [p.name for p in capture.photos] == ["images/0.png", "images/1.png", "images/2.png"]
    assert capture.notes == () and capture.points.shape == (0, 3)
    frames = prepare(capture, tmp_path / "cache")
    assert check_dots(frames, made.points) > 12
    assert (frames[0].camera.width, frames[0].camera.height) == (made.width, made.height)


@pytest.mark.parametrize(
    ("bend", "meta"),
    [
        (brown, {"camera_model": "OPENCV", **BROWN}),
        (brown, BROWN),
        (fisheye, {"camera_model": "OPENCV_FISHEYE", "k1": 0.05, "k2": -0.02, "k3": 0.004, "k4": -0.001}),
        (fisheye, {"is_fisheye": True, "k1": 0.05, "k2": -0.02, "k3": 0.004, "k4": -0.001}),
        (lambda x, y: brown(x, y, 0.2, 0, 0, 0), {"camera_model": "SIMPLE_RADIAL", "k1": 0.2}),
        (lambda x, y: brown(x, y, -0.15, 0, 0, 0), {"distortion_params": [-0.15, 0, 0, 0, 0, 0]}),
    ],
)
def test_distorted_pictures_become_pinhole(made, tmp_path, check_dots, bend, meta):
    made.write_pictures(bend)
    made.write(made.lens() | meta)
    frames = prepare(load(made.folder), tmp_path / "cache")
    assert check_dots(frames, made.points) > 12
    expected = np.concatenate([made.pixels(i) for i in range(3)]) - np.concatenate(
        [made.pixels(i, bend) for i in range(3)]
    )
    assert np.abs(expected).max() > 1  # the distortion is one that this test can see


def test_distortion_per_frame_overrides(made, tmp_path, check_dots):
    made.write_pictures(brown)
    frames = [f | BROWN | made.lens() for f in made.frames()]
    wrong = {"w": 10, "h": 20, "fl_x": 1.0, "fl_y": 2.0, "cx": 3.0, "cy": 4.0, "k1": 5.0, "k3": 0.0}
    made.write(wrong, frames=frames)
    assert check_dots(prepare(load(made.folder), tmp_path / "cache"), made.points) > 12


@pytest.mark.slow
def test_resolution_scales_camera_and_picture(tmp_path, check_dots):
    made = Made(tmp_path / "set", 640, 480, 600.0, 560.0, 330.0, 230.0)
    for view in range(made.views):  # dots that survive a size four times smaller
        path = made.folder / made.name(view)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(dots(made.pixels(view, brown), 640, 480, 3.5)).save(path)
    made.write(made.lens() | BROWN)
    for resolution in (171, 333):
        frames = prepare(load(made.folder), tmp_path / "cache", resolution)
        assert max(frames[0].camera.width, frames[0].camera.height) == resolution
        assert check_dots(frames, made.points) > 12


def test_defaults_center_and_one_focal_length(made, tmp_path, check_dots):
    made.cx, made.cy, made.fy = made.width / 2, made.height / 2, made.fx
    made.write_pictures()
    made.write({"fl_x": made.fx})
    assert check_dots(prepare(load(made.folder), tmp_path / "cache"), made.points) > 12


def test_instant_ngp_angles(made, tmp_path, check_dots):
    made.cx, made.cy = made.width / 2, made.height / 2
    angles = [2 * math.atan(0.5 * side / f) for side, f in ((made.width, made.fx), (made.height, made.fy))]
    made.write_pictures()
    made.write({"camera_angle_x": angles[0], "camera_angle_y": angles[1], "aabb_scale": 16, "scale": 0.33})
    assert check_dots(prepare(load(made.folder), tmp_path / "cache"), made.points) > 12


@pytest.mark.parametrize("own", ["one length", "an angle"])
def test_a_frame_that_states_one_focal_length_means_both(made, tmp_path, check_dots, own):
    made.cx, made.cy, made.fy = made.width / 2, made.height / 2, made.fx
    made.write_pictures()
    angle = 2 * math.atan(0.5 * made.width / made.fx)
    focal = {"fl_x": made.fx} if own == "one length" else {"camera_angle_x": angle}
    shared = {"w": made.width, "h": made.height, "fl_x": 3.0, "fl_y": 4.0, "camera_angle_y": 0.1}
    made.write(shared, frames=[frame | focal for frame in made.frames()])
    assert check_dots(prepare(load(made.folder), tmp_path / "cache"), made.points) > 12


def test_phone_pictures_that_exif_lays_on_their_side(made, tmp_path, check_dots):
    """Stated upright, stored lying: turned. Stated as stored: not turned."""
    made.write_pictures()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to look at it
    for view in range(made.views):
        path = made.folder / made.name(view)
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    made.write()
    capture = load(made.folder)
    assert capture.notes == ()
    assert check_dots(prepare(capture, tmp_path / "cache"), made.points) > 12
    made.write_pictures()
    for view in range(made.views):
        path = made.folder / made.name(view)
        Image.open(path).save(path, exif=exif)
    capture = load(made.folder)
    assert capture.notes == ()
    assert check_dots(prepare(capture, tmp_path / "cache"), made.points) > 12


def test_blender(made, tmp_path, check_dots):
    """No size, no extension, alpha, and three files."""
    made.cx, made.cy, made.fy = made.width / 2, made.height / 2, made.fx
    made.name = lambda view: f"train/r_{view}.png"
    made.write_pictures()
    angle = {"camera_angle_x": 2 * math.atan(0.5 * made.width / made.fx)}
    for view in range(3):
        path = made.folder / made.name(view)
        picture = Image.open(path).convert("RGBA")
        picture.putalpha(Image.fromarray(np.tile(np.arange(160, dtype=np.uint8), (120, 1))))
        picture.save(path)
    frames = [f | {"file_path": "./" + f["file_path"].removesuffix(".png"), "rotation": 0.1} for f in made.frames()]
    made.write(angle, "transforms_train.json", frames=frames[:2])
    made.write(angle, "transforms_test.json", frames=frames[2:])
    made.write(angle, "transforms_val.json", frames=[{"file_path": "never read"}])
    capture = load(made.folder)
    assert [p.held_out for p in capture.photos] == [False, False, True]
    prepared = prepare(capture, tmp_path / "cache")
    assert check_dots(prepared, made.points) > 12
    assert all(f.background for f in prepared)
    assert (prepared[0].read()[5, :, 3].numpy() == np.arange(160)).all()


def test_points_are_in_the_frame_of_the_poses(made):
    """nerfstudio applied applied_transform to both; it must not be applied again."""
    made.write_pictures()
    colors = np.arange(36, dtype=np.uint8).reshape(12, 3)
    columns = {n: made.points[:, i].astype("f4") for i, n in enumerate("xyz")}
    columns |= {n: colors[:, i] for i, n in enumerate(("red", "green", "blue"))}
    write_vertices(made.folder / "sparse_pc.ply", columns)
    made.write(
        ply_file_path="sparse_pc.ply",
        **made.lens(),
        applied_transform=[[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0]],
        applied_scale=0.5,
    )
    capture = load(made.folder)
    np.testing.assert_allclose(capture.points.numpy(), made.points, atol=1e-6)
    np.testing.assert_allclose(capture.colors.numpy(), colors / 255, atol=1e-6)
    photo = capture.photos[1]
    seen = capture.points.double() @ photo.world_to_camera.double()[:3, :3].T + photo.world_to_camera.double()[:3, 3]
    u = photo.lens.fx * seen[:, 0] / seen[:, 2] + photo.lens.cx
    v = photo.lens.fy * seen[:, 1] / seen[:, 2] + photo.lens.cy
    np.testing.assert_allclose(np.stack([u, v], 1), made.pixels(1), atol=1e-3)


def test_points_that_are_gone_or_not_finite(made):
    made.write_pictures()
    made.write(ply_file_path="gone.ply")
    assert load(made.folder).notes == ("The points gone.ply do not exist; fitting begins without them.",)
    (made.folder / "gone.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
        "1 2 3\nnan 2 3\n"
    )
    capture = load(made.folder)
    assert capture.points.tolist() == [[1, 2, 3]] and capture.colors.tolist() == [[0.5, 0.5, 0.5]]
    assert capture.notes == ("1 sparse points are not finite and were left out.",)


@pytest.mark.parametrize(
    ("stated", "file"),
    [
        ("images/a", "images/a.JPG"),
        ("images/a", "images/a.webp"),
        ("images\\a.jpg", "images/a.jpg"),
        ("/home/somebody/set/images/a.jpg", "images/a.jpg"),
        ("C:\\photos\\set\\images\\a.jpg", "images/a.jpg"),
        ("/elsewhere/a.jpeg", "images/a.jpeg"),
        ("../set/images/a.jpg", "images/a.jpg"),
        ("./a.b.c", "a.b.c.png"),
    ],
)
def test_pictures_are_found(made, stated, file):
    made.write_pictures()
    (made.folder / made.name(0)).unlink()
    Image.new("RGB", (made.width, made.height)).save(made.folder / file)
    frames = made.frames()
    frames[0]["file_path"] = stated
    made.write(frames=frames)
    capture = load(made.folder)
    assert (made.folder / file).resolve() in [p.path.resolve() for p in capture.photos] and len(capture.photos) == 3


def test_missing_pictures_are_counted(made):
    made.write_pictures()
    (made.folder / made.name(1)).unlink()
    made.write()
    capture = load(made.folder)
    assert [p.name for p in capture.photos] == ["images/0.png", "images/2.png"]
    assert capture.notes == ("1 of 3 pictures do not exist and were left out: images/1.png.",)
    (made.folder / made.name(2)).unlink()
    with pytest.raises(InputError, match="Only 1 photo can be used"):
        load(made.folder)
    (made.folder / made.name(0)).unlink()
    with pytest.raises(InputError) as error:
        load(made.folder)
    assert str(error.value) == ("None of the 3 pictures that the source names exists, for instance 'images/0.png'.")


def test_pictures_of_another_size(made, tmp_path, check_dots):
    made.write_pictures()
    twice = {k: 2 * v for k, v in made.lens().items()}
    made.write(twice)
    capture = load(made.folder)
    assert capture.notes == ("3 photos not of the stated size: the lens was scaled to the file.",)
    assert check_dots(prepare(capture, tmp_path / "cache"), made.points) > 12


def test_pictures_of_another_shape_are_left_out(made):
    made.write_pictures()
    Image.new("RGB", (120, 160)).save(made.folder / made.name(2))
    made.write()
    capture = load(made.folder)
    assert len(capture.photos) == 2
    assert capture.notes == ("1 photo left out, its shape is not the stated one: images/2.png.",)


def test_listed_splits_and_order(made):
    made.name = lambda view: f"images/frame_{9 + view}.png"
    made.write_pictures()
    made.write(
        **made.lens(),
        train_filenames=["./images/frame_9.png", "images/frame_11.png"],
        test_filenames=["images/frame_10.png"],
    )
    capture = load(made.folder)
    assert [p.name for p in capture.photos] == [f"images/frame_{n}.png" for n in (9, 10, 11)]
    assert [p.held_out for p in capture.photos] == [False, True, False]


def test_frames_named_twice(made):
    made.write_pictures()
    frames = made.frames()
    made.write(frames=[*frames, frames[0]])
    capture = load(made.folder)
    assert len(capture.photos) == 3
    assert capture.notes == ("1 frames name a picture a second time and were left out.",)
    text = refused(made, frames=[*frames, frames[1] | {"file_path": "images/0.png"}])
    assert text == " names 'images/0.png' twice with different poses; keep one of them."


def test_masks_by_name_and_by_folder(made, tmp_path):
    made.write_pictures()
    mask = np.zeros((120, 160), np.uint8)
    mask[:, :80] = 255
    (made.folder / "masks").mkdir()
    Image.fromarray(mask).save(made.folder / "masks" / "one.png")
    frames = made.frames()
    frames[0]["mask_path"] = "masks/one.png"
    frames[1]["mask_path"] = "masks/gone.png"
    made.write(frames=frames)
    capture = load(made.folder)
    assert [p.mask_path and p.mask_path.name for p in capture.photos] == ["one.png", None, None]
    assert capture.notes == ("1 masks do not exist; their photos are used whole.",)
    ready = prepare(capture, tmp_path / "cache")
    assert ready[0].read().shape == (120, 160, 4) and ready[1].read().shape == (120, 160, 3)
    assert not ready[0].background
    np.testing.assert_array_equal(ready[0].read()[..., 3], mask)
    frames[0]["mask_path"] = "masks/gone.png"
    path = made.write(frames=frames)
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value) == f"None of the 2 masks that {path} names exists; remove 'mask_path' or give them."


@pytest.mark.parametrize("name", ["{}.png.png", "{}.png", "{}_mask.png", "{}.JPG", "00{}.png"])
def test_masks_folder_dialects(made, name):
    made.write_pictures()
    made.write()
    (made.folder / "masks").mkdir()
    for view in range(2):
        Image.new("L", (160, 120), 255).save(made.folder / "masks" / name.format(view))
    capture = load(made.folder)
    assert [p.mask_path is not None for p in capture.photos] == [True, True, False]
    assert capture.notes == ("2 of 3 photos have a mask in masks/: white is kept.",)


def test_a_masks_folder_of_other_things(made):
    made.write_pictures()
    made.write()
    (made.folder / "masks").mkdir()
    Image.new("L", (160, 120), 255).save(made.folder / "masks" / "other.png")
    assert load(made.folder).notes == ("The folder masks/ has no file named like a photo and is not used.",)


def test_scaled_poses_lose_their_scale(made):
    made.write_pictures()
    made.write()
    expected = [p.world_to_camera for p in load(made.folder).photos]
    frames = made.frames()
    for frame, pose in zip(frames, made.poses, strict=True):
        scaled = pose.copy()
        scaled[:3, :3] *= 2.5
        frame["transform_matrix"] = scaled[:3].tolist()  # 3 x 4 is understood too
    made.write(frames=frames)
    capture = load(made.folder)
    for photo, matrix in zip(capture.photos, expected, strict=True):
        np.testing.assert_allclose(photo.world_to_camera, matrix, atol=1e-5)
    assert capture.notes == ("The poses carry a scale of 2.5, which was removed from their rotations.",)


def bad_pose(change):
    pose = np.eye(4)
    change(pose)
    return pose.tolist()


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        (
            bad_pose(lambda p: p.__setitem__((slice(0, 3), 0), 0)),
            ", 'images/1.png' has a singular pose; remove the frame or mend it.",
        ),
        (np.zeros((4, 4)).tolist(), ", 'images/1.png' has a singular pose; remove the frame or mend it."),
        (
            bad_pose(lambda p: p.__setitem__((0, 3), math.nan)),
            ", 'images/1.png' has a pose with numbers that are not finite; remove the frame or mend it.",
        ),
        (
            bad_pose(lambda p: p.__setitem__((0, 0), -1)),
            ", 'images/1.png' has a mirrored pose (determinant -1); mend it.",
        ),
        (
            bad_pose(lambda p: p.__setitem__((0, 0), 2)),
            ", 'images/1.png' has a pose that is not rigid (its axes are stretched by 2, 1, 1); mend it.",
        ),
        ([[1, 2], [3, 4]], ", 'images/1.png' has no 'transform_matrix' of 4 x 4 numbers."),
        ("a pose", ", 'images/1.png' has no 'transform_matrix' of 4 x 4 numbers."),
        (None, ", 'images/1.png' has no 'transform_matrix' of 4 x 4 numbers."),
    ],
)
def test_bad_poses(made, matrix, sentence):
    made.write_pictures()
    frames = made.frames()
    frames[1]["transform_matrix"] = matrix
    assert refused(made, frames=frames) == sentence


@pytest.mark.parametrize(
    ("meta", "sentence"),
    [
        ({}, ", 'images/0.png' has no focal length; give fl_x or camera_angle_x."),
        ({"fl_x": "wide"}, ", 'images/0.png' has fl_x = 'wide', which is not a number."),
        ({"fl_x": math.nan}, ", 'images/0.png' has fl_x = nan, which is not finite."),
        ({"fl_x": -3}, ", 'images/0.png' states the focal lengths -3, -3; both must be positive and finite."),
        ({"fl_x": 9, "w": 0, "h": 3}, ", 'images/0.png' states a picture of 0 x 3 pixels; both must be positive."),
        (
            {"camera_angle_x": 0},
            ", 'images/0.png' states the focal lengths nan, nan; both must be positive and finite.",
        ),
        (
            {"fl_x": 9, "camera_model": "EQUIRECTANGULAR"},
            ", 'images/0.png' has the camera model EQUIRECTANGULAR, "
            "which is not supported; undistort the photos first.",
        ),
        (
            {"fl_x": 9, "k4": 0.5},
            ", 'images/0.png' has k4 = 0.5 with OPENCV, which readers understand differently; "
            "say FULL_OPENCV or undistort the photos first.",
        ),
    ],
)
def test_bad_lenses(made, meta, sentence):
    made.write_pictures()
    assert refused(made, meta=meta) == sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "{} is not JSON: Expecting property name"),
        ("[1, 2]", "{} has no list 'frames'; give a transforms.json of nerfstudio, instant-ngp or Blender."),
        ('{"frames": 3}', "{} has no list 'frames'; give a transforms.json of nerfstudio, instant-ngp or Blender."),
        ('{"frames": []}', "{} has no frames; fitting a scene needs at least two views."),
        ('{"frames": [{}]}', "{}, frame 0 has no 'file_path'."),
        ('{"frames": [7]}', "{}, frame 0 has no 'file_path'."),
        ("[" * 100_000, "{} is not JSON: "),
        ("\x00\xff", "{} is not JSON: "),
    ],
)
def test_bad_files(tmp_path, text, sentence):
    path = tmp_path / "transforms.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value).startswith(sentence.format(path))


def test_sources_that_are_none(tmp_path):
    def sentence(source):
        with pytest.raises(InputError) as error:
            load(source)
        return str(error.value).replace(str(tmp_path), "HERE")

    assert sentence(tmp_path / "none") == "HERE/none does not exist."
    assert sentence(tmp_path) == "HERE holds no photos, no transforms.json and no COLMAP project."
    (tmp_path / "a.nef").touch()
    assert sentence(tmp_path) == ("HERE holds 1 RAW photos; RAW is not read; develop the photos to JPEG or PNG first.")
    assert sentence(tmp_path / "a.nef").startswith("HERE/a.nef is a RAW photo; RAW is not read;")
    (tmp_path / "a.nef").unlink()
    (tmp_path / "clip.MP4").touch()
    assert sentence(tmp_path) == "HERE holds no photos but a video; give the file itself: HERE/clip.MP4"
    assert (
        sentence(tmp_path / "clip.MP4")
        == "HERE/clip.MP4 has no poses; semsplat train HERE/clip.MP4 -o FOLDER finds them."
    )
    (tmp_path / "a.txt").touch()
    assert sentence(tmp_path / "a.txt").startswith("HERE/a.txt is no capture; give a folder of photos, a video, ")
    (tmp_path / "images").mkdir()
    for name in ("a.jpg", "b.PNG"):
        (tmp_path / "images" / name).touch()
    assert sentence(tmp_path) == "HERE has no poses; semsplat train HERE -o FOLDER finds them."
    assert sentence(tmp_path / "images" / "a.jpg").startswith("HERE/images/a.jpg is one photo;")


def test_json_with_a_byte_order_mark(made):
    made.write_pictures()
    path = made.write()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(load(path).photos) == 3
    assert json.loads(path.read_text("utf-8-sig"))["frames"]
