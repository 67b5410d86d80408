"""``semsplat export``: a scene, or things in it, as files that other programs open.

Each kind of file is written by a module of its own, with ``write(work)``; :data:`KINDS` lists them.
"""

import difflib
import importlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..splatting import formats
from ..splatting.errors import InputError
from ..splatting.similarity import AXES, Similarity
from . import export_metadata
from .export_parts import Part, Say, Source, placement, stems
from .world import World

if TYPE_CHECKING:
    from .cli_export import Export

SLOW = 5.0  # seconds of mending from which on it is told


@dataclass(frozen=True)
class Kind:
    """One kind of export."""

    module: str  # of this package; its write(work) writes the files
    suffixes: tuple[str, ...]  # it can write; none: always a folder
    means: tuple[str, ...] = ()  # suffixes that mean this kind when nothing is said
    up: dict[str, str] | None = None  # which way is up in a file of a suffix, by convention; y when not given
    turned: dict[str, tuple[float, float, float]] | None = None  # axes that its files have and our numbers have not
    alone: bool = False  # parts are mended so that they look alone as they do in the scene, unless --raw is given
    per_view: bool = False  # OUT without such a suffix is a folder of files for each view; parts stand together


_GAUSSIANS = tuple(sorted(formats.writable()))
KINDS = {
    "gaussians": Kind(
        "export_gaussians",
        _GAUSSIANS,
        alone=True,
        means=_GAUSSIANS,
        up={".ply": "-y", ".compressed.ply": "-y", ".splat": "-y"},
        turned={".spz": (1.0, -1.0, -1.0), ".glb": (-1.0, -1.0, 1.0), ".gltf": (-1.0, -1.0, 1.0)},
    ),
    "mesh": Kind(
        "export_mesh",
        (".glb", ".obj", ".ply", ".stl"),
        (".obj", ".stl"),
        up={".ply": "z", ".stl": "z"},
        alone=True,
    ),
    "points": Kind(
        "export_points",
        (".ply", ".pcd", ".xyz"),
        (".pcd", ".xyz"),
        up=dict.fromkeys((".ply", ".pcd", ".xyz"), "z"),
        alone=True,
    ),
    "masks": Kind("export_masks", (), per_view=True, up={"": "z"}),
    "depth": Kind("export_depth", (), per_view=True, up={"": "z"}),
    "features": Kind("export_features", (), per_view=True, up={"": "z"}),
    "frames": Kind("export_frames", (), per_view=True, up={"": "z"}),
    "cameras": Kind("export_cameras", (".json",), (".json",), per_view=True, up={"": "-y", ".json": "z"}),
}
_PER_VIEW = tuple(kind for kind, its in KINDS.items() if its.per_view)
OPTIONS = {  # that belong to some kinds only
    **dict.fromkeys(("size", "every", "path", "count", "device"), _PER_VIEW),
    **dict.fromkeys(("teacher", "codes"), ("features",)),
    **dict.fromkeys(("mean", "floats"), ("depth",)),
    **dict.fromkeys(("photos", "text"), ("cameras",)),
    **dict.fromkeys(("voxel", "triangles", "texture", "watertight"), ("mesh",)),
    "opacity": ("points",),
}
ELSEWHERE = {  # suffixes that people try, and what makes such files
    **dict.fromkeys((".png", ".jpg", ".jpeg"), "--kind frames (or masks, depth) with a folder writes pictures"),
    **dict.fromkeys((".npz", ".npy"), "--kind features or depth with a folder writes arrays"),
    **dict.fromkeys((".mp4", ".mov", ".webm"), "films are made by: semsplat render SCENE --video FILE.mp4"),
}


@dataclass(frozen=True, eq=False)
class Work:
    """What a kind has to write."""

    request: "Export"
    kind: str
    source: Source
    parts: tuple[Part, ...]  # placed: part.placement goes from the scene to the file
    suffix: str  # of the files; empty where a folder is written
    one_file: bool  # OUT is the file; else a folder
    say: Say
    unit: str = "scene unit"  # of lengths before --scale; or metre

    @property
    def placement(self) -> Similarity:
        """From the scene to the numbers of files that are of all parts together."""
        return self.parts[0].placement

    def files(self) -> list[tuple[Part, Path]]:
        """Each part and its file; two of one name get different files."""
        if self.one_file:
            return [(self.parts[0], self.request.out)]
        names = stems([part.name for part in self.parts])
        return [(part, self.request.out / f"{name}{self.suffix}") for part, name in zip(self.parts, names, strict=True)]


def export(request: "Export", say: Say) -> int:
    """Write what is asked for; returns the exit status.

    Raises:
        InputError: a wrong suffix or option, no scene or no such thing there, or a place that cannot be written.
    """
    kind, suffix, one_file = kind_of(request)
    _check(request, kind)
    source = Source.open(request.scene)
    for note in source.notes:
        say(note)
    parts = _parts(request, source, one_file, KINDS[kind].per_view)
    carry_out(request, (kind, suffix, one_file), source, parts, say)
    return 0


