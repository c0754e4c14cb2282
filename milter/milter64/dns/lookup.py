"""How a check asks DNS: it says what it wants to know, and goes on when it is told.

A check is written as if it asked one question after the other. It is a generator: whoever runs it sends it the answers,
and so has many checks ask side by side (see `asked_together`), or one after the other in a thread that waits.
"""

import time
from collections.abc import Generator
from typing import Any, NamedTuple, Protocol, TypeVar

from milter64.address.frozen_dataclass import frozen
from milter64.dns.unanswered import OutOfMeans, Unanswered

_MOST_TOLD, _OTHER = 16_384, 64
"""Octets of answers that are kept with the questions, as long as the transaction lasts; what a value has but a text."""


@frozen
class Answer:
    """What DNS says about a name.

    `values` by type: A and AAAA, addresses in canonical text; PTR, NS and CNAME, names without final dot; MX,
    (preference, name); TXT and SPF, bytes, a record's strings joined. It is empty for NXDOMAIN, when `exists` is false,
    and for NODATA. `ttl` is in seconds from now. `name` is the owner of the values, after CNAMEs. Names are in DNS's
    presentation format, whose escapes keep them printable ASCII.
    """

    exists: bool
    values: tuple[Any, ...]
    ttl: int
    name: str


class Wanted(NamedTuple):
    """An answer that a check can't go on without, until `deadline`, a time.monotonic() value."""

    name: str
    rdtype: str
    deadline: float


_Result = TypeVar("_Result")

Asking = Generator[Wanted | None, Answer | None, _Result]
"""Something that asks: it yields what it wants, and is sent the answer, or has Unanswered thrown at it.

It yields None before it waits for anything else, which may take a while.
"""


class Asker(Protocol):
    """Who answers questions: a `Resolver`, or what a test puts in its place."""

    def ask(self, name: str, rdtype: str, deadline: float, lasting: float = 0.0) -> Answer:
        """Return the answer, or raise Unanswered before `deadline`, a time.monotonic() value.

        None that is remembered and has no more than `lasting` seconds to live will do.
        """


def go_on(asking: Asking[_Result], outcome: Answer | Exception | None) -> Wanted | None:
    """Tell what has come of what was wanted, None to begin; return what is wanted next.

    Raises:
        StopIteration: nothing is; its value is what was asked for.
    """
    try:
        return asking.throw(outcome) if isinstance(outcome, Exception) else asking.send(outcome)
    finally:
        outcome = None  # it may know the way to this frame: only gc could let go of both


def asked_alone(asking: Asking[_Result], asker: Asker, lasting: float = 0.0, wanted: Wanted | None = None) -> _Result:
    """Return what comes of it if each question waits for its answer, from the first on, or from one that is `wanted`.

    `lasting` is as for `Asker.ask`.
    """
    outcome: Answer | Exception | None = None
    try:
        while True:
            outcome = None
            if wanted:
                try:
                    outcome = asker.ask(*wanted, lasting)
                except Exception as error:  # noqa: BLE001  whatever it is, it is for the one who asked
                    outcome = error
            wanted = go_on(asking, outcome)
    except StopIteration as over:
        result: _Result = over.value
        return result
    finally:
        outcome = None  # as in `go_on`


@frozen
class Question:
    """A question as it went: with its answer or, if there is none, the error; in `seconds`."""

    name: str
    rdtype: str
    answer: Answer | None
    error: str
    seconds: float


class Lookup:
    """One check's door to DNS within one verdict.

    `deadline` is a time.monotonic() value. `ttl` is the shortest TTL of all answers, None before the first. `questions`
    are all that were asked, in order; what answers hold beyond `_MOST_TOLD` in all is left out of them. `out_of_means`
    says that one could not be, for want of a socket, say.
    """

    def __init__(self, deadline: float) -> None:
        """Open it."""
        self.deadline = deadline
        self.ttl: int | None = None
        self.questions: list[Question] = []
        self._told = 0
        self._half_time = 0.0
        self.out_of_means = False

    def half_time(self) -> float:
        """Return when half of the time is over that was left when a check wanted to know that first."""
        self._half_time = self._half_time or (time.monotonic() + self.deadline) / 2
        return self._half_time

    def ask(self, name: str, rdtype: str, until: float | None = None, shown: str = "") -> Asking[Answer]:
        """Return what DNS says about a name; in `questions` it is called `shown`, if there is a secret in it.

        Raises:
            Unanswered: there is no usable answer before the deadline, or before `until` if that is earlier.
        """
        began = time.monotonic()
        try:
            answer = yield Wanted(name, rdtype, min(self.deadline, until or self.deadline))
        except Unanswered as unanswered:
            self.out_of_means = self.out_of_means or isinstance(unanswered, OutOfMeans)
            self._note(shown or name, rdtype, None, unanswered.in_full, began)
            raise
        assert answer
        self._note(shown or name, rdtype, self._cut(answer, shown), "", began)
        self.ttl = answer.ttl if self.ttl is None else min(self.ttl, answer.ttl)
        return answer

    def _note(self, name: str, rdtype: str, answer: Answer | None, error: str, began: float) -> None:
        seconds = time.monotonic() - began
        self.questions.append(Question(name=name, rdtype=rdtype, answer=answer, error=error, seconds=seconds))

    def _cut(self, answer: Answer, shown: str) -> Answer:
        """Return an answer as it is told of, to a question that is `shown` as another."""
        self._told += sum([len(value) if isinstance(value, bytes) else _OTHER for value in answer.values])
        if self._told <= _MOST_TOLD and not shown:
            return answer
        values = answer.values if self._told <= _MOST_TOLD else ()
        return Answer(exists=answer.exists, values=values, ttl=answer.ttl, name=shown or answer.name)
