"""How a line to a server is had: a socket, TLS on it as the URL says, and the server knows us."""

import socket
import ssl
from collections.abc import Callable

from milter64.sharing.addresses import Addresses
from milter64.sharing.line import Line, LineBroken, said
from milter64.sharing.server_url import Host, ServerUrl

_CONNECT = 0.4
"""Seconds for a connection, and as many for the TLS on it."""


def dial(url: ServerUrl, host: Host | None, addresses: Addresses) -> Line:
    """Return a line to a server, `host` or the socket that the URL names.

    Raises:
        LineBroken: it can't be had.
    """
    return _dialled(url, host, addresses, lambda line: line.enter(url.user, url.password(), url.db))


def dial_sentinel(url: ServerUrl, host: Host, addresses: Addresses) -> Line:
    """Return a line to a Sentinel.

    Raises:
        LineBroken: it can't be had.
    """
    return _dialled(url, host, addresses, lambda line: line.enter("", url.sentinel_password(), 0))


def _dialled(url: ServerUrl, host: Host | None, addresses: Addresses, enter: Callable[[Line], None]) -> Line:
    try:
        line = Line(_socket(url, host, addresses))
        try:
            enter(line)
        except BaseException:
            line.close()
            raise
    except (OSError, ValueError) as error:  # ValueError: of a name that TLS can't check
        raise LineBroken(said(error)) from None
    return line


def _socket(url: ServerUrl, host: Host | None, addresses: Addresses) -> socket.socket:
    connected = addresses.connect(host, _CONNECT) if host else socket.socket(socket.AF_UNIX)
    try:
        connected.settimeout(_CONNECT)
        if not host:
            connected.connect(str(url.path))
            return connected
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return _tls(url).wrap_socket(connected, server_hostname=host[0]) if url.tls else connected
    except BaseException:
        connected.close()
        raise


def _tls(url: ServerUrl) -> ssl.SSLContext:
    """Return what TLS goes by, of the files as they are now."""
    reading = url.ca
    try:
        context = ssl.create_default_context(cafile=url.ca)
        # From Python 3.13 on it would refuse what is signed by an authority of one's own as most guides have it made.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if url.cert:
            reading = url.cert
            context.load_cert_chain(url.cert, url.key)
    except OSError as error:  # which doesn't name the file
        raise LineBroken(f"{reading}: {said(error)}") from None
    return context
