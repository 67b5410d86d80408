"""The guard in front of the page: who may come in, and that a page which misbehaves harms no other."""

import contextlib
import http.client
import secrets
import socket
import threading
import time
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest
from pages import until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from semsplat.app import gate
from semsplat.app.browser import Server, camera_of
from semsplat.splatting.errors import InputError

TOKEN = "correct horse".replace(" ", "-")
CAMERA = {
    "type": "ViewerCameraMessage",
    "wxyz": [1.0, 0.0, 0.0, 0.0],
    "position": [0.0, 0.0, -3.0],
    "fov": 0.8,
    "near": 0.01,
    "far": 100.0,
    "image_height": 400,
    "image_width": 600,
    "look_at": [0.0, 0.0, 0.0],
    "up_direction": [0.0, -1.0, 0.0],
}


@pytest.fixture
def server():
    server = Server("127.0.0.1", 0, "test")
    yield server
    server.stop()


@pytest.fixture
def locked():
    server = Server("127.0.0.1", 0, "test", TOKEN)
    yield server
    server.stop()


class Raw:
    """A page without a browser."""

    def __init__(self, server, **options):
        headers = options.pop("headers", {})
        address = f"ws://127.0.0.1:{server.port}/"
        options = {"subprotocols": ["viser-v1.1.1"], "max_size": None, "ping_interval": None} | options
        self.socket = connect(address, additional_headers=headers, **options)

    def send(self, message):
        self.socket.send(message if isinstance(message, bytes | str) else msgspec.msgpack.encode(message))

    def closed(self, seconds=10.0):
        """Read until the server ends it; its code."""
        end = time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            while time.monotonic() < end:
                try:
                    self.socket.recv(timeout=end - time.monotonic())
                except ConnectionClosed as error:
                    return error.rcvd.code if error.rcvd else 1006
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def get(server, path="/", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body, answer.headers


def refused(server, **options):
    with pytest.raises(InvalidStatus) as error:
        Raw(server, **options)
    return error.value.response.status_code


def lives(server, already=0):
    """A well-behaved page is welcomed and its messages arrive."""
    with Raw(server) as page:
        page.send(CAMERA)
        until(lambda: len(server.viser.get_clients()) > already, 5)
        client = list(server.viser.get_clients().values())[-1]
        page.send(CAMERA | {"fov": 0.5})
        until(lambda: client.camera.fov == 0.5, 5)
        return True


def test_this_computer_needs_no_token_but_its_own_name(server):
    port = server.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"room.localhost:{port}", f"[::1]:{port}"):
        assert get(server, Host=host)[0] == 200
    for host in (f"evil.example:{port}", "127.0.0.1.evil.example", "", "[", "192.168.1.7"):
        status, body, _ = get(server, Host=host)
        assert (status, body) == (403, gate_sentence(body))


def gate_sentence(body):
    assert body.endswith(b".\n") and body.count(b"\n") == 1
    return body


