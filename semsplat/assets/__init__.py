"""The bundled capture (`ROOM`) and the programs that generate it."""

from pathlib import Path

ROOM = Path(__file__).parent / "room"
"""Folder of the bundled capture: transforms.json, images/, points.ply, labels/, labels_noisy/, names.json."""
