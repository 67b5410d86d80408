"""Frames of videos: spread over the motion, sharp, upright; what is no video is said."""

import av
import numpy as np
import pytest
from PIL import Image, ImageFilter

from semsplat.splatting.capture import video_frames
from semsplat.splatting.errors import InputError
from semsplat.splatting.video import write_video

RANDOM = np.random.default_rng(0)
WALL = Image.fromarray(RANDOM.integers(0, 256, (20, 130, 3)).astype(np.uint8)).resize(
    (1040, 160), Image.Resampling.BICUBIC
)


def seen(at: float, blur: float = 0.0) -> np.ndarray:
    """What a camera sees that stands before a long wall."""
    view = WALL.crop((round(at), 0, round(at) + 240, 160))
    return np.asarray(view.filter(ImageFilter.GaussianBlur(blur)) if blur else view)


def chosen(path, tmp_path, wanted=None) -> list[int]:
    said = []
    frames = video_frames.frames(path, wanted, tmp_path / "frames", lambda *_: None, said.append)
    return [int(name.removeprefix("frame_").removesuffix(".jpg")) for name, _ in frames]


def test_motion_is_measured_in_parts_of_the_picture():
    for step in (1, 2, 4):
        pictures = [np.asarray(Image.fromarray(seen(at)).convert("L").resize((120, 80))) for at in (100, 100 + step)]
        assert video_frames.flow(*pictures) == pytest.approx(step / 240, rel=0.5)
    assert video_frames.flow(pictures[0], np.minimum(pictures[0] + 9.0, 255).astype(np.uint8)) < 0.002


@pytest.mark.slow
def test_frames_are_spread_over_the_motion_and_sharp(tmp_path):
    """The camera stands, goes, stands; every third frame on the way is blurred."""
    places = [0.0] * 20 + [4.0 * i for i in range(1, 61)] + [240.0] * 20
    pictures = (seen(at, 3.0 if 20 <= i < 80 and i % 3 else 0.0) for i, at in enumerate(places))
    write_video(tmp_path / "walk.mp4", pictures)
    found = chosen(tmp_path / "walk.mp4", tmp_path, 20)
    assert 17 <= len(found) <= 20 and found == sorted(found)
    assert sum(20 <= number < 80 for number in found) >= len(found) - 3  # not those where it stood
    assert all(number % 3 == 0 for number in found if 20 <= number < 80)
    went = np.diff([places[number] for number in found])
    assert went.max() < 3 * 240 / 20


def test_the_number_goes_by_the_motion_when_none_is_asked_for():
    assert len(video_frames.choose(np.full(1000, 0.001), np.ones(1000))) == video_frames.LEAST
    assert len(video_frames.choose(np.full(1000, 0.005), np.ones(1000))) == pytest.approx(100, abs=1)
    assert len(video_frames.choose(np.full(1000, 0.05), np.ones(1000))) == video_frames.MOST
    assert video_frames.choose(np.zeros(5), np.ones(5), 3).tolist() == [0, 2, 3]  # no motion: over the time
    assert len(video_frames.choose(np.zeros(2), np.ones(2))) == 2


@pytest.mark.parametrize(("rotation", "corner"), [(0, (0, 0)), (90, (1, 0)), (-90, (0, 1)), (180, (1, 1))])
def test_rotation_in_the_header_is_honoured(tmp_path, rotation, corner):
    """The display matrix says how far the picture is turned to the left; the bright corner goes with it."""
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(rotation)
        for number in range(3):
            picture = np.full((64, 96, 3), 40 + number, np.uint8)
            picture[:16, :16] = 250
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    (_, file), *_ = video_frames.frames(path, 2, tmp_path / "frames", lambda *_: None, lambda text: None)
    picture = np.asarray(Image.open(file).convert("L"))
    assert picture.shape == ((96, 64) if rotation in (90, -90) else (64, 96))
    bottom, right = (-8 if side else 8 for side in corner)
    assert picture[bottom, right] > 200 and (picture > 200).mean() < 0.1


def test_frames_are_made_once(tmp_path):
    path = tmp_path / "walk.mp4"
    write_video(path, (seen(6.0 * i) for i in range(12)))
    first = chosen(path, tmp_path, 5)
    stages = []
    again = video_frames.frames(path, 5, tmp_path / "frames", lambda *told: stages.append(told), print)
    assert not stages and [int(name[6:-4]) for name, _ in again] == first
    assert len(chosen(path, tmp_path, 3)) == 3


def refused(path, tmp_path) -> str:
    with pytest.raises(InputError) as error:
        chosen(path, tmp_path)
    return str(error.value).replace(str(tmp_path), "HERE")


def test_what_is_no_video_is_said(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("no video at all\n" * 50)
    assert refused(text, tmp_path).startswith("Cannot read video HERE/text.mp4: ")
    empty = tmp_path / "empty.mov"
    empty.touch()
    assert refused(empty, tmp_path).startswith("Cannot read video HERE/empty.mov: ")
    write_video(tmp_path / "one.mp4", [seen(0)])
    assert refused(tmp_path / "one.mp4", tmp_path) == (
        "HERE/one.mp4 has one frame; a scene needs many, from different places."
    )
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        for _ in range(4):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 44100
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert refused(sound, tmp_path) == (
        "HERE/sound.mp4 has no pictures (only audio); give a video, or a folder of photos."
    )


def test_a_video_that_breaks_off_is_used_as_far_as_it_goes(tmp_path):
    path = tmp_path / "long.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"g": "4"})
        stream.width, stream.height, stream.pix_fmt = 240, 160, "yuv420p"
        for number in range(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(seen(6.0 * number))))
        container.mux(stream.encode(None))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    found = chosen(path, tmp_path, 8)
    assert 3 <= len(found) <= 8 and max(found) < 30
