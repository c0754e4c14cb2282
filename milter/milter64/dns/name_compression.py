"""A DNS message as octets, and the names in it (RFC 1035 4.1.4).

It has 64 KiB at most, and strangers fill it. What is read of it is counted in parts: records, labels, pointers and
strings. Each takes a microsecond or so, and there may be no more than `MOST_PARTS`.
"""

import dns.exception

MOST_PARTS = 1000

_LONGEST_LABEL, _POINTER = 63, 0xC0
_LONGEST_NAME = 255


class TooMuch(Exception):  # noqa: N818  it is no error: the response has more parts than we read
    """A response has too many parts."""


class Message:
    """A response as octets; its names are read once each, however many pointers lead to them (RFC 1035 4.1.4)."""

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        self._left = MOST_PARTS
        self._names: dict[int, bytes] = {}
        """By where pointers lead, or a label on the way begins: the name from there on, uncompressed."""

    def count(self, parts: int) -> None:
        """Note that so many parts are read.

        Raises:
            TooMuch: they are too many.
        """
        self._left -= parts
        if self._left < 0:
            raise TooMuch

    def name(self, start: int) -> tuple[bytes, int]:
        """Return the name that begins somewhere, uncompressed, and where it ends."""
        wire, at, end, passed = self.wire, start, 0, list[tuple[int, bytes]]()
        name: bytes | None = None
        while name is None:
            if len(passed) > _LONGEST_NAME:
                raise dns.exception.FormError
            length = wire[at]
            if length == 0:
                name, end = b"\0", end or at + 1
            elif length <= _LONGEST_LABEL:
                passed.append((at, wire[at : at + 1 + length]))
                at += 1 + length
            elif length < _POINTER:
                raise dns.exception.FormError
            else:
                end = end or at + 2
                passed.append((at, b""))
                at = (length - _POINTER) << 8 | wire[at + 1]
                if at >= start:
                    raise dns.exception.FormError  # it doesn't lead to a prior name
                start = at
                name = self._names.get(at)
        self.count(len(passed))
        for begin, label in reversed(passed):
            name = self._names[begin] = label + name
        if len(name) > _LONGEST_NAME:
            raise dns.exception.FormError
        return name, end
