"""What is done with triangles, through Open3D. The only file of the package that imports it to make meshes."""

from types import ModuleType

import numpy as np

from ..errors import InputError


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


def decimated(points: np.ndarray, faces: np.ndarray, triangles: int) -> tuple[np.ndarray, np.ndarray]:
    """The same surface with at most about so many triangles (Garland and Heckbert 1997)."""
    if len(faces) <= triangles:
        return points, faces
    o3d = open3d()
    mesh = _legacy(o3d, points, faces).simplify_quadric_decimation(triangles)
    return np.asarray(mesh.vertices), np.asarray(mesh.triangles).astype(np.int64)


def pieces(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of the connected piece of each triangle, and the area of each piece."""
    labels, _, areas = _legacy(open3d(), points, faces).cluster_connected_triangles()
    return np.asarray(labels), np.asarray(areas)


def _legacy(o3d: ModuleType, points: np.ndarray, faces: np.ndarray):
    return o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(points), o3d.utility.Vector3iVector(faces.astype(np.int32))
    )
