"""Where a page can be served, who can reach that place, and what to type into a browser."""

import contextlib
import errno
import ipaddress
import os
import secrets
import socket
from urllib.parse import quote

from ..splatting.errors import InputError

SHORTEST_TOKEN = 8
LAST_PORT = 65535
PORTS_TO_TRY = 100


def free_port(host: str, port: int) -> int:
    """The first port from ``port`` upwards that nobody listens on; 0 stays 0, and means any.

    Raises:
        InputError: the host is not an address of this computer, or there is no such port.
    """
    if not 0 <= port <= LAST_PORT:
        raise InputError(f"{port} is no port; choose one from 1024 to {LAST_PORT}.")
    try:
        family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
        _bind(family, host, 0)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "this is no name of a computer"
        raise InputError(f"Cannot serve on {host!r} ({why}); use 127.0.0.1 or 0.0.0.0.") from error
    for candidate in range(port, min(port + PORTS_TO_TRY, LAST_PORT + 1)):
        try:
            _bind(family, host, candidate)
            return candidate
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                raise InputError(f"Port {candidate} is reserved; choose one from 1024 to {LAST_PORT}.") from error
    raise InputError(f"All ports from {port} are in use; choose another with --port.")


def _bind(family: socket.AddressFamily, host: str, port: int) -> None:
    with socket.socket(family) as probe:
        if os.name == "posix":  # as the server does
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen(1)


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach an address; False for names nobody knows."""
    with contextlib.suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
        return bool(host) and all(is_loopback_number(str(entry[4][0])) for entry in found)
    return False


def is_loopback_number(host: str) -> bool:
    """Whether this is an address such as 127.0.0.1, and not a name for one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def choose_token(host: str, wanted: str | None) -> str | None:
    """The token visitors need; None where everybody may come in.

    Raises:
        InputError: the wanted token is too short or would not survive a link.
    """
    if wanted is None:
        return None if is_loopback(host) else secrets.token_urlsafe(18)
    if len(wanted) < SHORTEST_TOKEN or not wanted.isascii() or not wanted.isprintable() or " " in wanted:
        raise InputError(
            f"A token needs at least {SHORTEST_TOKEN} characters, without spaces and accents; "
            f"leave --token away to get a random one."
        )
    return wanted


def link(host: str, port: int, token: str | None) -> str:
    """What to type into a browser: 0.0.0.0 becomes the address of this computer in its network."""
    if host in ("0.0.0.0", "::", ""):
        host = _address_in_the_network(socket.AF_INET6 if host == "::" else socket.AF_INET)
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}" + (f"/?token={quote(token, safe='')}" if token else "")


def _address_in_the_network(family: socket.AddressFamily) -> str:
    """Asks the routing table; nothing is sent."""
    far = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"  # kept for documentation: nobody has them
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((far, 9))
        return probe.getsockname()[0]
    with contextlib.suppress(OSError):
        return str(socket.getaddrinfo(socket.gethostname(), 0, family)[0][4][0])
    return "::1" if family == socket.AF_INET6 else "127.0.0.1"
