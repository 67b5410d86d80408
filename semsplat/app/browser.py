"""The page in the browser: the only file that imports viser, and the only one that touches its private parts.

Private parts of viser 1.1.1 are checked when a server starts. Where one is missing, the public way is taken and
:attr:`Server.notes` says what that costs.
"""

import base64
import contextlib
import itertools
import json
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..splatting.camera import Camera, pinhole
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.project import covariances, rotations

Client = Any  # viser.ClientHandle: one open page
VERSION = "1.1.1"  # of viser, whose private parts are known
BRAND = (26, 115, 160)
LARGEST_VARIANCE = 60_000.0  # half precision ends at 65,504


class Server:
    """A web server with one page that everybody who opens it shares."""

    def __init__(self, host: str, port: int, title: str) -> None:
        """Listen on ``host`` and on the first free port from ``port`` upwards (0: any).

        Raises:
            InputError: the host is not an address of this computer, or the port is not one.
        """
        import viser

        _check_address(host, port)
        with _quiet():
            self.viser = viser.ViserServer(host=host, port=port, label=title, verbose=False)
        self.notes: list[str] = []  # sentences: what this page cannot do, and why
        self._turns = itertools.count(time.time_ns() // 1000)  # grows over restarts too: pages keep the newest
        self._private = self._check_private_parts(viser.__version__)
        self._close_the_tunnel()
        if self._private:
            self.viser._websock_server.queue_message(_script(Path(__file__).with_name("page.js").read_text("utf-8")))
        self.viser.scene.world_axes.visible = False

    @property
    def url(self) -> str:
        """Where the page is."""
        host = self.viser.get_host()
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{self.viser.get_port()}"

    def stop(self) -> None:
        """Close all pages and threads."""
        with _quiet():
            self.viser.stop()

    def run(self, client: Client, source: str) -> bool:
        """Run a script on one page; False when this viser does not let us."""
        if self._private:
            client._websock_connection.queue_message(_script(source))
            client.flush()
        return self._private

    def next_turn(self) -> int:
        """Numbers that only grow."""
        return next(self._turns)

    def prefers_dark(self, client: Client) -> bool:
        """What this page's visitor chose before, else what their system prefers. Blocks for a round trip."""
        key = json.dumps("viser-user:semsplat-dark")
        prefers = "String(matchMedia('(prefers-color-scheme: dark)').matches)"
        self.run(client, f"localStorage.getItem({key}) ?? localStorage.setItem({key}, {prefers});")
        with contextlib.suppress(TimeoutError, RuntimeError):  # the page is gone, or keeps nothing
            return client.local_storage.get_item("semsplat-dark", timeout=5.0) == "true"
        return False

    def use_theme(self, client: Client, dark: bool) -> None:
        """Light or dark for one page, remembered by its browser."""
        client.gui.configure_theme(dark_mode=dark, brand_color=BRAND, show_logo=False, show_share_button=False)
        client.local_storage.set_item("semsplat-dark", "true" if dark else "false")

    def _check_private_parts(self, version: str) -> bool:
        server = self.viser
        known = version == VERSION and hasattr(getattr(server, "_websock_server", None), "queue_message")
        with contextlib.suppress(ImportError, AttributeError):
            from viser import _messages

            if known and _messages.RunJavascriptMessage and server.scene is not None:
                return True
        self.notes.append(
            f"viser {version} is not the {VERSION} this was made for: recolouring is slower and Gaussians "
            f"smaller than a pixel are not drawn; install viser=={VERSION}."
        )
        return False

    def _close_the_tunnel(self) -> None:
        """Any visitor could ask viser to publish the page on the internet; nobody shall."""
        with contextlib.suppress(ImportError, AttributeError, AssertionError):
            from viser import _messages

            for message in (_messages.ShareUrlRequest, _messages.ShareUrlDisconnect):
                self.viser._websock_server.unregister_handler(message)
            return
        self.notes.append("This viser's public share link could not be switched off: let only people you trust in.")


class Splats:
    """The scene's Gaussians, drawn by every page; each page has its own colours."""

    def __init__(self, server: Server, name: str, gaussians: Gaussians, colors: Float[Tensor, "n 3"]) -> None:
        """Send Gaussians to all pages, now and later.

        Args:
            name: of the node in viser's tree, such as "/scene".
            gaussians: finite rows only. colors: in [0, 1], until a page gets its own.
        """
        self._server, self.name = server, name
        self._opacities = _bytes(gaussians.opacities)
        # viser stores covariances in half precision: bring sizes near 1, and let the page scale them back.
        scales = gaussians.scales.amax(-1)
        self._zoom = 1.0 / max(scales.median().item(), 1e-12)
        self._splats = {
            "centers": (gaussians.means * self._zoom).cpu().numpy().astype(np.float32),
            "covariances": _held(covariances(gaussians.double()) * self._zoom**2),
            "opacities": self._opacities[:, None],
            "scale": 1.0 / self._zoom,
        }
        server.viser.scene.add_gaussian_splats(name, rgbs=_bytes(colors), **self._splats)
        self._own: dict[int, Any] = {}  # by client: private copies, where pages cannot be painted directly
        self._last: dict[int, bytes] = {}

    def paint(self, client: Client, colors: Float[Tensor, "n 3"]) -> bool:
        """Give one page its own colours, in [0, 1]; False when it has these already."""
        rgba = np.concatenate([_bytes(colors), self._opacities[:, None]], axis=1)
        packed = zlib.compress(rgba.tobytes(), 1)
        if self._last.get(client.client_id) == packed:
            return False
        self._last[client.client_id] = packed
        text = base64.b64encode(packed).decode()
        source = f"window.semsplat.paint({json.dumps(self.name)}, {self._server.next_turn()}, '{text}')"
        if not self._server.run(client, source):
            self._paint_a_copy(client, rgba)
        return True

    def forget(self, client: Client) -> None:
        """A page is gone."""
        self._own.pop(client.client_id, None)
        self._last.pop(client.client_id, None)

    def _paint_a_copy(self, client: Client, rgba: UInt8[np.ndarray, "n 4"]) -> None:
        copy = self._own.get(client.client_id)
        if copy is None:  # a private node of the same name is drawn instead of the shared one
            copy = client.scene.add_gaussian_splats(self.name, rgbs=rgba[:, :3], **self._splats)
            self._own[client.client_id] = copy
        else:
            copy.rgbs = rgba[:, :3]


def camera_of(client: Client) -> Camera | None:
    """What a page shows now, in pixels of its canvas; None before it has a size."""
    shown = client.camera
    if shown.image_width < 1 or shown.image_height < 1:
        return None
    world_to_camera = torch.eye(4)
    rotation = rotations(torch.as_tensor(shown.wxyz, dtype=torch.float64)[None])[0].T
    position = torch.as_tensor(shown.position, dtype=torch.float64)
    world_to_camera[:3, :3] = rotation.float()
    world_to_camera[:3, 3] = (-rotation @ position).float()
    width, height = int(shown.image_width), int(shown.image_height)
    focal = 0.5 * height / float(np.tan(shown.fov / 2))
    return Camera(world_to_camera, pinhole(focal, focal, width / 2, height / 2), width, height)


def wxyz_of(camera: Camera) -> np.ndarray:
    """Orientation of a camera as viser wants it."""
    import viser.transforms

    return viser.transforms.SO3.from_matrix(camera.world_to_camera[:3, :3].T.double().cpu().numpy()).wxyz


def escaped(text: str) -> str:
    """Any text as plain text inside Markdown: nothing in it is a tag, a link or a picture."""
    return "".join(c if c.isalnum() or c == " " else f"&#{ord(c)};" for c in text if c.isprintable())


def notify(client: Client, title: str, text: str) -> None:
    """A message on one page, shown as it is: viser makes no markup of it."""
    shown = "".join(c for c in text if c.isprintable())
    client.add_notification(title, shown, color="red", auto_close_seconds=12.0)


def _script(source: str) -> Any:
    from viser import _messages

    return _messages.RunJavascriptMessage(source=source)


def _bytes(values: Tensor) -> np.ndarray:
    return (values.detach().clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).cpu().numpy()


def _held(spread: Float[Tensor, "n 3 3"]) -> np.ndarray:
    """Covariances that half precision can hold: the very largest are shrunk, keeping their shape."""
    largest = spread.diagonal(dim1=-2, dim2=-1).amax(-1).clamp_min(1e-30)
    return (spread * (LARGEST_VARIANCE / largest).clamp_max(1.0)[:, None, None]).float().cpu().numpy()


def _check_address(host: str, port: int) -> None:
    """viser tries for ever where nothing can be bound."""
    if not 0 <= port <= 65535:
        raise InputError(f"{port} is no port; choose one from 1024 to 65535.")
    try:
        family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.bind((host, 0))
    except OSError as error:
        raise InputError(f"Cannot serve on {host!r} ({error.strerror}); use 127.0.0.1 or 0.0.0.0.") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """viser greets and says goodbye on the terminal; the command line does that itself."""
    import rich

    console = rich.get_console()
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before
