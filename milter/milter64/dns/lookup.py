"""How a check asks DNS: through a door of its own, and side by side with the other checks of a verdict.

A check is a plain function that asks one question after the other. So that many need no thread each, each is run until
it lacks an answer; what all lack is asked side by side; and each is run again from the start when its answer is there.
Whoever asks much, or waits for something else, goes on in a thread of its own, with the answers that are there.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

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


_Question = tuple[str, str]
"""A name, and a type."""


class Asker(Protocol):
    """Who answers questions: a `Resolver`, or what a test puts in its place."""

    def ask(self, name: str, rdtype: str, deadline: float, lasting: float = 0.0) -> Answer:
        """Return the answer, or raise Unanswered before `deadline`, a time.monotonic() value.

        None that is remembered and has no more than `lasting` seconds to live will do.
        """


@frozen
class Question:
    """A question as it went: with its answer or, if there is none, the error; in `seconds`."""

    name: str
    rdtype: str
    answer: Answer | None
    error: str
    seconds: float


class Lookup:
    """One check's door to DNS within one verdict; for one thread.

    `deadline` is a time.monotonic() value. `ttl` is the shortest TTL of all answers, None before the first. `questions`
    are all that were asked, in order; what answers hold beyond `_MOST_TOLD` in all is left out of them. `out_of_means`
    says that one could not be, for want of a socket, say.
    """

    def __init__(self, resolver: Asker, deadline: float, lasting: float = 0.0) -> None:
        """Ask `resolver`, for answers that are `lasting` seconds longer than now."""
        self._resolver = resolver
        self._lasting = lasting
        self.deadline = deadline
        self.ttl: int | None = None
        self.questions: list[Question] = []
        self._told = 0
        self._half_time = 0.0
        self.out_of_means = False

    def anew(self, resolver: Asker) -> "Lookup":
        """Return a door to `resolver` for the same check, which is begun anew."""
        lookup = Lookup(resolver, self.deadline, self._lasting)
        lookup._half_time = self._half_time
        return lookup

    def half_time(self) -> float:
        """Return when half of the time is over that was left when a check wanted to know that first."""
        self._half_time = self._half_time or (time.monotonic() + self.deadline) / 2
        return self._half_time

    def ask(self, name: str, rdtype: str, until: float | None = None, shown: str = "") -> Answer:
        """Return what DNS says about a name; in `questions` it is called `shown`, if there is a secret in it.

        Raises:
            Unanswered: there is no usable answer before the deadline, or before `until` if that is earlier.
        """
        began = time.monotonic()
        if isinstance(self._resolver, Shared):
            began -= self._resolver.took(name, rdtype)
        try:
            answer = self._resolver.ask(name, rdtype, min(self.deadline, until or self.deadline), self._lasting)
        except Unanswered as unanswered:
            self.out_of_means = self.out_of_means or isinstance(unanswered, OutOfMeans)
            self._note(shown or name, rdtype, None, unanswered.in_full, began)
            raise
        self._note(shown or name, rdtype, self._cut(answer, shown), "", began)
        self.ttl = answer.ttl if self.ttl is None else min(self.ttl, answer.ttl)
        return answer

    def expect(self, name: str, rdtype: str) -> None:
        """Announce a question that will be asked after some work, which need not be done before the answer is there.

        Raises:
            Lacking: it isn't.
        """
        if isinstance(self._resolver, InRounds):
            self._resolver.expect(name, rdtype, self.deadline)

    def about_to_wait(self) -> None:
        """Announce a wait for something else than an answer, or much work, which is not to be done over and over.

        Raises:
            Lacking: others would be kept waiting.
        """
        if isinstance(self._resolver, InRounds):
            raise Lacking(None)

    def _note(self, name: str, rdtype: str, answer: Answer | None, error: str, began: float) -> None:
        seconds = time.monotonic() - began
        self.questions.append(Question(name=name, rdtype=rdtype, answer=answer, error=error, seconds=seconds))

    def _cut(self, answer: Answer, shown: str) -> Answer:
        """Return an answer as it is told of, to a question that is `shown` as another."""
        self._told += sum([len(value) if isinstance(value, bytes) else _OTHER for value in answer.values])
        if self._told <= _MOST_TOLD and not shown:
            return answer
        values = answer.values if self._told <= _MOST_TOLD else ()
        return replace(answer, name=shown or answer.name, values=values)


class Lacking(BaseException):
    """A check can't go on in this round, for want of an answer; not an Exception, which would be taken for a fault."""

    def __init__(self, question: _Question | None, deadline: float = 0.0) -> None:
        self.question = question
        self.deadline = deadline


