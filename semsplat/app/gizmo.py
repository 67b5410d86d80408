"""A thing taken out of the scene on one page: seen where it would go, with handles to move and turn it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ..splatting.edit import Edit, Move, Opacity, Rotate, pivot
from ..splatting.gaussians import Gaussians
from ..splatting.ids import rows_of
from .browser import camera_of
from .carrying import foot
from .layers import Rgb
from .page import Page
from .poses import extent
from .splats import node
from .trial import Trial

PLACE = "/moving"  # node that has the place; the Gaussians are below it
MOST = 150_000  # Gaussians that are seen while they move; larger parts of a scene move when one lets go
LEAST = 0.12  # size of the handles, of the distance from where one stands: small things need something to take hold of
AROUND = 1.35  # size of the handles, of half the thing's diagonal: Gaussians would hide smaller ones


class Lifted:
    """What a page has taken out. Runs on the page's worker."""

    def __init__(self, page: Page, let_go: Callable[[list[Edit]], None]) -> None:
        """Nothing is taken out.

        Args:
            let_go: gets the edits when handles were dragged, on the page's worker.
        """
        self._page, self._let_go = page, let_go
        self._ids: Int64[Tensor, " k"] | None = None
        self._center = np.zeros(3)
        self._place: Any = None  # frame, or handles
        self._splats: Any = None
        self._unit = 1.0  # scale of the node for a thing as large as it is
        self.dragged = False

    @property
    def out(self) -> bool:
        """Whether something is taken out."""
        return self._place is not None

    def take(self, ids: Int64[Tensor, " k"], trial: Trial, handles: bool) -> None:
        """Take Gaussians out and show them as the trial has them; what was out before goes back."""
        self._forget()
        page, gaussians = self._page, self._page.session.gaussians
        part = gaussians[rows_of(gaussians.ids, ids)]
        if not len(part):
            return
        self._ids, self._center = ids, np.array(pivot(gaussians, ids))
        scene = page.client.scene
        if handles:
            size = max(AROUND * extent(part.means.cpu())[1], LEAST * self._away())
            self._place = scene.add_transform_controls(PLACE, scale=size, depth_test=False, position=self._center)
            self._place.on_update(self._dragging)
            page.solids.add(PLACE)
        else:
            self._place = scene.add_frame(PLACE, show_axes=False, position=self._center)
        if len(part) <= MOST:
            self._show(part, trial)
            page.look.trial = (Opacity(ids, 0.0),)
        self.place(trial)

    def _away(self) -> float:
        """From the page's camera to what is taken out, world units."""
        camera = camera_of(self._page.client)
        return 0.0 if camera is None else float(np.linalg.norm(camera.center.numpy() - self._center))

    def place(self, trial: Trial) -> None:
        """Show what is out where the trial has it."""
        if self._place is None or self._ids is None:
            return
        session = self._page.session
        half = math.radians(trial.degrees) / 2
        x, y, z = session.up.tolist()
        turned = (math.cos(half), *(math.sin(half) * part for part in (x, y, z)))
        lift = (np.array(foot(session, self._ids)) - self._center) * (1.0 - trial.size)  # it grows from its foot
        with self._page.client.atomic():
            self._place.wxyz = turned
            self._place.position = self._center + lift + np.array(trial.by)
            if self._splats is not None:
                self._splats.scale = self._unit * trial.size

    def put_back(self) -> None:
        """Nothing is out any more."""
        if self.out:
            self._page.look.trial = ()
        self._forget()

    def _show(self, part: Gaussians, trial: Trial) -> None:
        camera = self._page.camera()
        center = torch.tensor(self._center).to(part.means)
        for edit in trial.looks(part.ids.cpu()):
            part = edit(part)
        if camera is None:
            return
        camera = camera.to(part.means.device)
        colors = Rgb().colors(part, camera)
        shown = node(part.replace(means=part.means - center), colors)
        self._unit = shown["scale"]
        self._splats = self._page.client.scene.add_gaussian_splats(f"{PLACE}/splats", **shown)

    def _forget(self) -> None:
        for handle in (self._splats, self._place):
            if handle is not None:
                handle.remove()
        self._page.solids.discard(PLACE)
        self._ids = self._place = self._splats = None
        self.dragged = False

    async def _dragging(self, event: Any) -> None:
        """On viser's event loop."""
        if event.phase == "start":
            self.dragged = True
        if event.phase == "end":
            position, wxyz = np.array(event.target.position), tuple(float(part) for part in event.target.wxyz)
            self._page.do(lambda: self._released(position, wxyz))

    def _released(self, position: np.ndarray, wxyz: tuple[float, ...]) -> None:
        self.dragged = False
        if self._ids is None:
            return
        x, y, z = (float(part) for part in position - self._center)
        w, i, j, k = wxyz
        edits: list[Edit] = []
        if math.hypot(i, j, k) > 1e-6:
            middle = (float(self._center[0]), float(self._center[1]), float(self._center[2]))
            edits.append(Rotate(self._ids, (w, i, j, k), middle))
        if math.hypot(x, y, z) > 1e-9:
            edits.append(Move(self._ids, (x, y, z)))
        self._let_go(edits)
