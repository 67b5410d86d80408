"""Layers that are made once for a scene, so that nothing changes its colour when the scene is edited."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ..distill.field import FeatureField
from ..splatting.gaussians import Gaussians
from .layers_meaning import Features, Principal
from .layers_shapes import Points

T = TypeVar("T")
Components = tuple[int, int, int]  # of features, from 0: as red, green and blue


class Last(Generic[T]):
    """What was made last, and made again only when it is to be made of something else."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[object, ...], T] | None = None

    def of(self, parts: tuple[object, ...], make: Callable[[], T]) -> T:
        """The value made of these very parts; they are compared by identity."""
        kept = self._kept
        if kept is None or len(kept[0]) != len(parts) or any(a is not b for a, b in zip(kept[0], parts, strict=True)):
            kept = self._kept = (parts, make())
        return kept[1]


class SceneLayers:
    """What all pages of a session share. Everything is made of the Gaussians before their edits."""

    def __init__(self) -> None:
        """Nothing is made yet."""
        self._lock = threading.RLock()
        self._principal: dict[str, Last[Principal]] = {}
        self._features: dict[tuple[str, Components | None], Last[Features]] = {}
        self._points: Last[Points] = Last()

    def principal(self, original: Gaussians, name: str, field: FeatureField) -> Principal:
        """The principal components of a field."""
        with self._lock:
            return self._principal.setdefault(name, Last()).of((original, field), lambda: Principal.of(original, field))

    def features(self, original: Gaussians, name: str, field: FeatureField, components: Components | None) -> Features:
        """Components of a field as colours; all of them when none are named.

        Raises:
            InputError: there is no such component.
        """
        with self._lock:
            principal = self.principal(original, name, field)
            kept = self._features.setdefault((name, components), Last())
            return kept.of((principal,), lambda: principal.layer(components))

    def points(self, original: Gaussians) -> Points:
        """Dots of one size."""
        with self._lock:
            return self._points.of((original,), lambda: Points.of(original))
