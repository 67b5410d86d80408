"""The page: a scene that all visitors share, and for each visitor a camera, a layer and a selection of their own."""

import logging
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..splatting.camera import Camera
from ..splatting.errors import SemsplatError
from .browser import Client, Server, Splats, camera_of, notify
from .layers import Rgb
from .panels import COMBINE, Actions, Panel, status
from .photos import Photos
from .scene import View
from .session import Look, Pose, Session
from .worker import Worker

MAX_SPLATS = 1_000_000  # a browser tab draws this many well; beyond, the least visible are not sent
CALM = 0.2  # seconds without movement after which colours are made for the new place
FLIGHT = 0.5  # seconds
STEPS = 16  # of a flight


class Viewer:
    """A session on a web page."""

    def __init__(
        self, session: Session, host: str = "127.0.0.1", port: int = 8080, max_splats: int = MAX_SPLATS
    ) -> None:
        """Nothing is served before :meth:`start`.

        Args:
            host: 127.0.0.1 lets in this computer only, 0.0.0.0 everybody who can reach it (there is no password).
            port: 0 takes any free one; if it is taken, the next free one.
            max_splats: the page draws at most so many Gaussians; clicks always see all of them.
        """
        self.session, self._host, self._port, self._max_splats = session, host, port, max_splats
        self.server: Server | None = None
        self.splats: Splats | None = None
        self.drawn = session.gaussians  # what pages draw; clicks see all
        self._visitors: dict[int, Visitor] = {}
        self._lock = threading.Lock()

    def start(self) -> str:
        """Serve the page in the background; returns its address.

        Raises:
            InputError: the host or the port cannot be served on.
        """
        session, opening = self.session, self.session.opening
        if len(session.gaussians) > self._max_splats:
            best = session.importance().topk(self._max_splats).indices.sort().values
            self.drawn = session.gaussians[best]
        self.server = Server(self._host, self._port, "semsplat")
        _open_at(self.server, opening)
        if len(self.drawn):
            camera = Camera.look_at(opening.position, opening.target, opening.up, opening.fov, 2, 2)
            self.splats = Splats(self.server, "/scene", self.drawn, Rgb().colors(self.drawn, camera))
        self.server.viser.on_client_connect(self._welcome)
        self.server.viser.on_client_disconnect(self._goodbye)
        return self.server.url

    def stop(self) -> None:
        """Close the page."""
        with self._lock:
            visitors, self._visitors = list(self._visitors.values()), {}
        for visitor in visitors:
            visitor.stop()
        if self.server is not None:
            self.server.stop()
            self.server = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what this page does not show, and why."""
        notes = tuple(self.server.notes) if self.server else ()
        if len(self.drawn) < len(self.session.gaussians):
            total = len(self.session.gaussians)
            notes += (f"The page draws the {len(self.drawn):,} most visible of {total:,}; clicks see all.",)
        return notes

    @property
    def visitors(self) -> list["Visitor"]:
        """Those who have the page open now, in the order they came."""
        with self._lock:
            return list(self._visitors.values())

    async def _welcome(self, client: Client) -> None:
        visitor = Visitor(self, client)
        with self._lock:
            self._visitors[client.client_id] = visitor

    async def _goodbye(self, client: Client) -> None:
        with self._lock:
            visitor = self._visitors.pop(client.client_id, None)
        if visitor is not None:
            visitor.stop()


class Visitor:
    """One open page: what it shows, and the thread that works for it."""

    def __init__(self, viewer: Viewer, client: Client) -> None:
        self._viewer, self._client, self.session = viewer, client, viewer.session
        self.look = Look()
        self._worker = Worker(self._failed)
        self._panel: Panel | None = None
        self._photos = Photos(self.session, client, self._choose_photo)
        self._photo_clicked: tuple[float, float] | None = None
        self._worker.post(self._build)

    def stop(self) -> None:
        """The page was closed."""
        splats = self._viewer.splats
        self._worker.stop(last=lambda: splats.forget(self._client) if splats else None)

    def _build(self) -> None:
        server = self._viewer.server
        assert server is not None  # it made this visitor
        dark = server.prefers_dark(self._client)
        server.use_theme(self._client, dark)
        actions = Actions(
            redraw=self._redraw,
            fly=self._fly,
            show_photos=self._show_photos,
            use_theme=lambda chosen: server.use_theme(self._client, chosen),
        )
        self._panel = Panel(self.session, self.look, self._client, self._worker.post, actions, dark)
        self._panel.status.content = status(self.session, self._viewer.notes)
        for modifier in COMBINE:
            self._client.scene.on_click(modifier=modifier)(self._clicked)
        self._client.camera.on_update(self._moved)
        self._redraw()

    async def _moved(self, _: Any) -> None:
        self._worker.when_calm(self._redraw, CALM)

    async def _clicked(self, event: Any) -> None:
        """On viser's event loop, where the camera is the one of this click."""
        place = tuple(event.screen_pos)
        if place == self._photo_clicked:  # this click chose a photo
            self._photo_clicked = None
            return
        camera, modifier, panel = camera_of(self._client), event.modifier, self._panel
        if camera is None or panel is None or not len(self.session.gaussians):
            return
        x = min(max(place[0], 0.0), 1.0 - 1e-6) * camera.width
        y = min(max(place[1], 0.0), 1.0 - 1e-6) * camera.height
        self._worker.post(lambda: panel.click(camera, (x, y), modifier))

    def _choose_photo(self, view: View, place: tuple[float, float]) -> None:
        self._photo_clicked = place
        if self._panel is not None:
            self._worker.post(lambda panel=self._panel: panel.go_to(view))

    def _show_photos(self, wanted: bool) -> None:
        self._photos.show(wanted)
        self._photos.make_room(camera_of(self._client))

    def _redraw(self) -> None:
        """Colours for where this page stands now: they depend on the direction, and depth on the place."""
        camera = camera_of(self._client)
        if camera is None:
            return
        self._photos.make_room(camera)
        if self._viewer.splats is not None:
            drawn = self._viewer.drawn
            self._viewer.splats.paint(self._client, self.look.drawn(drawn, camera).colors(drawn, camera))

    def _fly(self, pose: Pose) -> None:
        """Move this page's camera smoothly; ends exactly at the pose."""
        camera = self._client.camera
        position, target = torch.as_tensor(camera.position).double(), torch.as_tensor(camera.look_at).double()
        start = Pose(position, target, pose.up, camera.fov)
        pause = threading.Event()
        for step in range(1, STEPS + 1):
            t = step / STEPS
            part = t * t * (3 - 2 * t)
            position, target = (
                torch.lerp(getattr(start, name), getattr(pose, name).double(), part).numpy()
                for name in ("position", "target")
            )
            if np.allclose(position, target):
                continue
            with self._client.atomic():
                camera.up_direction = _tuple(pose.up)
                camera.position, camera.look_at = position, target
                camera.fov = start.fov + (pose.fov - start.fov) * part
            self._client.flush()
            pause.wait(FLIGHT / STEPS)

    def _failed(self, error: Exception) -> None:
        """Tell the visitor what went wrong; the page goes on. What nobody foresaw also goes to the log."""
        text = str(error)
        if not isinstance(error, SemsplatError):
            logging.getLogger(__name__).error("A page's request failed.", exc_info=error)
            text = f"Something unexpected happened ({type(error).__name__}: {error}). The terminal says more."
        notify(self._client, "That did not work", text)


def _open_at(server: Server, pose: Pose) -> None:
    """Where new pages stand, and which way is up for all."""
    server.viser.scene.set_up_direction(_tuple(pose.up))
    start = server.viser.initial_camera
    start.position, start.look_at = _tuple(pose.position), _tuple(pose.target)
    start.up, start.fov = _tuple(pose.up), pose.fov
    distance = (pose.target - pose.position).norm().item()
    start.near, start.far = 0.01 * distance, 1000.0 * distance


def serve(
    scene: Path,
    host: str = "127.0.0.1",
    port: int = 8080,
    open_browser: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Show a scene folder, or a file of Gaussians, in the browser until Ctrl-C.

    Args:
        say: gets the sentences for the terminal.

    Raises:
        InputError: no scene there, or the host or port cannot be served on.
    """
    viewer = Viewer(Session.at(scene), host, port)
    url = viewer.start()
    try:
        if port and not url.endswith(f":{port}"):
            say(f"Port {port} is in use; took the next free one.")
        for note in viewer.notes:
            say(note)
        say(f"{url}  (Ctrl-C ends)")
        if open_browser:
            webbrowser.open(url)
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        viewer.stop()


def _tuple(vector: torch.Tensor) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z