def carry_out(request: "Export", how: tuple[str, str, bool], source: Source, parts: Sequence[Part], say: Say) -> None:
    """Write parts of a source.

    Args:
        request: its ``out`` is where to. how: (kind, suffix, whether OUT is a file), as of :func:`kind_of`.

    Raises:
        InputError: a wrong option, nothing to write, or a place that cannot be written.
    """
    kind, suffix, one_file = how
    _check(request, kind)
    if KINDS[kind].alone and not request.raw:
        parts = [_clean(source, part, say) for part in parts]
    axis = _axis(request, source.world, KINDS[kind], suffix)
    standing = [source.together(parts)] * len(parts) if KINDS[kind].per_view else parts
    placed = [
        replace(part, placement=placement(whole.gaussians, source.world, axis, request.center, request.scale))
        for part, whole in zip(parts, standing, strict=True)
    ]
    unit = "metre" if axis is not None and source.world.metric else "scene unit"
    work = Work(request, kind, source, tuple(placed), suffix, one_file, say, unit)
    importlib.import_module(f".{KINDS[kind].module}", __package__).write(work)
    if request.metadata and KINDS[kind].per_view:
        say("--metadata: what is written for each view has its own record, export.json.")
    elif request.metadata:
        written = export_metadata.write(work, (KINDS[kind].turned or {}).get(suffix, (1.0, 1.0, 1.0)))
        say(f"Described in {', '.join(map(str, written[:3]))}{' ...' if len(written) > 3 else ''}")


def _clean(source: Source, part: Part, say: Say) -> Part:
    began = time.monotonic()
    clean = source.cleaned(part)
    seconds = time.monotonic() - began
    if seconds > SLOW:
        say(f"{part.name}: its borders were mended in {seconds:.0f} s (--raw leaves them as they are).")
    return clean


def _check(request: "Export", kind: str) -> None:
    for group in (request.views, request.mesh):
        for option in fields(group):
            own = OPTIONS.get(option.name, KINDS)
            if kind not in own and getattr(group, option.name) != option.default:
                raise InputError(f"--{option.name} is of --kind {', '.join(own)}; leave it out for {kind}.")
    if not math.isfinite(request.scale) or not 1e-6 <= request.scale <= 1e6:
        raise InputError(f"--scale {request.scale:g} is not possible; give a factor from 1e-6 to 1e6.")


def kind_of(request: "Export") -> tuple[str, str, bool]:
    """(kind, suffix, whether OUT is a file and no folder), from OUT, --format and --kind.

    Raises:
        InputError: they do not say what is to be written, or say what cannot be.
    """
    out, name = request.out, request.out.name.lower()
    given = f".{request.format.lower().lstrip('.')}" if request.format else ""
    suffix = given or _longest(name)
    if out.is_dir() and suffix not in _known():
        suffix = given  # a folder whose name has a dot in it
    if request.kind is not None and request.kind not in KINDS:
        near = difflib.get_close_matches(request.kind.lower(), KINDS, 1, 0.5)
        hint = f"did you mean {near[0]}?" if near else f"the kinds are {', '.join(KINDS)}."
        raise InputError(f"There is no --kind {request.kind}: {hint}")
    kind = request.kind or next((kind for kind, its in KINDS.items() if suffix in its.means), None)
    if kind is None and not suffix:
        raise InputError(
            f"{out} has no suffix that says what to write ({', '.join(_known())}). Into a folder, a file for each "
            f"object is written by --format spz, say, and files for each view by --kind {', '.join(_PER_VIEW)}."
        )
    if kind is None and suffix in ELSEWHERE:
        raise InputError(f"'{suffix}' cannot be written as one file: {ELSEWHERE[suffix]}.")
    if kind is None or (not KINDS[kind].per_view and suffix and suffix not in KINDS[kind].suffixes):
        can = ", ".join(KINDS[kind].suffixes) if kind else ", ".join(_known())
        raise InputError(f"'{suffix}' cannot be written{f' as {kind}' if kind else ''}; use {can}.")
    if KINDS[kind].per_view and (given or suffix not in KINDS[kind].suffixes):
        if given:
            raise InputError(f"--kind {kind} writes a folder of files of its own: leave --format {given[1:]} out.")
        if suffix in (*_known(), *formats.FORMATS):
            raise InputError(f"--kind {kind} writes a folder of files: give its name with -o, without '{suffix}'.")
        return kind, "", False
    if not suffix:
        raise InputError(f"Say in which format: --format {KINDS[kind].suffixes[0][1:]} writes a file for each object.")
    if out.is_dir() and not given:
        raise InputError(f"{out} is a folder; --format {suffix[1:]} writes a file for each object into it.")
    return kind, suffix, not given


def _parts(request: "Export", source: Source, one_file: bool, per_view: bool) -> list[Part]:
    """What is exported, in the order it was asked for."""
    if request.all_objects and (request.object or request.ask):
        raise InputError("--all-objects exports every object: leave --object and --ask out.")
    if request.all_objects and one_file and not per_view:
        raise InputError(
            f"--all-objects writes a file for each object: give a folder with -o and a --format, in place of "
            f"{request.out}."
        )
    if request.all_objects:
        return source.all_named()
    parts = [source.named(name) for name in request.object] + [source.asked(words) for words in request.ask]
    if not parts:
        return [source.whole()]
    return [source.together(parts)] if one_file else parts


def _axis(request: "Export", world: World, kind: Kind, suffix: str) -> tuple[float, float, float] | None:
    """The direction in our numbers that --up asks for; without it a scene that was placed leaves upright."""
    asked = request.up or ("upright" if world.placed else "scene")
    if asked == "scene":
        return None
    wanted = asked if asked != "upright" else (kind.up or {}).get(suffix, "y")
    x, y, z = (kind.turned or {}).get(suffix, (1.0, 1.0, 1.0))
    a, b, c = AXES[wanted]
    return x * a, y * b, z * c


def _known() -> Sequence[str]:
    return sorted({suffix for kind in KINDS.values() for suffix in kind.suffixes})


def _longest(name: str) -> str:
    fitting = [suffix for suffix in (*_known(), *formats.FORMATS) if name.endswith(suffix)]
    return max(fitting, key=len, default=Path(name).suffix)
