"""A page that floods, sends nonsense or does not read harms no other page."""

import contextlib
import secrets
import socket
import threading
import time

import msgspec
import numpy as np
import pytest
from pages import until
from raw_page import CAMERA, Raw, lives, refused
from websockets.exceptions import ConnectionClosed, InvalidStatus

from semsplat.app import gate
from semsplat.app.browser import Server, camera_of


@pytest.fixture
def server():
    server = Server("127.0.0.1", 0, "test")
    yield server
    server.stop()


NONSENSE = {
    "text": "hello",
    "no bytes": b"",
    "no message pack": b"\xc1" * 50,
    "no message": msgspec.msgpack.encode([1, 2, 3]),
    "unknown": {"type": "Nothing"},
    "for pages only": {"type": "RunJavascriptMessage", "source": "alert(1)"},
    "wrong types": CAMERA | {"position": "here"},
    "too few": CAMERA | {"position": [0.0]},
    "huge": CAMERA | {"fov": "x" * 100_000},
    "deep": b"\x83\xa4type\xb0GuiUpdateMessage\xa4uuid\xa1a\xa7updates\x81\xa5value" + b"\x91" * 50_000 + b"\xc0",
    "attribute": {"type": "GuiUpdateMessage", "uuid": "a", "updates": {"removed": True}},
    "upload": {
        "type": "FileTransferStartUpload", "source_component_uuid": "a", "transfer_uuid": "b",
        "filename": "c", "mime_type": "", "part_count": -1, "size_bytes": 5,
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("message", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_ends_only_its_own_connection(server, message, capfd):
    with Raw(server) as bad, Raw(server) as good:
        good.send(CAMERA)
        until(lambda: server.viser.get_clients())
        with contextlib.suppress(ConnectionClosed):
            for _ in range(22):
                bad.send(message)
        assert bad.closed() == 1008
        client = next(iter(server.viser.get_clients().values()))
        good.send(CAMERA | {"fov": 0.6})
        until(lambda: client.camera.fov == 0.6)
    assert lives(server)
    assert capfd.readouterr() == ("", "")


def test_broken_requests_leave_no_trace(server, capfd):
    broken = [b"\x00\xff" * 200, b"GET / HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    broken += [b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", b"GET /" + b"a" * 100_000, b""]
    for request in broken:
        with socket.create_connection(("127.0.0.1", server.port)) as stranger:
            stranger.sendall(request)
            stranger.shutdown(socket.SHUT_WR)
            stranger.settimeout(5)
            with contextlib.suppress(ConnectionError):
                assert b"200 OK" not in stranger.recv(4096)
    assert lives(server)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("field", ["position", "wxyz", "fov", "look_at", "near"])
def test_a_camera_that_is_no_number_never_arrives(server, field):
    with Raw(server) as page:
        page.send(CAMERA)
        client = until(lambda: list(server.viser.get_clients().values()))[0]
        for wrong in (float("nan"), float("inf"), -1e300):
            value = [wrong] * len(CAMERA[field]) if isinstance(CAMERA[field], list) else wrong
            page.send(CAMERA | {field: value})
        page.send(CAMERA | {"far": 77.0})
        until(lambda: client.camera.far == 77.0)
        assert np.isfinite(client.camera.position).all()
        assert camera_of(client) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"wxyz": [0.0, 0.0, 0.0, 0.0]},
        {"wxyz": [1e9, 0.0, 0.0, 0.0]},
        {"fov": 0.0},
        {"fov": -1.0},
        {"fov": 3.2},
        {"image_width": 2**40},
        {"image_height": 0},
        {"image_width": -5},
        {"position": [1e14, 0.0, 0.0]},
    ],
    ids=str,
)
def test_a_camera_that_is_none_is_none(server, change):
    with Raw(server) as page:
        page.send(CAMERA | change)
        client = until(lambda: list(server.viser.get_clients().values()))[0]
        assert camera_of(client) is None


def test_what_fails_in_a_handler_is_one_pages_affair(server, caplog):
    handle = server.viser.gui.add_slider("size", 0.0, 1.0, 0.1, 0.5)
    with Raw(server) as page:
        page.send(CAMERA)
        until(lambda: server.viser.get_clients())
        page.send({"type": "GuiUpdateMessage", "uuid": handle._impl.uuid, "updates": {"value": "a word"}})
        page.send({"type": "GuiUpdateMessage", "uuid": handle._impl.uuid, "updates": {"value": 0.75}})
        until(lambda: handle.value == 0.75)
    assert lives(server)
    assert "Traceback" not in caplog.text


@pytest.mark.slow
def test_a_flood_slows_down_only_its_own_page(server):
    with Raw(server, close_timeout=0.1) as flood, Raw(server) as good:
        good.send(CAMERA)
        client = until(lambda: list(server.viser.get_clients().values()))[0]
        end, sent = time.monotonic() + 3.0, 0

        def pour():
            nonlocal sent
            with contextlib.suppress(ConnectionClosed, OSError):
                while time.monotonic() < end:
                    flood.send(CAMERA)
                    sent += 1

        thread = threading.Thread(target=pour, daemon=True)
        thread.start()
        slowest = 0.0
        for step in range(20):
            fov = 0.5 + 0.01 * step
            then = time.monotonic()
            good.send(CAMERA | {"fov": fov})
            until(lambda fov=fov: client.camera.fov == fov)
            slowest = max(slowest, time.monotonic() - then)
        flood.socket.close()
        thread.join(10)
    assert slowest < 2.0, (slowest, sent)


