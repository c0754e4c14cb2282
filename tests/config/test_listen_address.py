from socket import AF_INET, AF_INET6, AF_UNIX

import pytest

from milter64.config.listen_address import Endpoint, endpoint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inet:8864@127.0.0.1", Endpoint(family=AF_INET, address=("127.0.0.1", 8864))),
        ("inet:127.0.0.1:8864", Endpoint(family=AF_INET, address=("127.0.0.1", 8864))),
        ("inet:8864@localhost", Endpoint(family=AF_INET6, address=("localhost", 8864))),
        ("inet:localhost:8864", Endpoint(family=AF_INET6, address=("localhost", 8864))),
        ("inet:8864", Endpoint(family=AF_INET, address=("0.0.0.0", 8864))),
        ("inet6:8864@[::1]", Endpoint(family=AF_INET6, address=("::1", 8864))),
        ("inet6:8864@::1", Endpoint(family=AF_INET6, address=("::1", 8864))),
        ("inet6:8864@localhost", Endpoint(family=AF_INET6, address=("::1", 8864))),
        ("inet6:8864", Endpoint(family=AF_INET6, address=("::", 8864))),
        ("inet:[2001:db8::1]:8864", Endpoint(family=AF_INET6, address=("2001:db8::1", 8864))),
        ("unix:/run/milter64.sock", Endpoint(family=AF_UNIX, address="/run/milter64.sock")),
        ("local:/run/milter64.sock", Endpoint(family=AF_UNIX, address="/run/milter64.sock")),
    ],
)
def test_sendmails_and_postfixs_sockets_are_understood(text: str, expected: Endpoint) -> None:
    assert endpoint(text) == expected


@pytest.mark.parametrize(
    "text", ["inet:8864@localhost", "inet:8864@127.0.0.1", "inet6:8864@[::1]", "unix:/run/milter64.sock"]
)
def test_an_endpoint_is_shown_as_it_is_written(text: str) -> None:
    assert str(endpoint(text)) == text
