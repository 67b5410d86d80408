"""The web page of a session: a scene that all visitors share, and for each of them a page of their own."""

import contextlib
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch

from ..splatting.errors import SemsplatError
from ..splatting.gaussians import Gaussians
from . import live, panels
from .browser import Client, Server
from .engines import FromServer, InBrowser
from .follow import Follow
from .layers import Rgb
from .page import Page
from .plan import pick_device
from .poses import Pose
from .session import Session
from .shared import Change
from .sharing import Wanted
from .splats import Splats
from .stream import Turns

PATIENCE = 5.0  # seconds for work at hand when the page is closed: torch does not like to be cut off
MAX_SPLATS = 1_000_000  # a browser tab draws this many well; beyond, the least visible are not sent
EngineName = Literal["auto", "browser", "server"]


class Viewer:
    """A session on the web."""

    def __init__(
        self,
        session: Session,
        host: str = "127.0.0.1",
        port: int = 8080,
        max_splats: int = MAX_SPLATS,
        engine: EngineName = "auto",
        token: str | None = None,
    ) -> None:
        """Nothing is served before :meth:`start`.

        Args:
            host: 127.0.0.1 lets in this computer only, 0.0.0.0 everybody who can reach it and knows the token.
            port: 0 takes any free one; if it is taken, the next free one.
            max_splats: browsers draw at most so many Gaussians; clicks always see all of them.
            engine: who draws; auto: the server if the Gaussians are on a GPU, else the browser.
            token: what visitors need; without it, a random one where others than this computer can come in.
        """
        self._token = token
        self.session, self._host, self._port, self._max_splats = session, host, port, max_splats
        on_gpu = session.gaussians.means.device.type == "cuda"
        self.engine = engine if engine != "auto" else "server" if on_gpu else "browser"
        self.server: Server | None = None
        self.splats: Splats | None = None
        self._turns = Turns()
        self.follow: Follow | None = None
        self.opening = session.opening
        self._pages: dict[int, Page] = {}
        self._preparing: threading.Thread | None = None
        self._lock = threading.Lock()
        self._deaf: Callable[[], None] = lambda: None

    def start(self) -> str:
        """Serve the page in the background; returns its address.

        Raises:
            InputError: the host or the port cannot be served on.
        """
        self.server = Server(self._host, self._port, "semsplat", self._token)
        self.server.opens(self.session.title)
        _set_the_stage(self.server, self.opening)
        if self.engine == "browser":
            self.splats = Splats(self.server, "/scene")
            self._send()
        self._deaf = self.session.listen(self._heard)
        self.follow = Follow(self.session)
        self.server.viser.on_client_connect(self._welcome)
        self.server.viser.on_client_disconnect(self._goodbye)
        self._preparing = threading.Thread(target=self._prepare, name="semsplat-prepare", daemon=True)
        self._preparing.start()
        return self.server.url

    def stop(self) -> None:
        """Close the page."""
        self._deaf()
        if self.follow is not None:
            self.follow.stop()
        with self._lock:
            pages, self._pages = list(self._pages.values()), {}
        for page in pages:
            page.stop()
        if self.server is not None:
            self.server.stop()
            self.server = None
        if self._preparing is not None:
            self._preparing.join(PATIENCE)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what this page does not show, and why."""
        notes = (*self.session.notes, *(self.server.notes if self.server else ()))
        total = len(self.session.gaussians)
        if self.splats is not None and total > self._max_splats:
            notes += (f"The page draws the {self._max_splats:,} most visible of {total:,}; clicks see all.",)
        return notes

    @property
    def pages(self) -> list[Page]:
        """Those that are open now, in the order they came."""
        with self._lock:
            return list(self._pages.values())

    def _send(self) -> None:
        gaussians = self._drawn(self.session.gaussians)
        assert self.splats is not None  # the browser draws
        camera = self.opening.camera(2, 2).to(gaussians.means.device)
        self.splats.show(gaussians, Rgb().colors(gaussians, camera))

    def _drawn(self, gaussians: Gaussians) -> Gaussians:
        if len(gaussians) <= self._max_splats:
            return gaussians
        return gaussians[self.session.importance(gaussians).topk(self._max_splats).indices.sort().values]

    def _prepare(self) -> None:
        """While the first visitor looks around; what is missing is said when somebody asks or points."""
        session = self.session
        if len(session.gaussians) and session.locked is None:
            with contextlib.suppress(SemsplatError):
                if session.meaning.readers:
                    session.importance()
                    session.meaning.reader(None, session.gaussians.means.device)
            with contextlib.suppress(SemsplatError):
                session.meaning.prepare(session.gaussians)

    def _heard(self, change: Change) -> None:
        if self.splats is not None and change.what in ("edits", "scene"):
            self._send()
        for page in self.pages:
            page.heard(change)

    async def _welcome(self, client: Client) -> None:
        page = Page(self, client)
        with self._lock:
            self._pages[client.client_id] = page
        page.do(lambda: self._furnish(page))

    async def _goodbye(self, client: Client) -> None:
        with self._lock:
            page = self._pages.pop(client.client_id, None)
        if page is not None:
            page.stop()

    def _furnish(self, page: Page) -> None:
        assert self.server is not None  # it made this page
        page.dark = self.server.prefers_dark(page.client)
        self.server.use_theme(page.client, page.dark)
        page.look.shown = Wanted.of(self.server.ask(page.client, "location.href")).layer or page.look.shown
        page.engine = InBrowser(page, self.splats) if self.splats is not None else FromServer(page, self._turns)
        panels.build(page)
        page.client.camera.on_update(page.moved)
        page.refresh("scene")
        page.furnished = True


def _set_the_stage(server: Server, pose: Pose) -> None:
    """Where new pages stand, which way is up for all, and no light: without a GPU it takes seconds."""
    server.viser.scene.configure_environment_map(None)
    server.viser.scene.configure_default_lights(False)
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
    token: str | None = None,
    engine: EngineName = "auto",
    device: str = "auto",
) -> None:
    """Show a scene folder, or a file of Gaussians, in the browser until Ctrl-C.

    Args:
        say: gets the sentences for the terminal.
        token: what visitors need; without it, a random one where others than this computer can come in.
        engine: who draws; auto: the server if the Gaussians are on a GPU, else the browser.
        device: cpu, cuda, or auto: an NVIDIA GPU if there is one and the browser is not to draw.

    Raises:
        InputError: no scene there, the host or port cannot be served on, or the token is too short.
    """
    chosen = pick_device("cpu" if device == "auto" and engine == "browser" else device)
    viewer = Viewer(Session.at(scene, chosen), host, port, engine=engine, token=token)
    url = viewer.start()
    try:
        assert viewer.server is not None  # it was started
        if port and viewer.server.port != port:
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


def beside(folder: Path, port: int, say: Callable[[str], None], work: Callable[[], int]) -> int:
    """Do ``work`` that writes a scene, show the scene from its first save on, and afterwards until Ctrl-C.

    Returns:
        What ``work`` returned.
    """
    over, viewers = threading.Event(), list[Viewer]()

    def show() -> None:
        while not over.is_set() and live.read(folder) is None:
            over.wait(0.2)
        if live.read(folder) is not None:
            viewers.append(Viewer(Session.at(folder), port=port))
            say(f"Watch it grow: {viewers[0].start()}")

    thread = threading.Thread(target=show, name="semsplat-beside", daemon=True)
    thread.start()
    status = 130
    try:
        status = work()
        over.set()
        thread.join()
        if viewers:
            say("The page stays until Ctrl-C.")
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        over.set()
        for viewer in viewers:
            viewer.stop()
    return status


def _tuple(vector: torch.Tensor) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z
