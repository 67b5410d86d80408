"""The scene folder: what a fit leaves behind and everything else opens. Every file is replaced in one step: whole.

    scene.ply, cameras.json  Gaussians in the usual 3DGS layout, with ids; poses as in a transforms.json (OpenGL axes)
    config.json, metrics.json, checkpoint.safetensors    how it was fitted, how well, the full training state
    fields/, objects.json, selections.safetensors        meaning: see semsplat.distill.field and objects
    edits.json, edits.safetensors, edits/        what was changed since: see semsplat.splatting.history_files
    world.json, poses/       up and scale: see semsplat.app.world; poses that we found: see splatting.capture.sfm
Pictures to look at; and cache/, prepared photos, maps, graphs, which may be deleted: they are made again when needed.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch

from ..distill import field as fields
from ..distill.field import FeatureField
from ..splatting import history_files
from ..splatting.camera import Camera, pinhole
from ..splatting.capture import placed
from ..splatting.capture.types import Frame
from ..splatting.errors import InputError
from ..splatting.files import reason, replacing
from ..splatting.formats import ply
from ..splatting.gaussians import Gaussians
from ..splatting.history import History
from ..splatting.tensors import load_tensors, save_tensors
from ..splatting.train_types import TrainState
from .world import WORLD, World

GAUSSIANS, CAMERAS, CONFIG, METRICS = "scene.ply", "cameras.json", "config.json", "metrics.json"
CHECKPOINT, PREVIEW, CURVES, CACHE = "checkpoint.safetensors", "preview.png", "curves.png", "cache"
POSES = "poses"
OWN_CAMERAS = "own_cameras"  # in config.json: no photos, pictures are rendered from cameras of our own
_OURS = (
    GAUSSIANS, CAMERAS, CONFIG, METRICS, CHECKPOINT, PREVIEW, CURVES, WORLD, "contact_sheet.png", "turntable.mp4",
    "objects.json", "selections.safetensors",
)  # fmt: skip
_OPENGL = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))  # OpenCV axes to OpenGL axes


@dataclass(frozen=True)
class View:
    """One photo of the scene: its camera, and where its prepared pixels lie (they may have been deleted)."""

    name: str
    camera: Camera
    held_out: bool
    pixels: Path
    background: bool = False

    @property
    def frame(self) -> Frame:
        """The view as the trainer wants it."""
        return Frame(self.name, self.camera, self.pixels, self.background)


@dataclass(frozen=True)
class Scene:
    """An opened scene folder. Gaussians are read when first asked for."""

    folder: Path
    views: tuple[View, ...]  # in the order of the names
    config: dict[str, Any]
    metrics: dict[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a scene folder.

        Raises:
            InputError: no such folder, no scene in it, or a file of it is missing or not whole.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise InputError(f"There is no scene folder {folder}; make one with: semsplat train PHOTOS -o {folder}")
        if not is_scene(folder):
            raise InputError(f"{folder} is not a scene folder: it has no {CONFIG} that semsplat train wrote.")
        for name in (CAMERAS, GAUSSIANS):
            if not (folder / name).exists():
                raise InputError(
                    f"{folder / name} is missing: the fit ended before its first save, or the file was removed; "
                    f"go on with: semsplat train -o {folder} --resume"
                )
        metrics = read_json(folder / METRICS) if (folder / METRICS).exists() else {}
        return cls(folder, tuple(_read_views(folder)), read_json(folder / CONFIG), metrics)

    @property
    def source(self) -> Path:
        """What the photos with their poses are loaded from: poses of our own, or what was given; it may be gone."""
        own = self.folder / POSES
        return own if self.config.get(POSES) and (own / placed.FILE).is_file() else Path(self.config.get("source", ""))

    @cached_property
    def gaussians(self) -> Gaussians:
        """The Gaussians of scene.ply, float32 on the CPU."""
        try:
            return ply.read(self.folder / GAUSSIANS)
        except InputError as error:
            raise InputError(f"{error} It is written again by: semsplat train -o {self.folder} --resume") from error

    @property
    def graphs(self) -> Path:
        """Folder of the neighbourhood graphs that are kept; may be deleted."""
        return self.folder / CACHE / "graphs"

    @cached_property
    def history(self) -> History:
        """The edits of the scene folder."""
        return history_files.read(self.folder)

    @property
    def edited(self) -> Gaussians:
        """The Gaussians after the scene's edits: what one sees; see :attr:`gaussians` for the fit."""
        return self.after_edits(self.gaussians)

    def after_edits(self, gaussians: Gaussians) -> Gaussians:
        """Gaussians of this scene, with or without features, after its edits."""
        return self.history.fold(gaussians)

    @cached_property
    def meaning(self) -> tuple[Gaussians, dict[str, FeatureField]]:
        """The Gaussians with the codes of all fields in fields/ as features, and the fields by teacher."""
        return fields.attach(self.gaussians, fields.load_all(self.folder))

    @cached_property
    def world(self) -> World:
        """Where the scene stands in the world; up as the cameras have it where nothing was kept."""
        path, remedy = self.folder / WORLD, f"write it again with: semsplat upright {self.folder} --forget"
        own = World.of_cameras([view.camera for view in self.views])
        return World.of_json(read_json(path, remedy), path) if path.exists() else own

    @property
    def cameras(self) -> dict[str, Camera]:
        """Cameras of all photos by name."""
        return {view.name: view.camera for view in self.views}

    @property
    def frames(self) -> list[Frame]:
        """All photos whose prepared pixels are still in the cache."""
        return [view.frame for view in self.views if view.pixels.is_file()]

    def frames_of(self, held_out: bool) -> list[Frame]:
        """The photos that were held out, or those that were fitted; see :attr:`frames`."""
        return [view.frame for view in self.views if view.held_out == held_out and view.pixels.is_file()]


