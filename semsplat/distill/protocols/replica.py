"""Replica as rendered for Semantic-NeRF (Zhi et al. 2021): semantic_class/semantic_class_N.png, info_semantic.json."""

from collections.abc import Sequence
from pathlib import Path

from ...splatting.errors import InputError
from .places import scene_folders

LABELS, NAMES, SEQUENCES = "semantic_class", "info_semantic.json", ("Sequence_1", "Sequence_2")


def find(data: Path, scene_names: Sequence[str]) -> tuple[Path, Path]:
    """(folder of label images, file of the classes' names) of a scene.

    Args:
        data: the set, the scene's folder in it (room_0), one of its sequences, or that one's semantic_class.

    Raises:
        InputError: no label images, in more than one place, or no names.
    """
    if data.name == LABELS and data.is_dir():
        return data, _names(data)
    (folder,) = scene_folders(data, scene_names, lambda f: bool(_sequences(f)), f"{LABELS} of a Replica scene")
    found = _sequences(folder)
    own = [sequence for sequence in found if sequence.name in scene_names]
    if len(own or found) > 1:
        raise InputError(
            f"{folder} has {' and '.join(f.name for f in found)}; give the one that the scene was fitted from."
        )
    labels = (own or found)[0] / LABELS
    return labels, _names(labels)


def _sequences(folder: Path) -> list[Path]:
    return [place for place in (folder, *(folder / name for name in SEQUENCES)) if (place / LABELS).is_dir()]


def _names(labels: Path) -> Path:
    """Beside the labels, up to two folders above, or where Semantic-NeRF has it: semantic_info/SCENE/."""
    above = list(labels.resolve().parents)[:3]
    places = [labels / NAMES, *(folder / NAMES for folder in above)]
    places += [root.parent / "semantic_info" / scene.name / NAMES for scene in above for root in (scene,)]
    places += [scene / "habitat" / NAMES for scene in above]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(f"There is no {NAMES} for {labels}; put Replica's file into {above[0]}.")
    return found
