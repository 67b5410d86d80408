"""Sets of ids on disk, each under the digest of what it holds, and the JSON file that names them: changed as one.

A set is never changed under its name, and the JSON file is replaced after the sets that it names are there. So a
process that ends in between leaves both as they were before.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from .errors import InputError
from .files import reason, replacing
from .tensors import load_tensors, save_tensors


def digest(*tensors: Tensor) -> str:
    """24 hexadecimal digits that say what the tensors hold, the same on every machine."""
    found = hashlib.sha256()
    for tensor in tensors:
        array = tensor.detach().cpu().contiguous().numpy()
        found.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return found.hexdigest()[:24]


def is_set(ids: Tensor) -> bool:
    """Whether these are ascending whole numbers, as every set of ids is kept."""
    return ids.dtype == torch.int64 and ids.ndim == 1 and bool((ids.diff() > 0).all())


def write(
    document: Path, content: Any, path: Path, sets: Mapping[str, Int64[Tensor, " k"]], named: Iterable[str]
) -> None:
    """Replace a JSON file and the sets that it names.

    Args:
        document: the JSON file. content: what it shall hold.
        path: the .safetensors file of the sets. sets: all that ``content`` names, by their digests.
        named: digests that the JSON file on disk names; other sets are rubbish of a process that was killed.

    Raises:
        InputError: the folder cannot be written.
    """
    before = _sets_now(path)
    if sets.keys() - before.keys():
        kept = {key: before[key] for key in set(named) & before.keys()}
        save_tensors(path, kept | dict(sets), {})  # old and new: right for either JSON file
    with replacing(document) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if not sets:
        _remove(path)  # safetensors cannot read what it writes when there is nothing to write
    elif before.keys() - sets.keys():
        save_tensors(path, sets, {})


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"Cannot remove {path}: {reason(error)}.") from error


def _sets_now(path: Path) -> dict[str, Tensor]:
    try:
        return load_tensors(path, "")[0]
    except InputError:
        return {}
