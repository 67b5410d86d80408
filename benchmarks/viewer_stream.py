"""Pictures from the server: how many a page gets while its camera moves, and how old they are when it shows them.

A page is a process of its own that talks to the server as a browser does: it sends its camera 50 times a second, takes
pictures in order, decodes each (JPEG) and says so. It draws nothing, so a browser adds its own frame to these ages.
Once over loopback, and once through a relay that lets 8 Mbit/s through, 10 ms each way. The rival in the same run: a
loop that draws a picture of full size whenever the camera moved, and sends it.

The age of what is shown, sampled every 10 ms: since the page sent the camera that the picture was drawn for.
"""

import argparse
import asyncio
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import torch
from common import arguments, emit, shell
from PIL import Image

from semsplat.app.browser import Client, Server, camera_of, is_open
from semsplat.app.layers import Rgb
from semsplat.app.pictures import to_bytes
from semsplat.app.stream import Stream, Turns
from semsplat.app.thin import thinned
from semsplat.splatting.camera import Camera
from semsplat.splatting.gaussians import Gaussians

WIDTH, HEIGHT = 1280, 720
RATE, DELAY = 1e6, 0.010  # bytes a second and seconds each way, of the slow link
CAMERAS = 50.0  # a second
REST = 3.0  # seconds after the movement in which the sharp picture is waited for
GRAIN = np.random.default_rng(0).integers(0, 16, (HEIGHT, WIDTH, 1), np.uint8)  # so that pictures weigh as photos do
BITS, CELL = 16, 8  # a picture's number is drawn into its corner, in cells of this many pixels


# ---- the page ----


def walk(step: int) -> tuple[float, float, float]:
    """Where the camera is, looking at the origin: round the scene in about twelve seconds, and up and down."""
    angle = 2.0 * np.pi * step / 600.0
    return 2.2 * float(np.cos(angle)), 2.2 * float(np.sin(angle)), 0.6 * float(np.sin(3.0 * angle))


def look(step: int) -> dict[str, Any]:
    """A page's message about its camera."""
    from viser.transforms import SO3

    position = torch.tensor(walk(step), dtype=torch.float64)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    camera = Camera.look_at(position, torch.zeros(3, dtype=torch.float64), up, 0.9, WIDTH, HEIGHT)
    wxyz = SO3.from_matrix(camera.world_to_camera[:3, :3].T.numpy()).wxyz
    return {
        "type": "ViewerCameraMessage",
        "wxyz": [float(v) for v in wxyz],
        "position": walk(step),
        "fov": 0.9,
        "near": 0.01,
        "far": 100.0,
        "image_height": HEIGHT,
        "image_width": WIDTH,
        "look_at": (0.0, 0.0, 0.0),
        "up_direction": (0.0, 0.0, 1.0),
    }


