"""The guard as people and other web sites meet it: in a real browser."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from pages import new_context, until
from small_scenes import three_balls

from semsplat.app.browser import Server
from semsplat.app.session import Session
from semsplat.app.viewer import Viewer

pytestmark = pytest.mark.browser

FOREIGN = """<script>
  window.said = "";
  const socket = new WebSocket("ws://127.0.0.1:%d/", ["viser-v1.1.1"]);
  socket.onopen = () => { window.said += "open "; };
  socket.onmessage = () => { window.said += "data "; };
  socket.onclose = () => { window.said += "closed"; };
</script><iframe src="http://127.0.0.1:%d/"></iframe>"""


def test_the_link_lets_in_and_the_cookie_remembers(chromium):
    viewer = Viewer(Session(three_balls(50)), port=0, token="let-me-in-please")
    url = urlsplit(viewer.start())
    plain = f"{url.scheme}://{url.netloc}/"
    context, stranger = new_context(chromium), new_context(chromium)
    try:
        tab = context.new_page()
        assert tab.goto(plain).status == 401
        assert "link that semsplat printed in the terminal" in tab.locator("body").inner_text()

        tab.goto(f"{url.geturl()}&fixedDpr=0.5")
        until(lambda: len(viewer.pages) == 1)
        until(lambda: tab.evaluate("location.href") == f"{plain}?fixedDpr=0.5")  # nobody reads the token in the address
        (cookie,) = context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert "let-me-in" not in cookie["value"] + tab.evaluate("document.cookie")

        tab.reload()
        until(lambda: [page for page in viewer.pages if page.client.client_id > 0] and len(viewer.pages) == 1)
        second = context.new_page()
        assert second.goto(plain).status == 200
        until(lambda: len(viewer.pages) == 2)

        assert stranger.new_page().goto(plain).status == 401
        assert len(viewer.pages) == 2
    finally:
        context.close()
        stranger.close()
        viewer.stop()


@contextmanager
def site(html):
    """Another web site on this computer."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_another_site_can_neither_talk_to_the_page_nor_frame_it(chromium):
    server = Server("127.0.0.1", 0, "test")
    context = new_context(chromium)
    try:
        with site(FOREIGN % (server.port, server.port)) as address:
            tab = context.new_page()
            tab.goto(address)
            until(lambda: tab.evaluate("window.said") == "closed")
            assert not server._gate.pages
            tab.goto(server.url)  # by itself it may
            until(lambda: server.viser.get_clients())
    finally:
        context.close()
        server.stop()


def test_a_file_that_is_too_large_is_refused_on_the_page(chromium, tmp_path):
    (tmp_path / "large.ply").write_bytes(bytes(1_200_000))
    (tmp_path / "small.ply").write_bytes(bytes(700_000))
    server = Server("127.0.0.1", 0, "test")
    button = server.viser.gui.add_upload_button("Open a scene")
    server._gate.checker._uploads.largest = 1_000_000
    context = new_context(chromium)
    try:
        tab = context.new_page()
        tab.goto(server.url + "/?fixedDpr=0.5")
        tab.get_by_role("button", name="Open a scene").wait_for()
        until(lambda: server.viser.get_clients())
        tab.locator("input[type=file]").set_input_files(tmp_path / "large.ply")
        tab.get_by_text("large.ply is larger than 1 MB; copy it to the server and open it there.").wait_for()
        until(lambda: not tab.get_by_text("Uploading large.ply").is_visible())
        assert button.value.name == ""
        assert not server.viser.gui._current_file_upload_states

        tab.locator("input[type=file]").set_input_files(tmp_path / "small.ply")
        tab.get_by_text("Uploading small.ply").wait_for()  # its progress is not hidden
        until(lambda: button.value.name == "small.ply")
        assert len(button.value.content) == 700_000
    finally:
        context.close()
        server.stop()
