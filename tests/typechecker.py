"""Every annotation checked on every call, by beartype; shapes by jaxtyping, where a function speaks of arrays.

jaxtyping's own decorator checks the arguments twice and binds them to names on every call, of functions without arrays
too. This one makes the same checks once, and binds names only where there are arrays: tests are quicker by a third.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

import beartype
import jaxtyping

_checked = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))  # an int will do for a float
_jaxtyped = jaxtyping.jaxtyped


def check(function: Callable) -> Callable:
    """``function`` with every annotation checked on every call, but for those that speak of Self.

    beartype knows Self only when it sees the whole class, and methods are decorated one by one.
    """
    if isinstance(function, type):
        return _checked(function)
    hints = getattr(function, "__annotations__", {})
    for name, hint in list(hints.items()):
        hint = _resolved(hint, function.__globals__)
        hints[name] = Any if _speaks_of(hint, lambda part: part is typing.Self) else hint
    return _checked(function)


def jaxtyped(given: Any = None, *, typechecker: Callable | None) -> Any:
    """In place of jaxtyping's decorator of that name: the same checks of functions and dataclasses, made once."""
    if given is None:
        return functools.partial(jaxtyped, typechecker=typechecker)
    if dataclasses.is_dataclass(given) and inspect.isfunction(vars(given).get("__init__")):
        given.__init__ = jaxtyped(given.__init__, typechecker=typechecker)
        return given
    if typechecker is None or not inspect.isfunction(given):
        return _jaxtyped(given, typechecker=typechecker)
    checked = check(given)
    if any(_speaks_of(hint, _is_array) for hint in getattr(given, "__annotations__", {}).values()):
        return _jaxtyped(checked, typechecker=None)
    return checked


def _resolved(hint: Any, names: dict[str, Any]) -> Any:
    """``hint`` with what is written as text looked up; Any where only the static checker imports it."""

    def carrier() -> None: ...

    carrier.__annotations__ = {"value": hint}
    try:
        return typing.get_type_hints(carrier, names, include_extras=True)["value"]
    except Exception:  # the names may be anything
        return Any


def _is_array(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)


def _speaks_of(hint: Any, wanted: Callable[[Any], bool]) -> bool:
    parts = hint if isinstance(hint, list) else typing.get_args(hint)  # a list: the arguments of a Callable
    return wanted(hint) or any(_speaks_of(part, wanted) for part in parts)
