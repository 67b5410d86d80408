"""glTF with KHR_gaussian_splatting: there and back, node transforms, by the schema, and files that lie."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from file_laws import assert_cuts_are_refused, assert_round_trip, assert_survives_damage, assert_within, sentence, some
from scenes import camera

from semsplat.splatting import formats
from semsplat.splatting.edit_place import transformed, turn
from semsplat.splatting.errors import InputError
from semsplat.splatting.formats import gltf
from semsplat.splatting.formats.reading import Tolerance
from semsplat.splatting.splat import splat


@pytest.mark.parametrize("suffix", [".glb", ".gltf"])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_there_and_back(tmp_path: Path, suffix: str, degree: int) -> None:
    assert_round_trip(tmp_path / f"a{suffix}", gltf, some(degree=degree))


def document_of(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return json.loads(data[20 : 20 + struct.unpack_from("<I", data, 12)[0]])


def test_what_the_extension_demands(tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    gltf.write(path, some(5, 1))
    document = document_of(path)
    (primitive,) = document["meshes"][0]["primitives"]
    assert document["extensionsUsed"] == ["KHR_gaussian_splatting"] and primitive["mode"] == 0
    assert primitive["extensions"]["KHR_gaussian_splatting"]["kernel"] == "ellipse"
    kinds = {name: document["accessors"][i]["type"] for name, i in primitive["attributes"].items()}
    name = "KHR_gaussian_splatting:"
    assert kinds == {
        "POSITION": "VEC3", "COLOR_0": "VEC4", f"{name}ROTATION": "VEC4", f"{name}SCALE": "VEC3",
        f"{name}OPACITY": "SCALAR", f"{name}SH_DEGREE_0_COEF_0": "VEC3",
        **{f"{name}SH_DEGREE_1_COEF_{k}": "VEC3" for k in range(3)},
    }  # fmt: skip
    assert len(document["accessors"][0]["min"]) == 3
    size = path.stat().st_size
    assert size % 4 == 0 and struct.unpack_from("<I", path.read_bytes(), 8)[0] == size


def test_trimesh_sees_a_cloud_of_points(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    gltf.write(tmp_path / "a.glb", some(50, 1))
    (points,) = trimesh.load(tmp_path / "a.glb").geometry.values()
    np.testing.assert_allclose(points.vertices, some(50, 1).means, rtol=1e-6)


def with_document(path: Path, change: dict[str, Any]) -> None:
    """The same file as .gltf with parts of its JSON exchanged."""
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_a_node_turns_scales_and_moves(tmp_path: Path) -> None:
    """In glTF's axes; drawn, the result is what the same turn of the Gaussians gives."""
    path, gaussians = tmp_path / "a.gltf", some(80, 3)
    gltf.write(path, gaussians)
    child = {"mesh": 0, "scale": [2.0, 2.0, 2.0], "rotation": [0.0, 0.0, 1.0, 0.0]}
    with_document(path, {"nodes": [{"children": [1], "translation": [1.0, 2.0, 3.0]}, child]})
    expected = transformed(gaussians, (1.0, 0.0, 0.0, 0.0), 2.0, (-1.0, -2.0, 3.0))
    close = torch.tensor(1e-5)
    assert_within(formats.read(path), expected, Tolerance(close, close, close, 1e-6, 1e-6))
    with_document(path, {"nodes": [{"mesh": 0}]})
    half = transformed(gaussians, turn((0.0, 0.0, 1.0), 180.0), 1.0, (0.0, 0.0, 0.0))
    again = formats.read(path)
    assert_within(again, half, Tolerance(close, close, close, 1e-6, 1e-6))
    view = camera(dtype=torch.float32)
    pictures = [splat(g, view) @ g.colors(view) for g in (again, half)]
    assert float((pictures[0] - pictures[1]).abs().max()) < 1e-3


def test_files_that_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.gltf"

    def refused(**change: Any) -> str:
        gltf.write(path, some(5, 1))
        with_document(path, change)
        return sentence(path)

    gltf.write(path, some(5, 1))
    document = json.loads(path.read_text())
    accessors, views = document["accessors"], document["bufferViews"]
    assert "no glTF" in sentence(path, b"hello")
    assert "no glTF" in sentence(path, b"[1, 2]")
    assert "needs EXT_x" in refused(extensionsRequired=["EXT_x"])
    assert "holds no Gaussians" in refused(nodes=[{}])
    assert "circle" in refused(nodes=[{"children": [0]}])
    assert "stretches" in refused(nodes=[{"mesh": 0, "scale": [1.0, 2.0, 1.0]}])
    assert "stretches" in refused(nodes=[{"mesh": 0, "scale": [-1.0, 1.0, 1.0]}])
    assert "claims" in refused(accessors=[accessors[0] | {"count": 10**12}, *accessors[1:]])
    assert "beyond its bytes" in refused(accessors=[accessors[0] | {"count": 10**4}, *accessors[1:]])
    assert "beyond its bytes" in refused(accessors=[accessors[0] | {"count": -1}, *accessors[1:]])
    assert "differ in length" in refused(accessors=[accessors[0] | {"count": 4}, *accessors[1:]])
    assert "sparse" in refused(accessors=[accessors[0] | {"sparse": {}}, *accessors[1:]])
    assert "beyond its bytes" in refused(bufferViews=[views[0] | {"byteOffset": 10**9}, *views[1:]])
    assert "beside it" in refused(buffers=[{"byteLength": 4, "uri": "../../etc/passwd"}])
    assert "truncated" in refused(buffers=[{"byteLength": 10**12, "uri": "data:,AAAA"}])
    assert "base64" in refused(buffers=[{"byteLength": 4, "uri": "data:,A!AA"}])
    with pytest.raises(InputError, match="no empty lists"):
        gltf.write(path, some(0))


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.glb"
    gltf.write(path, some(9, 1))
    whole = path.read_bytes()
    assert_cuts_are_refused(path, whole, step=61)
    assert_survives_damage(path, whole, tries=400)
