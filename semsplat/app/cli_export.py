"""The subcommand that takes things away as files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import Count, Device, Grouped, Kind, Names, Number, Out, Path3D, Positional, Questions, Text, Up, sayer

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class PerView:
    """Of the kinds that write files for each view: masks, depth, features, frames, cameras."""

    size: Count = None  # pixels on the longest side (as the photos; features at most 480)
    every: Count = None  # take every n-th photo (all)
    path: Path3D = None  # a camera that travels, as render has it, in place of the photos
    count: Count = None  # pictures of a path (120)
    teacher: Text = None  # features: whose field (the only one)
    codes: bool = False  # features: the field's own few numbers and their decoder, not the teacher's channels
    mean: bool = False  # depth: mean over what a pixel shows, not the median, which is sharp at borders
    floats: bool = False  # depth: also exact numbers, .npz
    photos: bool = False  # cameras: also the photos as these cameras see them, and points: a data set
    text: bool = False  # cameras: COLMAP's text files, not the binary ones
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one


@dataclass(frozen=True)
class Surface:
    """Of meshes and points."""

    voxel: Number = None  # meshes: size of the finest detail in units of the file (a 100th of the thing's size)
    triangles: Count = None  # meshes: about so many at most (50000; 10000 under a texture)
    texture: Count = None  # meshes: side of a picture laid over it, pixels, in .glb and .obj (a colour at each corner)
    watertight: bool = False  # meshes: closed all around, as a printer wants them; else open where nobody looked
    opacity: Number = None  # points: Gaussians that are fainter are left out, 0 to 1 (0.1)


@dataclass(frozen=True)
class Export:
    """Write a scene, or things in it, as files for other programs; the suffix picks the format.

    .ply (exact), .compressed.ply, .spz, .splat and .sog (smaller), .glb and .gltf (KHR_gaussian_splatting) hold
    Gaussians. All of them can be read, too, and so can .ksplat. .obj and .stl are meshes, .pcd and .xyz points;
    --kind mesh or points writes those as .ply or .glb, too. .json holds the cameras.

    Several things go into one file together; with --format OUT is a folder, and each gets a file of its own, named
    after it: semsplat export room --all-objects --format spz -o things

    With --kind masks, depth, features, frames or cameras OUT is a folder, with files for each photo:
    semsplat export room --kind masks --all-objects -o masks
    """

    scene: Positional[Path]  # folder of the scene, or a file of Gaussians
    out: Out  # the file to write; with --format, or files for each view, the folder
    object: Names = ()  # a named object of the scene (semsplat objects lists them); everything when not given
    ask: Questions = ()  # what a question finds, as semsplat ask does: "mug on the table"
    all_objects: bool = False  # every named object, wholes and parts, each in a file of its own
    format: Text = None  # ply, spz, ...: OUT is a folder, and each thing becomes a file in it
    kind: Kind = None  # gaussians, mesh, points, masks, depth, features, frames or cameras (what the suffix says)
    center: bool = False  # put the origin under the thing's middle, where it stands
    up: Up = None  # turn the scene's up to this axis; upright: as programs expect it (y; -y in .ply and .splat); scene:
    # as it was fitted, in its own units. Without it: upright where the scene was placed (semsplat upright), else scene
    scale: float = 1.0  # multiply: units of the file for a metre where the scale is known, else for a unit of the scene
    raw: bool = (
        False  # things that stand alone: as selected; else borders are mended, so that no halo of neighbours shows
    )
    metadata: bool = False  # FILE.json beside each file: name, bounds, way back into the scene, licences ...
    mesh: Grouped[Surface] = field(default_factory=Surface)
    views: Grouped[PerView] = field(default_factory=PerView)

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import export

        return export.export(self, sayer(console))


COMMANDS = {"export": Export}
