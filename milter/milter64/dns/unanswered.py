"""What comes of a question to DNS but an answer."""


class Unanswered(Exception):  # noqa: N818  it says what came of the question; nobody erred
    """A question got no usable answer; the text says why, in a few clean words that anyone may read.

    `server` is the nameserver that it was, which is the admin's business alone; empty if it was none.
    """

    def __init__(self, text: str, server: object = "") -> None:
        super().__init__(text)
        self.server = str(server)

    def anew(self) -> "Unanswered":
        """Return the same for another who asked: an exception is its raiser's own, and knows the way that it came."""
        return type(self)(str(self), self.server)

    @property
    def in_full(self) -> str:
        """The text and the nameserver."""
        return f"{self} ({self.server})" if self.server else str(self)


class OutOfMeans(Unanswered):
    """We could not ask, as this process or this host has run out of something: nobody else is silent."""


class TimedOut(Unanswered):
    """No nameserver answered in time."""
