"""What a photo's EXIF says about the camera: which one, how long its lens, where it stood."""

import math
from dataclasses import dataclass
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

DIAGONAL = 43.27  # mm, of 35 mm film: equivalent focal lengths mean the same angle of view over the diagonal (CIPA)
_UNITS = {2: 25.4, 3: 10.0, 4: 1.0}  # mm, of FocalPlaneResolutionUnit
_EARTH = 6_371_000.0  # m, radius
_LONGEST = 50.0  # focal lengths of more picture widths, or less than 1/50, are slips of the camera


@dataclass(frozen=True)
class Facts:
    """What is known of one photo; None and "" where nothing is said."""

    camera: str = ""  # make, model and lens
    focal: float | None = None  # in pixels of the picture's longer side: focal length / longer side
    place: tuple[float, float, float] | None = None  # m: east, north, up, of a sphere cut open; nearby places compare


def facts(image: Image.Image) -> Facts:
    """The facts in the header of an opened picture; damaged EXIF says nothing."""
    try:
        tags = image.getexif()
        inner = tags.get_ifd(IFD.Exif)
        place = _place(tags.get_ifd(IFD.GPSInfo))
    except Exception:  # decoders raise SyntaxError, ValueError, struct.error ... on broken headers
        return Facts()
    names = (tags.get(Base.Make), tags.get(Base.Model), inner.get(Base.LensModel))
    camera = " ".join(str(name).strip("\0 ") for name in names if name)
    return Facts(camera, _focal(inner, *image.size), place)


def _focal(inner: Any, width: int, height: int) -> float | None:
    """Focal length over the longer side of the picture."""
    longer = max(width, height)
    in_film, in_mm = _number(inner.get(Base.FocalLengthIn35mmFilm)), _number(inner.get(Base.FocalLength))
    per_unit, unit = (
        _number(inner.get(Base.FocalPlaneXResolution)),
        _UNITS.get(inner.get(Base.FocalPlaneResolutionUnit)),
    )
    of_sensor = _number(inner.get(Base.ExifImageWidth))
    focal = None
    if in_film:
        focal = in_film / DIAGONAL * math.hypot(width, height) / longer
    elif in_mm and per_unit and unit and of_sensor:
        focal = in_mm * per_unit / unit / max(of_sensor, _number(inner.get(Base.ExifImageHeight)) or 0.0)
    return focal if focal and 1 / _LONGEST < focal < _LONGEST else None


def _place(gps: Any) -> tuple[float, float, float] | None:
    """Metres east, north and up of a position on the globe."""
    if not gps.get(GPS.GPSLatitude) or not gps.get(GPS.GPSLongitude):
        return None
    north, east = (_degrees(gps[tag]) for tag in (GPS.GPSLatitude, GPS.GPSLongitude))
    north = -north if gps.get(GPS.GPSLatitudeRef) in ("S", b"S") else north
    east = -east if gps.get(GPS.GPSLongitudeRef) in ("W", b"W") else east
    if not (abs(north) <= 90 and abs(east) <= 180) or (north == 0 and east == 0):
        return None
    up = _number(gps.get(GPS.GPSAltitude)) or 0.0
    return (math.radians(east) * math.cos(math.radians(north)) * _EARTH, math.radians(north) * _EARTH, up)


def _degrees(parts: Any) -> float:
    return sum(float(part) / 60**power for power, part in enumerate(parts))


def _number(value: Any) -> float | None:
    """A positive finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
