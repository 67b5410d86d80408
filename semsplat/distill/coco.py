"""Masks as COCO writes them: run lengths in a string, and one JSON for all pictures.

Source: Lin et al. 2014, the data format at cocodataset.org, and the run lengths of its API (maskApi): along columns,
the first run is outside the mask; from the fourth on each length is written less the one two before, in groups of five
bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool

from ..splatting.errors import InputError


def encode(mask: Bool[np.ndarray, "h w"]) -> dict[str, Any]:
    """A mask as {"size": [height, width], "counts": text}."""
    return {"size": list(mask.shape), "counts": _written(_runs(mask))}


def decode(written: dict[str, Any]) -> Bool[np.ndarray, "h w"]:
    """The mask that :func:`encode` wrote; counts may also be a list of numbers, as COCO has them for crowds.

    Raises:
        InputError: the runs do not fill the mask.
    """
    height, width = written["size"]
    counts = written["counts"]
    runs = counts if isinstance(counts, list) else _read(counts)
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise InputError(f"Run lengths of {sum(runs)} pixels do not fill a mask of {width} x {height}; write it again.")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


@dataclass
class Coco:
    """Gathers pictures and the masks in them; :attr:`content` is the JSON. Numbers begin at 1.

    A mask that is empty is not there. Categories are the names of things; what a thing is a part of is its
    supercategory.
    """

    names: Sequence[str]
    above: Sequence[str | None] = ()  # what each is a part of; none when not given
    about: dict[str, Any] = field(default_factory=dict)  # goes to "info"

    def __post_init__(self) -> None:
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def image(self, file_name: str, width: int, height: int, **facts: Any) -> int:
        """Note a picture; returns its number."""
        number = len(self._images) + 1
        self._images.append({"id": number, "file_name": file_name, "width": width, "height": height, **facts})
        return number

    def mask(self, image: int, name: int, mask: Bool[np.ndarray, "h w"]) -> None:
        """Note where in a picture a thing is; ``name`` is its place among the names."""
        if not mask.any():
            return
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        x, y = int(columns[0]), int(rows[0])
        self._annotations.append(
            {
                "id": len(self._annotations) + 1,
                "image_id": image,
                "category_id": name + 1,
                "segmentation": encode(mask),
                "area": int(mask.sum()),
                "bbox": [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y],
                "iscrowd": 0,
            }
        )

    @property
    def content(self) -> dict[str, Any]:
        """The whole, for one JSON file."""
        above = self.above or [None] * len(self.names)
        categories = [
            {"id": number, "name": name, "supercategory": parent or "object"}
            for number, (name, parent) in enumerate(zip(self.names, above, strict=True), 1)
        ]
        content = {"info": self.about, "licenses": [], "categories": categories}
        return content | {"images": self._images, "annotations": self._annotations}


def _runs(mask: np.ndarray) -> list[int]:
    flat = np.ascontiguousarray(mask.T).reshape(-1)
    turns = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([[0] if flat[:1].any() else [], turns, [flat.size]]).astype(np.int64)
    return np.diff(ends, prepend=0).tolist()


def _written(runs: Sequence[int]) -> str:
    letters = []
    for at, run in enumerate(runs):
        rest = run - runs[at - 2] if at > 2 else run
        more = True
        while more:
            bits = rest & 0x1F
            rest >>= 5
            more = rest != (-1 if bits & 0x10 else 0)
            letters.append(chr(48 + (bits | (0x20 if more else 0))))
    return "".join(letters)


def _read(text: str) -> list[int]:
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            value -= (1 << shift) if bits & 0x10 else 0
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    return runs
