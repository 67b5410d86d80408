"""Who the guard in front of the page lets in."""

import contextlib
import http.client
from urllib.parse import urlsplit

import pytest
from pages import until
from raw_page import CAMERA, Raw, refused

from semsplat.app import gate
from semsplat.app.browser import Server
from semsplat.splatting.errors import InputError

TOKEN = "correct-horse"


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
        until(lambda: locked.viser.get_clients())
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