@pytest.mark.slow
@pytest.mark.parametrize("frame", [b"\x89\x81\0\0\0\0x", b"\x82\x80\0\0\0\0"], ids=["pings", "empty"])
def test_a_flood_of_tiny_frames_ends(server, frame, capfd):
    with Raw(server, close_timeout=0.1) as page:
        with contextlib.suppress(OSError):
            for _ in range(200):
                page.socket.socket.sendall(frame * 1000)
        assert page.closed() in (1006, 1008)
    assert lives(server)
    assert capfd.readouterr() == ("", "")


def test_only_so_many_pages_at_once(server, monkeypatch):
    monkeypatch.setattr(gate, "MOST_PAGES", 3)
    with contextlib.ExitStack() as pages:
        for _ in range(3):
            pages.enter_context(Raw(server))
        until(lambda: len(server._gate.pages) == 3)
        assert refused(server) == 503
    until(lambda: not server._gate.pages)
    assert lives(server)


@pytest.mark.slow
def test_pages_that_come_all_the_time_have_to_wait(server):
    answers = []
    for _ in range(gate.ARRIVALS + 40):
        try:
            Raw(server).socket.close()
        except InvalidStatus as error:
            answers.append(error.response.status_code)
    assert set(answers) == {429}
    time.sleep(0.4)
    assert lives(server)


def test_a_page_of_another_release_is_told_so(server, capfd):
    for options in ({"subprotocols": ["viser-v0.0.1"]}, {"subprotocols": None}):
        with Raw(server, **options) as page:
            assert page.closed() == 1002
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("queue", [True, False])
def test_a_page_that_does_not_read_is_let_go(server, monkeypatch, queue):
    if queue:
        monkeypatch.setattr(gate, "LARGEST_BACKLOG", 15_000_000)
    else:
        monkeypatch.setattr(gate, "STALLED", 2.0)
    with Raw(server, max_queue=1, close_timeout=1) as lazy, Raw(server) as good:  # nobody calls recv
        lazy.send(CAMERA)
        client = until(lambda: list(server.viser.get_clients().values()))[0]
        good.send(CAMERA)
        until(lambda: len(server.viser.get_clients()) == 2)
        for _ in range(15 + 15 * queue):
            server.run(client, f"/*{secrets.token_urlsafe(1_000_000)}*/")
        until(lambda: len(server.viser.get_clients()) == 1)
        assert client.client_id not in server.viser.get_clients()
    assert lives(server)


def upload(size, parts=1, transfer="t", component="c"):
    return {
        "type": "FileTransferStartUpload",
        "source_component_uuid": component,
        "transfer_uuid": transfer,
        "filename": "chair.ply",
        "mime_type": "",
        "part_count": parts,
        "size_bytes": size,
    }


def part(content, index=0, transfer="t", component="c"):
    return {
        "type": "FileTransferPart",
        "source_component_uuid": component,
        "transfer_uuid": transfer,
        "part_index": index,
        "content": content,
    }


def test_a_file_that_is_too_large_is_refused_in_words(server, monkeypatch):
    said = []
    monkeypatch.setattr("semsplat.app.browser.notify", lambda client, title, text: said.append((title, text)))
    button = server.viser.gui.add_upload_button("Open")
    component = button._impl.uuid
    server._gate.checker._uploads.largest = 1000
    with Raw(server) as page:
        page.send(CAMERA)
        until(lambda: server.viser.get_clients())
        page.send(upload(1001, component=component))
        page.send(part(b"x" * 1001, component=component))
        until(lambda: said)
        assert said[0][1] == "chair.ply is larger than 0 MB; copy it to the server and open it there."
        assert not server.viser.gui._current_file_upload_states

        page.send(upload(1000, 2, "u", component))
        page.send(part(b"x" * 600, 0, "u", component))
        page.send(part(b"y" * 400, 1, "u", component))
        until(lambda: len(button.value.content) == 1000)
        assert (button.value.name, button.value.content[599:601]) == ("chair.ply", b"xy")
        assert not server._gate.checker._uploads._under_way


def test_a_file_half_sent_is_forgotten_with_its_page(server):
    button = server.viser.gui.add_upload_button("Open")
    with Raw(server) as page:
        page.send(CAMERA)
        until(lambda: server.viser.get_clients())
        page.send(upload(1000, 2, component=button._impl.uuid))
        page.send(part(b"x", component=button._impl.uuid))
        until(lambda: server.viser.gui._current_file_upload_states)
    until(lambda: not server.viser.gui._current_file_upload_states)
    until(lambda: not server._gate.checker._uploads._under_way)
