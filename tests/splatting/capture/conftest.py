"""Fixtures over the captures that the tests write."""

import numpy as np
import pytest
from made_captures import Made, apart, found, projected


@pytest.fixture
def made(tmp_path) -> Made:
    return Made(tmp_path / "set")


@pytest.fixture
def check_dots():
    """Every lone dot of the prepared pictures lies where the frame's camera says; returns how many were looked at."""

    def check(frames, points, tolerance=0.15) -> int:
        looked = 0
        for frame in frames:
            expected = projected(frame, points)
            picture = frame.read().numpy()
            assert picture.shape[:2] == (frame.camera.height, frame.camera.width)
            for point in expected[apart(expected, (frame.camera.width, frame.camera.height))]:
                np.testing.assert_allclose(found(picture, point), point, atol=tolerance)
                looked += 1
        return looked

    return check
