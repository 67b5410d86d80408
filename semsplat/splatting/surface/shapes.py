"""What is done with triangles, through Open3D. The only file of the package that imports it to make meshes."""

from types import ModuleType

import numpy as np

from ..errors import InputError
from .types import Mesh


def open3d() -> ModuleType:
    """Open3D.

    Raises:
        InputError: it is not installed.
    """
    try:
        import open3d as library
    except ImportError as error:
        raise InputError("Meshes need Open3D and trimesh; install them with: pip install 'semsplat[mesh]'") from error
    return library


def isosurface(volume: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners (v, 3) in voxels, x y z, and triangles (f, 3) of the surface where a volume (z, y, x) is 0.

    Counter-clockwise seen from where the volume is positive.
    """
    o3d = open3d()
    mesh = o3d.t.geometry.TriangleMesh.create_isosurfaces(o3d.core.Tensor(np.ascontiguousarray(volume)), [0.0])
    if len(mesh.vertex.positions) == 0:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    return mesh.vertex.positions.numpy().astype(np.float64), mesh.triangle.indices.numpy().astype(np.int64)[:, ::-1]


def decimated(points: np.ndarray, faces: np.ndarray, triangles: int, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """The same surface with at most about so many triangles (Garland and Heckbert 1997).

    Args:
        closed: it stays closed if it was, with more triangles where it would not with so few.
    """
    o3d = open3d()
    while triangles < len(faces):
        mesh = _legacy(o3d, points, faces).simplify_quadric_decimation(triangles)
        fewer = np.asarray(mesh.vertices).copy(), np.asarray(mesh.triangles).astype(np.int64)
        if len(fewer[1]) and (not closed or is_closed(fewer[1])):
            return fewer
        triangles *= 2
    return points, faces


def smoothed(points: np.ndarray, faces: np.ndarray, steps: int) -> np.ndarray:
    """Corners (v, 3) of the same surface with less noise; it does not shrink (Taubin 1995)."""
    if steps < 1:
        return points
    return np.asarray(_legacy(open3d(), points, faces).filter_smooth_taubin(steps).vertices).copy()


def is_closed(faces: np.ndarray) -> bool:
    """Whether each edge is between two triangles that run through it in opposite directions."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forward, counts = np.unique(ends, axis=0, return_counts=True)
    backward = np.unique(ends[:, ::-1], axis=0)
    return len(faces) > 0 and bool((counts == 1).all()) and np.array_equal(forward, backward)


def baked(mesh: Mesh, uv: np.ndarray, normals: np.ndarray, side: int, margin: int) -> np.ndarray:
    """(side * side, 6): place and normal of each pixel of a mesh's texture, first row on top; NaN where it has none."""
    o3d = open3d()
    model = o3d.t.geometry.TriangleMesh(
        o3d.core.Tensor(mesh.points.astype(np.float32)), o3d.core.Tensor(mesh.faces.astype(np.int32))
    )
    model.vertex["normals"] = o3d.core.Tensor(normals.astype(np.float32))
    model.triangle["texture_uvs"] = o3d.core.Tensor(np.ascontiguousarray(uv[mesh.faces], np.float32))
    names = ("positions", "normals")
    found = model.bake_vertex_attr_textures(side, set(names), margin, float("nan"), False)
    return np.concatenate([found[name].numpy().reshape(-1, 3) for name in names], axis=1)


def pieces(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of the connected piece of each triangle, and the area of each piece."""
    labels, _, areas = _legacy(open3d(), points, faces).cluster_connected_triangles()
    return np.asarray(labels), np.asarray(areas)


def _legacy(o3d: ModuleType, points: np.ndarray, faces: np.ndarray):
    return o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(points), o3d.utility.Vector3iVector(faces.astype(np.int32))
    )
