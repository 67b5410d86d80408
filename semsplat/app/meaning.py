"""What a session knows beyond colours: its fields, their teachers, and the neighbourhood of its Gaussians.

Everything here is made once and kept: a teacher when it is first asked, the neighbourhood when somebody first points.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ..distill import segment
from ..distill.ask import Answer, Segmentation, Viewpoint, ask
from ..distill.ask import segment as share_out
from ..distill.field import FeatureField
from ..distill.proposals import Proposals, propose
from ..distill.segment import Graph, Outlines, Prompt, Selected
from ..distill.segment.choose import Size
from ..distill.segment.clean import parts, tidy, with_hidden
from ..distill.teachers import card, reopen
from ..distill.teachers.base import PromptTeacher, Teacher, TextTeacher
from ..splatting.camera import Camera
from ..splatting.errors import InputError
from ..splatting.flood import flood
from ..splatting.gaussians import Gaussians
from ..splatting.ids import places

# The first that is there points best. Not appearance: it adds little to what every graph knows of colours (bundled
# capture, mean IoU of clicks: 0.41 with it, 0.39 without any field).
POINTING = ("sam", "labels", "dino", "lseg", "tipsv2", "clip", "folder")
PROMPTED = "sam"  # answers prompts about features as they are drawn
NO_FIELD = (
    "This scene has no field to ask. Make one: semsplat distill SCENE --teacher labels|lseg|tipsv2|clip|appearance. "
    "Pointing works without."
)


@dataclass(frozen=True, eq=False)
class Chosen:
    """What was pointed at, with what is needed to slide its tolerance."""

    ids: Int64[Tensor, " n"]  # of all Gaussians when it was chosen
    found: Selected
    graph: Graph
    clean: bool = True  # without floaters, with what is hidden inside, borders decided by views
    outlines: Outlines | None = None  # of the field that decided

    def at(self, tolerance: float | None = None) -> Int64[Tensor, " k"]:
        """Ids of the Gaussians that belong; at the natural tolerance when none is given."""
        rows = self.found.selection if tolerance is None else self.found.at(tolerance)
        if self.clean and rows.any():
            rows, alike = tidy(self.graph, rows), self.found.alike(tolerance)
            rows = self.outlines.agreed(rows, alike) if self.outlines is not None and alike is not None else rows
        return self.ids[rows].sort().values


@dataclass
class _Kept:
    """A neighbourhood, and the Gaussians that it is of."""

    gaussians: Gaussians
    graph: Graph
    proposals: Proposals | None = None


@dataclass
class Meaning:
    """Fields of a scene, and the ways to ask and to point."""

    fields: Mapping[str, FeatureField] = field(default_factory=dict)
    cameras: Sequence[Camera] = ()  # of the photos, where surfaces are looked at
    graphs: Path | None = None  # folder in which neighbourhoods are kept for the next time

    def __post_init__(self) -> None:
        self._teachers: dict[str, Teacher] = {}
        self._whole: dict[str, _Kept] = {}  # by field: the largest scene it was built for
        self._now: dict[str, _Kept] = {}  # and the part of it that was asked for last
        self._drawn: dict[str, tuple[Gaussians, Outlines | None]] = {}  # by field
        self._building, self._opening, self._drawing = threading.Lock(), threading.Lock(), threading.Lock()

    @property
    def readers(self) -> list[str]:
        """Fields that can be asked in words, the best first."""
        names = [name for name in self.fields if card(name).words]
        return sorted(names, key=lambda name: (name == "appearance", name != "labels", name))

    @property
    def pointing(self) -> str | None:
        """The field that clicks grow over, unless another is named; None: no field, shape and colour decide."""
        return next((name for name in POINTING if name in self.fields), None)

    def words(self, name: str) -> list[str]:
        """Names that a field knows as such, for suggestions; empty where any word can be asked."""
        given = self.fields[name].memory.get("names", ()) if name in self.fields else ()
        return [names[0] for names in given if names]

    def teacher(self, name: str, device: torch.device) -> Teacher:
        """The teacher of a field, opened once.

        Raises:
            InputError: what it needs is no longer there.
        """
        with self._opening:
            if name not in self._teachers:
                self._teachers[name] = reopen(name, self.fields[name].memory, device)
            return self._teachers[name]

    def reader(self, name: str | None, device: torch.device) -> tuple[FeatureField, TextTeacher]:
        """The named field, or the first that knows words, and its teacher.

        Raises:
            InputError: there is none.
        """
        name = name or next(iter(self.readers), None)
        if name is None:
            raise InputError(NO_FIELD)
        if name not in self.fields:
            raise InputError(f"This scene has no field of '{name}'; it has {', '.join(self.fields) or 'none'}.")
        teacher = self.teacher(name, device)
        if not isinstance(teacher, TextTeacher):
            raise InputError(f"'{name}' knows no words; ask {', '.join(self.readers) or 'another field'}.")
        return self.fields[name], teacher

    def ask(
        self, gaussians: Gaussians, mass: Float[Tensor, " n"], question: str, viewpoint: Viewpoint, name: str | None,
        negatives: Sequence[str], threshold: float | None,
    ) -> Answer:  # fmt: skip
        """Answer a question; see :func:`semsplat.distill.ask.ask`."""
        known, teacher = self.reader(name, gaussians.means.device)
        answer = ask(gaussians, known, teacher, question, viewpoint, mass, negatives, threshold)
        outlines = self.outlines(gaussians, known.teacher) if answer.alike is not None and answer.found else None
        if outlines is None or answer.alike is None:
            return answer
        return replace(answer, selection=outlines.agreed(answer.selection, answer.alike))

    def share_out(
        self, gaussians: Gaussians, names: Sequence[str], name: str | None, negatives: Sequence[str]
    ) -> Segmentation:
        """Several names share the scene out."""
        known, teacher = self.reader(name, gaussians.means.device)
        return share_out(gaussians, known, teacher, names, negatives)

    def select(
        self, gaussians: Gaussians, prompts: Sequence[Prompt], name: str | None, tolerance: float | None, size: Size,
        clean: bool,
    ) -> Chosen:  # fmt: skip
        """What is pointed at; ``name`` is the field, 'none' for none, or None for the one that points best."""
        name = self.pointing if name is None else None if name == "none" else name
        known = self.fields[name] if name else None
        graph = self.graph(gaussians, name)
        teacher = self.teacher(name, gaussians.means.device) if name == PROMPTED else None
        prompted = teacher if isinstance(teacher, PromptTeacher) else None
        found = segment.select(
            gaussians, prompts, graph, known, tolerance, size, prompted, self.cameras if prompted else ()
        )
        outlines = self.outlines(gaussians, name) if found.grown is not None and name is not None else None
        return Chosen(gaussians.ids.cpu(), found, graph, clean, outlines)

    def prepare(self, gaussians: Gaussians) -> None:
        """Make what the first click needs, so that it is quick; 10 s for 100,000 Gaussians on two cores.

        Raises:
            InputError: what the field that points needs is no longer there.
        """
        graph = self.graph(gaussians, self.pointing)
        nothing = torch.zeros(len(graph), dtype=torch.bool)
        _ = graph.tree, parts(graph, nothing, 1.0), with_hidden(graph, nothing, 1.0)  # compiles them, too
        flood(*graph.links, 1.0, torch.full((len(graph),), torch.inf), torch.zeros(0, dtype=torch.int64))
        if self.pointing is not None:
            self.outlines(gaussians, self.pointing)
        if self.pointing == PROMPTED:
            self.teacher(PROMPTED, gaussians.means.device)

    def graph(self, gaussians: Gaussians, name: str | None = None) -> Graph:
        """The neighbourhood of these Gaussians; made again only where they moved or are new."""
        return self._keep(gaussians, name).graph

    def outlines(self, gaussians: Gaussians, name: str) -> Outlines | None:
        """What some photos show of a field; made once, also for what is left of the scene. None without photos."""
        with self._drawing:
            before, drawn = self._drawn.get(name, (None, None))
            if before is not None and drawn is not None and _same(before, gaussians):
                return drawn
            rows = _rows(before, gaussians) if before is not None else None
            if drawn is not None and rows is not None:
                return drawn.part(rows)
            drawn = Outlines.of(gaussians, self.fields[name], self.cameras) if self.cameras else None
            self._drawn[name] = gaussians, drawn
            return drawn

    def proposals(self, gaussians: Gaussians, name: str | None = None) -> Proposals:
        """The parts that the scene falls into by itself, at every size."""
        name = self.pointing if name is None else None if name == "none" else name
        kept = self._keep(gaussians, name)
        if kept.proposals is None:
            kept.proposals = propose(kept.graph, gaussians.to("cpu"), [self.fields[name]] if name else [])
        return kept.proposals

    def _keep(self, gaussians: Gaussians, name: str | None) -> _Kept:
        key = name or "none"
        with self._building:
            now = self._now.get(key)
            if now is None or not _same(now.gaussians, gaussians):
                whole = self._whole.get(key)
                part = _part(whole, gaussians) if whole else None
                if part is None:
                    part = segment.kept(self.graphs, gaussians, self.cameras, self.fields[name] if name else None)
                    self._whole[key] = _Kept(gaussians, part)
                now = self._now[key] = _Kept(gaussians, part)
            return now


def _same(one: Gaussians, other: Gaussians) -> bool:
    """The same Gaussians in the same places; colours and opacities may differ."""
    if one.means is other.means:
        return True
    return one.ids.shape == other.ids.shape and torch.equal(one.ids, other.ids) and torch.equal(one.means, other.means)


def _rows(before: Gaussians, now: Gaussians) -> Int64[Tensor, " n"] | None:
    """Where the Gaussians were among those of before, if each was there and has not moved."""
    rows = places(before.ids, now.ids)
    if (rows < 0).any() or not torch.equal(before.means[rows], now.means):
        return None
    return rows.cpu()


def _part(kept: _Kept, gaussians: Gaussians) -> Graph | None:
    """The neighbourhood when some Gaussians are gone and the others are where they were; else None."""
    rows = _rows(kept.gaussians, gaussians)
    return None if rows is None else kept.graph.part(rows)
