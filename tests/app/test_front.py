"""viser's page in our dress: what is changed in it, and that a title stays text."""

import gzip
from pathlib import Path

import pytest
import viser

from semsplat.app.front import Front

HOSTILE = '</title><script>window.hacked=1</script>"\\1'
PAGE = b"<html><head><title>Viser</title></head><body>x</body></html>"


@pytest.fixture(scope="module")
def page():
    return (Path(viser.__file__).parent / "client" / "build" / "index.html").read_bytes()


def test_the_page_has_our_name_icon_and_style(page):
    text = Front("room").dressed(page, zipped=False).decode()
    assert "<title>room · semsplat</title>" in text
    assert text.count('rel="icon"') == 1 and "viewBox='0 0 250" not in text
    assert "#semsplat-opening {" in text[: text.index("</head>")]
    assert "Opening <b>room</b> …" in text[text.index("<body>") :]
    assert "<title>semsplat</title>" in (plain := Front().dressed(page, zipped=False).decode())
    assert "Opening" not in plain[plain.index("<body>") :]


def test_a_packed_page_stays_packed_and_is_made_once(page):
    front, packed = Front("room"), gzip.compress(page)
    made = front.dressed(packed, zipped=True)
    assert gzip.decompress(made) == front.dressed(page, zipped=False)
    assert front.dressed(packed, zipped=True) is made


def test_a_title_is_only_text_and_another_page_is_left_as_it_is():
    text = Front(HOSTILE).dressed(PAGE, zipped=False).decode()
    assert "<script>window.hacked" not in text and "&lt;/title&gt;" in text
    assert Front("room").dressed(b"nothing to see", zipped=False) == b"nothing to see"
