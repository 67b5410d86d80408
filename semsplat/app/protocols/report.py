"""What a protocol found: tables whose rows say which number is which, and sentences about what to doubt."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..truth import rounded

Rows = Mapping[str, Mapping[str, float]]  # what is compared: the name of a number: the number, nan for none


@dataclass(frozen=True)
class Group:
    """A table: of one field, or of what was pointed at."""

    name: str
    rows: Rows


@dataclass(frozen=True)
class Report:
    """Everything that a protocol says."""

    groups: tuple[Group, ...]
    sentences: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """For metrics.json."""
        numbers = {
            group.name: {
                row: {name: rounded(value) for name, value in values.items()} for row, values in group.rows.items()
            }
            for group in self.groups
        }
        return {"numbers": numbers, "notes": list(self.sentences)}


def table(title: str, rows: Rows) -> Table:
    """The rows, with a dash for what there is not."""
    shown = Table(escape(title))
    columns = list(dict.fromkeys(name for values in rows.values() for name in values))
    for column in columns:
        shown.add_column(column, justify="right")
    for row, values in rows.items():
        shown.add_row(Text(row), *(_written(values.get(column, float("nan"))) for column in columns))
    return shown


def _written(number: float) -> str:
    return f"{number:.3f}" if number == number else "–"
