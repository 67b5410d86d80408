"""The subcommands for meaning: teachers, fields, questions, selections, objects."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from .arguments import Count, Device, File, Number, OutFile, Positional, Text

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Distill:
    """Give the Gaussians of a scene the features of a 2D model, the teacher; semsplat models lists them.

    Works on a fitted scene, and with -o on anybody's .ply without photos: then it chooses its own cameras. Several
    processes share the photos: torchrun --nproc-per-node 2 --no-python semsplat distill ...
    """

    MANY: ClassVar = True

    scene: Positional[Path]  # folder of the scene, or a file of Gaussians
    teacher: str  # labels, sam, lseg, tipsv2, clip, dino, appearance, folder
    method: Literal["lift", "joint", "decoder"] = "lift"  # closed form, or fitted with RGB (Feature 3DGS; its speed-up)
    out: OutFile = None  # new scene folder: needed for a file, and for joint and decoder, which fit anew
    labels: File = None  # labels: folder of annotation images, one for each photo that has one
    names: File = None  # labels: their names, JSON {"1": ["mug", "cup"]} or a line for each class (names.json)
    maps: File = None  # folder: precomputed maps, one for each photo (.npy .npz .safetensors .pt)
    weights: File = None  # file or folder of the teacher's weights (where semsplat models get puts them)
    variant: Text = None  # size of the model, where there are several; semsplat models lists them
    dimension: Count = None  # numbers kept of each feature, in a basis made for the scene (64; decoder 16)
    sweeps: Count = None  # lift: conjugate-gradient sweeps after the weighted mean (3)
    views: Count = None  # own cameras for a file without photos (32)
    up: Literal["-y", "y", "z", "-z", "x", "-x"] = "-y"  # which way is up in a file without photos
    steps: Count = None  # joint, decoder: optimizer steps (as the scene was fitted)
    feature_geometry: bool = False  # joint, decoder: let features move the Gaussians, as Feature 3DGS does
    multi_scale: bool = False  # lseg: average over scales and flips (26 times as slow); clip: over windows
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import distill

        return distill.run(self, console)


@dataclass(frozen=True)
class Ask:
    """Find things by words: "red mug", "mug on the table", "book left of the lamp"; several words share the scene out.

    Writes the answer as a named object of the scene, and overlay pictures to look at.

    A question is [the] {attribute} noun [relation [the] ...]. Attributes: colours (red, dark blue), sizes (big, small,
    tall, wide, the largest, the smallest ...), places (the leftmost, nearest, highest ...). Relations: on, under,
    above, below, left of, right of, in front of, behind, next to (near, by, beside), in, with, between ... and ...
    The noun is for the teacher; a name that it knows ("chair by the window") is not taken apart. "red thing" asks for
    a colour.
    """

    scene: Positional[Path]  # folder of the scene
    words: Positional[tuple[str, ...]]  # one question; or several names, of which each Gaussian gets the best
    teacher: Text = None  # whose field answers (the only one, else the first that knows words)
    negative: tuple[str, ...] = ()  # what is not meant, beside the canonical negatives
    threshold: Number = None  # on the score that is shown (chosen from the scores)
    refine: bool = True  # decide borders again by how some photos' views show the field
    viewpoint: Text = None  # photo that left, right, in front and behind are meant from (the first)
    name: Text = None  # of the object that is saved (the words)
    views: tuple[str, ...] = ()  # photos for the overlays, by name or number (a few)
    out: OutFile = None  # folder for the overlays (SCENE/answers)
    export: tuple[Path, ...] = ()  # also write the object's Gaussians to these files
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import ask

        return ask.run(self, console)


@dataclass(frozen=True)
class Select:
    """Select a thing in 3D by clicks, boxes, strokes and masks in photos; the selection is the same in every view.

    VIEW is a photo: its name, its name without the ending, or its number from 0. X,Y are pixels of the prepared photo,
    0,0 is its upper left corner. A stroke file is JSON, [{"view": "03", "points": [[120, 80], [150, 90]], "radius": 4,
    "positive": true}, ...], or VIEW:FILE.png, a scribble over the photo: what is red is something else, any other
    colour is the thing; transparent, or black where the file has no transparency, is not painted. A mask is VIEW:FILE,
    white where the thing is.

    Writes the selection as a named object of the scene, and overlay pictures to look at.
    """

    scene: Positional[Path]  # folder of the scene
    click: tuple[str, ...] = ()  # VIEW:X,Y on the thing
    not_click: tuple[str, ...] = ()  # VIEW:X,Y on something else
    box: tuple[str, ...] = ()  # VIEW:X0,Y0,X1,Y1 around the thing
    stroke: tuple[str, ...] = ()  # FILE.json, or VIEW:FILE.png
    mask: tuple[str, ...] = ()  # VIEW:FILE, a mask image of the thing in one view, or in several
    field: Text = None  # whose features decide, or none (the best that is there)
    tolerance: Number = None  # 0 takes only what is most alike, 1 nearly all (where the natural gap is)
    size: Literal["part", "thing", "group"] = "thing"  # how much is meant
    clean: bool = True  # drop floaters, take in what is hidden inside
    refine: bool = True  # where a field decides: decide borders again by how some photos' views show it
    name: Text = None  # of the object that is saved
    views: tuple[str, ...] = ()  # photos for the overlays, by name or number (a few)
    out: OutFile = None  # folder for the overlays (SCENE/answers)
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import select

        return select.run(self, console)


@dataclass(frozen=True)
class Objects:
    """List the named objects of a scene; --find proposes objects for the whole scene, as a tree of wholes and parts."""

    scene: Positional[Path]  # folder of the scene
    find: bool = False  # propose objects
    field: Text = None  # whose features decide, and of sam its masks of everything; or none (the best that is there)
    masks: File = None  # folder of masks of photos, numbered in any way: an image of numbers, or .npy, for each
    size: float = 0.5  # 0 small parts, 1 large wholes
    remove: tuple[str, ...] = ()  # forget these objects
    out: OutFile = None  # folder for the overlays (SCENE/answers)
    device: Device = "auto"  # auto takes an NVIDIA GPU when there is one

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import objects

        return objects.run(self, console)


@dataclass(frozen=True)
class Edit:
    """Change a scene in words: "delete the mug", "make the chair red", "move the lamp 0.2 left"; nothing is lost.

    Edits are a list over the fitted scene: view, render, export, ask, select and objects see the edited scene, eval and
    distill the fitted one. In quotation marks, one or several:

    delete THINGS; keep only THINGS; delete everything but THINGS; make THINGS red, paint THINGS "#ff8800 50%"; make
    THINGS 50% transparent; move THINGS 0.2 left (right, up, down, forward, back, as the photo of --viewpoint shows it;
    in metres where the scale is known, 20 cm left, too, else in units of the scene); rotate THINGS 30 degrees; scale
    THINGS 1.5, make THINGS bigger, twice as big; duplicate THINGS 0.3 up; make THINGS 20% brighter, darker, warmer,
    cooler; rename THINGS to NAME; group THINGS as NAME; ungroup NAME; undo; redo. THINGS are a named object, or a
    question as for ask: "the mug on the table and the book".

    delete THINGS and fill the hole; fill the hole of THINGS: puts what is behind in the place of what was deleted.

    insert FILE, or: insert THINGS from SCENE (another scene folder); at X Y Z, on THINGS or beside THINGS, else where
    it is in its own scene; scaled 0.5; with z up (-y, ...: which way is up in a file; a scene knows it). "and match its
    light" gives it the exposure and white balance of this scene, when the scene that it comes from is known:
    'insert "my chair.ply" from office on the table and match its light'. Names with blanks are in quotes.
    """

    scene: Positional[Path]  # folder of the scene
    commands: Positional[tuple[str, ...]] = ()  # what is to be done, one after another
    undo: bool = False  # take the last edit back
    redo: bool = False  # do it again
    off: tuple[int, ...] = ()  # numbers of edits that are switched off
    on: tuple[int, ...] = ()  # numbers of edits that are switched on again
    clear: bool = False  # forget all edits
    list: bool = False  # list the edits
    viewpoint: Text = None  # photo that left, right, forward and back are meant from (the first)

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import edit

        return edit.run(self, console)


@dataclass(frozen=True)
class Models:
    """List the teachers: licence, size, where from, whether here; semsplat models get NAME fetches its weights."""

    action: Positional[Literal["list", "get"]] = "list"
    name: Positional[str] = ""  # of the teacher whose weights are fetched
    variant: Text = None  # size of the model, where there are several

    def run(self, console: "Console") -> int:
        """Carry it out."""
        from . import models

        return models.run(self, console)


COMMANDS = {"distill": Distill, "ask": Ask, "select": Select, "objects": Objects, "edit": Edit, "models": Models}
