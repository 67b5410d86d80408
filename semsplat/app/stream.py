"""Pictures from the server: one thread a page draws what its camera sees, as sharp as there is time for.

The newest camera wins: nothing is queued. While the camera moves, pictures are as large as :class:`Ladder` finds time
for; when it rests, sharper ones follow until one of full size has come. A page says when it has taken a picture, and
gets no other one before: on a slow link it shows fewer pictures, not old ones, and its buttons are not held up.

Here the page is whatever has ``camera``, ``scene.set_background_image``, ``local_storage.get_item`` and ``flush``.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ..splatting.camera import Camera
from .browser import Client, camera_of, is_open
from .ladder import NEWEST, SIZES, TARGET, Ladder

Picture = tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "h w"] | None]  # colours; depth in world units
Draw = Callable[[Camera, bool], Picture]

CALM = 0.2  # seconds without movement after which the camera is said to rest
LARGEST = 2560 * 1600  # pixels of a full-size picture; pages on very fine screens stretch it
MOVING, STILL = 60, 90  # JPEG quality
REST = 0.5  # seconds after an error
FAR = 167.0  # world units: as far as a page knows depth
DEPTH_SIDE = 640  # pixels, the longest side of a depth picture: it costs as much as ten colour pictures
DEPTH_BITS = 12  # of a depth's mantissa that are sent


class Turns:
    """A lock that serves those who wait in the order they came, so that several pages share fairly."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    def __enter__(self) -> int:
        """Wait; returns how many were before."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return 0
            turn = threading.Event()
            self._waiting.append(turn)
            before = len(self._waiting)
        turn.wait()
        return before

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # stays taken: handed over
            else:
                self._taken = False


@dataclass(frozen=True)
class Stats:
    """What a page has got."""

    frames: int  # sent since the start
    fps: float  # pictures in the last second
    level: int  # place in SIZES of the newest picture
    seconds: float  # from the camera to the page having taken the newest picture
    sharp: bool  # the newest picture is of full size and nothing has changed since


@dataclass(frozen=True)
class _Job:
    version: int  # of what is to be seen
    level: int
    still: bool  # the last one: full size, best quality, with depth

    @property
    def last(self) -> "_Job":
        """As if nothing were left to be drawn."""
        return replace(self, still=True)


class Stream:
    """One page that is sent pictures of what its camera sees."""

    def __init__(
        self,
        client: Client,
        draw: Draw,
        failed: Callable[[Exception], None],
        turns: Turns | None = None,
        target: float = TARGET,
    ) -> None:
        """Begin at once.

        Args:
            client: the page.
            draw: makes a picture for a camera, whose width and height it has to have. Its second argument is True for
                the last picture of a camera at rest; only then a depth is sent, if there is one. Runs in a thread of
                this stream, without gradients.
            failed: is told about errors; the stream goes on.
            turns: held while drawing, the same for all pages that share a processor.
            target: seconds a picture may take while the camera moves.
        """
        self._client, self._draw, self._failed = client, draw, failed
        self._turns = Turns() if turns is None else turns
        self._ladder = Ladder(target)
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._running = True
        self._version, self._moved_at = 0, float("-inf")
        self._sent: _Job | None = None
        self._underway: float | None = None  # when the picture was sent that the page has not taken yet
        self._spent = 0.0  # seconds that the newest picture took until it was sent, without waiting for a turn
        self._cost = 0.0  # the same, times the pages that shared the processor
        self._arrival = 0.0  # seconds from there until the page has taken it, about
        self._frames, self._seconds = 0, 0.0
        self._times: deque[float] = deque(maxlen=240)
        for work in (self._draws, self._listens):
            threading.Thread(target=work, name="semsplat-stream", daemon=True).start()

    def moved(self) -> None:
        """The camera has changed."""
        with self._changed:
            self._version, self._moved_at = self._version + 1, time.monotonic()
            self._changed.notify_all()

    def refresh(self) -> None:
        """What is drawn has changed: layer, selection or scene."""
        with self._changed:
            self._version += 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Send nothing more and take the picture off the page, if that is still there."""
        with self._changed:
            remove = self._running and self._frames > 0
            self._running = False
            self._changed.notify_all()
        if remove:
            with self._sending:
                if is_open(self._client):
                    self._client.scene.set_background_image(None)

    @property
    def stats(self) -> Stats:
        """How it goes."""
        with self._changed:
            now, sent = time.monotonic(), self._sent
            fps = float(sum(now - sent_at < 1.0 for sent_at in self._times))
            sharp = sent is not None and sent.still and sent.version == self._version and self._underway is None
            return Stats(self._frames, fps, sent.level if sent else self._ladder.level, self._seconds, sharp)

    def _draws(self) -> None:
        while job := self._next():
            try:
                self._picture(job)
            except Exception as error:  # whatever it is, this page lives on
                with contextlib.suppress(Exception):  # the page may be gone
                    self._failed(error)
                with self._changed:
                    self._sent = job.last  # not again before something changes
                    self._changed.wait_for(lambda: not self._running, REST)

    def _next(self) -> _Job | None:
        """What to draw next, once there is something and the page is about to be ready for it; None at the end."""
        with self._changed:
            while self._running:
                now, sent = time.monotonic(), self._sent
                calm_in = self._moved_at + CALM - now
                ready_in = self._underway + self._arrival - self._spent - now if self._underway is not None else 0.0
                if ready_in > 0:
                    self._changed.wait(ready_in)
                elif sent is None or sent.version != self._version:
                    return self._first(calm_in <= 0)
                elif not sent.still and calm_in <= 0:
                    level = self._ladder.finer(sent.level)
                    return _Job(self._version, level, still=level == 0)
                else:
                    self._changed.wait(None if sent.still else calm_in)
            return None

    def _first(self, rests: bool) -> _Job:
        """The first picture of a new view: quick, and the last one if a full one is quick."""
        quick = rests and self._frames > 0 and self._ladder.expected(0) <= self._ladder.target
        level = 0 if quick else self._ladder.moving()
        return _Job(self._version, level, still=rests and level == 0)

    def _picture(self, job: _Job) -> None:
        """Draw with the newest camera and send."""
        with self._turns as others, torch.no_grad():
            started = time.monotonic()
            with self._changed:
                if self._version != job.version and self._sent is not None and self._sent.version == job.version:
                    return  # it was to be a sharper picture of what is not looked at any more
                job, camera = replace(job, version=self._version), camera_of(self._client)
                if camera is None:  # the page has no size yet: it will move
                    self._sent = job.last
                if camera is None or not self._running:
                    return
            full = min(1.0, (LARGEST / (camera.width * camera.height)) ** 0.5)
            picture, depth = self._draw(camera.scaled(full * SIZES[job.level]), job.still)
        drawn = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._underway is None or not self._running)
        waited = time.monotonic() - drawn
        if self._version != job.version and waited > max(0.1, drawn - started):
            return  # the page was long in coming, and now looks elsewhere
        with self._sending:
            if self._running and is_open(self._client):
                self._send(picture, depth, job)
                spent = time.monotonic() - started - waited
                self._note(job, spent, (1 + others) * spent)

    def _send(self, picture: np.ndarray, depth: np.ndarray | None, job: _Job) -> None:
        shown = coded_depth(depth) if job.still and depth is not None else None
        quality = STILL if job.still else MOVING
        self._client.scene.set_background_image(picture, format="jpeg", jpeg_quality=quality, depth=shown)
        self._client.flush()

    def _note(self, job: _Job, spent: float, cost: float) -> None:
        with self._changed:
            self._sent, self._spent, self._cost, self._underway = job, spent, cost, time.monotonic()
            self._frames += 1
            self._times.append(self._underway)
            self._changed.notify_all()

    def _listens(self) -> None:
        """Ask the page for an answer after each picture: it answers in order, so then it has taken the picture."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._underway is not None or not self._running)
                if not self._running:
                    return
            try:
                self._client.local_storage.get_item("semsplat-taken")
            except RuntimeError as error:
                if "Failed to read" not in str(error):  # a page that keeps nothing answers, too
                    self.stop()
                    return
            with self._changed:
                assert self._underway is not None and self._sent is not None
                took = time.monotonic() - self._underway
                self._arrival += NEWEST * (took - self._arrival)
                self._seconds = self._spent + took
                self._ladder.took(self._sent.level, self._cost + took)
                self._underway = None
                self._changed.notify_all()


def coded_depth(depth: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "k l"]:
    """A depth as it is sent: small, and rounded relatively, which makes it a fifth of the size.

    Args:
        depth: world units; where it is not positive nothing is there, which counts as far.
    """
    step = max(1, -(-max(depth.shape) // DEPTH_SIDE))
    depth = depth[step // 2 :: step, step // 2 :: step]
    depth = np.where(depth > 0, depth, FAR)
    mantissa, exponent = np.frexp(np.minimum(depth, FAR))
    return np.ldexp(np.round(mantissa * 2**DEPTH_BITS), exponent - DEPTH_BITS)
