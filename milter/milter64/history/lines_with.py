"""The lines of a log that have some text in them, found by the block before any line is looked at."""

from collections.abc import Collection


def lines_with(block: bytes, texts: Collection[bytes], lowered: bytes) -> bytes:
    """Return those lines of a block that have one of some texts in them, in order and each once.

    The texts are in lower case, and so is `lowered`, the same block. Each text is gone after by itself: one expression
    of all of them would try each at every octet.
    """
    end = len(block)
    places = [(first, text) for text in texts if (first := lowered.find(text)) >= 0]
    lines, begins = list[bytes](), 0
    while places:
        first = min(places)[0]
        line, begins = block.rfind(b"\n", 0, first) + 1, block.find(b"\n", first) + 1 or end
        lines.append(block[line:begins])
        places = [
            (place, text)
            for known, text in places
            if (place := known if known >= begins else lowered.find(text, begins)) >= 0
        ]
    return b"".join(lines)
