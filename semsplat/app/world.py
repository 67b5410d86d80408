"""Where a scene stands in the world: which way is up, how high the floor is, how long a metre is.

This is the one place that decides it. ``world.json`` in the scene folder holds a similarity from the scene's numbers to
the world's: z is up, the floor is at 0, and a unit is a metre where the scale is known. The scene itself, its cameras
and its edits stay as they are. Without the file up is what the cameras say.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting.camera import Camera
from ..splatting.edit_place import unit
from ..splatting.errors import InputError
from ..splatting.floor import Floor
from ..splatting.similarity import Similarity, upright
from .poses import up_of

WORLD = "world.json"  # in a scene folder
UP = torch.tensor([0.0, 0.0, 1.0])  # in the world


@dataclass(frozen=True)
class World:
    """From a scene to the world."""

    to_world: Similarity  # z up, the floor at 0 where there is one
    metric: bool = False  # a unit of the world is a metre
    placed: bool = False  # files leave in it; else as the scene has it, as somebody may count on its numbers
    up_from: str = "cameras"  # what up was taken from: cameras, floor, a direction or points that somebody gave

    @classmethod
    def standing(cls, up: Float[Tensor, "3"], floor: Float[Tensor, "3"] | None = None, **facts: Any) -> Self:
        """A world with this up, and this point of the scene at its origin."""
        turned = Similarity(upright(up, UP))
        if floor is None:
            return cls(turned, **facts)
        x, y, z = turned.points(-floor.double().cpu()).tolist()
        return cls(Similarity(turned.rotation, 1.0, (x, y, z)), **facts)

    @classmethod
    def of_cameras(cls, cameras: Sequence[Camera]) -> Self:
        """Up as the cameras have it; -y when there are none."""
        return cls.standing(up_of(cameras))

    @classmethod
    def on(cls, floor: Floor, **facts: Any) -> Self:
        """With its origin in the middle of a floor."""
        return cls.standing(floor.up, floor.middle - (floor.middle @ floor.up - floor.height) * floor.up, **facts)

    @property
    def up(self) -> Float[Tensor, "3"]:
        """In the scene: a unit vector, float32."""
        return (self.to_world.matrix[2, :3] / self.to_world.scale).float()

    @property
    def metres(self) -> float:
        """Of a unit of the scene; 1 where they are not known, as lengths then stay in units of the scene."""
        return self.to_world.scale if self.metric else 1.0

    @property
    def unit(self) -> str:
        """What lengths are in, once they are multiplied by :attr:`metres`."""
        return "m" if self.metric else "scene units"

    def length(self, length: float) -> str:
        """A length in the scene, for people: 0.32 m, or 0.32 scene units."""
        return f"{length * self.metres:.3g} {self.unit}"

    @classmethod
    def of_json(cls, content: dict[str, Any], path: Path) -> Self:
        """What :attr:`as_json` gave.

        Raises:
            InputError: it is something else.
        """
        try:
            stated = content["scene_to_world"]
            tx, ty, tz = map(float, stated["translation"])
            found = Similarity(unit(stated["rotation"]), float(stated["scale"]), (tx, ty, tz))
            if not (1e-9 < found.scale < 1e9 and all(map(math.isfinite, found.translation))):
                raise ValueError(f"a scale of {found.scale:g} at {found.translation}")
            return cls(found, content["unit"] == "m", content["placed"] is True, str(content["up_from"]))
        except (KeyError, TypeError, ValueError, InputError) as error:
            remedy = f"write it again with: semsplat upright {path.parent} --forget"
            raise InputError(f"{path} is not whole ({type(error).__name__}: {error}); {remedy}.") from error

    @property
    def as_json(self) -> dict[str, Any]:
        """For world.json."""
        placed = self.to_world
        stated = {"rotation": placed.rotation, "scale": placed.scale, "translation": placed.translation}
        return {
            "scene_to_world": stated,  # new = scale * rotation(old) + translation; wxyz
            "unit": "m" if self.metric else "scene unit",
            "placed": self.placed,
            "up_from": self.up_from,
        }

    def scaled(self, length: float, metres: float) -> Self:
        """The world in which a length in the scene is so many metres."""
        factor = metres / length / self.to_world.scale
        x, y, z = (factor * part for part in self.to_world.translation)
        moved = Similarity(self.to_world.rotation, factor * self.to_world.scale, (x, y, z))
        return replace(self, to_world=moved, metric=True, placed=True)

    def turned_to(self, other: Self) -> Self:
        """Another up and floor, with the scale of this one."""
        if not self.metric:
            return other
        return other.scaled(1.0, self.metres)
