"""What is changed in a value, by chance that a seed repeats."""

from random import Random

_SPECIAL = [
    *(b"\0", b"\t", b" ", b"\r\n", b"\n", b"\x1b[31m", b"\x7f", b"\xff\xfe", "ß".encode(), "\u3002".encode()),
    *(b"<", b">", b"@", b'"', b"\\", b"(", b")", b",", b";", b":", b"%", b"!", b"=", b".", b"..", b"/", b"%{s}", b"%n"),
    *(b"1", b"-1", b"99999999999", b"::", b"64:ff9b::", b"all", b"include:", b"xn--", b"=?utf-8?q?x?="),
]


def mutated(value: bytes, chance: Random) -> bytes:
    """Return a value with one to four changes: something put in, taken out, doubled, turned round, or lengthened."""
    octets = bytearray(value)
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(octets))
        end = min(len(octets), start + chance.choice((1, 1, 2, 5, 20)))
        match chance.randrange(6):
            case 0:
                octets[start:start] = chance.choice(_SPECIAL)
            case 1:
                del octets[start:end]
            case 2:
                octets[start:start] = octets[start:end]
            case 3:
                octets[start:end] = reversed(octets[start:end])
            case 4:
                octets[start:start] = chance.choice(_SPECIAL) * chance.choice((1, 8, 70, 300))
            case _:
                octets[start:end] = chance.randbytes(end - start)
    return bytes(octets)


def flipped(wire: bytes, chance: Random) -> bytes:
    """Return a message with some octets changed, cut off, or followed by others; its id stays, in most cases."""
    octets = bytearray(wire)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(0 if chance.random() < 0.1 else 2, len(octets))
        octets[at] = chance.choice((0, 0xC0, 0xFF, chance.randrange(256)))
    cut = chance.random()
    return bytes(octets[: chance.randrange(len(octets))]) if cut < 0.2 else bytes(octets) + (wire if cut > 0.9 else b"")