class Resolves(Asker, Protocol):
    """Who answers many questions at once: a `Resolver`, or what a test puts in its place."""

    def ask_all(self, questions: dict[_Question, float]) -> Iterator[tuple[_Question, Answer | Unanswered | None]]:
        """Take questions, each with its deadline, those too that are added on the way; yield what comes of each.

        None says that somebody else waits for the answer already.
        """


_Outcome = tuple[Answer | Unanswered, float]
"""What has come of a question, and after how many seconds."""


class Shared:
    """Answers that all checks of a verdict share, and whoever lacks one waits for it; thread-safe."""

    def __init__(self, resolver: Resolves, outcomes: "dict[_Question, _Outcome]") -> None:
        """Ask `resolver` for what isn't among the `outcomes`."""
        self._resolver = resolver
        self._outcomes = outcomes

    def took(self, name: str, rdtype: str) -> float:
        """Return for how many seconds others have waited for an answer."""
        return self._outcomes[name, rdtype][1] if (name, rdtype) in self._outcomes else 0.0

    def ask(self, name: str, rdtype: str, deadline: float, lasting: float = 0.0) -> Answer:
        """Return an answer, or raise Unanswered."""
        if not (answer := self._known(name, rdtype)):
            began = time.monotonic()
            answer = self._resolver.ask(name, rdtype, deadline, lasting)
            self._outcomes[name, rdtype] = answer, time.monotonic() - began
        return answer

    def _known(self, name: str, rdtype: str) -> Answer | None:
        outcome = self._outcomes[name, rdtype][0] if (name, rdtype) in self._outcomes else None
        if isinstance(outcome, Unanswered):
            raise type(outcome)(str(outcome), outcome.server)  # an exception is its raiser's own
        return outcome


class InRounds(Shared):
    """The same for one thread alone: whoever lacks an answer is told so, and none is waited for but in `fetch`."""

    def __init__(self, resolver: Resolves) -> None:
        """Begin without any answer."""
        super().__init__(resolver, {})
        self._since: dict[_Question, float] = {}
        """When somebody lacked an answer first."""

    def ask(self, name: str, rdtype: str, deadline: float, lasting: float = 0.0) -> Answer:  # noqa: ARG002  an Asker's
        """Return an answer that is there, or raise Unanswered as it was.

        Raises:
            Lacking: there is neither yet.
        """
        self.expect(name, rdtype, deadline)
        answer = self._known(name, rdtype)
        assert answer
        return answer

    def expect(self, name: str, rdtype: str, deadline: float) -> None:
        """Note that somebody lacks an answer.

        Raises:
            Lacking: that is so.
        """
        if (name, rdtype) not in self._outcomes:
            self._since.setdefault((name, rdtype), time.monotonic())
            raise Lacking((name, rdtype), deadline)

    def patient(self) -> Shared:
        """Return what shares these answers, for those who wait."""
        return Shared(self._resolver, self._outcomes)

    def fetch(self, questions: dict[_Question, float]) -> Iterator[tuple[_Question, bool]]:
        """Take questions that somebody lacks the answer to, those too that are added on the way; yield each with it.

        False says that there is none: another verdict waits for it already, and `patient` will with it.
        """
        for question, outcome in self._resolver.ask_all(questions):
            if outcome:
                self._outcomes[question] = outcome, time.monotonic() - self._since[question]
            yield question, bool(outcome)
