"""Tools to pick with: what is clicked and drawn on a picture becomes a selection. Knows nothing of gestures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ..distill.segment import Box, Click, Graph, Prompt, Scribble
from ..distill.segment.choose import Size
from ..distill.segment.prompts import NothingThere
from ..splatting.camera import Camera
from ..splatting.gaussians import Gaussians
from ..splatting.ids import places, union, without
from . import regions
from .look import NOTHING, Look
from .meaning import PROMPTED, Chosen
from .measuring import surface_at
from .regions import Region
from .session import Session

SIDE = 512  # pixels of the longest side of the picture in which strokes and boxes are understood
RIM, RIM_SHARE = 2.0, 0.03  # pixels and share of a box by which it is widened: hands draw too close, and edges are soft


@dataclass(frozen=True)
class Tool:
    """One way to pick."""

    title: str
    icon: str  # name at tabler.io/icons
    hotkey: str
    does: str  # a sentence in Markdown
    gesture: Literal["click", "box", "drag"]
    grows: bool = False  # picks what belongs together; else only what is under it


THING = Tool("Thing", "pointer", "T", "Click a thing: all of it lights up.", "click", True)
AROUND = Tool("Around", "focus-centered", "G", "Drag a box around a thing: it lights up as a whole.", "box", True)
STROKE = Tool(
    "Stroke", "scribble", "K", "Draw over a thing; draw more until it fits. Ctrl (⌘): not this.", "drag", True
)
BRUSH = Tool("Brush", "brush", "B", "Paint over what you want.", "drag")
BOX = Tool("Box", "marquee-2", "R", "Drag a box: what is in it is picked.", "box")
LASSO = Tool("Lasso", "lasso", "L", "Draw around what you want.", "drag")
MEASURE = Tool("Measure", "ruler-2", "U", "Click two points: how far apart they are.", "click")
TOOLS = {tool.title: tool for tool in (THING, AROUND, STROKE, BRUSH, BOX, LASSO, MEASURE)}


@runtime_checkable
class Picker(Protocol):
    """Whoever picks: a :class:`semsplat.app.page.Page`."""

    session: Session
    look: Look

    def pick(self, ids: Int64[Tensor, " k"]) -> None:
        """Pick these and nothing else."""

    def say(self, title: str, text: str = "") -> None:
        """A message."""


@dataclass
class Pointed:
    """What was pointed at last: its tolerance can slide and more strokes can be added without starting over."""

    prompts: list[Prompt]
    before: Int64[Tensor, " k"]  # picked before it
    modifier: str | None
    chosen: Chosen
    tolerance: float | None = None  # None: the natural one

    @property
    def natural(self) -> float:
        """The tolerance that was found."""
        return self.chosen.found.natural

    def ids(self) -> Int64[Tensor, " m"]:
        """What is picked, with what was before."""
        return combined(self.before, self.chosen.at(self.tolerance), self.modifier)


def combined(before: Int64[Tensor, " k"], ids: Int64[Tensor, " m"], modifier: str | None) -> Int64[Tensor, " j"]:
    """Shift adds, Ctrl (⌘) takes away, without either the new takes the place of the old."""
    ids = ids.cpu()
    return union(before, ids) if modifier == "shift" else without(before, ids) if modifier == "cmd/ctrl" else ids


class Tools:
    """The tools of one page. All methods run on the page's worker."""

    def __init__(self, page: Picker) -> None:
        """Nothing is picked."""
        self._page = page
        self.tool = THING
        self.through = False  # a region reaches behind what is seen
        self.negative = False  # a stroke says what is not meant
        self.radius = 0.03  # of brush and stroke, as a share of the picture's height
        self.field: str | None = None  # grown over; None: what points best, 'none': none
        self.size: Size = "thing"
        self.pointed: Pointed | None = None
        self.measured: list[Float[Tensor, 3]] = []  # one end or both of what is measured, in the scene
        self.changed: Callable[[], None] = lambda: None  # called when any of this changed
        self._own = False  # what is picked at this moment comes from here

    def slide(self, tolerance: float | None) -> None:
        """Another tolerance for what was pointed at last; None: the natural one. Asks no question anew."""
        if self.pointed is not None and self.pointed.tolerance != tolerance:
            self.pointed.tolerance = tolerance
            self._pick(self.pointed.ids())

    def again(self) -> None:
        """Ask anew about what was pointed at last, with another field or size."""
        if self.pointed is not None:
            self.pointed.chosen, self.pointed.tolerance = self._choose(self.pointed.prompts), None
            self._pick(self.pointed.ids())

    @property
    def stroke_radius(self) -> float:
        """Of a stroke, as a share of the picture's height: thinner than the brush."""
        return 0.3 * self.radius

    def start_over(self) -> None:
        """Forget the strokes; what they picked is picked no more."""
        before = self.pointed.before if self.pointed is not None else NOTHING
        self.pointed = None
        self._pick(before)

    def grow(self) -> None:
        """With the neighbours of what is picked."""
        self._over_graph(regions.grown)

    def shrink(self) -> None:
        """Without its border."""
        self._over_graph(regions.shrunk)

    def everything(self) -> None:
        """All that can be picked."""
        self.pointed = None
        self._pick(self._page.session.gaussians.ids)

    def invert(self) -> None:
        """All that can be picked and is not."""
        self.pointed = None
        self._pick(without(self._page.session.gaussians.ids.cpu(), self._page.look.picked))

    def refresh(self, what: str) -> None:
        """Something else was picked elsewhere: there is nothing to slide any more."""
        if (what == "picked" and not self._own) or (what != "picked" and not len(self._page.look.picked)):
            self.pointed = None
        if what == "scene":
            self.changed()

    # What the pointer does

    def click(self, camera: Camera, place: tuple[float, float], modifier: str | None) -> None:
        """A thing was clicked; places are shares of the picture's width and height."""
        if (self.field or self._page.session.meaning.pointing) == PROMPTED:
            camera = _small(camera)
        x, y = (min(max(p, 0.0), 1.0 - 1e-6) * n for p, n in zip(place, (camera.width, camera.height), strict=True))
        try:
            self._point([Click(camera, x, y)], modifier)
        except NothingThere:
            if modifier is None and len(self._page.look.picked):
                self._page.pick(NOTHING)
            elif modifier is None:
                self._page.say("Nothing is there", "Click on a thing of the scene.")

    def measure(self, camera: Camera, place: tuple[float, float]) -> None:
        """An end of what is measured was clicked; the third click begins anew."""
        xy = place[0] * camera.width, place[1] * camera.height
        point = surface_at(self._seen(), camera, xy)
        if point is None:
            return self._page.say("Nothing is there", "Click on a surface of the scene.")
        self.measured = [*self.measured, point] if len(self.measured) == 1 else [point]
        self.changed()

    def box(self, camera: Camera, low: tuple[float, float], high: tuple[float, float], modifier: str | None) -> None:
        """A box was drawn."""
        if self.tool is not AROUND:
            return self._region(camera, Region.box(low, high), modifier)
        small = _small(camera)
        corners = torch.tensor([low, high]) * torch.tensor([small.width, small.height])
        ends = torch.stack([corners.amin(0), corners.amax(0)])
        room = RIM + RIM_SHARE * (ends[1] - ends[0])
        (x0, y0), (x1, y1) = torch.stack([ends[0] - room, ends[1] + room]).tolist()
        self._point([Box(small, x0, y0, x1, y1)], modifier)

    def draw(self, camera: Camera, trace: Sequence[tuple[float, float]], modifier: str | None) -> None:
        """A line was drawn, or a dot: a stroke, the brush, or the outline of a lasso."""
        points = torch.tensor(trace)
        if self.tool is not STROKE:
            return self._region(camera, Region(points, self.radius if self.tool is BRUSH else None), modifier)
        pointed, minus = self.pointed, self.negative or modifier == "cmd/ctrl"
        small = self._known(_small(camera))
        painted = Region(points, self.stroke_radius).mask(small)
        more = pointed is not None and any(isinstance(prompt, Scribble) for prompt in pointed.prompts)
        if pointed is None or not (minus or (more and modifier is None)):
            return self._point([Scribble(small, painted)], "cmd/ctrl" if minus else modifier)
        prompts = [*pointed.prompts, Scribble(small, painted, not minus)]
        pointed.chosen, pointed.prompts = self._choose(prompts), prompts
        self._pick(pointed.ids())

    def _known(self, camera: Camera) -> Camera:
        """The camera of an earlier prompt if it is the same: prompts in one picture are understood together."""
        for prompt in self.pointed.prompts if self.pointed is not None else ():
            known = prompt.camera
            if known.width == camera.width and torch.equal(known.world_to_camera, camera.world_to_camera):
                return known
        return camera

    def _region(self, camera: Camera, region: Region, modifier: str | None) -> None:
        find = regions.through if self.through else regions.surface
        gaussians = self._seen()
        self.pointed = None
        self._pick(combined(self._page.look.picked, gaussians.ids[find(gaussians, camera, region)], modifier))

    def _point(self, prompts: list[Prompt], modifier: str | None) -> None:
        before = NOTHING if modifier is None else self._page.look.picked
        self.pointed = Pointed(prompts, before, modifier, self._choose(prompts))
        self._pick(self.pointed.ids())

    def _choose(self, prompts: Sequence[Prompt]) -> Chosen:
        return self._page.session.meaning.select(self._seen(), prompts, self.field, None, self.size, clean=True)

    def _seen(self) -> Gaussians:
        """The scene without what is hidden: one points at what is behind it."""
        now = self._page.session.now
        return regions.shown(now.gaussians, self._page.look.visible(now))

    def _over_graph(self, change: Callable[[Graph, Bool[Tensor, " n"]], Bool[Tensor, " n"]]) -> None:
        page, gaussians = self._page, self._page.session.gaussians
        name = page.session.meaning.pointing if self.field is None else self.field if self.field != "none" else None
        graph = page.session.meaning.graph(gaussians, name)
        selection = (places(page.look.picked.to(gaussians.ids.device), gaussians.ids) >= 0).cpu()
        self.pointed = None
        self._pick(gaussians.ids.cpu()[change(graph, selection)])

    def _pick(self, ids: Int64[Tensor, " k"]) -> None:
        self._own = True
        try:
            self._page.pick(ids)
        finally:
            self._own = False
        if len(ids) and not len(self._page.look.picked):
            self._page.say("That is locked", "Unlock it in the list of objects to pick it.")
        self.changed()


def _small(camera: Camera) -> Camera:
    return camera.scaled(min(1.0, SIDE / max(camera.width, camera.height)))
