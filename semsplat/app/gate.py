"""Who may come in, and how much traffic a page may make: a guard in front of viser's web server.

On this computer alone (127.0.0.1) the page is open. Anywhere else a visitor needs the token of the link that was
printed; a cookie keeps it. In both cases a page of another web site cannot talk to the server: a browser says where
a page comes from (Origin), and that must be the Host that was asked, or the X-Forwarded-Host of a reverse proxy.
Without a token the Host must be this computer too, so that no other name can be pointed here (DNS rebinding).
Behind a reverse proxy on this computer, give a token: the proxy's visitors are not this computer.

The only file that imports websockets.
"""

import asyncio
import contextlib
import hashlib
import hmac
import http
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import websockets.asyncio.server as sockets
from websockets.frames import Frame
from websockets.http11 import Request, Response

from .addresses import is_loopback_number
from .traffic import LARGE, Allowance, Checker, Nonsense, NotTaken

MOST_PAGES, MOST_SOCKETS = 64, 512  # open at once: pages, and connections of any kind
ARRIVALS = 64  # pages that one address may open in a moment; five a second after that
TINY, SLICE = 4096, 16_384  # bytes: floods are made of smaller frames; what is looked at in one go
STALLED = 30.0  # seconds in which a page took nothing of what waits for it
LARGEST_BACKLOG = 256 * 1024**2  # bytes that wait for one page
NEEDS_TOKEN = "This page needs the link that semsplat printed in the terminal; it ends in ?token= and the token.\n"
FOREIGN_SOURCES = {"websocket", "playbackPath"}  # viser's page would run scripts of the server or file named there
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",  # nobody can lay this page invisibly over theirs
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # links lead out without the token
}

_log = logging.getLogger(__name__)
_connections = logging.getLogger(f"{__name__}.connections")
_connections.addFilter(lambda record: not record.getMessage().startswith(("opening handshake", "connection rejected")))
logging.getLogger("asyncio").addFilter(lambda record: record.getMessage() != "socket.send() raised exception.")
_installing = threading.Lock()


class Gate:
    """Decides about every request, and watches every open page of one server."""

    def __init__(self, host: str, token: str | None, protocol: str, checker: Checker) -> None:
        """The gate of a server on ``host``; ``protocol`` is the websocket subprotocol of its pages."""
        self._host, self._token, self._protocol, self.checker = host, token, protocol, checker
        self._cookie = hashlib.sha256(f"semsplat {token}".encode()).hexdigest()  # a chosen token stays unknown
        self._arrivals: dict[str, Allowance] = {}  # by the visitor's address
        self.guards = False  # whether the server really uses this gate
        self.pages: set[Connection] = set()
        self.backlog: Callable[[Connection], int] = lambda page: 0  # bytes that wait for a page, beside its socket
        self.refuse: Callable[[Connection, NotTaken], None] = lambda page, why: None  # tells a page
        self.dress: Callable[[bytes, bool], bytes] = lambda page, zipped: page  # the page, perhaps gzipped, as sent

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Servers that viser starts meanwhile stand behind this gate."""
        original = sockets.serve

        def serve(handler: Any, *args: Any, process_request: Any = None, **options: Any) -> Any:
            if not handler.__module__.startswith("viser."):
                return original(handler, *args, process_request=process_request, **options)
            self.guards = True
            asyncio.get_running_loop().set_exception_handler(_one_line)
            options |= {"max_size": LARGE, "max_queue": 4, "close_timeout": 2.0, "logger": _connections}
            options["create_connection"] = partial(Connection, self)
            decide: Any = partial(self._decide, then=process_request)
            stay: Any = partial(self._stay, handler)
            return original(stay, *args, process_request=decide, **options)

        with _installing:
            sockets.serve = serve
            try:
                yield
            finally:
                sockets.serve = original

    def _decide(self, connection: "Connection", request: Request, then: Any) -> Response | None:
        """An answer to a request; None opens a page's connection."""
        refusal = self._refusal(connection, request)
        if refusal is not None:
            refusal.headers["Cache-Control"] = "no-store"
            return refusal
        answer = then(connection, request)
        if answer is not None:
            self._dress(answer)
            for name, value in HEADERS.items():
                answer.headers[name] = value
            if self._token is not None:
                value = f"{_cookie_name(connection)}={self._cookie}"
                answer.headers["Set-Cookie"] = f"{value}; HttpOnly; SameSite=Strict; Path=/"
                answer.headers["Cache-Control"] = "no-store"
        return answer

    def _dress(self, answer: Response) -> None:
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            answer.body = self.dress(bytes(answer.body), answer.headers.get("Content-Encoding") == "gzip")
            del answer.headers["Content-Length"]
            answer.headers["Content-Length"] = str(len(answer.body))

    def _refusal(self, connection: "Connection", request: Request) -> Response | None:
        hosts = {_only(request, "Host"), _only(request, "X-Forwarded-Host")} - {""}
        if self._token is None and not self._is_ours(_only(request, "Host")):
            return connection.respond(
                http.HTTPStatus.FORBIDDEN,
                "This server answers to localhost only; behind a proxy or under another name, start it with --token.\n",
            )
        origin = request.headers.get_all("Origin")
        if origin and (len(origin) > 1 or _split(origin[0]).netloc.lower() not in hosts):
            return connection.respond(http.HTTPStatus.FORBIDDEN, "Pages of other sites may not talk to this server.\n")
        if self._token is not None and not self._knows_token(connection, request):
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, NEEDS_TOKEN)
        if FOREIGN_SOURCES & parse_qs(request.path.partition("?")[2], keep_blank_values=True).keys():
            text = "A link to this page may not make it load from elsewhere.\n"
            return connection.respond(http.HTTPStatus.BAD_REQUEST, text)
        if "websocket" in _only(request, "Upgrade"):
            if len(self.pages) >= MOST_PAGES:
                text = f"{MOST_PAGES} pages are open already; close one.\n"
                return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, text)
            if not self.arrivals(connection).take():
                return connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "Too many pages came at once.\n")
        return None

    def arrivals(self, connection: "Connection") -> Allowance:
        """How many pages an address may still open now."""
        if len(self._arrivals) > 1000:
            self._arrivals.clear()
        address = (connection.remote_address or ("",))[0]
        return self._arrivals.setdefault(address, Allowance(ARRIVALS, 5.0))

    def _is_ours(self, host: str) -> bool:
        name = _split(f"//{host}").hostname or ""
        return name in ("localhost", self._host.lower()) or name.endswith(".localhost") or is_loopback_number(name)

    def _knows_token(self, connection: "Connection", request: Request) -> bool:
        assert self._token is not None
        shown = parse_qs(request.path.partition("?")[2]).get("token", [""])[0]
        if _same(shown, self._token):
            return True
        name = _cookie_name(connection)
        pairs = (part.strip().partition("=") for part in ";".join(request.headers.get_all("Cookie")).split(";"))
        kept = [value for key, _, value in pairs if key == name]
        return any(_same(value, self._cookie) for value in kept)

    async def _stay(self, handler: Any, page: "Connection") -> None:
        """As long as a page is open."""
        if page.subprotocol != self._protocol:  # a page of another release; viser's page explains it
            await page.close(1002, f"Version mismatch. Client: {page.subprotocol}, Server: {self._protocol}")
            return
        self.pages.add(page)
        watch = asyncio.create_task(page.watch())
        try:
            await handler(page)
        finally:
            watch.cancel()
            self.pages.discard(page)
            self.checker.forget(page)


