"""How many pixels there is time for, found from how long pictures took. Knows no picture and no page."""

from dataclasses import dataclass

SIZES = (1.0, 0.75, 0.5, 0.35, 0.25, 1 / 6)  # of a picture's sides, finest first
TARGET = 0.08  # seconds a picture may take while the camera moves
WORTH = 1.5  # times the coarsest picture's seconds: what does not depend on pixels is not paid with them
LIMIT = 4.0  # targets that pictures of more than half size may take
MARGIN = 0.8  # finer only if it takes this part of what is allowed, so that sizes do not flicker
MEMORY = 20  # pictures after which a measurement counts half
ALONE = 0.9  # share of a picture's seconds that goes with its pixels, as long as only one size is known
NEWEST = 0.4  # share of the newest measurement in what is held of a size
PATIENCE = 0.5  # seconds that a still picture may always take
STRIDE = 4.0  # times longer than the one before: what a still picture may take at least


@dataclass
class _Known:
    seconds: float
    turn: int


class Ladder:
    """Chooses among SIZES by their number: 0 is full size, the last the coarsest."""

    def __init__(self, target: float = TARGET) -> None:
        self.target = target
        self.level = 2  # of the newest moving picture
        self._known: dict[int, _Known] = {}
        self._turn = 0

    def took(self, level: int, seconds: float) -> None:
        """A picture of this size took so long; a single slow one among fast ones counts little.

        The first of all does not count: it paid for what is made only once.
        """
        self._turn += 1
        if self._turn == 1:
            return
        before = self._known.get(level)
        if before is not None:
            seconds = before.seconds + NEWEST * (min(seconds, 3.0 * before.seconds) - before.seconds)
            for known in self._known.values():  # what makes one size slower mostly makes all of them slower
                known.seconds *= seconds / before.seconds if known is not before else 1.0
        self._known[level] = _Known(seconds, self._turn)

    def expected(self, level: int) -> float:
        """Seconds, 0 before anything is known: a line over pixels through what the newest size takes.

        Neither what is fixed nor what a pixel takes is negative. Where no other size is known, little is taken for
        fixed: a slow start ends at once. Where others are known only from long ago, at least half: so that finer ones
        are tried again.
        """
        if not self._known:
            return 0.0
        newest = max(self._known, key=lambda k: self._known[k].turn)
        x, y = SIZES[newest] ** 2, self._known[newest].seconds
        others = {k: known for k, known in self._known.items() if k != newest}
        slope = min(max(self._slope(x, y, others), 0.0), y / x)
        if others and all(self._turn - known.turn > MEMORY for known in others.values()):
            slope = min(slope, 0.5 * y / x)
        return y + slope * (SIZES[level] ** 2 - x)

    def _slope(self, x: float, y: float, others: dict[int, _Known]) -> float:
        """Of the line through (x, y) that fits others best, newer ones more."""
        up = down = 0.0
        for k, known in others.items():
            weight, run = 0.5 ** ((self._turn - known.turn) / MEMORY), SIZES[k] ** 2 - x
            up, down = up + weight * run * (known.seconds - y), down + weight * run * run
        return up / down if down > 1e-9 else ALONE * y / x

    def moving(self) -> int:
        """Size of the next picture while the camera moves: the finest that is fast enough, finer by one at a time."""
        if self._known:
            allowed = max(self.target, WORTH * self.expected(len(SIZES) - 1))
            most = [min(allowed, LIMIT * self.target) if size > 0.5 else allowed for size in SIZES]
            sizes = range(max(self.level - 1, 0), len(SIZES))
            fits = (k for k in sizes if self.expected(k) <= (MARGIN if k < self.level else 1.0) * most[k])
            self.level = next(fits, len(SIZES) - 1)
        return self.level

    def finer(self, level: int) -> int:
        """Size of the next picture while the camera rests: full if that is quick, else some steps on the way."""
        if not self._known:
            return max(level - 1, 0)
        allowed = max(PATIENCE, STRIDE * self.expected(level))
        return next((k for k in range(level) if self.expected(k) <= allowed), max(level - 1, 0))
