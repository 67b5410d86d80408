"""The neighbourhood graph kept on disk, so that pointing again in another process does not make it again."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch

from ...splatting.camera import Camera
from ...splatting.errors import InputError
from ...splatting.gaussians import Gaussians
from ...splatting.tensors import load_tensors, save_tensors
from ..field import FeatureField
from . import graph as graphs
from .graph import Graph
from .surface import Surface

RECIPE = "2"  # of graph.py and surface.py: raise it when they make another graph of the same Gaussians


def kept(
    folder: Path | None, gaussians: Gaussians, cameras: Sequence[Camera], field: FeatureField | None = None
) -> Graph:
    """:func:`.graph.build`, or the graph that was built of the very same before.

    Args:
        folder: of files that may be deleted at any time, one for each field; None, or where none can be written:
            nothing is kept.
    """
    if folder is None:
        return graphs.build(gaussians, cameras, field)
    path = folder / f"{field.teacher if field is not None else 'none'}.safetensors"
    fingerprint = _fingerprint(gaussians, cameras, field)
    found = _read(path, fingerprint)
    if found is None:
        found = graphs.build(gaussians, cameras, field)
        _write(path, found, fingerprint)
    return found


def _fingerprint(gaussians: Gaussians, cameras: Sequence[Camera], field: FeatureField | None) -> str:
    """Of all that a graph is made of."""
    looks = [torch.cat([c.world_to_camera.flatten(), c.intrinsics.flatten()]) for c in cameras]
    looks += [torch.tensor([c.width, c.height]) for c in cameras]
    shape = [getattr(gaussians, name) for name in ("means", "quats", "log_scales", "logit_opacities", "sh")]
    meaning = [] if field is None else [field.codes(gaussians), field.reliability(gaussians), field.decoder]
    digest = hashlib.sha256(RECIPE.encode())
    for tensor in (*shape, *meaning, *looks):
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path, fingerprint: str) -> Graph | None:
    """The graph of this fingerprint; None where there is none, another, or a damaged one: it is made again."""
    try:
        tensors, said = load_tensors(path, "it is made again")
        if said.get("fingerprint") != fingerprint:
            return None
        surface = Surface(tensors["colors"], tensors["normals"], tensors["mass"], tensors.get("central"))
        return Graph(tensors["pairs"].long(), tensors["contact"], tensors["distance"], surface)
    except (InputError, KeyError):
        return None


def _write(path: Path, graph: Graph, fingerprint: str) -> None:
    tensors = {
        "pairs": graph.pairs.int(),
        "contact": graph.contact,
        "distance": graph.distance,
        "colors": graph.surface.colors,
        "normals": graph.surface.normals,
        "mass": graph.surface.mass,
    }
    if graph.surface.central is not None:
        tensors["central"] = graph.surface.central
    with suppress(InputError):
        save_tensors(path, tensors, {"fingerprint": fingerprint})