class Connection(sockets.ServerConnection):
    """A connection that passes on what is in order, at a pace, and does not wait for ever for a page to read."""

    def __init__(self, gate: Gate, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._gate = gate
        self._frames = Allowance(600, 300.0)  # tiny ones
        self._work = Allowance(480, 240.0)  # in camera messages, of which a page sends 50 a second
        self._mistakes = Allowance(20, 0.2)
        self._sent = 0
        self._end: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connects."""
        super().connection_made(transport)
        if len(self.server.handlers) > MOST_SOCKETS:
            self.transport.abort()

    def process_event(self, event: Any) -> None:
        """Something arrived; a flood of tiny frames ends the connection."""
        if self.transport.is_closing():
            return
        if isinstance(event, Frame) and len(event.data) < TINY and self._frames.spend() > 0:
            self.transport.abort()
            self._gate.arrivals(self).spend(5.0)  # it will come back
            return
        super().process_event(event)

    def data_received(self, data: bytes) -> None:
        """Bytes arrived: 256 kB can hold 40,000 frames, so they are looked at in slices."""
        for start in range(0, len(data), SLICE):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + SLICE])

    async def recv(self, decode: bool | None = None) -> Any:
        """The next message that is in order; who sends too many waits."""
        while True:
            raw, kind = await super().recv(decode), ""
            try:
                kind = self._gate.checker.kind(self, raw)
            except Nonsense:
                if self._mistakes.spend() > 0 and self._end is None:  # and read on: the page's answer comes last
                    self._end = asyncio.create_task(self.close(1008, "These messages make no sense here."))
            except NotTaken as why:
                self._gate.refuse(self, why)
            pause = self._work.spend(self._gate.checker.cost(kind, raw))
            if pause:
                await asyncio.sleep(pause)
            if kind and self._end is None:
                return raw

    async def send(self, message: Any, text: bool | None = None) -> None:
        """Send a message; returns when nearly all of it left."""
        await super().send(message, text)
        self._sent += 1

    async def watch(self) -> None:
        """End the connection when the page stops reading, or when too much waits for it."""
        sent, before, since = 0, 0, self.loop.time()
        while True:
            await asyncio.sleep(1.0)
            waiting = self.transport.get_write_buffer_size()
            if waiting == 0 or waiting < before or self._sent != sent:
                since = self.loop.time()
            sent, before = self._sent, waiting
            if self.loop.time() - since > STALLED or self._gate.backlog(self) + waiting > LARGEST_BACKLOG:
                self.transport.abort()
                return


def _only(request: Request, name: str) -> str:
    """A header that must not be there twice, in lower case."""
    values = request.headers.get_all(name)
    return values[0].strip().lower() if len(values) == 1 else ""


def _split(url: str) -> SplitResult:
    with contextlib.suppress(ValueError):
        return urlsplit(url)
    return urlsplit("")


def _same(shown: str, secret: str) -> bool:
    """Takes as long for a nearly right guess as for any other."""
    return hmac.compare_digest(shown.encode(errors="replace"), secret.encode())


def _cookie_name(connection: Connection) -> str:
    """Browsers share cookies among the ports of a computer."""
    return f"semsplat-{connection.local_address[1]}"


def _one_line(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What failed in a handler: all about our own code, one line about what a page made viser stumble over."""
    error = context.get("exception")
    own = error is not None and any(
        "semsplat" in frame.f_globals.get("__name__", "") and frame.f_globals["__name__"] != __name__
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )
    what = f"{type(error).__name__}: {error}" if error is not None else context.get("message")
    level = logging.ERROR if own else logging.INFO
    _log.log(level, "A page's message failed: %s", what, exc_info=error if own else None)
