"""The page in the browser: the only file that imports viser, and the only one that touches its private parts.

Private parts of viser 1.1.1 are checked when a server starts. Where one is missing, the public way is taken and
:attr:`Server.notes` says what that costs.
"""

import contextlib
import functools
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ..splatting.camera import Camera, pinhole
from ..splatting.errors import InputError
from ..splatting.project import rotations
from .addresses import choose_token, free_port, link
from .front import HIDE_PROGRESS, HIDE_TOKEN, Front
from .gate import Connection, Gate
from .poses import Pose
from .traffic import Checker, NotTaken, Uploads, held
from .widgets import escaped, notify, side_by_side

__all__ = ["Client", "Server", "camera_of", "escaped", "is_open", "line_plot", "notify", "side_by_side", "wxyz_of"]

Client = Any  # viser.ClientHandle: one open page
VERSION = "1.1.1"  # of viser, whose private parts are known
PAGE = Path(__file__).with_name("page.js")
BRAND = (26, 115, 160)
WIDEST, FARTHEST = 16_384, 1e12  # pixels of a page; units of a scene


class Server:
    """A web server with one page that everybody who opens it shares."""

    def __init__(self, host: str, port: int, title: str, token: str | None = None) -> None:
        """Listen on ``host`` and on the first free port from ``port`` upwards (0: any).

        Args:
            token: what visitors need; without it, a random one where others than this computer can come in.

        Raises:
            InputError: the host is not an address of this computer, the port is not one, or the token is too short.
        """
        import viser
        from viser import _messages

        port, self._token = free_port(host, port), choose_token(host, token)
        self._gate = Gate(host, self._token, f"viser-v{viser.__version__}", Checker(_messages, Uploads()))
        with _quiet(), self._gate.installed():
            self.viser = viser.ViserServer(host=host, port=port, label=title, verbose=False)
        if not self._gate.guards:
            self.stop()
            raise InputError(f"viser {viser.__version__} cannot be guarded from strangers; install viser=={VERSION}.")
        self._gate.backlog, self._gate.refuse = self._bytes_waiting, self._refuse
        self._gate.dress = Front().dressed
        self.notes: list[str] = []  # sentences: what this page cannot do, and why
        self._turns = itertools.count(time.time_ns() // 1000)  # of another server, too, none is the same
        self._private = self._check_private_parts(viser.__version__)
        _keep_icons()
        self._close_the_tunnel()
        if self._private:
            self.viser._websock_server.queue_message(_script(PAGE.read_text("utf-8")))
            if self._token is not None:
                self.viser._websock_server.queue_message(_script(HIDE_TOKEN))
        self.viser.scene.world_axes.visible = False

    @property
    def url(self) -> str:
        """The page's address, with the token where one is needed."""
        return link(self.viser.get_host(), self.port, self._token)

    @property
    def port(self) -> int:
        """Where the server really listens."""
        return self.viser.get_port()

    def opens(self, title: str) -> None:
        """New pages say that a scene of this title is being opened, until they have a panel with tabs."""
        self._gate.dress = Front(title).dressed

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

    def ask(self, client: Client, expression: str) -> str:
        """The value of an expression on one page, as text; empty when there is none. Blocks for a round trip."""
        key = f"semsplat-{self.next_turn()}"
        self.run(client, f"localStorage.setItem({json.dumps('viser-user:' + key)}, String({expression}));")
        with contextlib.suppress(TimeoutError, RuntimeError):  # the page is gone, or keeps nothing
            answer = client.local_storage.get_item(key, timeout=5.0)
            client.local_storage.remove_item(key)
            return answer or ""
        return ""

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

    def one_file(self, node: dict[str, Any], pose: Pose, dark: bool) -> str:
        """A page of splats that needs no server, as HTML; who opens it stands at ``pose``.

        Args:
            node: the splats, as viser's add_gaussian_splats wants them; colours in bytes.

        Raises:
            InputError: this viser's private parts are not those that are known.
        """
        if not self._private:
            raise InputError(f"This viser cannot make a page without a server; install viser=={VERSION}.")
        from viser import _messages as made

        words = [node["centers"].view(np.uint32), np.zeros((len(node["centers"]), 1), np.uint32)]
        halves = node["covariances"].reshape(-1, 9)[:, [0, 1, 2, 4, 5, 8]].astype(np.float16)
        rgba = np.concatenate([node["rgbs"], node["opacities"]], axis=1)
        words += [np.ascontiguousarray(part).view(np.uint32) for part in (halves, rgba)]
        props = made.GaussianSplatsProps(buffer=np.concatenate(words, axis=1), scale=node["scale"])
        wanted = [message for message in self._broadcast() if getattr(message, "name", None) in ("", "/WorldAxes")]
        wanted += [
            _script(PAGE.read_text("utf-8")),
            made.SetCameraUpDirectionMessage(tuple(pose.up.tolist()), initial=True),
            made.SetCameraPositionMessage(tuple(pose.position.tolist()), initial=True),
            made.SetCameraLookAtMessage(tuple(pose.target.tolist()), initial=True),
            made.SetCameraFovMessage(pose.fov, initial=True),
            made.GaussianSplatsMessage(name="/scene", props=props),
        ]
        file = self.viser._websock_server.get_message_serializer(lambda message: any(message is one for one in wanted))
        for message in wanted:
            file._insert_message(message)
        alone = PAGE.with_name("alone.js").read_text("utf-8")
        return file.as_html(dark).replace("<head>", f"<head><script>{alone}</script>", 1)

    def _broadcast(self) -> list[Any]:
        """What every page is told when it opens."""
        waiting = self.viser._websock_server._broadcast_buffer
        with waiting.buffer_lock:
            return list(waiting.message_from_id.values())

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

    def _bytes_waiting(self, page: Connection) -> int:
        """What is queued for one page alone and was not sent yet; files that it asked for count an eighth."""
        state = self.viser._websock_server._client_state_from_id.get(self._number(page))
        waiting = list(state.message_buffer.message_from_id.values()) if state else []
        files = {"FileTransferPart": 8}
        return sum(held(vars(message)) // files.get(type(message).__name__, 1) for message in waiting)

    def _refuse(self, page: Connection, why: NotTaken) -> None:
        """Tell a page that a file was not taken, and end its progress bar, which would claim success."""
        from viser import _messages

        client = self.viser.get_clients().get(self._number(page))
        if client is None:
            return
        name = getattr(why.message, "filename", None)
        if name is not None:
            self.run(client, HIDE_PROGRESS % json.dumps(f"Uploading {name} ("))
        done = _messages.FileTransferPartAck(why.message.source_component_uuid, why.message.transfer_uuid, 1, 1)
        client._websock_connection.queue_message(done)
        notify(client, "That file was not taken", str(why))

    def _number(self, page: Connection) -> int:
        pages = list(self.viser._websock_server._live_connections.items())
        return next((number for number, connection in pages if connection is page), -1)


def is_open(client: Client) -> bool:
    """Whether a page is still there; viser warns when something is sent to one that is not."""
    server = getattr(client, "_viser_server", None)
    return server is None or client.client_id in server.get_clients()


def camera_of(client: Client) -> Camera | None:
    """What a page shows now, in pixels of its canvas; None before it has a size, or when it is no camera."""
    shown = client.camera
    numbers = np.concatenate([shown.wxyz, shown.position, [shown.fov]]).astype(np.float64)
    if not np.isfinite(numbers).all() or not np.abs(numbers).max() < FARTHEST or not 1e-3 < shown.fov < np.pi - 1e-3:
        return None
    if not 0.5 < np.linalg.norm(shown.wxyz) < 2.0:
        return None
    if not (1 <= shown.image_width <= WIDEST and 1 <= shown.image_height <= WIDEST):
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


def line_plot(
    client: Client,
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    across: str,
    upwards: str,
    order: float | None = None,
    logarithmic: bool = False,
) -> Any:
    """A small plot of a line in the panel; ``data = (x, y)`` of what is returned draws another."""
    from viser import uplot

    return client.gui.add_uplot(
        (x, y),
        (uplot.Series(label=across), uplot.Series(label=upwards, stroke="#1a73a0", width=2)),
        height=140,
        legend=uplot.Legend(show=False),
        scales={"x": uplot.Scale(time=False), "y": uplot.Scale(distr=3 if logarithmic else 1)},
        order=order,
    )


def _script(source: str) -> Any:
    from viser import _messages

    return _messages.RunJavascriptMessage(source=source)


def _keep_icons() -> None:
    """Every icon is read once: viser keeps 32, a panel has more, and each reading opens an archive of thousands."""
    with contextlib.suppress(ImportError, AttributeError):
        from viser import _gui_api, _gui_handles, _icons

        if _icons.svg_from_icon.cache_parameters()["maxsize"] is not None:
            kept = functools.cache(_icons.svg_from_icon.__wrapped__)
            for user in (_icons, _gui_api, _gui_handles):
                vars(user)["svg_from_icon"] = kept


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
