"""The way to pycolmap, for processes of their own. The only file that imports it.

pycolmap brings its own zlib, which breaks the one of a process in which it is loaded later, cannot be interrupted from
Python, and ends the process when it fails badly.
"""

import zlib  # noqa: F401  (must be loaded before pycolmap)
from typing import Any


def load() -> Any:
    """The module, quiet but for errors."""
    import pycolmap

    pycolmap.logging.minloglevel = pycolmap.logging.ERROR.value
    return pycolmap
