"""Two ways to put a scene on a page: splats that the browser draws, or pictures that the server draws."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting.camera import Camera
from ..splatting.gaussians import Gaussians
from ..splatting.splat import splat
from .browser import camera_of
from .layers import Form, Layer, depths
from .layers_combined import Split
from .pictures import to_bytes
from .scene_layers import Last
from .shared import Now
from .splats import Coat, Splats
from .stream import Stream, Turns
from .thin import thinned

if TYPE_CHECKING:
    from .page import Page

DARK, LIGHT = (0.078, 0.078, 0.078), (1.0, 1.0, 1.0)  # of a page behind the scene
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
        camera, now = camera_of(page.client), page.look.tried(page.session.now)
        if camera is None or not len(self._splats):
            return
        layer = page.look.drawn(page.session, now, camera)
        self._splats.paint(page.client, now.gaussians, *coats(layer, now.gaussians, camera))
        page.seen(layer)

    def stop(self) -> None:
        self._splats.forget(self._page.client)


def coats(layer: Layer, gaussians: Gaussians, camera: Camera) -> tuple[Coat | None, tuple[Form, Coat] | None]:
    """How a browser draws a layer: (the Gaussians as they are, the Gaussians in another shape), each if it is drawn."""
    if isinstance(layer, Split) and layer.left.form is None and layer.right.form is not None:
        left = layer.on_the_left(gaussians, camera).to(gaussians.means)
        shaped = _coat(layer.right, gaussians, camera, 1.0 - left)
        return _coat(layer.left, gaussians, camera, left), (layer.right.form, shaped)
    coat = _coat(layer, gaussians, camera)
    return (coat, None) if layer.form is None else (None, (layer.form, coat))


def _coat(layer: Layer, gaussians: Gaussians, camera: Camera, share: Float[Tensor, " n"] | None = None) -> Coat:
    alpha = layer.alpha(gaussians, camera)
    opacities = layer.shape(gaussians).opacities if layer.form is not None else gaussians.opacities
    for factor in (alpha, share):
        opacities = opacities if factor is None else opacities * factor.to(opacities)
    return Coat(layer.colors(gaussians, camera), opacities)


class FromServer(Engine):
    """The server draws pictures, each for where the page stands at that moment."""

    def __init__(self, page: "Page", turns: Turns) -> None:
        """Begin to draw.

        Args:
            turns: of all pages that are drawn on this device.
        """
        self._page, self._thin = page, Last[Now]()
        self.stream = Stream(page.client, self._draw, page.failed, turns)

    def moved(self) -> None:
        self.stream.moved()

    def redraw(self) -> None:
        self.stream.refresh()

    def stop(self) -> None:
        self.stream.stop()

    @torch.no_grad()
    def _draw(self, camera: Camera, still: bool) -> tuple[np.ndarray, np.ndarray | None]:
        page = self._page
        now = page.look.tried(page.session.now)
        now = now if still or now.gaussians.means.is_cuda else self._thinned(now)
        camera = camera.to(now.gaussians.means.device)
        layer = page.look.drawn(page.session, now, camera).on(DARK if page.dark else LIGHT)
        picture = to_bytes(layer.picture(now.gaussians, camera))
        if not still:
            return picture, None
        page.do(lambda: page.seen(layer))
        return picture, distances(page.look.drawn_gaussians(now), camera) if page.has_solids else None

    def _thinned(self, now: Now) -> Now:
        """The scene in fewer Gaussians; the same object for the same scene."""
        importance = self._page.session.importance
        return self._thin.of(
            (now.gaussians,),
            lambda: replace(now, gaussians=thinned(now.gaussians, importance(now.gaussians))),
        )


def distances(gaussians: Gaussians, camera: Camera) -> Float[np.ndarray, "h w"]:
    """Distance along the camera's axis where something is, else 0; for what a page draws among the Gaussians."""
    depth, alpha = splat(gaussians, camera).composite(depths(gaussians, camera)[:, None])
    return torch.where(alpha > 0.5, depth / alpha.clamp_min(1e-6), 0.0)[..., 0].cpu().numpy()
