"""Where to listen, and whether somebody does."""

import socket
from pathlib import Path

from milter64.config.listen_address import Endpoint, endpoint

LOCALHOST = endpoint("inet:0@localhost")


def at(path: Path) -> Endpoint:
    """Return a unix socket's endpoint."""
    return Endpoint(family=socket.AF_UNIX, address=str(path))


def connects(endpoint: Endpoint) -> bool:
    """Whether somebody listens."""
    with socket.socket(endpoint.family) as client:
        return client.connect_ex(endpoint.address) == 0
