"""Checks that ask side by side, in one thread: each goes on as soon as its answer is there, which is asked for once.

A failure is for those alone who waited for that answer, and as long: who asks later, or has more time, may be answered.
Who has another deadline than the question under way, or waits for something else, as for the answer that another
verdict has asked for, would keep the others waiting: he is left to who runs them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol, TypeVar

from milter64.dns.lookup import Answer, Asker, Asking, Wanted, go_on
from milter64.dns.unanswered import Unanswered

_Key = TypeVar("_Key")
_Result = TypeVar("_Result")

_Question = tuple[str, str]
"""A name, and a type."""


class Resolves(Asker, Protocol):
    """Who answers many questions at once: a `Resolver`, or what a test puts in its place."""

    def ask_all(self, questions: dict[_Question, float]) -> Iterator[tuple[_Question, Answer | Unanswered | None]]:
        """Take questions, each with its deadline, those too that are added on the way; yield what comes of each.

        None says that somebody else waits for the answer already.
        """


class Stuck(NamedTuple):
    """It is about to wait: for an answer that is `wanted`, or for something else if it is None."""

    wanted: Wanted | None


class Shared:
    """Answers that all checks of a verdict share, and whoever lacks one waits for it; thread-safe."""

    def __init__(self, resolver: Resolves) -> None:
        """Have none yet."""
        self.resolver = resolver
        self.answers: dict[_Question, Answer] = {}

    def ask(self, name: str, rdtype: str, deadline: float, lasting: float = 0.0) -> Answer:
        """Return an answer, or raise Unanswered."""
        if not (answer := self.answers.get((name, rdtype))):
            answer = self.answers[name, rdtype] = self.resolver.ask(name, rdtype, deadline, lasting)
        return answer


def asked_together(askings: Mapping[_Key, Asking[_Result]], shared: Shared) -> Iterator[tuple[_Key, _Result | Stuck]]:
    """Yield what each of them returns as soon as it does, or that it is stuck, and that others would wait with it."""
    waiting: dict[_Question, tuple[Wanted, list[_Key]]] = {}
    to_ask: dict[_Question, float] = {}

    def on(keys: Iterable[_Key], outcome: Answer | Unanswered | None) -> Iterator[tuple[_Key, _Result | Stuck]]:
        for key in keys:
            try:
                wanted = _lacked(askings[key], outcome, shared.answers)
            except StopIteration as over:
                yield key, over.value
                continue
            first, those = waiting.setdefault(wanted[:2], (wanted, [])) if wanted else (None, [])
            if not wanted or wanted != first:
                yield key, Stuck(wanted)
            else:
                if not those:
                    to_ask[wanted[:2]] = wanted.deadline
                those.append(key)

    yield from on(askings, None)
    coming = shared.resolver.ask_all(to_ask)
    while waiting:
        try:
            question, outcome = next(coming)
        except Exception:  # noqa: BLE001  whoever asks for that again meets it as a fault of his own
            yield from ((key, Stuck(wanted)) for wanted, those in waiting.values() for key in those)
            return
        wanted, those = waiting.pop(question)
        if isinstance(outcome, Answer):
            shared.answers[question] = outcome
        if outcome:
            yield from on(those, outcome)
        else:
            yield from ((key, Stuck(wanted)) for key in those)


def _lacked(
    asking: Asking[object], outcome: Answer | Unanswered | None, known: Mapping[_Question, Answer]
) -> Wanted | None:
    """Go on with what has come of a question, and with what is known; return what isn't, as `go_on` does."""
    while wanted := go_on(asking, outcome.anew() if isinstance(outcome, Unanswered) else outcome):
        if not (outcome := known.get(wanted[:2])):
            return wanted
    return None
