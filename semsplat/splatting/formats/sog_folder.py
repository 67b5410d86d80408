"""SOG as web pages load it: ``meta.json`` and its pictures side by side in a folder; see :mod:`.sog`. Read only."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import reason
from ..gaussians import Gaussians
from . import reading
from .reading import Reading
from .sog import Members, decoded


@dataclass(frozen=True)
class _Folder(Members):
    """The files beside a meta.json."""

    def bytes_of(self, name: str, most: int) -> bytes:
        """See :meth:`Members.bytes_of`."""
        if Path(name).name != name:
            raise InputError(f"{self.path} points to {name[:80]!r}; only files beside it are read.")
        place = self.path if name == "meta.json" else self.path.with_name(name)
        try:
            size = place.stat().st_size
            if size > most:
                raise InputError(f"{self.path} is broken or a trap: {name} beside it has {size:,} bytes.")
            return reading.contents(place)
        except OSError as error:
            raise InputError(f"{self.path} needs {name[:80]!r} beside it: {reason(error)}.") from error


def read(path: str | Path) -> Gaussians:
    """The Gaussians of a meta.json, float32; see :func:`read_with_notes`."""
    return read_with_notes(path).gaussians


@np.errstate(all="ignore")
def read_with_notes(path: str | Path) -> Reading:
    """Read a meta.json of SOG version 2 and the pictures that it names.

    Raises:
        InputError: no such file, another version, damaged, or a picture is missing.
    """
    path = Path(path)
    try:
        held = sum(file.stat().st_size for file in path.parent.iterdir() if file.suffix in (".webp", ".json"))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {reason(error)}.") from error
    try:
        return reading.finished(path, decoded(_Folder(path, held)))
    except ValueError as error:
        raise InputError(f"{path} is no SOG: {error}.") from error
