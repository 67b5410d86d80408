"""Published benchmark sets as they lie on disk: what was annotated, and in which photos. No scores are made here."""

from .types import Annotated, Pointed, Scores

__all__ = ["Annotated", "Pointed", "Scores"]
