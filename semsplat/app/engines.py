"""Two ways to put a scene on a page: splats that the browser draws, or pictures that the server draws."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..splatting.camera import Camera
from .browser import camera_of
from .pictures import to_bytes
from .splats import Splats
from .stream import Stream

if TYPE_CHECKING:
    from .page import Page

CALM = 0.2  # seconds without movement after which colours are made for the new place


class Engine(ABC):
    """What shows the scene on one page."""

    @abstractmethod
    def moved(self) -> None:
        """The page's camera changed; on viser's event loop."""

    @abstractmethod
    def redraw(self) -> None:
        """The scene, the layer or the selection changed; on the page's worker."""

    @abstractmethod
    def stop(self) -> None:
        """The page was closed."""


class InBrowser(Engine):
    """The browser draws splats; the server sends colours: they depend on the direction, depth on the place."""

    def __init__(self, page: "Page", splats: Splats) -> None:
        self._page, self._splats = page, splats

    def moved(self) -> None:
        self._page.when_calm(self._page.redraw, CALM)

    @torch.no_grad()
    def redraw(self) -> None:
        page = self._page
        camera, now = camera_of(page.client), page.session.now
        if camera is None or not len(self._splats):
            return
        layer = page.look.drawn(page.session, now, camera)
        colors, alpha = layer.colors(now.gaussians, camera), layer.alpha(now.gaussians, camera)
        if layer.form is None:
            self._splats.paint(page.client, now.gaussians, colors, alpha)
        else:
            keep = torch.ones(len(colors), dtype=torch.bool) if alpha is None else (alpha > 0).cpu()
            self._splats.shape(page.client, layer.drawn(now.gaussians, camera)[keep], colors[keep])

    def stop(self) -> None:
        self._splats.forget(self._page.client)


class FromServer(Engine):
    """The server draws pictures, each for where the page stands at that moment."""

    def __init__(self, page: "Page") -> None:
        self._page = page
        self.stream = Stream(page.client, self._draw, page.failed)

    def moved(self) -> None:
        self.stream.moved()

    def redraw(self) -> None:
        self.stream.refresh()

    def stop(self) -> None:
        self.stream.stop()

    @torch.no_grad()
    def _draw(self, camera: Camera, still: bool) -> tuple[np.ndarray, np.ndarray | None]:
        page = self._page
        now = page.session.now
        camera = camera.to(now.gaussians.means.device)
        layer = page.look.drawn(page.session, now, camera)
        return to_bytes(layer.picture(now.gaussians, camera)), None
