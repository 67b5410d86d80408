"""What pages send to the server, checked message by message: nothing reaches a handler that a page would not send.

Knows no sockets. The messages are viser's dataclasses; whoever calls gives the module that holds them.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from ..splatting.errors import InputError

SMALL, LARGE = 64 * 1024, 32 * 1024**2  # bytes of one message
LARGEST_UPLOAD = 500_000_000  # bytes, of all files that one page sends at a time
MOST_UPLOADS, MOST_PARTS = 4, 20_000  # files at a time by one page; pieces of one file (browsers make them 512 kB)
LARGEST_NUMBER = 2.0**53
CAMERA = "ViewerCameraMessage"
CARRIERS = ("FileTransferPart", "GetRenderResponseMessage")  # of files and pictures
KNOWN = (
    *CARRIERS,
    CAMERA,
    "CommandTriggerMessage",
    "FileTransferStartUpload",
    "GuiButtonHoldMessage",
    "GuiFormDirtyMessage",
    "GuiFormSubmitMessage",
    "GuiUpdateMessage",
    "LocalStorageGetItemResponseMessage",
    "SceneNodeClickMessage",
    "SceneNodeDragMessage",
    "ScenePointerMessage",
    "TransformControlsDragEndMessage",
    "TransformControlsDragStartMessage",
    "TransformControlsUpdateMessage",
)
UNWANTED = ("ShareUrlRequest", "ShareUrlDisconnect")  # a page may send them, and nobody listens


class Nonsense(Exception):
    """Bytes that no page of this server sends."""


class NotTaken(InputError):
    """A file that the server does not want; ``message`` is the page's."""

    def __init__(self, sentence: str, message: Any) -> None:
        super().__init__(sentence)
        self.message = message


class Envelope(msgspec.Struct):
    """Of any message; the rest is skipped without making objects of it."""

    type: str


class Allowance:
    """So much at once, and so much a second after that."""

    def __init__(self, at_once: float, a_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._rate, self._clock = at_once, a_second, clock
        self._left, self._then = at_once, clock()

    def spend(self, amount: float = 1.0) -> float:
        """Take from the allowance, on credit if need be; returns the seconds after which it is paid back."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._then) * self._rate) - amount
        self._then = now
        return max(0.0, -self._left / self._rate)

    def take(self) -> bool:
        """Take one if it is there."""
        if self.spend(0.0) > 0 or self._left < 1:
            return False
        self.spend()
        return True


@dataclass
class Upload:
    """One file on its way in."""

    size: int  # bytes it said it has
    parts: int  # it said it comes in
    held: int = 0  # bytes that are here
    seen: set[int] = field(default_factory=set)  # parts that are here
    refused: bool = False  # what is held stays until the page is gone


class Uploads:
    """Files on their way in, of all pages: viser gathers them in memory."""

    def __init__(self, largest: int = LARGEST_UPLOAD, pages: int = 4) -> None:
        """So many bytes for one page, and for all pages together as many as ``pages`` of them may send."""
        self.largest, self._most = largest, largest * pages
        self._under_way: dict[tuple[object, str], Upload] = {}  # by page and transfer

    def start(self, page: object, message: Any) -> None:
        """A page wants to send a file.

        Raises:
            NotTaken: it is too large, or others are under way.
        """
        size, parts, key = message.size_bytes, message.part_count, (page, message.transfer_uuid)
        name = message.filename[:80]
        if size > self.largest:
            limit = f"{self.largest / 1e6:,.0f} MB"
            raise NotTaken(f"{name} is larger than {limit}; copy it to the server and open it there.", message)
        if size < 0 or not 0 <= parts <= MOST_PARTS or key in self._under_way:
            raise Nonsense("an upload that cannot be")
        mine = [upload.size for (owner, _), upload in self._under_way.items() if owner is page]
        if len(mine) >= MOST_UPLOADS or sum(mine) + size > self.largest:
            raise NotTaken(f"{name} has to wait for the files that are on their way; try again then.", message)
        if parts:
            self._under_way[key] = Upload(size, parts)

    def part(self, page: object, message: Any) -> bool:
        """A piece of a file; False where it belongs to none that was taken.

        Raises:
            NotTaken: the server holds as much as it can.
        """
        key, size = (page, message.transfer_uuid), len(message.content)
        upload = self._under_way.get(key)
        if upload is None or upload.refused:
            return False
        if message.part_index in upload.seen or not 0 <= message.part_index < upload.parts:
            raise Nonsense("a part that the file does not have")
        if upload.held + size > upload.size:
            raise Nonsense("a file that is larger than it said")
        if sum(other.held for other in self._under_way.values()) + size > self._most:
            upload.refused = True
            raise NotTaken("Too many files are on their way to this server; try again in a minute.", message)
        upload.held += size
        upload.seen.add(message.part_index)
        if len(upload.seen) == upload.parts:
            del self._under_way[key]
        return True

    def forget(self, page: object) -> None:
        """A page is gone."""
        for key in [key for key in self._under_way if key[0] is page]:
            del self._under_way[key]


class Checker:
    """Reads messages before viser does."""

    def __init__(self, messages: Any, uploads: Uploads) -> None:
        """Takes viser's module of messages."""
        self._envelope = msgspec.msgpack.Decoder(Envelope)
        self._decoders = {name: msgspec.msgpack.Decoder(getattr(messages, name)) for name in KNOWN}
        self._uploads = uploads

    def cost(self, kind: str, raw: bytes | str) -> float:
        """Work that a message makes, in messages of the camera: a click or a button may mean much."""
        if kind in CARRIERS:
            return 1.0 + len(raw) / LARGE
        return (1.0 if kind == CAMERA else 8.0) + min(len(raw) / 1024, 64.0)

    def forget(self, page: object) -> None:
        """A page is gone, and so are its half-sent files."""
        self._uploads.forget(page)

    def kind(self, page: object, raw: bytes | str) -> str:
        """Of a message that may go on to its handlers; empty for what is merely useless.

        Raises:
            Nonsense: this is no message of a page.
            NotTaken: an upload that cannot be had; the sentence is for its page.
        """
        if isinstance(raw, str):
            raise Nonsense("text")
        try:
            kind = self._envelope.decode(raw).type
            if kind in UNWANTED:
                return ""
            if kind not in self._decoders or len(raw) > (LARGE if kind in CARRIERS else SMALL):
                raise Nonsense(kind[:40])
            message = self._decoders[kind].decode(raw)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise Nonsense(type(error).__name__) from None
        if kind in CARRIERS:
            return kind if kind != "FileTransferPart" or self._uploads.part(page, message) else ""
        if not _finite(vars(message)):
            return ""
        if kind == "GuiUpdateMessage" and message.updates.keys() != {"value"}:
            raise Nonsense("an update of what pages do not update")
        if kind == "FileTransferStartUpload":
            self._uploads.start(page, message)
        return kind


def _finite(value: Any) -> bool:
    """No NaN, no infinity, and no number that a browser could not have counted to."""
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_finite, value))
    if isinstance(value, int | float):
        return math.isfinite(value) and abs(value) <= LARGEST_NUMBER
    return True


def held(value: Any) -> int:
    """Bytes that a message holds, roughly."""
    if isinstance(value, dict):
        return sum(map(held, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(held, value))
    if isinstance(value, np.ndarray):
        return value.nbytes
    return len(value) if isinstance(value, str | bytes) else 8
