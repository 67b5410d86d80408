"""The photos of a scene, drawn on one page as small frusta at the places where they were taken."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..splatting.camera import Camera
from .browser import Client, wxyz_of
from .scene import View
from .session import Session

TRAINED, HELD_OUT = (26, 115, 160), (214, 125, 32)
STANDING_IN = 4.0  # frusta nearer to the eye than this times their size are not drawn


class Photos:
    """Frusta with thumbnails on one page; a click on one is handed to ``chosen``."""

    def __init__(self, session: Session, client: Client, chosen: Callable[[View, tuple[float, float]], None]) -> None:
        """Nothing is drawn before :meth:`show`.

        Args:
            chosen: called on viser's event loop with the view and the place of the click on the screen, 0 to 1.
        """
        self._session, self._client, self._chosen = session, client, chosen
        self._size = frustum_size(session.views)
        self._handles: list[Any] = []
        self._wanted = False

    def show(self, wanted: bool) -> None:
        """Draw the frusta or take them away; they are made when first wanted."""
        self._wanted = wanted
        if wanted and not self._handles:
            self._handles = [self._add(i, view) for i, view in enumerate(self._session.views)]
        self.make_room(None)

    @property
    def shown(self) -> bool:
        """Whether frusta are to be drawn."""
        return self._wanted

    def make_room(self, camera: Camera | None) -> None:
        """Hide the frusta in which the viewer stands, so that no picture fills the page."""
        eye = camera.center if camera else None
        for view, handle in zip(self._session.views, self._handles, strict=False):
            visible = self._wanted and not self._stands_in(view, eye)
            if handle.visible != visible:
                handle.visible = visible

    def _stands_in(self, view: View, eye: Float[Tensor, "3"] | None) -> bool:
        return eye is not None and (view.camera.center - eye).norm().item() < STANDING_IN * self._size

    def _add(self, number: int, view: View) -> Any:
        camera, thumbnail = view.camera, self._session.thumbnail(view)
        handle = self._client.scene.add_camera_frustum(
            f"/photos/{number}",
            fov=camera.fov,
            aspect=(camera.width / camera.intrinsics[0, 0].item()) / (camera.height / camera.intrinsics[1, 1].item()),
            scale=self._size,
            color=HELD_OUT if view.held_out else TRAINED,
            thickness=0.03 * self._size,
            image=thumbnail,
            variant="filled" if thumbnail is None else "wireframe",  # something to click on
            jpeg_quality=70,
            wxyz=wxyz_of(camera),
            position=camera.center.double().cpu().numpy(),
            cast_shadow=False,
            receive_shadow=False,
        )

        @handle.on_click
        async def _(event: Any) -> None:
            self._chosen(view, tuple(event.screen_pos))

        return handle


def frustum_size(views: tuple[View, ...]) -> float:
    """World units: small against the scene, and so that neighbours do not cover each other."""
    if len(views) < 2:
        return 0.1
    centers = torch.stack([view.camera.center for view in views])
    extent = (centers - centers.mean(0)).norm(dim=-1).max().item()
    distances = torch.cdist(centers, centers)
    distances.fill_diagonal_(float("inf"))
    return min(max(0.15 * distances.amin(1).median().item(), 0.01 * extent), 0.04 * extent) or 0.1
