"""The scene's Gaussians as the browser's own splats: sent once to all pages, coloured for each page by itself."""

import base64
import json
import threading
import zlib
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..splatting.gaussians import Gaussians
from ..splatting.ids import places
from ..splatting.project import covariances
from .browser import Client, Server

LARGEST_VARIANCE = 60_000.0  # half precision ends at 65,504
SHAPED = "/shaped"  # node of a page that shows the Gaussians in another shape


class Splats:
    """What all pages draw. Gaussians that are gone, or hidden on a page, are there and transparent."""

    def __init__(self, server: Server, name: str) -> None:
        """Nothing is drawn before :meth:`show`.

        Args:
            name: of the node in viser's tree, such as "/scene".
        """
        self._server, self.name = server, name
        self._sent: Gaussians | None = None  # rows of the buffer that pages have
        self._own: dict[int, Any] = {}  # by client: private copies, where pages cannot be painted directly
        self._last: dict[int, tuple[int, bytes]] = {}
        self._shaped: dict[int, Any] = {}
        self._turn, self._lock = 0, threading.Lock()

    def __len__(self) -> int:
        return len(self._sent) if self._sent is not None else 0

    def show(self, gaussians: Gaussians, colors: Float[Tensor, "n 3"]) -> None:
        """Let all pages, now and later, draw these; sends them only if one is new, moved or turned.

        Args:
            gaussians: finite rows only. colors: in [0, 1], until a page gets its own.
        """
        with self._lock:
            if self._sent is not None and _among(gaussians, self._sent):
                return
            self._sent = gaussians
            self._turn += 1
            self._own.clear()
            if not len(gaussians):
                self._server.viser.scene.remove_by_name(self.name)
                return
            self._server.viser.scene.add_gaussian_splats(
                self.name, rgbs=_bytes(colors), opacities=_bytes(gaussians.opacities)[:, None], **_placed(gaussians)
            )

    def paint(
        self, client: Client, gaussians: Gaussians, colors: Float[Tensor, "n 3"], visible: Float[Tensor, " n"] | None
    ) -> bool:
        """Give one page its own colours and opacities; False when it has these already.

        Args:
            gaussians: as they are now; those that were sent and are not among them are not drawn.
            colors: of these, in [0, 1]. visible: factor on their opacities.
        """
        with self._lock:
            sent, turn = self._sent, self._turn
        if sent is None or not len(sent):
            return False
        opacities = gaussians.opacities if visible is None else gaussians.opacities * visible.to(gaussians.opacities)
        rgba = torch.cat([colors, opacities[:, None]], dim=1)
        if sent.ids is not gaussians.ids:
            at = places(gaussians.ids, sent.ids)
            rgba = (
                torch.where((at >= 0)[:, None], rgba[at.clamp_min(0)], 0.0)
                if len(rgba)
                else rgba.new_zeros(len(sent), 4)
            )
        self._release(client)
        return self._paint(client, _bytes(rgba), turn)

    def shape(self, client: Client, gaussians: Gaussians, colors: Float[Tensor, "n 3"]) -> None:
        """Show one page the Gaussians in another shape (ellipsoids, points) in place of the scene."""
        with self._lock:
            count, turn = len(self), self._turn
        self._paint(client, np.zeros((count, 4), np.uint8), turn)
        self._release(client)
        self._shaped[client.client_id] = client.scene.add_gaussian_splats(
            SHAPED, rgbs=_bytes(colors), opacities=_bytes(gaussians.opacities)[:, None], **_placed(gaussians)
        )

    def forget(self, client: Client) -> None:
        """A page is gone."""
        for kept in (self._own, self._last, self._shaped):
            kept.pop(client.client_id, None)

    def _release(self, client: Client) -> None:
        shaped = self._shaped.pop(client.client_id, None)
        if shaped is not None:
            shaped.remove()

    def _paint(self, client: Client, rgba: UInt8[np.ndarray, "n 4"], turn: int) -> bool:
        packed = zlib.compress(rgba.tobytes(), 1)
        if self._last.get(client.client_id) == (turn, packed):
            return False
        self._last[client.client_id] = (turn, packed)
        text = base64.b64encode(packed).decode()
        source = f"window.semsplat.paint({json.dumps(self.name)}, {self._server.next_turn()}, '{text}')"
        if not self._server.run(client, source):
            self._paint_a_copy(client, rgba)
        return True

    def _paint_a_copy(self, client: Client, rgba: UInt8[np.ndarray, "n 4"]) -> None:
        copy = self._own.get(client.client_id)
        if copy is None:  # a private node of the same name is drawn instead of the shared one
            assert self._sent is not None  # it is painted
            copy = client.scene.add_gaussian_splats(
                self.name, rgbs=rgba[:, :3], opacities=rgba[:, 3:], **_placed(self._sent)
            )
            self._own[client.client_id] = copy
        else:
            copy.rgbs, copy.opacities = rgba[:, :3], rgba[:, 3:]


def _among(gaussians: Gaussians, sent: Gaussians) -> bool:
    """Whether these are some of those that were sent, where and as large as they were."""
    if gaussians.means is sent.means and gaussians.quats is sent.quats and gaussians.log_scales is sent.log_scales:
        return True
    at = places(sent.ids, gaussians.ids)
    if not len(sent) or (at < 0).any():
        return False
    return all(
        torch.equal(getattr(sent, name)[at], getattr(gaussians, name)) for name in ("means", "quats", "log_scales")
    )


def _placed(gaussians: Gaussians) -> dict[str, Any]:
    """Places and shapes as viser wants them, sizes near 1: it stores covariances in half precision."""
    zoom = 1.0 / max(gaussians.scales.amax(-1).median().item(), 1e-12)
    return {
        "centers": (gaussians.means * zoom).cpu().numpy().astype(np.float32),
        "covariances": _held(covariances(gaussians.double()) * zoom**2),
        "scale": 1.0 / zoom,
    }


def _bytes(values: Tensor) -> np.ndarray:
    return (values.detach().clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).cpu().numpy()


def _held(spread: Float[Tensor, "n 3 3"]) -> np.ndarray:
    """Covariances that half precision can hold: the very largest are shrunk, keeping their shape."""
    largest = spread.diagonal(dim1=-2, dim2=-1).amax(-1).clamp_min(1e-30)
    return (spread * (LARGEST_VARIANCE / largest).clamp_max(1.0)[:, None, None]).float().cpu().numpy()
