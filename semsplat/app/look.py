"""What one viewer looks at: a layer, what is picked, what is hidden. Others have their own."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ..distill.ask import Answer, Segmentation
from ..distill.objects import Thing
from ..distill.palette import color_of
from ..splatting.camera import Camera
from ..splatting.edit import Edit
from ..splatting.errors import InputError
from ..splatting.gaussians import Gaussians
from ..splatting.ids import carried, places, rows_of
from .layers import Coverage, Depth, Layer, Rgb
from .layers_combined import compose
from .layers_meaning import Heat, Things
from .layers_shapes import Ellipsoids, Normals, Points
from .scene_layers import Components, Last
from .session import Session
from .shared import Now

COLOUR, FEATURES, HEAT, OBJECTS, NAMES = "Colour", "Features", "Heat", "Objects", "Names"
PLAIN: dict[str, Layer] = {
    layer.title: layer for layer in (Rgb(), Depth(), Coverage(), Normals(), Ellipsoids(), Points())
}
STRENGTH = 0.9  # of the highlight of what is picked
FAINT = 0.35  # of that over heat, which is to be seen
NOTHING = torch.zeros(0, dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class Asked:
    """An answer, and the Gaussians whose rows it speaks of."""

    answer: Answer
    gaussians: Gaussians

    @property
    def ids(self) -> Int64[Tensor, " n"]:
        """Of all Gaussians when it was answered."""
        return self.gaussians.ids

    @cached_property
    def heat(self) -> Heat:
        """Of its scores; its range stays when the scene is edited."""
        return Heat.of(self.gaussians, self.answer.scores)

    def layer(self, gaussians: Gaussians) -> Heat:
        """The scores over the Gaussians as they are now; 0 for new ones."""
        if gaussians.ids is self.ids:
            return self.heat
        return replace(self.heat, scores=carried(self.heat.scores, self.ids, gaussians.ids))


@dataclass(frozen=True, eq=False)
class Shared:
    """Several names that share the scene out, and the Gaussians whose rows it speaks of."""

    found: Segmentation
    ids: Int64[Tensor, " n"]

    def layer(self, gaussians: Gaussians) -> Things:
        """The names over the Gaussians as they are now; new ones have none."""
        labels = self.found.labels
        if gaussians.ids is not self.ids:
            labels = carried(labels.float() + 1, self.ids, gaussians.ids).long() - 1
        return Things.labelled(labels, [color_of(number) for number in range(len(self.found.names))])


@dataclass
class Look:
    """The state of one page; the page's worker is the only one that writes."""

    shown: str = COLOUR  # title of the layer
    teacher: str | None = None  # whose features are shown; None: the first
    components: Components | None = None  # of the features, as red, green and blue; None: all of them
    opacity: float = 1.0  # of the layer over the colours, in [0, 1]
    split: float | None = None  # share of the width left of which the scene is shown in its colours; None: nowhere
    picked: Int64[Tensor, " k"] = field(default_factory=lambda: NOTHING)  # ids, ascending
    asked: Asked | None = None
    shared: Shared | None = None
    hidden: frozenset[str] = frozenset()  # names of things
    locked: frozenset[str] = frozenset()  # names of things that cannot be picked
    alone: str | None = None  # the only thing that is shown
    proposed: tuple[Thing, ...] = ()  # things that may be, shown in place of those that are
    trial: tuple[Edit, ...] = ()  # edits of colour and opacity that this page sees and the scene has not
    _tried: Last[Now] = field(default_factory=Last)
    _things: Last[Things] = field(default_factory=Last)
    _visible: Last[Float[Tensor, " n"] | None] = field(default_factory=Last)

    def layers(self, session: Session) -> list[str]:
        """Titles of what there is to see."""
        titles = list(PLAIN)
        titles += [FEATURES] if session.meaning.fields else []
        titles += [HEAT] if self.asked else []
        titles += [NAMES] if self.shared else []
        return titles + ([OBJECTS] if session.now.things or self.proposed else [])

    def drawn(self, session: Session, now: Now, camera: Camera) -> Layer:
        """The layer as it is drawn for this camera: range set, picked Gaussians highlighted."""
        layer = self._layer(session, now).fit(now.gaussians, camera)
        strengths = None
        if len(self.picked) and not self.trial:
            strengths = torch.zeros(len(now.gaussians), device=now.gaussians.means.device)
            strengths[rows_of(now.gaussians.ids, self.picked)] = FAINT if self.shown == HEAT else STRENGTH
        return compose(layer, self.opacity, strengths, self.visible(now), self.split)

    def tried(self, now: Now) -> Now:
        """The scene as this page sees it: with what it tries."""
        if not self.trial:
            return now
        return self._tried.of((now, self.trial), lambda: replace(now, gaussians=self._edited(now.gaussians)))

    def _edited(self, gaussians: Gaussians) -> Gaussians:
        for edit in self.trial:
            gaussians = edit(gaussians)
        return gaussians

    def visible(self, now: Now) -> Float[Tensor, " n"] | None:
        """A factor on each Gaussian's opacity: 0 for what is hidden; None when all is shown."""
        parts = (now.things, now.gaussians.ids, self.hidden, self.alone)
        return self._visible.of(parts, lambda: self._factors(now))

    def drawn_gaussians(self, now: Now) -> Gaussians:
        """Those that are not hidden: what one sees, clicks on and points at."""
        visible = self.visible(now)
        return now.gaussians if visible is None else now.gaussians[visible > 0]

    def pickable(self, now: Now, ids: Int64[Tensor, " k"]) -> Int64[Tensor, " m"]:
        """Those of the ids that are there, neither hidden nor locked; ascending."""
        at, seen = places(now.gaussians.ids, ids), self.visible(now)
        free = torch.ones_like(now.gaussians.ids, dtype=torch.bool) if seen is None else seen > 0
        for thing in now.things:
            if thing.name in self.locked:
                free &= ~thing.selection(now.gaussians)
        at = at[at >= 0]
        return now.gaussians.ids[at[free[at]]].cpu().sort().values

    def _layer(self, session: Session, now: Now) -> Layer:
        if self.shown == FEATURES and session.meaning.fields:
            return features(session, self.teacher, self.components)
        if self.shown == HEAT and self.asked:
            return self.asked.layer(now.gaussians)
        if self.shown == NAMES and self.shared:
            return self.shared.layer(now.gaussians)
        if self.shown == OBJECTS:
            return self._things.of(
                (now.things, self.proposed, now.gaussians.ids, self.hidden), lambda: self._colored(now)
            )
        if self.shown == Points.title:
            return session.layers.points(session.original)
        return PLAIN.get(self.shown, Rgb())

    def _colored(self, now: Now) -> Things:
        things = self.proposed or [thing for thing in now.things if thing.name not in self.hidden]
        rows = [thing.selection(now.gaussians).cpu() for thing in things]
        return Things.of(rows, [thing.color or (1.0, 0.0, 1.0) for thing in things], len(now.gaussians))

    def _factors(self, now: Now) -> Float[Tensor, " n"] | None:
        if self.alone is not None:
            rows = [thing.selection(now.gaussians) for thing in now.things if thing.name == self.alone]
            return rows[0].float() if rows and rows[0].any() else None
        if not self.hidden:
            return None
        shown = torch.ones(len(now.gaussians), device=now.gaussians.means.device)
        for thing in now.things:
            if thing.name in self.hidden:
                shown[thing.selection(now.gaussians)] = 0.0
        return shown


def teacher_of(session: Session, teacher: str | None) -> str:
    """Whose features are shown: the named teacher's, else of the field that points best.

    Raises:
        InputError: there is no field of this teacher.
    """
    fields = session.meaning.fields
    name = teacher if teacher in fields else session.meaning.pointing or next(iter(fields), None)
    if name is None:
        raise InputError("This scene has no features. Make some: semsplat distill SCENE --teacher dino")
    return name


def features(session: Session, teacher: str | None, components: Components | None) -> Layer:
    """The features of a field as colours.

    Raises:
        InputError: there is no field, or no such component.
    """
    name = teacher_of(session, teacher)
    return session.layers.features(session.original, name, session.meaning.fields[name], components)
