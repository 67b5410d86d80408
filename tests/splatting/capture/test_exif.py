"""What EXIF says of a photo's camera."""

import math

import pytest
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from semsplat.splatting.capture import exif, pictures


def said(tmp_path, size=(400, 300), inner=None, gps=None, **tags) -> exif.Facts:
    stored = Image.Exif()
    for name, value in tags.items():
        stored[Base[name]] = value
    stored.get_ifd(IFD.Exif).update(inner or {})
    stored.get_ifd(IFD.GPSInfo).update(gps or {})
    Image.new("RGB", size).save(tmp_path / "a.jpg", exif=stored)
    with Image.open(tmp_path / "a.jpg") as image:
        return exif.facts(image)


def test_the_equivalent_focal_length_holds_over_the_diagonal(tmp_path):
    film = {Base.FocalLengthIn35mmFilm: 26, Base.FocalLength: 4.4}
    found = said(tmp_path, inner=film, Make="LGE", Model="V50\0")
    assert found.focal == pytest.approx(26 / 43.27 * 500 / 400)
    assert found.camera == "LGE V50" and found.place is None
    assert said(tmp_path, (300, 400), film).focal == found.focal  # portrait is the same lens
    assert said(tmp_path, (600, 400), film).focal == pytest.approx(26 / 36, rel=0.01)  # film itself is 36 mm wide


def test_the_sensor_tells_where_no_equivalent_is_said(tmp_path):
    inner = {
        Base.FocalLength: 50.0, Base.FocalPlaneXResolution: 4000.0, Base.FocalPlaneResolutionUnit: 3,
        Base.ExifImageWidth: 6000, Base.ExifImageHeight: 4000,
    }  # fmt: skip
    assert said(tmp_path, (600, 400), inner).focal == pytest.approx(50 / 10 * 4000 / 6000)


@pytest.mark.parametrize(
    "inner", [{}, {Base.FocalLengthIn35mmFilm: 0}, {Base.FocalLengthIn35mmFilm: 65535}, {Base.FocalLength: 4.4}]
)
def test_what_is_not_said_or_makes_no_sense_is_not_known(tmp_path, inner):
    assert said(tmp_path, inner=inner).focal is None


def test_places_are_in_metres(tmp_path):
    def place(north, east, refs):
        return said(
            tmp_path,
            gps={
                GPS.GPSLatitudeRef: refs[0], GPS.GPSLatitude: (north, 30.0, 0.0),
                GPS.GPSLongitudeRef: refs[1], GPS.GPSLongitude: (east, 0.0, 36.0), GPS.GPSAltitude: 12.0,
            },
        ).place  # fmt: skip

    here, there = place(47.0, 8.0, "NE"), place(47.0, 8.0, "SW")
    assert here is not None and there is not None
    assert here[1] == pytest.approx(math.radians(47.5) * 6_371_000) and there[1] == -here[1] and there[0] == -here[0]
    assert here[2] == pytest.approx(12.0)
    assert said(tmp_path, gps={GPS.GPSLatitude: (0.0, 0.0, 0.0), GPS.GPSLongitude: (0.0, 0.0, 0.0)}).place is None


def test_a_damaged_header_says_nothing(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    with pictures.quietly(), Image.open(tmp_path / "a.jpg") as image:
        assert exif.facts(image) == exif.Facts()
