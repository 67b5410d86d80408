"""Films: the right number of pictures of even size, as a video that plays and as files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from semsplat.app import render
from semsplat.app.render import Film
from semsplat.splatting.errors import InputError
from semsplat.splatting.video import write_video


def frames_of(path: Path) -> list[np.ndarray]:
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].pix_fmt == "yuv420p"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize("path", ["orbit", "interpolate", "spiral"])
def test_a_video_and_its_pictures(fitted: Path, tmp_path: Path, path: str) -> None:
    film = Film(fitted, path, tmp_path / "a.mp4", tmp_path / "frames", size=51, fps=5.0, seconds=1.2, device="cpu")
    console = Console(record=True, quiet=True)
    assert render.run(film, console) == 0
    pictures = [np.asarray(Image.open(file)) for file in sorted((tmp_path / "frames").iterdir())]
    video = frames_of(tmp_path / "a.mp4")
    assert len(pictures) == len(video) == 6
    assert {picture.shape for picture in pictures} == {video[0].shape} == {(38, 52, 3)}
    assert max(picture.max() for picture in pictures) > 100  # the blobs are seen
    error = np.abs(video[3].astype(float) - pictures[3]).mean()
    assert error < 12, "the video shows the pictures"


def test_depth_keeps_its_colours_along_the_way(fitted: Path, tmp_path: Path) -> None:
    film = Film(fitted, frames=tmp_path / "depth", layer="depth", fps=4.0, seconds=1.0, device="cpu")
    render.run(film, Console(quiet=True))
    first, last = (np.asarray(Image.open(tmp_path / "depth" / f"0000{i}.png")) for i in (0, 3))
    assert first.std() > 5 and abs(float(first.mean()) - float(last.mean())) < 15


def test_what_cannot_be_rendered(fitted: Path, tmp_path: Path) -> None:
    quiet = Console(quiet=True)
    for film, text in (
        (Film(fitted), "--video"),
        (Film(fitted, video=tmp_path / "a.gif"), "written as .mp4"),
        (Film(fitted, path="zigzag", video=tmp_path / "a.mp4"), "orbit, interpolate, spiral"),
        (Film(fitted, layer="smell", video=tmp_path / "a.mp4"), "rgb or depth"),
        (Film(fitted, fps=0.0, video=tmp_path / "a.mp4"), "not possible"),
        (Film(fitted, frames=fitted), "not an empty folder"),
        (Film(tmp_path / "none", frames=tmp_path / "x"), "no scene folder"),
    ):
        with pytest.raises(InputError, match=text):
            render.run(film, quiet)
    assert not list(tmp_path.glob("*.mp4")) and not list(tmp_path.glob(".*"))


def test_a_video_cannot_be_written_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Cannot write"):
        write_video(tmp_path / "file" / "a.mp4", iter([np.zeros((4, 4, 3), np.uint8)]))
