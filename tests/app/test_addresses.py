"""Where a page can be served, and the link that leads there."""

import socket

import pytest

from semsplat.app import addresses
from semsplat.splatting.errors import InputError


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.9.1", "localhost", "::1")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.1.7", "", "no.such.name.invalid")),
    ],
)
def test_what_only_this_computer_can_reach(host, expected):
    assert addresses.is_loopback(host) is expected


def test_the_link_is_what_one_types_elsewhere():
    assert addresses.link("127.0.0.1", 8080, None) == "http://127.0.0.1:8080"
    assert addresses.link("::1", 80, "a&b=c d") == "http://[::1]:80/?token=a%26b%3Dc%20d"
    own = addresses.link("0.0.0.0", 8080, "secret")
    assert own.startswith("http://") and own.endswith(":8080/?token=secret") and "0.0.0.0" not in own
    assert addresses.link("::", 8080, None).startswith("http://[")


def test_random_tokens_differ_and_cannot_be_guessed():
    first, second = (addresses.choose_token("0.0.0.0", None) for _ in range(2))
    assert first != second and len(first) >= 20
    assert addresses.choose_token("127.0.0.1", None) is None
    assert addresses.choose_token("127.0.0.1", "long enough!".replace(" ", "-")) == "long-enough!"


def test_the_last_port_in_use_is_a_sentence():
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", addresses.LAST_PORT))
        except OSError:
            pytest.skip("the last port is in use by another")
        taken.listen()
        with pytest.raises(InputError, match=r"All ports from 65535 are in use; choose another with --port\."):
            addresses.free_port("127.0.0.1", addresses.LAST_PORT)


@pytest.mark.parametrize("host", ["", "a b", "192.0.2.1", "x" * 300, "no.such.name.invalid"])
def test_a_host_that_is_none_is_a_sentence(host):
    if host == "":
        assert addresses.free_port("127.0.0.1", 0) == 0
        return
    with pytest.raises(InputError, match="Cannot serve on"):
        addresses.free_port(host, 0)
