"""beartype, for methods decorated one by one: it knows Self only when it sees the whole class."""

import typing
from collections.abc import Callable
from typing import Any

import beartype

_checked = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))  # an int will do for a float


def check(function: Callable) -> Callable:
    """``function`` with every annotation checked on every call, but for those that speak of Self."""
    if isinstance(function, type):
        return _checked(function)
    hints = getattr(function, "__annotations__", {})
    for name in [name for name, hint in hints.items() if _speaks_of_self(hint)]:
        hints[name] = Any
    return _checked(function)


def _speaks_of_self(hint: Any) -> bool:
    return hint is typing.Self or any(_speaks_of_self(part) for part in typing.get_args(hint))
