"""Texture where nothing was seen: patches of what is around, put together (Criminisi et al. 2004, by confidence)."""

import numpy as np

RADIUS = 5  # cells: patches are (2 RADIUS + 1) squared
SOURCES = 8000  # patches that are compared, at most
PULL = 0.5  # of the weight of a known cell: how much an unseen one wants the colour that it came with
SLOW = 12.0  # cells: standard deviation of the mean that counts as light
LEAST = 60  # patches to choose from, else nothing is copied
PLAIN = 0.012  # mean deviation of colours within patches below which a surface has no texture


def textured(colors: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Colours (h, w, 3) in [0, 1] with the ``wanted`` cells, smooth as they come, made of patches of ``known`` ones.

    As they were where the surface has no texture, or hardly a whole patch is known. Always the same for the same input.
    """
    size = 2 * RADIUS + 1
    frame = ((RADIUS, RADIUS), (RADIUS, RADIUS))
    light = _light(colors, known | wanted)
    image, sure = np.pad((colors - light).astype(np.float32), (*frame, (0, 0))), np.pad(known & ~wanted, frame)
    left = np.pad(wanted, frame)
    sources = _patches(image, sure, size)
    if sources is None or not wanted.any():
        return colors
    squares = sources**2
    confidence = sure.astype(np.float32)
    while left.any():
        y, x = _next(left, confidence)
        rows, columns = slice(y - RADIUS, y + RADIUS + 1), slice(x - RADIUS, x + RADIUS + 1)
        weight = np.repeat(np.maximum(confidence, PULL * left)[rows, columns].reshape(-1), 3)
        aim = image[rows, columns].reshape(-1)
        best = sources[np.argmin(squares @ weight - 2.0 * (sources @ (weight * aim)))].reshape(size, size, 3)
        mine = left[rows, columns]
        image[rows, columns][mine] = best[mine]
        confidence[rows, columns][mine] = max(0.9 * confidence[rows, columns].mean(), 1e-3)
        left[rows, columns] = False
    return np.clip(image[RADIUS:-RADIUS, RADIUS:-RADIUS] + light, 0.0, 1.0)


def _light(colors: np.ndarray, there: np.ndarray) -> np.ndarray:
    """What changes slowly, which is the light and no texture: a patch of a lit place would stand out in a dim one."""
    from scipy import ndimage

    share = ndimage.gaussian_filter(there.astype(np.float64), SLOW, mode="constant")
    mean = [
        ndimage.gaussian_filter(np.where(there, part, 0.0), SLOW, mode="constant") for part in colors.transpose(2, 0, 1)
    ]
    return np.stack(mean, -1) / np.maximum(share, 1e-9)[..., None]


def _patches(image: np.ndarray, sure: np.ndarray, size: int) -> np.ndarray | None:
    """All patches that are wholly known, (n, size * size * 3); None where there are few, or they are plain."""
    views = np.lib.stride_tricks.sliding_window_view
    whole = views(sure, (size, size)).all((2, 3))
    rows, columns = np.nonzero(whole)
    if len(rows) < LEAST:
        return None
    step = -(-len(rows) // SOURCES)
    rows, columns = rows[::step], columns[::step]
    found = views(image, (size, size, 3))[rows, columns, 0].reshape(len(rows), -1)
    if found.reshape(len(found), -1, 3).std(1).mean() < PLAIN:
        return None
    return np.ascontiguousarray(found)


def _next(left: np.ndarray, confidence: np.ndarray) -> tuple[int, int]:
    """The cell to go on with: of those at the border, the one with most around it that is known."""
    from scipy import ndimage

    border = left & ndimage.binary_dilation(~left & (confidence > 0))
    around = ndimage.uniform_filter(confidence, 2 * RADIUS + 1, mode="constant")
    candidates = border if border.any() else left
    y, x = np.unravel_index(np.argmax(np.where(candidates, around, -1.0)), left.shape)
    return int(y), int(x)
