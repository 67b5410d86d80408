"""The scene's Gaussians as the browser's own splats: sent once to all pages, coloured for each page by itself."""

import base64
import json
import threading
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from ..splatting.gaussians import Gaussians
from ..splatting.ids import places
from ..splatting.project import covariances
from .browser import Client, Server
from .layers import Form

LARGEST_VARIANCE = 60_000.0  # half precision ends at 65,504
SHAPED = "/shaped"  # node of a page that shows the Gaussians in another shape


@dataclass(frozen=True, eq=False)
class Coat:
    """How Gaussians are to look, row by row."""

    colors: Float[Tensor, "n 3"]  # in [0, 1]
    opacities: Float[Tensor, " n"]  # in [0, 1]; 0: not drawn


@dataclass(frozen=True, eq=False)
class Painted:
    """Colours that a page has."""

    turn: int  # of the splats that they are for
    number: int  # of the message that brought them
    rgba: UInt8[np.ndarray, "n 4"]


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
        self._last: dict[tuple[int, str], Painted] = {}  # by client and node
        self._shaped: dict[int, tuple[int, Form, Any]] = {}  # by client: turn, shape, node
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
            self._server.viser.scene.add_gaussian_splats(self.name, **node(gaussians, colors))

    def paint(
        self, client: Client, gaussians: Gaussians, plain: Coat | None, shaped: tuple[Form, Coat] | None = None
    ) -> bool:
        """Give one page its own colours and opacities; False when it has these already.

        Args:
            gaussians: as they are now; those that were sent and are not among them are not drawn.
            plain: how they look as they are; None: not at all. shaped: how they look in another shape, which is sent
                when it is a new one.
        """
        with self._lock:
            sent, turn = self._sent, self._turn
        if sent is None or not len(sent):
            return False
        at = None if sent.ids is gaussians.ids else places(gaussians.ids, sent.ids)
        painted = self._paint(client, self.name, _coated(plain, at, len(sent)), turn)
        if shaped is None:
            self._release(client)  # after the others are seen again: the page is never empty
        else:
            form, coat = shaped
            rgba = _coated(coat, at, len(sent))
            self._reshape(client, sent, form, rgba, turn)
            painted |= self._paint(client, SHAPED, rgba, turn)  # also new ones: pages keep colours by the node's name
        return painted

    def forget(self, client: Client) -> None:
        """A page is gone."""
        self._own.pop(client.client_id, None)
        self._shaped.pop(client.client_id, None)
        for node in (self.name, SHAPED):
            self._last.pop((client.client_id, node), None)

    def _release(self, client: Client) -> None:
        _, _, shaped = self._shaped.pop(client.client_id, (0, None, None))
        self._last.pop((client.client_id, SHAPED), None)
        if shaped is not None:
            shaped.remove()

    def _reshape(self, client: Client, sent: Gaussians, form: Form, rgba: UInt8[np.ndarray, "n 4"], turn: int) -> None:
        """Send the shape if the page has another one, or none."""
        turn_then, form_then, _ = self._shaped.get(client.client_id, (None, None, None))
        if (turn_then, form_then) == (turn, form):
            return
        self._release(client)
        node = client.scene.add_gaussian_splats(SHAPED, rgbs=rgba[:, :3], opacities=rgba[:, 3:], **_placed(form(sent)))
        self._shaped[client.client_id] = (turn, form, node)

    def _paint(self, client: Client, name: str, rgba: UInt8[np.ndarray, "n 4"], turn: int) -> bool:
        before = self._last.get((client.client_id, name))
        before = before if before is not None and before.turn == turn else None
        if before is not None and np.array_equal(before.rgba, rgba):
            return False
        now = Painted(turn, self._server.next_turn(), rgba)
        self._last[client.client_id, name] = now
        change = base64.b64encode(squeezed(rgba, None if before is None else before.rgba)).decode()
        since = "null" if before is None else before.number
        source = f"window.semsplat.paint({json.dumps(name)}, {now.number}, {since}, '{change}')"
        if not self._server.run(client, source):
            self._paint_a_copy(client, name, rgba)
        return True

    def _paint_a_copy(self, client: Client, name: str, rgba: UInt8[np.ndarray, "n 4"]) -> None:
        copy = self._own.get(client.client_id) if name == self.name else self._shaped[client.client_id][2]
        if copy is None:  # a private node of the same name is drawn instead of the shared one
            assert self._sent is not None  # it is painted
            copy = client.scene.add_gaussian_splats(
                self.name, rgbs=rgba[:, :3], opacities=rgba[:, 3:], **_placed(self._sent)
            )
            self._own[client.client_id] = copy
        else:
            copy.rgbs, copy.opacities = rgba[:, :3], rgba[:, 3:]


def squeezed(rgba: UInt8[np.ndarray, "n 4"], before: UInt8[np.ndarray, "n 4"] | None = None) -> bytes:
    """Colours and opacities as they travel to a page, in base64 then; ``before``: what the page has, all 0 without.

    Bits that differ are sent: where little changes, such as one thing that is highlighted, these are a few kilobytes.
    """
    return zlib.compress((rgba if before is None else rgba ^ before).tobytes(), 1)


def _coated(coat: Coat | None, at: Int64[Tensor, " m"] | None, count: int) -> UInt8[np.ndarray, "m 4"]:
    """Colours and opacities of what a page has, each from its row ``at`` (-1: it is gone); None: from its own."""
    if coat is None or not len(coat.colors):
        return np.zeros((count, 4), np.uint8)
    rgba = torch.cat([coat.colors, coat.opacities.to(coat.colors)[:, None]], dim=1)
    if at is not None:
        rgba = torch.where((at >= 0)[:, None], rgba[at.clamp_min(0)], 0.0)
    return _bytes(rgba)


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


def node(gaussians: Gaussians, colors: Float[Tensor, "n 3"]) -> dict[str, Any]:
    """What viser's add_gaussian_splats wants to draw Gaussians in these colours, in [0, 1]."""
    return {"rgbs": _bytes(colors), "opacities": _bytes(gaussians.opacities)[:, None], **_placed(gaussians)}


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
