"""PLY tables: elements of scalar properties, ASCII or binary of either byte order; binary ones stay on disk.

Source of the format: Greg Turk, "The PLY Polygon File Format" (1994). We read it ourselves because general readers
trust the header: a count that the file cannot hold must end in a sentence, not in an allocation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import InputError
from .files import reason, replacing

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
_NAMES = {v: k for k, v in reversed(_TYPES.items())}  # the classical names, which every reader knows
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_LONGEST_HEADER = 1 << 20  # bytes


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    fields: tuple[tuple[str, str], ...]  # property name, numpy type without byte order
    lists: tuple[str, ...]  # names of list properties, which make the size of a row unknown


def read_vertices(path: str | Path) -> dict[str, np.ndarray]:
    """The columns of element ``vertex`` by property name, each (n,) in its type of the file; read-only views.

    Raises:
        InputError: not a PLY, no such element, or fewer rows in the file than its header promises.
    """
    path = Path(path)
    elements = read_elements(path, ("vertex",))
    if "vertex" not in elements:
        raise InputError(f"{path} has no element 'vertex'; give a PLY of points or Gaussians.")
    return elements["vertex"]


def read_elements(path: str | Path, names: tuple[str, ...]) -> dict[str, dict[str, np.ndarray]]:
    """Those of the named elements that the file has, as columns by property name (see read_vertices)."""
    path = Path(path)
    try:
        with path.open("rb") as stream:
            order, elements = _header(path, stream)
            return _body(path, stream, order, elements, names)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {reason(error)}.") from error


def write_vertices(path: str | Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write (n,) columns as element ``vertex``; see :func:`write_elements`."""
    write_elements(path, {"vertex": columns})


def write_elements(path: str | Path, elements: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write elements of equally long columns, binary little endian, in the order of the mappings; atomic.

    Raises:
        InputError: the file cannot be written.
        ValueError: columns of unequal length, or a type that PLY does not have (64-bit integers, bool).
    """
    header, tables = ["ply", "format binary_little_endian 1.0"], []
    for element, mapping in elements.items():
        columns = {name: np.asarray(column) for name, column in mapping.items()}
        kinds = {name: f"{column.dtype.kind}{column.dtype.itemsize}" for name, column in columns.items()}
        if wrong := [name for name, kind in kinds.items() if kind not in _NAMES]:
            raise ValueError(f"PLY has no type for column {wrong[0]!r} of {columns[wrong[0]].dtype}.")
        lengths = {column.shape for column in columns.values()}
        if len(lengths) != 1 or len(next(iter(lengths))) != 1:
            raise ValueError(f"Columns of a PLY must be 1-dimensional and equally long, not {sorted(lengths)}.")
        header.append(f"element {element} {next(iter(lengths))[0]}")
        header += [f"property {_NAMES[kind]} {name}" for name, kind in kinds.items()]
        tables.append((np.dtype([(name, f"<{kind}") for name, kind in kinds.items()]), columns))
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.write("\n".join([*header, "end_header", ""]).encode("ascii"))
        for dtype, columns in tables:
            _write_rows(stream, dtype, columns)


def _write_rows(stream: BinaryIO, dtype: np.dtype, columns: Mapping[str, np.ndarray]) -> None:
    count, chunk = len(next(iter(columns.values()))), 1 << 16  # rows interleaved at a time: memory stays flat
    for start in range(0, count, chunk):
        rows = np.empty(min(chunk, count - start), dtype)
        for name, column in columns.items():
            rows[name] = column[start : start + chunk]
        stream.write(rows.tobytes())


def _header(path: Path, stream: BinaryIO) -> tuple[str, list[_Element]]:
    """Byte order and the elements in the order of the file; the stream is left at the first row."""
    if stream.readline(16).rstrip() != b"ply":
        raise InputError(f"{path} is not a PLY file: it does not begin with 'ply'.")
    order, elements = None, []
    while stream.tell() < _LONGEST_HEADER:
        line = stream.readline(_LONGEST_HEADER)
        match line.decode("ascii", errors="replace").split():
            case ["end_header"] if order is not None:
                return order, elements
            case ["format", kind, "1.0"] if kind in _ORDERS:
                order = kind
            case ["comment" | "obj_info", *_]:
                pass
            case ["element", name, count] if count.isdecimal() and len(count) < 16:
                elements.append(_Element(name, int(count), (), ()))
            case ["property", "list", size, kind, name] if elements and size in _TYPES and kind in _TYPES:
                last = elements[-1]
                elements[-1] = _Element(last.name, last.count, last.fields, (*last.lists, name))
            case ["property", kind, name] if elements and kind in _TYPES:
                last = elements[-1]
                if name in dict(last.fields):
                    raise InputError(f"{path} has property {name!r} twice in element {last.name!r}.")
                elements[-1] = _Element(last.name, last.count, (*last.fields, (name, _TYPES[kind])), last.lists)
            case words:
                if not line.endswith(b"\n"):
                    break
                raise InputError(f"{path} has a PLY header line that cannot be read: {' '.join(words)[:80]!r}.")
    raise InputError(f"{path} is truncated: its PLY header does not end.")


def _body(
    path: Path, stream: BinaryIO, order: str, elements: list[_Element], names: tuple[str, ...]
) -> dict[str, dict[str, np.ndarray]]:
    """Walk over the elements as far as the last wanted one."""
    result: dict[str, dict[str, np.ndarray]] = {}
    size = path.stat().st_size
    for element in elements:
        if not set(names) & {e.name for e in elements} - result.keys():
            break
        if element.lists:
            raise InputError(
                f"{path} has a list property {element.lists[0]!r} in element {element.name!r}; give scalars."
            )
        if not element.fields:
            raise InputError(f"{path} has an element {element.name!r} without properties.")
        dtype = np.dtype([(name, _ORDERS[order] + kind) for name, kind in element.fields])
        smallest = 2 * len(element.fields) if order == "ascii" else dtype.itemsize  # bytes of a row
        held = (size - stream.tell() + (order == "ascii")) // smallest
        if element.count > held:
            raise _truncated(path, element, held if order != "ascii" else None)
        if order == "ascii":
            table = _ascii_rows(path, stream, element, dtype)
        elif element.count:
            table = np.memmap(stream, dtype, "r", stream.tell(), element.count)
            stream.seek(table.offset + element.count * dtype.itemsize)
        else:
            table = np.empty(0, dtype)
        if element.name in names:
            result[element.name] = {name: _native(table[name]) for name, _ in element.fields}
    return result


def _ascii_rows(path: Path, stream: BinaryIO, element: _Element, dtype: np.dtype) -> np.ndarray:
    lines = islice(stream, element.count)
    first = list(islice(lines, 1))  # loadtxt warns where there is no row at all
    try:
        table = np.loadtxt(chain(first, lines), dtype, comments=None, ndmin=1) if first else np.empty(0, dtype)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path} has a row of element {element.name!r} that cannot be read: {error}.") from error
    if len(table) < element.count:
        raise _truncated(path, element, len(table))
    return table


def _truncated(path: Path, element: _Element, held: int | None) -> InputError:
    rows = "fewer" if held is None else f"{held}"
    return InputError(
        f"{path} is truncated: its header promises {element.count} rows of {element.name!r}, it holds {rows}."
    )


def _native(column: np.ndarray) -> np.ndarray:
    """The column in this machine's byte order, as a plain array (a view where nothing has to be swapped)."""
    return np.asarray(column, column.dtype.newbyteorder("="))