def number_in(picture: np.ndarray) -> int:
    """The number in a picture's corner."""
    cells = picture[CELL // 2, CELL // 2 : BITS * CELL : CELL].mean(-1) > 127
    return int(sum(1 << k for k, cell in enumerate(cells) if cell))


def page(port: int, seconds: float) -> None:
    """Walk, take pictures, and print what was sent and shown and when."""
    import msgspec
    import viser
    import zstandard
    from websockets.sync.client import connect

    protocol, origin = f"viser-v{viser.__version__}", f"http://127.0.0.1:{port}"
    pack, unpack, unzip = msgspec.msgpack.encode, msgspec.msgpack.decode, zstandard.ZstdDecompressor().decompress
    sent: list[float] = []
    shown: list[tuple[int, float, int, int]] = []  # number, when, width, bytes
    with connect(
        origin.replace("http", "ws"), subprotocols=[protocol], origin=origin, compression=None, max_size=None
    ) as server:

        def listen() -> None:
            for raw in server:
                head, size = np.frombuffer(raw[:16], "<u8").tolist()
                told = unpack(unzip(raw[16 : 16 + size], max_output_size=head))
                start, buffers = 16 + size, []
                for length in told["binaryBufferLengths"]:
                    start += -start % 8
                    buffers.append(raw[start : start + length])
                    start += length
                for message in told["messages"]:
                    if message["type"] == "LocalStorageGetItemRequestMessage":
                        answer = {"type": "LocalStorageGetItemResponseMessage", "value": None, "error": None}
                        server.send(pack(answer | {"request_uuid": message["request_uuid"]}))
                    elif message["type"] == "BackgroundImageMessage" and message["rgb_data"] is not None:
                        data = message["rgb_data"]
                        data = data if isinstance(data, bytes) else buffers[data["__binary_index__"]]
                        picture = np.asarray(Image.open(io.BytesIO(data)))
                        shown.append((number_in(picture), time.monotonic(), picture.shape[1], len(data)))

        threading.Thread(target=listen, daemon=True).start()
        server.send(pack(look(0)))
        end = time.monotonic() + 20.0
        while time.monotonic() < end and not (shown and shown[-1][2] == WIDTH):
            time.sleep(0.05)  # until the first sharp picture
        shown.clear()
        began = time.monotonic()
        steps = int(seconds * CAMERAS)
        looks = [pack(look(1 + step)) for step in range(steps)]
        began = time.monotonic()
        for step in range(steps):
            time.sleep(max(0.0, began + step / CAMERAS - time.monotonic()))
            sent.append(time.monotonic())
            server.send(looks[step])
        time.sleep(REST)
    print(json.dumps({"sent": sent, "shown": shown}), flush=True)


# ---- the slow link ----


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, no faster than the link is, and later."""
    loop, free = asyncio.get_running_loop(), 0.0
    while data := await reader.read(2048):
        free = max(free, loop.time()) + len(data) / RATE
        await asyncio.sleep(free - loop.time())
        loop.call_later(DELAY, writer.write, data)
    loop.call_later(DELAY, writer.close)


def slow_link(to: int) -> int:
    """Start a relay to a port; returns its own."""
    ports: list[int] = []
    ready = threading.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with socket.socket() as far:
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)  # what waits, waits at the server
            far.setblocking(False)
            await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", to))
            from_server, to_server = await asyncio.open_connection(sock=far, limit=16_384)
            await asyncio.gather(relay(reader, to_server), relay(from_server, writer), return_exceptions=True)

    async def serve() -> None:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    ready.wait(10)
    return ports[0]


# ---- the server ----


class Drawing:
    """Draws, numbers its pictures, and remembers from where each was drawn."""

    def __init__(self, gaussians: Gaussians) -> None:
        self.gaussians = gaussians
        area = gaussians.scales.topk(2, dim=-1).values.prod(-1)
        self.thin = thinned(gaussians, gaussians.opacities * area)  # as semsplat view does while the camera moves
        self.places: list[tuple[np.ndarray, bool]] = []  # by number; and whether it was to be sharp
        self._lock = threading.Lock()

    @torch.no_grad()
    def __call__(self, camera: Camera, still: bool) -> tuple[np.ndarray, None]:
        """The picture."""
        picture = to_bytes(Rgb().picture(self.gaussians if still else self.thin, camera))
        with self._lock:
            number = len(self.places)
            self.places.append((camera.center.double().numpy(), still))
        height, width, _ = picture.shape
        picture ^= GRAIN[:height, :width]
        bits = (number >> np.arange(BITS) & 1).astype(np.uint8) * 255
        picture[:CELL, : BITS * CELL] = bits.repeat(CELL)[:, None]
        return picture, None


class Plain:
    """The rival: whenever the camera moved, a picture of full size, whether the page took the last one or not."""

    def __init__(self, client: Client, draw: Drawing, turns: Turns) -> None:
        self._client, self._draw, self._turns = client, draw, turns
        self._wanted, self._running = threading.Event(), True
        self._wanted.set()
        threading.Thread(target=self._run, daemon=True).start()

    def moved(self) -> None:
        """The camera has changed."""
        self._wanted.set()

    def stop(self) -> None:
        """No more."""
        self._running = False
        self._wanted.set()

    def _run(self) -> None:
        while self._wanted.wait() and self._running:
            self._wanted.clear()
            camera = camera_of(self._client)
            assert camera is not None
            with self._turns:
                picture, _ = self._draw(camera, True)
            if not is_open(self._client):
                return
            self._client.scene.set_background_image(picture, format="jpeg", jpeg_quality=70)
            self._client.flush()


def run(gaussians: Gaussians, kind: str, slow: bool, pages: int, seconds: float) -> list[dict[str, Any]]:
    """What each of some pages saw."""
    server, turns, draw = Server("127.0.0.1", 0, "benchmark"), Turns(), Drawing(gaussians)
    streams: dict[int, Stream | Plain] = {}
    errors: list[Exception] = []

    async def welcome(client: Client) -> None:
        stream = Plain(client, draw, turns) if kind == "plain" else Stream(client, draw, errors.append, turns)
        streams[client.client_id] = stream

        async def moved(_: Any) -> None:
            stream.moved()

        client.camera.on_update(moved)

    async def goodbye(client: Client) -> None:
        streams[client.client_id].stop()

    server.viser.on_client_connect(welcome)
    server.viser.on_client_disconnect(goodbye)
    port = slow_link(server.port) if slow else server.port
    command = [sys.executable, __file__, "--page", str(port), "--seconds", str(seconds)]
    visitors = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(pages)]
    told = [json.loads(visitor.communicate(timeout=seconds + 60.0)[0]) for visitor in visitors]
    server.stop()
    if errors:
        raise errors[0]
    return [figures(one, draw.places) for one in told]


def figures(told: dict[str, Any], places: list[tuple[np.ndarray, bool]]) -> dict[str, Any]:
    """Pictures a second and ages while the camera moved, and when the last place was seen sharply."""
    sent, shown = np.array(told["sent"]), told["shown"]
    path = np.array([walk(1 + step) for step in range(len(sent))])
    steps = [int(np.linalg.norm(path - places[number][0], axis=1).argmin()) for number, *_ in shown]
    times = np.array([when for _, when, *_ in shown])
    samples = np.arange(sent[0] + 1.0, sent[-1], 0.01)  # the first second is for finding a size
    at = np.searchsorted(times, samples) - 1
    ages = np.array([t - sent[steps[k]] for t, k in zip(samples, at, strict=True) if k >= 0])
    last = len(sent) - 1
    sharp = [when for step, when, (k, *_) in zip(steps, times, shown, strict=True) if step == last and places[k][1]]
    late = np.flatnonzero((times > samples[0]) & (times < sent[-1]))
    return {
        "pictures_a_second": round(len(late) / float(sent[-1] - samples[0]), 1),
        "age_ms": [round(float(v) * 1e3) for v in np.percentile(ages, [50, 90])] if len(ages) else None,
        "sharp_after_ms": round(float(sharp[0] - sent[-1]) * 1e3) if sharp else None,
        "widths": sorted({shown[k][2] for k in late}),
        "kB_a_picture": round(float(np.mean([shown[k][3] for k in late])) / 1e3, 1) if len(late) else None,
    }


def main() -> None:
    """Print and keep the figures."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--page", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--counts", type=int, nargs="+", default=[2_000, 20_000, 200_000])
    parser.add_argument("--seconds", type=float, default=6.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.page:
        page(options.page, options.seconds)
        return
    if "OMP_WAIT_POLICY" not in os.environ:  # as semsplat view does; torch reads it when it is imported
        os.environ["OMP_WAIT_POLICY"] = "passive"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    seconds = 3.0 if options.quick else options.seconds
    result: dict[str, Any] = {"size": [WIDTH, HEIGHT], "runs": []}
    lines = [
        f"{WIDTH} x {HEIGHT}, the camera moves".ljust(44)
        + "pictures/s   age ms, p50   p90   sharp after ms   kB each   widths"
    ]
    for count in (2_000,) if options.quick else options.counts:
        gaussians = shell(count, views=1).gaussians.detach()
        for slow, kind, pages in ((0, "ours", 1), (0, "plain", 1), (1, "ours", 1), (1, "plain", 1), (0, "ours", 2)):
            link = f"{count:,}, {'8 Mbit/s' if slow else 'loopback'}, {kind}"
            for one in run(gaussians, kind, bool(slow), pages, seconds):
                result["runs"].append({"gaussians": count, "slow": bool(slow), "kind": kind, "pages": pages} | one)
                lines.append(told(link + (", of two pages" if pages > 1 else ""), one))
    emit("viewer_stream", result, lines, options.save)


def told(title: str, one: dict[str, Any]) -> str:
    """A line for people."""
    middle, most = one["age_ms"] or ("-", "-")
    sharp, size = one["sharp_after_ms"] or "-", one["kB_a_picture"] or "-"
    figures = f"{one['pictures_a_second']:10}{middle:14}{most:6}{sharp:17}{size:10}   "
    return f"  {title}".ljust(44) + figures + " ".join(map(str, one["widths"]))


if __name__ == "__main__":
    main()
