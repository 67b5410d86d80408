"""Points in a camera's axes, and parts of its picture."""

import pytest
import torch
from scenes import camera, cloud

from semsplat.splatting.splat import splat


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_in_the_camera_s_axes_are_where_it_draws_them(dtype: torch.dtype) -> None:
    scene, view = cloud(50, 2, dtype), camera(64, 48)  # the camera in double precision
    local = view.local(scene.means)
    assert local.dtype == dtype and local.shape == (50, 3)
    seen = splat(scene, view.to(dtype)).footprints
    at = (local @ view.intrinsics.to(dtype).T)[:, :2] / local[:, 2:]
    assert seen.visible.sum() > 10
    torch.testing.assert_close(at[seen.visible], seen.centers[seen.visible], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(local[seen.visible, 2], seen.depths[seen.visible])
    torch.testing.assert_close(view.local(view.center)[None], torch.zeros(1, 3, dtype=view.center.dtype))


def test_a_part_of_the_picture_is_drawn_alone() -> None:
    scene, view = cloud(), camera()
    scene = scene.replace(means=0.15 * scene.means)  # away from the border, where Jacobians are held
    rows, columns = slice(5, 30), slice(12, 47)
    part = view.cut(rows, columns)
    assert (part.width, part.height) == (35, 25)
    whole, alone = (splat(scene, c) @ scene.colors(c) for c in (view, part))
    torch.testing.assert_close(alone, whole[rows, columns])
