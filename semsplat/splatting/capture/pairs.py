"""Which photos are worth matching with which: all, neighbours in time, in place, and those that look alike.

Looks are compared by vectors of locally aggregated descriptors (VLAD: Jegou et al., "Aggregating local descriptors into
a compact image representation", CVPR 2010), with words learned from the photos themselves and each word's part brought
to the same length (Arandjelovic and Zisserman, "All about VLAD", CVPR 2013). No vocabulary has to be fetched.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int

EXHAUSTIVE = 60  # photos: up to so many, each is matched with each
ALIKE = 20  # partners of a photo among those that look most like it
NEAR = 8  # partners of a photo among those nearest in place
STEPS = (1, 2, 3, 4, 6, 8, 12, 16)  # distances in a video, in frames that were chosen
AGAIN = 60  # partners by looks of a photo that could not be placed with those
CLOSING = 4  # partners of a frame of a video by looks: where the camera came back
WORDS = 64  # of the vocabulary
_ROUNDS = 12  # of k-means
_SAMPLE = 20_000  # descriptors from which it is learned

Pairs = set[tuple[int, int]]


def everything(count: int) -> Pairs:
    """All pairs (i, j), i < j, of ``count`` photos."""
    return {(i, j) for i in range(count) for j in range(i + 1, count)}


def in_sequence(count: int, steps: Sequence[int] = STEPS) -> Pairs:
    """Each frame with those that follow at the given distances."""
    return {(i, i + step) for step in steps for i in range(count - step)}


def nearest(distances: Float[np.ndarray, "n n"], partners: int) -> Pairs:
    """Each photo with those at the least distance; what is not finite is no partner."""
    distances = distances.copy()
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :partners]
    return {(min(i, j), max(i, j)) for i, row in enumerate(order.tolist()) for j in row if distances[i, j] < np.inf}


def in_place(places: Sequence[tuple[float, float, float] | None], partners: int = NEAR) -> Pairs:
    """Photos with a known place, in metres, each with those that were taken nearest."""
    known = [i for i, place in enumerate(places) if place is not None]
    if len(known) < 2:
        return set()
    xyz = np.array([places[i] for i in known], np.float64)
    apart = np.sqrt(np.square(xyz[:, None] - xyz).sum(2))
    return {(known[i], known[j]) for i, j in nearest(apart, partners)}


def chosen(
    video: bool, places: Sequence[tuple[float, float, float] | None], looks: Float[np.ndarray, "n d"] | None
) -> list[tuple[int, int]]:
    """The pairs for ``len(places)`` photos, those of near numbers together.

    Args:
        looks: a vector of length 1 for each photo, see :func:`vlad`; not needed when all are matched with all.
    """
    count = len(places)
    if count <= EXHAUSTIVE and not video:
        pairs = everything(count)
    else:
        pairs = in_sequence(count, STEPS if video else STEPS[:2]) | in_place(places)
        if looks is not None:
            pairs |= nearest(1.0 - looks @ looks.T, CLOSING if video else ALIKE)
    return sorted(pairs, key=lambda pair: (pair[0] // 16, pair[1] // 16, pair))


def further(
    tried: Iterable[tuple[int, int]], left: Sequence[int], looks: Float[np.ndarray, "n d"], partners: int = AGAIN
) -> list[tuple[int, int]]:
    """Pairs that were not tried: the photos that are left, each with the ``partners`` that look most like it."""
    alike = looks[list(left)] @ looks.T
    alike[range(len(left)), list(left)] = -np.inf
    order = np.argsort(-alike, axis=1, kind="stable")[:, : min(partners, len(looks) - 1)]
    found = {(min(i, j), max(i, j)) for i, row in zip(left, order.tolist(), strict=True) for j in row}
    return sorted(found - set(tried))


def expected(count: int, video: bool) -> int:
    """About how many pairs there will be."""
    if count <= EXHAUSTIVE and not video:
        return count * (count - 1) // 2
    each = len(STEPS) + 0.7 * CLOSING if video else 2 + 0.65 * ALIKE  # many choose each other
    return int(count * each)


def vocabulary(sample: Float[np.ndarray, "m d"], words: int = WORDS) -> Float[np.ndarray, "k d"]:
    """Centres of k-means (Lloyd) over a sample of descriptors; fewer where the sample is small."""
    random = np.random.default_rng(0)
    sample = sample[random.permutation(len(sample))[:_SAMPLE]]
    centers = sample[: min(words, len(sample))].copy()
    for _ in range(_ROUNDS):
        word = assigned(sample, centers)
        sums = np.zeros_like(centers)
        np.add.at(sums, word, sample)
        counts = np.bincount(word, minlength=len(centers))[:, None]
        centers = np.where(counts > 0, sums / np.maximum(counts, 1), centers).astype(np.float32)
    return centers


def vlad(descriptors: Float[np.ndarray, "m d"], centers: Float[np.ndarray, "k d"]) -> Float[np.ndarray, " kd"]:
    """One vector of length 1 for the descriptors of a photo; zeros where it has none."""
    sums = np.zeros_like(centers)
    if len(descriptors):
        word = assigned(descriptors, centers)
        np.add.at(sums, word, descriptors - centers[word])
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    vector = sums.ravel()
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def assigned(descriptors: Float[np.ndarray, "m d"], centers: Float[np.ndarray, "k d"]) -> Int[np.ndarray, " m"]:
    """The nearest centre of each descriptor."""
    return (descriptors @ centers.T * 2 - np.square(centers).sum(1)).argmax(1)


def batches(pairs: Sequence[tuple[int, int]], size: int) -> Iterable[Sequence[tuple[int, int]]]:
    """Runs of at most ``size`` pairs."""
    return (pairs[start : start + size] for start in range(0, len(pairs), size))
