"""What is said of poses that were found."""

import dataclasses
from pathlib import Path

import numpy as np

from semsplat.splatting.capture import suspect
from semsplat.splatting.capture.suspect import sentences, stands_still, still_and_moving
from semsplat.splatting.capture.working import Copy

RANDOM = np.random.default_rng(0)


def copies(count: int, **given) -> list[Copy]:
    one = Copy("", Path(), None, "", 800, 600, (800, 600), "camera", None, None, False, 100.0, "")
    return [dataclasses.replace(one, name=f"{i}.jpg", file=f"{i}-x.jpg", **given) for i in range(count)]


def facts(count: int, of: int | None = None, **given) -> dict:
    files = [f"{i}-x.jpg" for i in range(count)]
    return {
        "models": [count], "placed": dict.fromkeys(files, 300), "points": 2000, "error": 0.5, "still": [],
        "lenses": {file: [700.0, 400.0, 300.0, 0.02] for file in files},
        "matched": {f"{i}-x.jpg": 4 for i in range(of or count)},
    } | given  # fmt: skip


def test_nothing_but_the_count_is_said_when_all_is_well():
    said = sentences(facts(5), copies(5))
    assert said == ["5 of 5 photos were placed, with 2,000 points and a mean reprojection error of 0.50 pixels."]


def test_those_that_were_not_placed_are_named_with_why_and_a_remedy():
    all_of_them = copies(8)
    all_of_them[7] = dataclasses.replace(all_of_them[7], sharpness=5.0)
    said = " ".join(sentences(facts(5, of=7), all_of_them))
    assert "5 of 8 photos were placed" in said
    assert "1 photos show nothing that another shows, too, and were not placed: 7.jpg." in said
    assert "2 photos share too little with the others and were not placed: 5.jpg, 6.jpg." in said
    assert "Of these, 1 are much less sharp than the others: 7.jpg." in said
    assert said.endswith(f"{suspect.MORE}.")


def test_groups_that_do_not_connect_are_told():
    said = sentences(facts(9, of=20, models=[9, 8, 2]), copies(20), "frames")
    assert any(s.startswith("Suspect: the frames fall into groups that do not connect (8 beside") for s in said)


def test_a_focal_length_far_from_exif_is_told_once_for_a_camera():
    said = sentences(facts(5), copies(5, focal=1100.0))
    assert len(said) == 2 and "focal length came out as 700 pixels where EXIF says 1100 (0.jpg)" in said[1]
    assert len(sentences(facts(5), copies(5, focal=650.0))) == 1


def test_lenses_that_hardly_exist_few_points_and_a_high_error_are_told():
    files = facts(5)["placed"]
    for given, word in (
        ({"lenses": {file: [100.0, 400.0, 300.0, 0.0] for file in files}}, "angle of view of 152 degrees"),
        ({"lenses": {file: [9000.0, 400.0, 300.0, 0.0] for file in files}}, "angle of view of 5 degrees"),
        ({"lenses": {file: [700.0, 400.0, 300.0, -0.8] for file in files}}, "distortion of -0.80"),
        ({"error": 2.5}, "reprojection error of 2.50 pixels is high"),
        ({"placed": dict.fromkeys(files, 20)}, "only 20 points are seen"),
    ):
        said = sentences(facts(5, **given), copies(5))
        assert len(said) == 2 and said[1].startswith("Suspect") and word in said[1]


def pair(still: int, moved: int) -> tuple[int, int]:
    """Matches that stand still but for the noise of SIFT, and others that go along."""
    a = RANDOM.uniform(0, 600, (still + moved, 2))
    b = a + RANDOM.normal(0, 0.2, a.shape)
    b[still:] += RANDOM.uniform(15, 40, (moved, 2))
    return still_and_moving(a, b)


def test_a_thing_that_turns_before_a_tripod_is_told_unless_it_has_masks():
    turning = [pair(60, 90) for _ in range(10)] + [pair(60, 0) for _ in range(20)]  # far pairs share the wall alone
    assert stands_still(turning)
    assert any("put masks (white is the thing)" in s for s in sentences(facts(5, still=turning), copies(5)))
    assert len(sentences(facts(5, still=turning), copies(5, masked=True))) == 1


def test_a_camera_that_goes_round_is_not_taken_for_a_tripod():
    """A flat orbit keeps what lies on its axis in the middle of the picture, but not to a fraction of a pixel."""
    pairs = []
    for number in range(20):
        points = RANDOM.uniform(-1, 1, (400, 3))
        shots = []
        for angle in (0.2 * number, 0.2 * number + 0.15):
            angle += RANDOM.normal(0, 0.01)  # carried by hand
            x = points[:, 0] * np.cos(angle) + points[:, 2] * np.sin(angle) + RANDOM.normal(0, 0.02)
            z = points[:, 2] * np.cos(angle) - points[:, 0] * np.sin(angle) + 4
            shots.append(700 * np.stack([x / z, (points[:, 1] + RANDOM.normal(0, 0.02)) / z], 1))
        pairs.append(still_and_moving(*shots))
    assert not stands_still(pairs)
    assert not stands_still([pair(200, 0)] * 10)  # photos from one place are another matter
    assert not stands_still([])
