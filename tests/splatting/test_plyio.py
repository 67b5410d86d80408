"""PLY tables: held to plyfile (an independent reader), and safe against files that lie."""

import numpy as np
import pytest

from semsplat.splatting.errors import InputError
from semsplat.splatting.plyio import read_elements, read_vertices, write_vertices

ROWS = np.array([(1.5, -2.0, 3e-8, 255), (0.25, 4.0, -7.0, 0)], [("z", "f4"), ("x", "f8"), ("y", "f4"), ("red", "u1")])


def write_with_plyfile(path, text, order):
    plyfile = pytest.importorskip("plyfile")
    faces = np.array([([0, 1, 1],)], [("vertex_indices", "i4", (3,))])
    elements = [plyfile.PlyElement.describe(ROWS, "vertex"), plyfile.PlyElement.describe(faces, "face")]
    plyfile.PlyData(elements, text=text, byte_order=order, comments=["property float nothing"]).write(path)


@pytest.mark.parametrize(("text", "order"), [(True, "="), (False, "<"), (False, ">")])
def test_reads_what_another_writer_wrote(tmp_path, text, order):
    write_with_plyfile(tmp_path / "a.ply", text, order)
    columns = read_vertices(tmp_path / "a.ply")
    assert list(columns) == ["z", "x", "y", "red"]
    for name in columns:
        assert columns[name].dtype == ROWS[name].dtype
        np.testing.assert_array_equal(columns[name], ROWS[name])


def test_written_files_read_back_here_and_elsewhere(tmp_path):
    plyfile = pytest.importorskip("plyfile")
    rng = np.random.default_rng(0)
    columns = {"x": rng.normal(size=100_000).astype("f4"), "n": np.arange(100_000, dtype="i4")}
    write_vertices(tmp_path / "a.ply", columns)
    again, theirs = read_vertices(tmp_path / "a.ply"), plyfile.PlyData.read(tmp_path / "a.ply")["vertex"]
    for name, column in columns.items():
        np.testing.assert_array_equal(again[name], column)
        np.testing.assert_array_equal(theirs[name], column)


def test_binary_columns_are_views_of_the_file(tmp_path):
    write_vertices(tmp_path / "a.ply", {"x": np.zeros(4, "f4"), "y": np.ones(4, "f4")})
    column = read_vertices(tmp_path / "a.ply")["y"]
    assert not column.flags.owndata and not column.flags.writeable


def test_elements_by_name_and_empty_ones(tmp_path):
    write_vertices(tmp_path / "a.ply", {"x": np.zeros(0, "f4")})
    assert read_elements(tmp_path / "a.ply", ("vertex", "chunk"))["vertex"]["x"].shape == (0,)
    (tmp_path / "b.ply").write_bytes(
        b"ply\nformat ascii 1.0\nelement chunk 1\nproperty float a\nelement vertex 2\nproperty uchar x\nend_header\n"
        b"0.5\n7\n8"
    )
    assert read_vertices(tmp_path / "b.ply")["x"].tolist() == [7, 8]
    assert read_elements(tmp_path / "b.ply", ("chunk",))["chunk"]["a"].tolist() == [0.5]


def test_crlf_headers(tmp_path):
    text = b"ply\r\nformat ascii 1.0\r\nelement vertex 1\r\nproperty float x\r\nend_header\r\n2.5\r\n"
    (tmp_path / "a.ply").write_bytes(text)
    assert read_vertices(tmp_path / "a.ply")["x"].tolist() == [2.5]


HEAD = b"ply\nformat binary_little_endian 1.0\n"
TEXT = b"ply\nformat ascii 1.0\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "{} is not a PLY file: it does not begin with 'ply'."),
        (b"\xff\xd8\xff\xe0 a picture", "{} is not a PLY file: it does not begin with 'ply'."),
        (HEAD + b"element vertex 3\nprop", "{} is truncated: its PLY header does not end."),
        (
            HEAD + b"element vertex 3\nproperty float x\nend_header\n" + b"\0" * 11,
            "{} is truncated: its header promises 3 rows of 'vertex', it holds 2.",
        ),
        (
            HEAD + b"element vertex 999999999999999\nproperty float x\nend_header\n" + b"\0" * 8,
            "{} is truncated: its header promises 999999999999999 rows of 'vertex', it holds 2.",
        ),
        (
            TEXT + b"element vertex 999999999999999\nproperty float x\nend_header\n1\n",
            "{} is truncated: its header promises 999999999999999 rows of 'vertex', it holds fewer.",
        ),
        (
            TEXT + b"element vertex 3\nproperty float x\nend_header\n1.25\n2.25\n",
            "{} is truncated: its header promises 3 rows of 'vertex', it holds 2.",
        ),
        (HEAD + b"element face 0\nproperty int x\nend_header\n", "{} has no element 'vertex'; give a PLY of points or"),
        (HEAD + b"element vertex x\nend_header\n", "{} has a PLY header line that cannot be read: 'element vertex x'."),
        (HEAD + b"element vertex 0\nend_header\n", "{} has an element 'vertex' without properties."),
        (
            HEAD + b"element vertex 1\nproperty list uchar int a\nend_header\n\0\0",
            "{} has a list property 'a' in element 'vertex'; give scalars.",
        ),
        (
            HEAD + b"element vertex 1\nproperty int a\nproperty int a\nend_header\n\0\0",
            "{} has property 'a' twice in element 'vertex'.",
        ),
        (
            TEXT + b"element vertex 1\nproperty float x\nend_header\n1 apple\n",
            "{} has a row of element 'vertex' that cannot be read",
        ),
        (
            TEXT + b"element vertex 1\nproperty uchar x\nend_header\n300\n",
            "{} has a row of element 'vertex' that cannot be read",
        ),
    ],
)
def test_bad_files_end_in_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "a.ply"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_vertices(path)
    assert str(error.value).startswith(sentence.format(path))


def test_missing_file_and_wrong_columns(tmp_path):
    with pytest.raises(InputError, match=r"Cannot read .*: No such file or directory"):
        read_vertices(tmp_path / "none.ply")
    with pytest.raises(ValueError, match="no type for column 'a' of int64"):
        write_vertices(tmp_path / "a.ply", {"a": np.zeros(3, np.int64)})
    with pytest.raises(ValueError, match="equally long"):
        write_vertices(tmp_path / "a.ply", {"a": np.zeros(3, "f4"), "b": np.zeros(2, "f4")})
    assert list(tmp_path.iterdir()) == []
