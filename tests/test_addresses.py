"""Addresses: every spelling that is right, and a good word for the ones that are not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litmus.addresses import Address


@pytest.mark.parametrize(
    ("text", "address", "canonical"),
    [
        ("127.0.0.1:8000", Address("tcp", "127.0.0.1", 8000), "127.0.0.1:8000"),
        (":8000", Address("tcp", "", 8000), ":8000"),
        ("127.0.0.1:0", Address("tcp", "127.0.0.1", 0), "127.0.0.1:0"),
        ("localhost:80", Address("tcp", "localhost", 80), "localhost:80"),
        ("App_1.Example.org:080", Address("tcp", "app_1.example.org", 80), "app_1.example.org:80"),
        ("[::1]:80", Address("tcp", "::1", 80), "[::1]:80"),
        ("[0:0:0:0:0:0:0:1]:80", Address("tcp", "::1", 80), "[::1]:80"),
        ("[fe80::1%eth0]:80", Address("tcp", "fe80::1%eth0", 80), "[fe80::1%eth0]:80"),
        ("unix:/run/x.sock", Address("unix", path="/run/x.sock"), "unix:/run/x.sock"),
        ("fd:3", Address("fd", fd=3), "fd:3"),
    ],
)
def test_right_addresses(text: str, address: Address, canonical: str) -> None:
    assert Address.parse(text) == address
    assert str(address) == canonical
    assert Address.parse(canonical) == address


def test_a_relative_unix_path_starts_at_the_base() -> None:
    assert Address.parse("unix:x.sock", Path("/srv/app")).path == "/srv/app/x.sock"
    assert Address.parse("unix:/x.sock", Path("/srv/app")).path == "/x.sock"
    assert Address.parse("unix:x.sock").path == "x.sock"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", 'must be an address: "host:port"'),
        ("localhost", 'must be an address: "host:port"'),
        ("localhost:", 'must be an address: "host:port"'),
        ("localhost:http", 'must be an address: "host:port"'),
        ("local host:80", 'must be an address: "host:port"'),
        ("-x:80", 'must be an address: "host:port"'),
        ("8000", 'for this machine alone "127.0.0.1:8000"'),
        ("http://127.0.0.1:80/", "leave out the scheme: '127.0.0.1:80'"),
        ("127.0.0.1:65536", "must have a port from 0 to 65535, not 65536"),
        ("127.0.0.256:80", "must have an IPv4 address before the port"),
        ("1:80", "must have an IPv4 address before the port"),
        ("::1:80", r'must have brackets around an IPv6 address: "\[::1\]:80"'),
        ("127.0.0.1:80:80", 'must have one port: "127.0.0.1:80"$'),
        ("127.0.0.1:8080:80", 'must have one port: "127.0.0.1:8080" or "127.0.0.1:80"$'),
        (":80:81", 'must have one port: ":80" or ":81"$'),
        ("fe80::1:2:80", r'must have brackets around an IPv6 address: "\[fe80::1:2\]:80"'),
        ("[::g]:80", "must have an IPv6 address between the brackets"),
        ("[127.0.0.1]:80", "must have an IPv6 address between the brackets"),
        ("*:80", 'must be ":80" for every interface'),
        ("unix:", 'must name a path after "unix:"'),
        ("unix:a\0b", 'must name a path after "unix:"'),
        ("unix:@x", "abstract sockets have no owner"),
        ("fd:", "the number of an inherited socket, 3 or more"),
        ("fd:2", "the number of an inherited socket, 3 or more"),
        ("fd:x", "the number of an inherited socket, 3 or more"),
    ],
)
def test_wrong_addresses(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Address.parse(text)


def test_a_unix_path_must_fit_the_kernel_in_bytes() -> None:
    assert Address.parse("unix:/" + "x" * 106).kind == "unix"
    with pytest.raises(ValueError, match=r"is 108 bytes long as /x+; a Unix socket's path must fit in 107"):
        Address.parse("unix:/" + "x" * 107)
    with pytest.raises(ValueError, match="is 109 bytes long"):
        Address.parse("unix:/" + "é" * 54)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert Address.parse(str(address)) == address
