"""What is exported: the whole scene, named objects, or what a question finds; and where it stands in its file."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ..distill.objects import Thing
from ..distill.segment.alone import isolated
from ..splatting import formats
from ..splatting.edit_base import Vector
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.ids import rows_of, union
from ..splatting.similarity import Similarity, upright
from .ask import facts_of
from .scene import Scene, is_scene
from .session import Session
from .world import UP, World

Say = Callable[[str], None]
STRAYS = 200  # one in so many Gaussians at the low end does not count for where a thing stands
LONGEST_STEM, RESERVED = (
    100,
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))},
)


@dataclass(frozen=True, eq=False)
class Part:
    """Something that becomes a file: some Gaussians of a scene under a name."""

    name: str  # any text
    gaussians: Gaussians  # clean, where they are in the scene: not placed; on the CPU
    ids: Int64[Tensor, " k"]  # which Gaussians of the scene were selected, ascending; cleaning may take some away
    facts: dict[str, Any] = field(default_factory=dict)  # how it was selected (JSON)
    placement: Similarity = field(default_factory=Similarity)  # from the scene to the file's numbers
    cleaned: bool = False  # mended so that it looks alone as it does in the scene

    @property
    def placed(self) -> Gaussians:
        """Where they are to be in the file."""
        return self.placement.gaussians(self.gaussians)


@dataclass(frozen=True, eq=False)
class Source:
    """The scene that parts are taken from, after its edits."""

    path: Path
    scene: Scene | None  # None: a file of Gaussians, without photos, objects and fields
    gaussians: Gaussians  # finite rows only, without features, on the CPU
    world: World
    notes: tuple[str, ...] = ()  # what reading the file had to tell
    session: Session | None = None  # None: a file

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a scene folder or read a file of Gaussians.

        Raises:
            InputError: it is neither, or it is damaged.
        """
        if path.is_file():
            found = formats.read_with_notes(path)
            return cls(path, None, found.gaussians, World.of_cameras([]), found.notes)
        return cls.of(Session.of(Scene.open(path)))

    @classmethod
    def of(cls, session: Session) -> Self:
        """The scene of a session as it is now."""
        gaussians = session.now.gaussians
        plain = gaussians.replace(features=gaussians.features[:, :0]).to("cpu")
        folder = session.folder if session.folder is not None and is_scene(session.folder) else None
        scene = None if folder is None else Scene.open(folder)
        return cls(folder or Path(session.title), scene, plain, session.world, (), session)

    @property
    def up(self) -> Float[Tensor, "3"]:
        """Up in the scene."""
        return self.world.up

    @property
    def title(self) -> str:
        """What it is called when it leaves as a whole."""
        return self.path.stem if self.scene is None else self.path.resolve().name or "scene"

    @property
    def things(self) -> tuple[Thing, ...]:
        """Its named objects."""
        return self.session.now.things if self.session else ()

    def whole(self) -> Part:
        """All of it."""
        return Part(self.title, self.gaussians, self.gaussians.ids.sort().values)

    def named(self, name: str) -> Part:
        """A named object.

        Raises:
            InputError: there is none of this name, or an edit took it away.
        """
        session = self._session()
        wanted = " ".join(name.split()).casefold()
        thing = next((thing for thing in self.things if thing.name.casefold() == wanted), None)
        if thing is None:
            raise InputError(f"{self.path} has no object '{name}'; {self._near(wanted)}")
        part = self._of(thing)
        if part is None:
            raise InputError(
                f"'{thing.name}' is not there any more: an edit took it away; it is back after: "
                f"semsplat edit {session.folder} --undo"
            )
        return part

    def all_named(self) -> list[Part]:
        """Every named object that is there, wholes and their parts alike.

        Raises:
            InputError: there are none.
        """
        session = self._session()
        parts = [part for thing in self.things if (part := self._of(thing)) is not None]
        if not parts:
            raise InputError(
                f"{session.folder} has no objects yet; propose some with: semsplat objects {session.folder} --find"
            )
        return parts

    def asked(self, words: str) -> Part:
        """What a question finds.

        Raises:
            InputError: nothing is found, or no field knows words.
        """
        session = self._session()
        teacher = next(iter(session.meaning.readers), "")
        answer = session.ask(words)
        if not answer.found:
            raise InputError(f"'{words}' is not found. {answer.reason}")
        ids = session.gaussians.ids[answer.selection].cpu().sort().values
        return self.part(answer.question, ids, facts_of(answer, teacher))

    def part(self, name: str, ids: Int64[Tensor, " k"], facts: dict[str, Any]) -> Part:
        """Some of its Gaussians under a name."""
        return Part(name, self.gaussians[rows_of(self.gaussians.ids, ids)], ids, facts)

    def cleaned(self, part: Part) -> Part:
        """A part without the halo of its neighbours; see :func:`semsplat.distill.segment.alone.isolated`.

        What is the whole scene, or was mended before, stays as it is.
        """
        if part.cleaned or len(part.gaussians) == len(self.gaussians):
            return part
        selection = torch.isin(self.gaussians.ids, part.ids)
        views = self.scene.views if self.scene else ()
        cameras = [view.camera for view in views if not view.held_out] or [view.camera for view in views]
        return replace(part, gaussians=isolated(self.gaussians, selection, cameras), cleaned=True)

    def together(self, parts: Sequence[Part]) -> Part:
        """Several parts as one."""
        if len(parts) == 1:
            return parts[0]
        ids = parts[0].ids
        for part in parts[1:]:
            ids = union(ids, part.ids)
        facts = {"objects": [{"name": part.name, **part.facts} for part in parts]}
        return self.part(" and ".join(part.name for part in parts), ids, facts)

    def _of(self, thing: Thing) -> Part | None:
        rows = rows_of(self.gaussians.ids, thing.ids)
        return self.part(thing.name, self.gaussians.ids[rows].sort().values, thing.facts) if len(rows) else None

    def _session(self) -> Session:
        if self.session is None:
            raise InputError(
                f"{self.path} is a file of Gaussians: it has no objects and cannot be asked; export all of it, or make "
                f"a scene of it first: semsplat distill {self.path} --teacher appearance -o SCENE"
            )
        return self.session

    def _near(self, wanted: str) -> str:
        known = {thing.name.casefold(): thing.name for thing in self.things}
        if not known:
            return f"it has no objects yet; name one with: semsplat ask {self.path} WORDS, or use --ask WORDS."
        near = difflib.get_close_matches(wanted, known, 4, 0.6) or list(known)[:8]
        more = ", ..." if len(near) < len(known) else ""
        return f"it has {', '.join(repr(known[name]) for name in near)}{more}; --ask finds things by words."


