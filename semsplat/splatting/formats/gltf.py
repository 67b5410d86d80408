"""glTF 2.0, as ``.glb`` or ``.gltf``, with KHR_gaussian_splatting (Khronos, ratified): float32 throughout.

Source: github.com/KhronosGroup/glTF, extensions/2.0/Khronos/KHR_gaussian_splatting. A primitive of points has POSITION,
and in the extension's name space ROTATION (unit, xyzw), SCALE (world units), OPACITY in [0, 1] and SH_DEGREE_l_COEF_n.
COLOR_0 shows the points in programs that do not know the extension. Nothing is quantised: only the logarithm of the
scale and the logit of the opacity are taken there and back, so an opacity is exact to 6e-8.

In glTF up is +y and front +z; a 3DGS .ply has down and back there. The node that we write turns by 180 degrees about z
and the numbers below it stay as they are; what is read is turned the same way after the nodes' own transforms.
"""

import base64
import binascii
import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..files import replacing
from ..gaussians import Gaussians
from . import gltf_parts, reading
from .gltf_parts import EXTENSION
from .reading import Reading, Tolerance

_COLOR_SPACE = "srgb_rec709_display"
_UNDERSTOOD = {EXTENSION, "KHR_mesh_quantization"}
_BROKEN = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, struct.error)


def read(path: str | Path) -> Gaussians:
    """The Gaussians of a .glb or .gltf, float32; see :func:`read_with_notes`."""
    return read_with_notes(path).gaussians


@np.errstate(all="ignore")
def read_with_notes(path: str | Path) -> Reading:
    """Read all Gaussians of the scene, with the transforms of their nodes.

    Raises:
        InputError: no glTF, none of Gaussians, truncated, or it needs an extension that is not understood.
    """
    data = reading.contents(path)
    try:
        document, binary = _glb(path, data) if data[:4] == b"glTF" else (json.loads(data), b"")
        missing = sorted(set(document.get("extensionsRequired", [])) - _UNDERSTOOD)
        if missing:
            raise InputError(f"{path} needs {missing[0]}, which cannot be read; export it without compression.")
        buffers = [_buffer(path, entry, binary) for entry in document.get("buffers", [])]
        held = len(data) + sum(len(buffer) for buffer in buffers if buffer is not binary)
        parts, notes = gltf_parts.collect(path, document, buffers, held)
    except _BROKEN as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        raise InputError(f"{path} is no glTF, or a broken one ({reason}).") from error
    if not parts:
        raise InputError(f"{path} holds no Gaussians: no primitive in its scene has {EXTENSION}.")
    joined = Gaussians.cat(parts)
    return reading.finished(path, joined.replace(ids=torch.arange(len(joined))), notes)


def write(path: str | Path, gaussians: Gaussians) -> None:
    """Write a .glb, or a .gltf with its numbers inside; features are left out.

    Raises:
        InputError: there are none, a number is not finite, or the place cannot be written.
    """
    if not len(gaussians):
        raise InputError(f"Cannot write {path}: glTF has no empty lists of points.")
    document, binary = _document(reading.for_writing(path, gaussians))
    if Path(path).suffix.lower() == ".gltf":
        uri = "data:application/octet-stream;base64," + base64.b64encode(binary).decode("ascii")
        document["buffers"][0]["uri"] = uri
        packed = [json.dumps(document).encode()]
    else:
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        head = struct.pack("<4sIIII", b"glTF", 2, 28 + len(text) + len(binary), len(text), 0x4E4F534A)
        packed = [head, text, struct.pack("<II", len(binary), 0x004E4942), binary]
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.writelines(packed)


def representable(gaussians: Gaussians) -> Gaussians:
    """What of these Gaussians fits into the format: everything."""
    return gaussians


def tolerance(gaussians: Gaussians) -> Tolerance:
    """Largest error of a round trip."""
    return Tolerance(torch.tensor(0.0), torch.tensor(1e-5), torch.tensor(0.0), 1e-7, 1e-6)


def _glb(path: str | Path, data: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary chunk."""
    _, version, length, size, kind = struct.unpack_from("<4sIIII", data)
    if version != 2 or kind != 0x4E4F534A:
        raise InputError(f"{path} is glTF of version {version}; only version 2 can be read.")
    if length != len(data) or 20 + size > length:
        raise InputError(f"{path} is truncated or longer than it says: {length:,} bytes promised, {len(data):,} there.")
    document, start = json.loads(data[20 : 20 + size]), 20 + size
    if start == length:
        return document, b""
    size, kind = struct.unpack_from("<II", data, start)
    if kind != 0x004E4942 or start + 8 + size > length:
        raise InputError(f"{path} is broken: its binary chunk of {size:,} bytes does not fit.")
    return document, data[start + 8 : start + 8 + size]


def _buffer(path: str | Path, entry: dict[str, Any], binary: bytes) -> bytes:
    """A buffer: the binary chunk, in the JSON, or a file in the same folder."""
    uri, length = entry.get("uri"), entry["byteLength"]
    if uri is None:
        data = binary
    elif uri.startswith("data:"):
        try:
            data = base64.b64decode(uri.split(",", 1)[1], validate=True)
        except binascii.Error as error:
            raise InputError(f"{path} is broken: a buffer inside it is no base64 ({error}).") from error
    elif Path(uri).name != uri:
        raise InputError(f"{path} points to {uri[:80]!r}; only files beside it are read.")
    else:
        data = reading.contents(Path(path).parent / uri)
    if length > len(data):
        raise InputError(f"{path} is truncated: a buffer of {length:,} bytes has {len(data):,}.")
    return data


def _document(table: Gaussians) -> tuple[dict[str, Any], bytes]:
    """The JSON of one primitive, and the numbers behind it."""
    color = reading.colors_of(table).clip(0.0, 1.0)
    linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)  # sRGB to linear
    opacities = table.opacities.numpy()
    columns = {
        "POSITION": table.means.numpy(),
        "COLOR_0": reading.to_bytes(np.concatenate([linear, opacities[:, None]], axis=1) * 255.0),
        f"{EXTENSION}:ROTATION": np.roll(table.quats.numpy(), -1, axis=1),
        f"{EXTENSION}:SCALE": table.scales.numpy(),
        f"{EXTENSION}:OPACITY": opacities,
    }
    columns |= {
        f"{EXTENSION}:{name}": table.sh[:, k].numpy() for k, name in enumerate(gltf_parts.sh_names(table.sh_degree))
    }
    views, accessors, chunks, offset = [], [], [], 0
    for column in columns.values():
        kind = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[math.prod(column.shape[1:])]
        accessor = {"bufferView": len(views), "count": len(table), "type": kind}
        accessor |= {"componentType": 5121, "normalized": True} if column.dtype == np.uint8 else {"componentType": 5126}
        chunks.append(np.ascontiguousarray(column).astype(column.dtype.newbyteorder("<")).tobytes())
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": len(chunks[-1]), "target": 34962})
        accessors.append(accessor)
        offset += len(chunks[-1])
    accessors[0] |= {"min": columns["POSITION"].min(0).tolist(), "max": columns["POSITION"].max(0).tolist()}
    primitive = {
        "mode": 0,
        "attributes": {name: i for i, name in enumerate(columns)},
        "extensions": {EXTENSION: {"kernel": "ellipse", "colorSpace": _COLOR_SPACE}},
    }
    document = {
        "asset": {"version": "2.0", "generator": "semsplat"},
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "rotation": [0.0, 0.0, 1.0, 0.0]}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    return document, b"".join(chunks)