def test_the_page_cannot_be_framed_by_another_site(server):
    headers = get(server)[2]
    assert headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize("fixture", ["server", "locked"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://[", "file://"])
def test_pages_of_other_sites_cannot_talk_to_it(fixture, origin, request):
    server = request.getfixturevalue(fixture)
    headers = {"Cookie": cookie(server)} if fixture == "locked" else {}
    assert refused(server, headers=headers, origin=origin) == 403
    with Raw(server, headers=headers, origin=f"http://127.0.0.1:{server.port}"):
        pass


def cookie(server):
    return get(server, f"/?token={TOKEN}")[2]["Set-Cookie"].partition(";")[0]


def test_with_a_token_the_link_lets_in_and_the_cookie_keeps_in(locked):
    assert urlsplit(locked.url).query == f"token={TOKEN}"
    for path in ("/", "/?token=", "/?token=wrong", f"/?token={TOKEN}x", "/?token=%ff%00", "/?to%6ben"):
        status, body, headers = get(locked, path)
        assert status == 401 and "Set-Cookie" not in headers
        assert body == gate.NEEDS_TOKEN.encode() and body.count(b".") == 1
    assert refused(locked) == 401

    status, body, headers = get(locked, f"/?a=b&token={TOKEN}")
    assert status == 200 and b"<html" in body
    assert headers["Set-Cookie"].endswith("; HttpOnly; SameSite=Strict; Path=/")
    assert TOKEN not in headers["Set-Cookie"] and headers["Cache-Control"] == "no-store"
    kept = cookie(locked)
    assert get(locked, Cookie=f"other=1; {kept}")[0] == 200
    with Raw(locked, headers={"Cookie": kept}) as page:
        page.send(CAMERA)
        until(lambda: locked.viser.get_clients(), 5)
    for wrong in (kept[:-1], kept.replace("semsplat", "sem"), "=;;=", "x"):
        assert get(locked, Cookie=wrong)[0] == 401


def test_behind_a_proxy_the_forwarded_host_counts(locked):
    headers = {"Cookie": cookie(locked), "X-Forwarded-Host": "splats.example"}
    with Raw(locked, headers=headers, origin="https://splats.example"):
        pass
    assert refused(locked, headers=headers, origin="https://other.example") == 403
    assert refused(locked, headers={"X-Forwarded-Host": "splats.example"}, origin="https://splats.example") == 401


def test_two_servers_have_two_tokens():
    servers = [Server("0.0.0.0", 0, "test") for _ in range(2)]
    try:
        first, second = (urlsplit(server.url).query for server in servers)
        assert first != second and len(first) > 20
        assert urlsplit(servers[0].url).hostname != "0.0.0.0"
        assert get(servers[0])[0] == 401
        assert get(servers[0], f"/?{first}")[0] == 200
        assert get(servers[1], f"/?{first}")[0] == 401
    finally:
        for server in servers:
            server.stop()


@pytest.mark.parametrize("token", ["", "short", "with a space", "tschüß-tschüß", "line\nbreak-line"])
def test_a_token_that_will_not_do_is_refused(token):
    with pytest.raises(InputError, match="at least 8 characters"):
        Server("127.0.0.1", 0, "test", token)


def test_a_viser_that_does_not_ask_the_gate_is_not_served(monkeypatch):
    monkeypatch.setattr(gate.Gate, "installed", lambda self: contextlib.nullcontext())
    with pytest.raises(InputError, match=r"cannot be guarded from strangers; install viser==1\.1\.1"):
        Server("127.0.0.1", 0, "test")


@pytest.mark.parametrize(
    "query",
    ["websocket=ws://evil.example", "a=b&playbackPath=http://evil.example/x.viser", "%77ebsocket", "websocket="],
)
def test_a_link_cannot_make_the_page_run_what_others_wrote(server, query):
    status, body, _ = get(server, f"/?{query}")
    assert (status, body) == (400, b"A link to this page may not make it load from elsewhere.\n")
    assert get(server, "/?fixedDpr=0.5&x=websocket")[0] == 200


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


@pytest.mark.parametrize("message", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_ends_only_its_own_connection(server, message, capfd):
    with Raw(server) as bad, Raw(server) as good:
        good.send(CAMERA)
        until(lambda: server.viser.get_clients(), 5)
        with contextlib.suppress(ConnectionClosed):
            for _ in range(22):
                bad.send(message)
        assert bad.closed() == 1008
        client = next(iter(server.viser.get_clients().values()))
        good.send(CAMERA | {"fov": 0.6})
        until(lambda: client.camera.fov == 0.6, 5)
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
        client = until(lambda: list(server.viser.get_clients().values()), 5)[0]
        for wrong in (float("nan"), float("inf"), -1e300):
            value = [wrong] * len(CAMERA[field]) if isinstance(CAMERA[field], list) else wrong
            page.send(CAMERA | {field: value})
        page.send(CAMERA | {"far": 77.0})
        until(lambda: client.camera.far == 77.0, 5)
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
        client = until(lambda: list(server.viser.get_clients().values()), 5)[0]
        assert camera_of(client) is None


def test_what_fails_in_a_handler_is_one_pages_affair(server, caplog):
    handle = server.viser.gui.add_slider("size", 0.0, 1.0, 0.1, 0.5)
    with Raw(server) as page:
        page.send(CAMERA)
        until(lambda: server.viser.get_clients(), 5)
        page.send({"type": "GuiUpdateMessage", "uuid": handle._impl.uuid, "updates": {"value": "a word"}})
        page.send({"type": "GuiUpdateMessage", "uuid": handle._impl.uuid, "updates": {"value": 0.75}})
        until(lambda: handle.value == 0.75, 5)
    assert lives(server)
    assert "Traceback" not in caplog.text


def test_a_flood_slows_down_only_its_own_page(server):
    with Raw(server, close_timeout=0.1) as flood, Raw(server) as good:
        good.send(CAMERA)
        client = until(lambda: list(server.viser.get_clients().values()), 5)[0]
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
            until(lambda fov=fov: client.camera.fov == fov, 5)
            slowest = max(slowest, time.monotonic() - then)
        flood.socket.close()
        thread.join(10)
    assert slowest < 2.0, (slowest, sent)


def test_only_so_many_pages_at_once(server, monkeypatch):
    monkeypatch.setattr(gate, "MOST_PAGES", 3)
    with contextlib.ExitStack() as pages:
        for _ in range(3):
            pages.enter_context(Raw(server))
        until(lambda: len(server._gate.pages) == 3, 5)
        assert refused(server) == 503
    until(lambda: not server._gate.pages, 5)
    assert lives(server)


def test_pages_that_come_all_the_time_have_to_wait(server):
    answers = []
    for _ in range(gate.MOST_PAGES + 40):
        try:
            Raw(server).socket.close()
        except InvalidStatus as error:
            answers.append(error.response.status_code)
    assert set(answers) <= {429}


def test_a_page_of_another_release_is_told_so(server, capfd):
    for options in ({"subprotocols": ["viser-v0.0.1"]}, {"subprotocols": None}):
        with Raw(server, **options) as page:
            assert page.closed() == 1002
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("queue", [True, False])
def test_a_page_that_does_not_read_is_let_go(server, monkeypatch, queue):
    if queue:
        monkeypatch.setattr(gate, "LARGEST_BACKLOG", 15_000_000)
    else:
        monkeypatch.setattr(gate, "STALLED", 2.0)
    with Raw(server, max_queue=1, close_timeout=1) as lazy, Raw(server) as good:  # nobody calls recv
        lazy.send(CAMERA)
        client = until(lambda: list(server.viser.get_clients().values()), 5)[0]
        good.send(CAMERA)
        until(lambda: len(server.viser.get_clients()) == 2, 5)
        for _ in range(15 + 15 * queue):
            server.run(client, f"/*{secrets.token_urlsafe(1_000_000)}*/")
        until(lambda: len(server.viser.get_clients()) == 1, 15)
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
        until(lambda: server.viser.get_clients(), 5)
        page.send(upload(1001, component=component))
        page.send(part(b"x" * 1001, component=component))
        until(lambda: said, 5)
        assert said[0][1] == "chair.ply is larger than 0 MB; copy it to the server and open it there."
        assert not server.viser.gui._current_file_upload_states

        page.send(upload(1000, 2, "u", component))
        page.send(part(b"x" * 600, 0, "u", component))
        page.send(part(b"y" * 400, 1, "u", component))
        until(lambda: len(button.value.content) == 1000, 5)
        assert (button.value.name, button.value.content[599:601]) == ("chair.ply", b"xy")
        assert not server._gate.checker._uploads._under_way


def test_a_file_half_sent_is_forgotten_with_its_page(server):
    button = server.viser.gui.add_upload_button("Open")
    with Raw(server) as page:
        page.send(CAMERA)
        until(lambda: server.viser.get_clients(), 5)
        page.send(upload(1000, 2, component=button._impl.uuid))
        page.send(part(b"x", component=button._impl.uuid))
        until(lambda: server.viser.gui._current_file_upload_states, 5)
    until(lambda: not server.viser.gui._current_file_upload_states, 5)
    until(lambda: not server._gate.checker._uploads._under_way, 5)
