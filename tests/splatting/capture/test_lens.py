"""The pinhole view of a lens: only pixels that were seen, as many as a rectangle holds, and no folded pictures."""

import numpy as np
import pytest

from semsplat.splatting.capture import Lens
from semsplat.splatting.capture import lens as lenses
from semsplat.splatting.errors import InputError

LENSES = [
    Lens(640, 480, 400.0, 410.0, 330.0, 236.0, "OPENCV", (-0.28, 0.08, 0.001, -0.002)),
    Lens(640, 480, 400.0, 410.0, 330.0, 236.0, "OPENCV", (0.2, 0.05, -0.01, 0.01)),
    Lens(480, 640, 900.0, 900.0, 240.0, 320.0, "OPENCV", (0.06, -0.08, 0.0, 0.0, 0.01)),
    Lens(640, 480, 300.0, 300.0, 320.0, 240.0, "OPENCV", (0.5, 0.1, 0.0, 0.0, 0.0, 0.8, 0.1, 0.0)),
    Lens(640, 480, 220.0, 220.0, 320.0, 236.0, "OPENCV_FISHEYE", (-0.02, 0.005)),
    Lens(640, 640, 160.0, 160.0, 320.0, 320.0, "OPENCV_FISHEYE", ()),
    Lens(640, 480, 300.0, 300.0, 320.0, 240.0, "OPENCV", (-0.5,)),  # turns back within the picture
]


@pytest.mark.parametrize("lens", LENSES)
def test_every_pixel_of_the_view_was_seen_once(lens):
    view = lenses.pinhole_view(lens)
    assert (view.fx, view.fy, view.model, view.distortion) == (lens.fx, lens.fy, "PINHOLE", ())
    u, v = lenses.to_pixels(lens, *lenses.rays(view, 0, view.height))
    assert u.min() > -0.01 and v.min() > -0.01 and u.max() < lens.width + 0.01 and v.max() < lens.height + 0.01
    assert (np.diff(u, axis=1) > 0).all() and (np.diff(v, axis=0) > 0).all()  # nothing folds


@pytest.mark.parametrize("lens", LENSES[:3])
def test_ordinary_lenses_lose_little(lens):
    assert lenses.kept(lens) > 0.88
    view = lenses.pinhole_view(lens)
    u, v = lenses.to_pixels(lens, *lenses.rays(view, 0, view.height))
    margins = u.min(), v.min(), lens.width - u.max(), lens.height - v.max()
    assert max(margins) < 0.05 * lens.width


def test_a_pinhole_is_its_own_view():
    lens = Lens(640, 480, 400.0, 410.0, 330.0, 236.0, "OPENCV", (0.0, 0.0))
    assert lenses.pinhole_view(lens) == Lens(640, 480, 400.0, 410.0, 330.0, 236.0)
    assert lenses.kept(lens) == pytest.approx(1.0)


def test_wide_views_are_cut():
    view = lenses.pinhole_view(Lens(1000, 1000, 250.0, 250.0, 500.0, 500.0, "OPENCV_FISHEYE", ()))
    assert max(view.cx, view.width - view.cx) <= 2.0 * view.fx + 1


def test_nonsense_is_refused():
    lens = Lens(640, 480, 1e-3, 1e-3, 320.0, 240.0, "OPENCV", (-1e8, 1e8, 1e8, 1e8))
    with pytest.raises(InputError, match="folds the picture over and cannot be undone"):
        lenses.pinhole_view(lens)
    with pytest.raises(InputError, match=r"^here states a centre or a distortion that is not finite; mend it\.$"):
        lenses.check(Lens(640, 480, 1.0, 1.0, float("inf"), 240.0), "here")