def placement(gaussians: Gaussians, world: World, axis: Vector | None, center: bool, scale: float) -> Similarity:
    """Where a thing stands in its file.

    Args:
        axis: where the world's up goes; None: the scene's own numbers. With an axis lengths are metres, where the world
            knows them, and in a world that somebody placed the floor is at 0.
        center: the origin goes under the thing's middle, to where it stands.
        scale: what lengths are multiplied by in the end, above 0.
    """
    if axis is None:
        turned = Similarity(scale=scale)
    elif world.placed:
        turned = world.to_world.then(Similarity(upright(UP, torch.tensor(axis)), scale))
    else:
        turned = Similarity(upright(world.up, torch.tensor(axis)), scale)
    if not center or not len(gaussians):
        return turned
    x, y, z = (turned.points(foot(gaussians, world.up)).neg() + torch.tensor(turned.translation).double()).tolist()
    return Similarity(turned.rotation, turned.scale, (x, y, z))


def foot(gaussians: Gaussians, up: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """Under the middle of a thing (mean by opacity), where it stands; world units, float64."""
    up = torch.nn.functional.normalize(up.double().cpu(), dim=0)
    means, weights = gaussians.means.cpu().double(), gaussians.opacities.cpu().double()
    middle = (weights[:, None] * means).sum(0) / weights.sum().clamp_min(1e-300)
    heights = (means @ up).sort().values
    return middle + (heights[len(heights) // STRAYS] - middle @ up) * up


def stems(names: Sequence[str]) -> list[str]:
    """A file name for each, without suffix, that every system takes; no two alike, however letters are written."""
    taken: set[str] = set()
    found = []
    for name in names:
        stem = wanted = stem_of(name)
        number = 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{wanted}-{number}"
        taken.add(stem.casefold())
        found.append(stem)
    return found


def stem_of(name: str) -> str:
    """Letters and digits of a name in any script, - between them; never hidden, reserved, too long or empty."""
    kept = re.sub(r"[^\w]+", "-", unicodedata.normalize("NFC", name)).strip("-_")
    while len(kept.encode()) > LONGEST_STEM:
        kept = kept[:-1]
    kept = kept.strip("-_") or "object"
    return f"{kept}_" if kept.casefold() in RESERVED else kept
