"""A page without a browser: what it sends, byte for byte."""

import contextlib
import time

import msgspec
import pytest
from pages import until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

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


class Raw:
    """A page without a browser."""

    def __init__(self, server, **options):
        headers = options.pop("headers", {})
        address = f"ws://127.0.0.1:{server.port}/"
        options = {"subprotocols": ["viser-v1.1.1"], "max_size": None, "ping_interval": None} | options
        self.socket = connect(address, additional_headers=headers, **options)

    def send(self, message):
        self.socket.send(message if isinstance(message, bytes | str) else msgspec.msgpack.encode(message))

    def closed(self, seconds=20.0):
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


def refused(server, **options):
    with pytest.raises(InvalidStatus) as error:
        Raw(server, **options)
    return error.value.response.status_code


def lives(server):
    """A well-behaved page is welcomed and its messages arrive; pages that are on their way out do not count."""
    before = set(server.viser.get_clients())
    with Raw(server) as page:
        page.send(CAMERA)
        new = until(lambda: server.viser.get_clients().keys() - before).pop()
        client = server.viser.get_clients()[new]
        page.send(CAMERA | {"fov": 0.5})
        until(lambda: client.camera.fov == 0.5)
        return True
