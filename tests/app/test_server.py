"""The server behind the page, without a browser: where it listens, what it refuses, and that it stops."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from small_scenes import three_balls, views

from semsplat.app import scene
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer
from semsplat.splatting.capture.types import Frame
from semsplat.splatting.errors import InputError


@pytest.fixture
def viewer():
    viewer = Viewer(Session(three_balls(5)), port=0)
    yield viewer
    viewer.stop()


def test_it_listens_on_this_computer_only_and_says_nothing(viewer, capfd):
    url = viewer.start()
    assert url.startswith("http://127.0.0.1:")
    assert viewer.server.viser.get_host() == "127.0.0.1"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.status == 200
    viewer.stop()
    assert capfd.readouterr() == ("", "")
    assert viewer.notes == ()


@pytest.mark.parametrize(("host", "token"), [("0.0.0.0", None), ("127.0.0.1", "my-own-token")])
def test_where_others_can_come_in_the_link_holds_a_token(host, token):
    viewer = Viewer(Session(three_balls(5)), host=host, port=0, token=token)
    url = viewer.start()
    try:
        assert (token or "") in url.partition("?token=")[2]
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(url.partition("?")[0], timeout=10)
        refused.value.close()
    finally:
        viewer.stop()


@pytest.mark.slow
def test_icons_are_read_once(viewer):
    """A panel has more than the 32 that viser keeps, and each reading goes through its whole archive."""
    from viser import _gui_api, _gui_handles

    viewer.start()
    read, names = _gui_api.svg_from_icon, [f"letter-{chr(ord('a') + at)}" for at in range(26)]
    names += [f"square-{name}" for name in names]
    assert read is _gui_handles.svg_from_icon
    first = [read(name) for name in names]
    misses = read.cache_info().misses
    assert [read(name) for name in names] == first and all("<svg" in icon for icon in first)
    assert read.cache_info().misses == misses


def test_it_can_be_served_on_the_other_internet_protocol():
    viewer = Viewer(Session(three_balls(5)), host="::1", port=0)
    try:
        url = viewer.start()
    except InputError as error:
        pytest.skip(str(error))
    try:
        assert url.startswith("http://[::1]:")
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
    finally:
        viewer.stop()


def test_nobody_can_publish_the_page(viewer):
    from viser import _messages

    viewer.start()
    handlers = viewer.server.viser._websock_server._incoming_handlers
    assert _messages.ShareUrlRequest not in handlers
    assert _messages.ShareUrlDisconnect not in handlers


def test_a_host_that_is_not_ours_is_refused_at_once():
    with pytest.raises(InputError, match=r"Cannot serve on '192\.0\.2\.1' .*use 127\.0\.0\.1"):
        Viewer(Session(three_balls(5)), host="192.0.2.1").start()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(InputError, match=f"{port} is no port"):
        Viewer(Session(three_balls(5)), port=port).start()


def test_a_port_in_use_gives_way_to_the_next(viewer):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = Viewer(Session(three_balls(5)), port=port)
        assert other.start() != f"http://127.0.0.1:{port}"
        other.stop()


def test_stopping_twice_or_before_the_start_is_fine(viewer):
    viewer.stop()
    viewer.start()
    viewer.stop()
    viewer.stop()


@pytest.mark.slow
def test_the_command_serves_until_ctrl_c(tmp_path):
    folder = tmp_path / "room"
    folder.mkdir()
    frames = [Frame(view.name, view.camera, view.pixels) for view in views(tmp_path)]
    scene.write_gaussians(folder, three_balls(10))
    scene.write_cameras(folder, frames, [])
    (folder / "config.json").write_text(json.dumps({"semsplat": "0.1.0"}))
    script = "import sys; from semsplat.app.viewer import serve; serve(sys.argv[1], port=0)"
    command = [sys.executable, "-u", "-c", script, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            with urllib.request.urlopen(line.split()[0], timeout=30) as answer:
                assert answer.status == 200
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=60)
        finally:
            process.kill()  # or a failure would wait for it for ever
    assert (process.returncode, rest, errors) == (0, "", "")
