"""What stands in the generated room by name, and the part: sheets of one material that belong to one named thing."""

from dataclasses import dataclass, replace

from .room_shapes import Sheet
from .room_textures import Material

TABLE_HEIGHT = 0.74

NAMES: dict[str, list[str]] = {
    "none": [],
    "floor": ["floor", "wooden floor", "floorboards"],
    "wall": ["wall", "painted wall"],
    "window": ["window", "window frame", "window sill"],
    "curtain": ["curtain", "curtains", "drape"],
    "skirting": ["skirting board", "baseboard"],
    "rug": ["rug", "carpet", "patterned rug"],
    "table": ["table", "wooden table", "dining table"],
    "chair_window": ["chair", "blue chair", "chair by the window"],
    "chair_bear": ["chair", "blue chair", "chair with the teddy bear"],
    "painting": ["painting", "picture", "framed landscape painting"],
    "clock": ["clock", "wall clock"],
    "lamp": ["floor lamp", "lamp", "standard lamp"],
    "plant": ["potted plant", "plant", "house plant"],
    "carton": ["cardboard box", "box", "carton"],
    "bear": ["teddy bear", "bear", "plush toy"],
    "teapot": ["teapot", "yellow teapot", "tea kettle"],
    "mug": ["mug", "red mug", "cup", "coffee mug"],
    "plate": ["plate", "dish"],
    "cookie": ["cookies", "biscuits", "cookie"],
    "vase": ["vase", "flower vase"],
    "twigs": ["twigs", "blossoming branch", "cherry blossom", "flowers"],
    "bowl": ["bowl", "blue bowl", "fruit bowl"],
    "apple": ["apple", "red apple"],
    "orange": ["orange", "orange fruit", "tangerine"],
    "banana": ["banana", "yellow banana"],
    "books": ["books", "stack of books", "book"],
    "cloth": ["checkered cloth", "table runner", "tablecloth", "gingham cloth"],
}
"""Each thing's names, the first the plainest. A thing's label is its place here. Things that share a name are several
of one kind: that name means all of them."""


@dataclass(frozen=True)
class Part:
    """Sheets of one material that belong to one thing of NAMES; `solid` parts cast shadows."""

    thing: str
    material: Material
    sheets: list[Sheet]
    solid: bool = True

    def placed(self, **how) -> "Part":
        """The part moved as Sheet.placed says."""
        return replace(self, sheets=[piece.placed(**how) for piece in self.sheets])
