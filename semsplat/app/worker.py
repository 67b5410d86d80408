"""One thread that does one viewer's work in order."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]


class Worker:
    """Jobs run one after the other; what one of them raises goes to ``failed`` and the next one runs."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._jobs: deque[Job] = deque()
        self._later: dict[str, tuple[float, Job]] = {}  # (not before this time, job)
        self._changed = threading.Condition()
        self._running = True
        self._last: Job = lambda: None
        self._thread = threading.Thread(target=self._run, name="semsplat-viewer", daemon=True)
        self._thread.start()

    def post(self, job: Job) -> None:
        """Run a job after those that wait already."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    def when_calm(self, job: Job, delay: float, about: str = "") -> None:
        """Run a job once this has not been called again for ``delay`` seconds; of one matter, the newest is kept."""
        with self._changed:
            self._later[about] = (time.monotonic() + delay, job)
            self._changed.notify()

    def stop(self, last: Job = lambda: None) -> None:
        """Finish the job at hand, forget the others, and do one ``last`` thing; does not wait for it."""
        with self._changed:
            self._running, self._last = False, last
            self._changed.notify()

    def _next(self) -> Job | None:
        with self._changed:
            while self._running:
                if self._jobs:
                    return self._jobs.popleft()
                about = min(self._later, key=lambda name: self._later[name][0], default=None)
                wait = None if about is None else self._later[about][0] - time.monotonic()
                if about is not None and wait is not None and wait <= 0:
                    return self._later.pop(about)[1]
                self._changed.wait(wait)
            return None

    def _run(self) -> None:
        while job := self._next():
            try:
                job()
            except Exception as error:  # whatever it is, this viewer's page lives on
                with contextlib.suppress(Exception):  # the page may be gone
                    self._failed(error)
        self._last()