def is_scene(folder: Path) -> bool:
    """Whether a fit of ours began in this folder: what we may go on with or replace."""
    try:
        return "semsplat" in json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return (folder / CHECKPOINT).exists() and (folder / CAMERAS).exists()  # a damaged config: still ours


def claim(folder: Path, resume: bool = False, overwrite: bool = False) -> None:
    """Check, before any work, that a fit may write into ``folder``; nothing is changed.

    Raises:
        InputError: the folder holds something else, holds a scene and neither option is given, or cannot be written.
    """
    try:
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    except OSError as error:
        raise InputError(f"Cannot use {folder} as a scene folder: {reason(error)}.") from error
    ours = is_scene(folder)
    if resume and not ours:
        raise InputError(f"There is nothing to resume in {folder}; leave --resume out to begin a fit there.")
    if not ours and names - {CACHE, POSES}:
        raise InputError(
            f"{folder} is not empty and not a scene ({min(names - {CACHE, POSES})} is in it); choose another with -o."
        )
    if ours and not resume and not overwrite:
        raise InputError(f"{folder} already holds a scene; go on with --resume or begin anew with --overwrite.")
    existed = folder.exists()
    with replacing(folder / ".writable") as probe:
        probe.touch()
    (folder / ".writable").unlink()
    if not existed:
        folder.rmdir()  # the source may yet turn out to be no good


def clear(folder: Path) -> None:
    """Remove the files of an earlier fit and what a kill left half-done; the cache of photos stays."""
    for name in _OURS:
        (folder / name).unlink(missing_ok=True)
    for path in folder.glob("truth-*.png"):
        path.unlink()
    for name in (fields.FIELDS, "answers", "tensorboard"):
        shutil.rmtree(folder / name, ignore_errors=True)
    history_files.clear(folder)
    sweep(folder)


