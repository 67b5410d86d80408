"""Work on a scene that others may watch: what it says about itself in the scene folder, and what watchers wish of it.

    live.json   what goes on, how far it is, the curve; written at most every half second, removed at the end
    wish.txt    pause, resume or stop: written by a viewer, read and removed by whoever works

Viewers of the same computer and of others that share the folder follow it alike.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..splatting import processes
from ..splatting.errors import SemsplatError
from ..splatting.files import replacing
from ..splatting.train_types import Progress

FITTING = "fitting"  # what a fit calls itself to those who watch
LIVE, WISH = "live.json", "wish.txt"
EVERY = 0.5  # seconds between two writes, at least
LOST = 60.0  # seconds without a word after which work is thought to have ended
POINTS = 300  # of the curve that are told
Wish = Literal["pause", "resume", "stop"]


@dataclass(frozen=True)
class Facts:
    """How far work on a scene is."""

    what: str  # fitting, distilling labels ...
    done: int
    of: int
    text: str  # loss, PSNR ..., for people
    seconds_left: float
    state: Literal["running", "paused"] = "running"
    obeys: bool = True  # pause, resume and stop
    curve: tuple[tuple[float, float, float], ...] = ()  # (step, loss, PSNR in dB)
    pid: int = field(default_factory=os.getpid)
    at: float = field(default_factory=time.time)  # seconds since 1970, when it was said

    @property
    def lost(self) -> bool:
        """Nothing was heard for so long that whoever worked must be gone."""
        return self.state == "running" and time.time() - self.at > LOST


class Live:
    """The side of whoever works; of several processes the first one speaks and listens."""

    def __init__(self, folder: Path, what: str, obeys: bool = True) -> None:
        self._folder, self._what, self._obeys = folder, what, obeys
        self._last: Facts | None = None
        self._told = 0.0
        self._speaks = processes.is_first()

    def show(self, progress: Progress) -> None:
        """Tell how a fit goes."""
        if self._is_due():
            curve = progress.state.curve
            few = curve[:: max(1, len(curve) // POINTS)]
            points = tuple((float(step), float(loss), float(psnr)) for step, loss, psnr in few)
            left = progress.seconds_left
            text = f"loss {progress.loss:.4f} · PSNR {progress.psnr:.1f} dB · {progress.count:,} Gaussians"
            self._tell(Facts(self._what, progress.step, progress.steps, text, left, "running", self._obeys, points))

    def count(self, done: int, of: int, text: str, seconds_left: float) -> None:
        """Tell how far something is that has no curve."""
        if self._is_due():
            self._tell(Facts(self._what, done, of, text, seconds_left, "running", self._obeys))

    def wishes_stop(self, meanwhile: Callable[[], None] = lambda: None) -> bool:
        """Whether a watcher wants an end; waits as long as one wants a pause, and calls ``meanwhile`` now and then."""
        wish = self._read()
        if wish == "pause" and self._last is not None:
            while wish not in ("resume", "stop"):
                self._tell(replace(self._last, state="paused", at=time.time()))
                meanwhile()
                time.sleep(EVERY)
                wish = self._read()
            self._tell(replace(self._last, state="running", at=time.time()))
        return wish == "stop"

    def end(self) -> None:
        """Nothing goes on any more."""
        for name in (LIVE, WISH) if self._speaks else ():
            with contextlib.suppress(OSError):
                (self._folder / name).unlink(missing_ok=True)

    def _is_due(self) -> bool:
        return self._speaks and time.monotonic() - self._told >= EVERY

    def _tell(self, facts: Facts) -> None:
        self._told, self._last = time.monotonic(), facts
        with contextlib.suppress(OSError, SemsplatError), replacing(self._folder / LIVE) as temporary:
            temporary.write_text(json.dumps(asdict(facts)), encoding="utf-8")

    def _read(self) -> str:
        if not self._speaks:
            return ""
        path = self._folder / WISH
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            return ""
        with contextlib.suppress(OSError):
            path.unlink()
        return text


@contextlib.contextmanager
def live(folder: Path, what: str, obeys: bool = True) -> Iterator[Live]:
    """Work that can be followed; however it ends, nothing is left in the folder."""
    following = Live(folder, what, obeys)
    following.end()  # what an earlier process left when it was killed
    try:
        yield following
    finally:
        following.end()


def read(folder: Path) -> Facts | None:
    """What goes on in a scene folder now; None when nothing does."""
    try:
        content = json.loads((folder / LIVE).read_text(encoding="utf-8"))
        content["curve"] = tuple((float(a), float(b), float(c)) for a, b, c in content["curve"])
        facts = Facts(**content)
        return None if facts.lost else facts
    except (OSError, ValueError, TypeError, KeyError):
        return None


def wish(folder: Path, what: Wish) -> None:
    """Ask whoever works on the scene to pause, resume, or save and stop."""
    with replacing(folder / WISH) as temporary:
        temporary.write_text(what, encoding="utf-8")


class Watcher:
    """Calls back when the files of a scene change, from a thread of its own."""

    def __init__(self, paths: Callable[[], list[Path]], changed: Callable[[set[Path]], None], every: float = 1.0):
        """Begin at once.

        Args:
            paths: to look at, now. changed: gets those that are new, newer or gone. every: seconds.
        """
        self._paths, self._changed, self._every = paths, changed, every
        self._end = threading.Event()
        self._before = self._stamps()
        threading.Thread(target=self._run, name="semsplat-watcher", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._end.set()

    def _stamps(self) -> dict[Path, int]:
        stamps = {}
        for path in self._paths():
            with contextlib.suppress(OSError):
                stamps[path] = path.stat().st_mtime_ns
        return stamps

    def _run(self) -> None:
        while not self._end.wait(self._every):
            now = self._stamps()
            news = {path for path in now.keys() | self._before.keys() if now.get(path) != self._before.get(path)}
            self._before = now
            if news:
                self._changed(news)
