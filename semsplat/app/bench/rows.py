"""What the bench finds: a figure of ours, the rival's, and the ratio, as a table for people and as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .clock import Spread

HEAD = ("", "ours", "rival", "rival / ours", "least - most", "the rival")
DIGITS = {"ms": 2, "s": 2, "kB": 1}


@dataclass(frozen=True)
class Row:
    """One comparison; a ratio over 1 means that the rival takes more."""

    part: str  # of the bench
    what: str
    rival: str
    unit: str  # of ours and theirs
    ours: Spread
    theirs: Spread
    ratio: Spread
    facts: dict[str, Any] = field(default_factory=dict)
    at_least: bool = False  # the rival had not arrived when its time was over

    def json(self) -> dict[str, Any]:
        """For one line of JSON."""
        figures = {"ours": self.ours, "rival": self.theirs, "ratio": self.ratio}
        found = {"part": self.part, "what": self.what, "against": self.rival, "unit": self.unit}
        found |= {name: spread.rounded() for name, spread in figures.items()}
        return found | {"rival_not_arrived": self.at_least, **self.facts}

    def cells(self) -> tuple[str, ...]:
        """As HEAD says."""
        sign, digits = (">" if self.at_least else ""), DIGITS[self.unit]
        numbers = [f"{spread.median:,.{digits}f} {self.unit}" for spread in (self.ours, self.theirs)]
        least, most = factor(self.ratio.least), factor(self.ratio.most)
        return (
            self.what,
            numbers[0],
            sign + numbers[1],
            sign + factor(self.ratio.median),
            f"{least} - {most}",
            self.rival,
        )


def factor(ratio: float) -> str:
    """A ratio, to two or three places that mean something."""
    return f"{ratio:.2f}" if ratio < 3 else f"{ratio:.1f}" if ratio < 30 else f"{ratio:.0f}"


def table(rows: Sequence[Row]) -> list[str]:
    """Aligned lines."""
    cells = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(HEAD))]
    left = (0, len(HEAD) - 1)  # columns of words
    aligned = ([f"{c:<{w}}" if k in left else f"{c:>{w}}" for k, (c, w) in enumerate(zip(line, widths, strict=True))]
               for line in cells)  # fmt: skip
    return ["  ".join(line).rstrip() for line in aligned]
