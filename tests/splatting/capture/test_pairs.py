"""Which photos are matched with which."""

import numpy as np

from semsplat.splatting.capture import pairs


def ring(count: int, seed: int = 0) -> np.ndarray:
    """Descriptors of photos on a ring: each shares most with its neighbours, by parts of a common strip."""
    random = np.random.default_rng(seed)
    strip = np.abs(random.normal(size=(count * 20, 16))).astype(np.float32)
    strip = np.concatenate([strip, strip])
    return np.stack([strip[20 * i : 20 * i + 120] + 0.02 * random.normal(size=(120, 16)) for i in range(count)])


def test_few_photos_are_all_matched_with_each_other():
    assert pairs.chosen(False, [None] * 5, None) == [(i, j) for i in range(5) for j in range(i + 1, 5)]
    assert pairs.expected(5, False) == 10


def test_many_photos_are_matched_with_those_that_look_alike():
    count = 100
    descriptors = ring(count).astype(np.float32)
    order = np.random.default_rng(1).permutation(count)  # names tell nothing
    words = pairs.vocabulary(np.concatenate(descriptors)[::3], 24)
    looks = np.stack([pairs.vlad(descriptors[i], words) for i in order])
    np.testing.assert_allclose(np.linalg.norm(looks, axis=1), 1, atol=1e-5)
    found = set(pairs.chosen(False, [None] * count, looks))
    place = {int(p): k for k, p in enumerate(order)}
    next_ones = {tuple(sorted((place[i], place[(i + 1) % count]))) for i in range(count)}
    assert next_ones <= found
    assert len(found) < 0.5 * len(pairs.everything(count))
    assert 0.5 < len(found) / pairs.expected(count, False) < 2


def test_photos_that_are_left_are_matched_with_more():
    looks = np.eye(10, dtype=np.float32)
    looks[3, 7] = 0.5  # 3 looks a little like 7, which was not tried
    tried = [(0, 3), (3, 4), (2, 8)]
    assert pairs.further(tried, [3], looks, partners=1) == [(3, 7)]
    found = pairs.further(tried, [3, 8], looks, partners=99)
    assert found == sorted({(min(i, j), max(i, j)) for i in (3, 8) for j in range(10) if i != j} - set(tried))
    assert pairs.further(tried, [], looks) == []


def test_a_video_is_matched_in_its_order_and_where_it_came_back():
    count = 40
    looks = np.eye(count, dtype=np.float32)
    looks[39] = looks[0]  # the last frame shows what the first shows
    found = set(pairs.chosen(True, [None] * count, looks))
    assert {(i, i + 1) for i in range(count - 1)} | {(i, i + 2) for i in range(count - 2)} <= found
    assert (0, 39) in found
    assert len(found) < len(pairs.everything(count)) / 2


def test_photos_with_a_place_are_matched_with_the_nearest():
    places = [(float(i // 2), 1000.0 * (i % 2), 0.0) for i in range(20)] + [None]
    found = pairs.in_place(places, partners=3)
    assert found and all(i % 2 == j % 2 and 20 not in (i, j) for i, j in found)
    assert pairs.in_place([None, (0.0, 0.0, 0.0)]) == set()


def test_a_photo_without_features_and_a_photo_alone():
    words = pairs.vocabulary(np.ones((3, 4), np.float32))
    assert not pairs.vlad(np.zeros((0, 4), np.float32), words).any()
    assert pairs.chosen(False, [None], None) == []


def test_pairs_come_in_runs():
    assert [list(run) for run in pairs.batches([(0, 1), (0, 2), (1, 2)], 2)] == [[(0, 1), (0, 2)], [(1, 2)]]
