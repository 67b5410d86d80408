"""One open page: what its visitor looks at, and the thread that works for it."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ..splatting.camera import Camera
from ..splatting.edit import Edit
from ..splatting.errors import SemsplatError
from .browser import Client, camera_of, is_open, notify
from .engines import Engine
from .layers import Layer
from .look import NOTHING, Look
from .photos import Photos
from .poses import Pose
from .scene import View
from .shared import Change
from .worker import Worker

if TYPE_CHECKING:
    from .viewer import Viewer

What = Literal["picked", "layer", "asked", "edits", "things", "scene", "work", "world"]
FLIGHT = 0.5  # seconds
STEPS = 16  # of a flight
PATIENCE = 0.7  # seconds after which work is said to go on


class Part(Protocol):
    """A part of the panel."""

    def refresh(self, what: What) -> None:
        """Show what changed; on the page's worker."""


class Page:
    """What panels and tools work with. All methods but :meth:`do` and :meth:`moved` run on the page's worker."""

    def __init__(self, viewer: "Viewer", client: Client) -> None:
        self.viewer, self.client, self.session = viewer, client, viewer.session
        self.look = Look()
        self.parts: list[Part] = []
        self.furnished = False  # all parts are there and show the scene
        self.engine: Engine | None = None
        self.dark = False
        self.solids: set[str] = set()  # names of what is drawn among the Gaussians, such as handles: they need depth
        self.watchers: list[Callable[[Layer], None]] = []  # told what is drawn when the camera rests
        self._worker = Worker(self.failed)
        self.photos = Photos(self.session, client, self._choose_photo)
        self.photo_clicked: tuple[float, float] | None = None  # the click that chose it is not for the scene
        self.go_to: Callable[[View], None] = lambda view: self.fly(self.session.pose_of(view.camera))

    def do(self, job: Callable[[], None], title: str = "") -> None:
        """Run a job soon, after earlier ones; what it raises becomes a notification.

        Args:
            title: said on the page when the job takes longer than a moment.
        """
        self._worker.post(lambda: self._patiently(job, title) if title else job())

    def when_calm(self, job: Callable[[], None], delay: float, about: str = "") -> None:
        """Run a job once this has not been called again for ``delay`` seconds about the same matter."""
        self._worker.when_calm(job, delay, about)

    def camera(self) -> Camera | None:
        """What the page shows now; None before it has a size."""
        return camera_of(self.client)

    @property
    def has_solids(self) -> bool:
        """Whether something is drawn among the Gaussians, which may hide it."""
        return self.photos.shown or bool(self.solids)

    def redraw(self) -> None:
        """Show the scene as it is now."""
        self.photos.make_room(self.camera())
        if self.engine is not None:
            self.engine.redraw()

    def seen(self, layer: Layer) -> None:
        """The camera rests, and this is drawn."""
        for watcher in self.watchers:
            watcher(layer)

    def refresh(self, what: What) -> None:
        """Let every part of the panel show what changed, and draw."""
        first = what == "picked" and not self.look.trial
        if first:  # people look at the scene, and the panel hardly ever changes it
            self.redraw()
        for part in self.parts:
            part.refresh(what)
        if what != "work" and (self.look.trial or not first):
            self.redraw()

    def pick(self, ids: Int64[Tensor, " k"]) -> None:
        """Pick these and nothing else; what is hidden or locked is left out."""
        self.look.picked = self.look.pickable(self.session.now, ids) if len(ids) else NOTHING
        self.refresh("picked")

    def show(self, title: str) -> None:
        """Look at the layer of this title."""
        self.look.shown = title
        self.refresh("layer")

    def edit(self, edit: Edit, label: str) -> None:
        """Edit the scene for everybody."""
        self.session.do(edit, label, by=self)

    def heard(self, change: Change) -> None:
        """The scene changed; on any thread."""
        self.do(lambda: self._follow(change))

    async def moved(self, _: object) -> None:
        """The page's camera changed."""
        if self.engine is not None:
            self.engine.moved()

    def say(self, title: str, text: str = "") -> None:
        """A message on this page."""
        notify(self.client, title, text, "blue")

    @contextlib.contextmanager
    def progress(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """A message with progress while something goes on: call what is given with (done, of)."""
        with self.told(title) as say:
            yield lambda done, of: say(f"{done} of {of}")

    @contextlib.contextmanager
    def told(self, title: str) -> Iterator[Callable[[str], None]]:
        """A message while something goes on: call what is given with a sentence."""
        shown = self.client.add_notification(title, "", loading=True, auto_close_seconds=None, with_close_button=False)

        def say(text: str) -> None:
            shown.body = text

        try:
            yield say
        finally:
            with contextlib.suppress(Exception):  # the page may be gone
                shown.remove()

    def fly(self, pose: Pose) -> None:
        """Move this page's camera smoothly; ends exactly at the pose."""
        camera = self.client.camera
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
            with self.client.atomic():
                camera.up_direction = tuple(pose.up.tolist())
                camera.position, camera.look_at = position, target
                camera.fov = start.fov + (pose.fov - start.fov) * part
            self.client.flush()
            pause.wait(FLIGHT / STEPS)

    def failed(self, error: Exception) -> None:
        """Tell the visitor what went wrong; the page goes on. What nobody foresaw also goes to the log."""
        if not is_open(self.client):
            return  # nobody is there to read it, and that may be why it failed
        text = str(error)
        if not isinstance(error, SemsplatError):
            logging.getLogger(__name__).error("A page's request failed.", exc_info=error)
            text = f"Something unexpected happened ({type(error).__name__}: {error}). The terminal says more."
        notify(self.client, "That did not work", text)

    def stop(self) -> None:
        """The page was closed."""
        self._worker.stop(last=lambda: self.engine.stop() if self.engine else None)

    def _follow(self, change: Change) -> None:
        self.look.picked = self.look.pickable(self.session.now, self.look.picked)
        self.refresh(change.what)
        if change.said and change.by is not self:
            news = change.what in ("scene", "work", "world")
            title = "News of this scene" if news else "Somebody changed the scene"
            title = "Somebody changed your edit" if change.author is self else title
            self.say(title, f"{change.said.rstrip('.')}.")

    def _patiently(self, job: Callable[[], None], title: str) -> None:
        done = threading.Event()

        def wait() -> None:
            if not done.wait(PATIENCE):
                with self.progress(title):
                    done.wait()

        threading.Thread(target=wait, name="semsplat-patience", daemon=True).start()
        try:
            job()
        finally:
            done.set()

    def _choose_photo(self, view: View, place: tuple[float, float]) -> None:
        self.photo_clicked = place
        self.do(lambda: self.go_to(view))