def sweep(folder: Path) -> None:
    """Remove temporary files that a killed process left behind: ours, and those that safetensors writes first."""
    for pattern in (".*.tmp*", ".tmp*"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def write_gaussians(folder: Path, gaussians: Gaussians) -> None:
    """Write scene.ply, with ids."""
    ply.write(folder / GAUSSIANS, gaussians, ids=True)


def write_cameras(folder: Path, frames: Sequence[Frame], held_out: Sequence[Frame]) -> None:
    """Write cameras.json: all ``frames``, of which ``held_out`` are marked."""
    names = {frame.name for frame in held_out}
    entries = [_entry(folder, frame, frame.name in names) for frame in frames]
    write_json(folder / CAMERAS, {"camera_model": "PINHOLE", "ply_file_path": GAUSSIANS, "frames": entries})


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file in one step."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path, remedy: str = "") -> dict[str, Any]:
    """Read one of the JSON files of a scene; a sentence when it is damaged, with the remedy for that file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {reason(error)}.") from error
    except ValueError as error:
        raise InputError(f"{path} is not whole ({error}); {remedy or _remedy(path)}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is not whole (it is no JSON object); {remedy or _remedy(path)}.")
    return content


def save_checkpoint(folder: Path, state: TrainState) -> None:
    """Write the full training state: tensors as they are, numbers and curve as JSON in the metadata (exact)."""
    metadata = {"numbers": json.dumps(state.numbers), "curve": json.dumps(state.curve)}
    save_tensors(folder / CHECKPOINT, state.tensors, metadata)


def load_checkpoint(folder: Path) -> TrainState | None:
    """The saved training state on the CPU; None when the fit ended before its first save.

    Raises:
        InputError: the file is truncated or damaged.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    remedy = "remove it and --resume begins the fit again, or begin anew with --overwrite"
    tensors, metadata = load_tensors(path, remedy)
    try:
        curve = [(int(step), float(loss), float(psnr)) for step, loss, psnr in json.loads(metadata["curve"])]
        return TrainState(tensors, json.loads(metadata["numbers"]), curve)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is not whole ({error}); {remedy}.") from error


def _remedy(path: Path) -> str:
    if path.name == CAMERAS:
        return f"it is written again by: semsplat train -o {path.parent} --resume"
    if path.name == METRICS:
        return f"remove it; it is written again by: semsplat eval {path.parent}"
    return "fit the scene again with --overwrite"


def _entry(folder: Path, frame: Frame, held_out: bool) -> dict[str, Any]:
    camera = frame.camera
    pose = torch.linalg.inv(camera.world_to_camera.cpu().double()) @ _OPENGL
    pixels = frame.pixels.resolve()
    inside = pixels.is_relative_to(folder.resolve())
    fx, fy, cx, cy = (camera.intrinsics[i, j].item() for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return {
        "file_path": frame.name,
        "w": camera.width, "h": camera.height, "fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy,
        "held_out": held_out,
        "pixels": (pixels.relative_to(folder.resolve()) if inside else pixels).as_posix(),
        "background": frame.background,
        "transform_matrix": pose.tolist(),
    }  # fmt: skip


def _read_views(folder: Path) -> list[View]:
    path = folder / CAMERAS
    content = read_json(path)
    try:
        return [_read_view(folder, entry) for entry in content["frames"]]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} is not whole ({type(error).__name__}: {error}); {_remedy(path)}.") from error


def _read_view(folder: Path, entry: dict[str, Any]) -> View:
    pose = torch.tensor(entry["transform_matrix"], dtype=torch.float64) @ _OPENGL
    intrinsics = pinhole(*(float(entry[key]) for key in ("fl_x", "fl_y", "cx", "cy")))
    camera = Camera(torch.linalg.inv(pose).float(), intrinsics, int(entry["w"]), int(entry["h"]))
    pixels = folder / str(entry.get("pixels", ""))
    return View(entry["file_path"], camera, bool(entry.get("held_out")), pixels, bool(entry.get("background")))
