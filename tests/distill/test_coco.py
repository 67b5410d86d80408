"""COCO's run lengths and JSON: held to pycocotools."""

import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from semsplat.distill.coco import Coco, decode, encode
from semsplat.splatting.errors import InputError

# pycocotools' own way of making arrays is not yet that of NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def oracle():
    return pytest.importorskip("pycocotools.mask")


def test_masks_of_every_kind_are_as_pycocotools_writes_them():
    theirs = oracle()
    random = np.random.default_rng(0)
    masks = [np.zeros((5, 7), bool), np.ones((5, 7), bool), np.zeros((1, 1), bool), np.ones((1, 1), bool)]
    masks += [random.random((40, 31)) < share for share in (0.01, 0.5, 0.99)]
    blob = np.zeros((480, 640), bool)
    blob[100:300, 200:500], blob[150:200, 250:300] = True, False
    for mask in [*masks, blob]:
        ours, reference = encode(mask), theirs.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert ours["counts"] == reference["counts"].decode() and ours["size"] == reference["size"]
        assert (theirs.decode(ours) == mask).all() and (decode(ours) == mask).all()


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 70))))
def test_decode_takes_back_encode(mask):
    assert (decode(encode(mask)) == mask).all()


def test_counts_as_numbers():
    assert decode({"size": [2, 3], "counts": [1, 2, 3]}).tolist() == [[False, True, False], [True, False, False]]
    with pytest.raises(InputError, match="do not fill"):
        decode({"size": [2, 3], "counts": [1, 2]})
    with pytest.raises(InputError, match="do not fill"):
        decode(encode(np.ones((4, 4), bool)) | {"size": [5, 4]})


def test_the_json_is_what_pycocotools_loads(tmp_path):
    oracle()
    from pycocotools.coco import COCO

    made = Coco(["mug", "handle"], [None, "mug"], {"description": "a test"})
    mug = np.zeros((20, 30), bool)
    mug[3:10, 5:21] = True
    first, second = made.image("images/0.png", 30, 20, held_out=True), made.image("images/1.png", 30, 20)
    made.mask(first, 0, mug)
    made.mask(first, 1, mug & (np.arange(30) > 15))
    made.mask(second, 1, np.zeros((20, 30), bool))
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(made.content))
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = COCO(str(path))
    assert [category["name"] for category in loaded.loadCats(loaded.getCatIds())] == ["mug", "handle"]
    assert loaded.loadCats(2)[0]["supercategory"] == "mug"
    assert loaded.getImgIds() == [1, 2] and loaded.getAnnIds(imgIds=[2]) == []
    (annotation,) = loaded.loadAnns(loaded.getAnnIds(imgIds=[1], catIds=[1]))
    assert (loaded.annToMask(annotation) == mug).all()
    assert annotation["area"] == 7 * 16 and annotation["bbox"] == [5, 3, 16, 7]
