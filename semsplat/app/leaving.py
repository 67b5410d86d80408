"""What leaves a page as a file: the same exports as ``semsplat export`` writes, in memory. Knows no browser."""

import io
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..splatting import formats
from ..splatting.errors import InputError
from .cli_export import Export
from .export import KINDS, carry_out
from .export_parts import Part, Say, Source
from .scene import is_scene
from .session import Session

Choose = Callable[[Source], list[Part] | None]
_PER_VIEW = {"masks": "with COCO", "depth": "16-bit PNG", "frames": "PNG", "cameras": "COLMAP"}


@dataclass(frozen=True)
class Form:
    """One of the things a file can be."""

    kind: str  # of export.KINDS
    suffix: str  # of the file, or of the files in it

    @property
    def title(self) -> str:
        """For a list: .spz, Mesh .glb, Masks of all photos."""
        if KINDS[self.kind].per_view:
            return f"{self.kind.capitalize()} of all photos ({_PER_VIEW[self.kind]})"
        return self.suffix if self.kind == "gaussians" else f"{self.kind.capitalize()} {self.suffix}"


@dataclass(frozen=True)
class Place:
    """Where things stand in their files."""

    center: bool = False  # the origin under the middle
    upright: bool = False  # as programs expect it, in metres where the scale is known; else as it was fitted
    scale: float = 1.0  # what lengths are multiplied by


def forms(session: Session) -> list[Form]:
    """What can be written of a session; views only of scenes with photos."""
    whole = [Form("gaussians", suffix) for suffix in sorted(formats.writable())]
    shapes = [Form(kind, suffix) for kind in ("mesh", "points") for suffix in KINDS[kind].suffixes]
    photos = bool(session.views) and session.folder is not None and is_scene(session.folder)
    return whole + shapes + ([Form(kind, "") for kind in _PER_VIEW] if photos else [])


def written(session: Session, choose: Choose, form: Form, place: Place, say: Say) -> tuple[str, bytes]:
    """The file as (suffix, content): .zip when there are several.

    Args:
        choose: the parts, from the scene as it is now; None: the whole. say: told how far it is.

    Raises:
        InputError: there is nothing to write, or the format cannot hold it.
    """
    source = Source.of(session)
    chosen = choose(source)
    parts = [source.whole()] if chosen is None else chosen
    if not any(len(part.gaussians) for part in parts):
        raise InputError("There is nothing to save: nothing is picked, or what was picked is gone.")
    folder_of_files = KINDS[form.kind].per_view
    one_file = len(parts) == 1 and not folder_of_files
    with tempfile.TemporaryDirectory(prefix="semsplat-") as made:
        out = Path(made) / (f"{form.kind}{form.suffix}" if one_file else form.kind)
        names = tuple(part.name for part in chosen or ())
        up = "upright" if place.upright else "scene"
        request = Export(source.path, out, object=names, center=place.center, up=up, scale=place.scale)
        carry_out(request, (form.kind, form.suffix, one_file), source, parts, say)
        files = sorted(path for path in Path(made).rglob("*") if path.is_file())
        if len(files) == 1:
            return form.suffix or files[0].suffix, files[0].read_bytes()
        return ".zip", _zipped(files, Path(made))


def _zipped(files: Sequence[Path], folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()
