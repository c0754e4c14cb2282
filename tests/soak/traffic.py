"""The traffic of a day: so many messages a second, whatever happens, and what came of each."""

import heapq
import threading
import time
from array import array
from collections import Counter
from dataclasses import replace
from itertools import count
from queue import SimpleQueue
from random import Random
from threading import Lock, Thread

from rig.milterclient import Address
from soak.findings import Findings
from soak.judge import RESTART, STORE, excuse, may_have_to_wait
from soak.kinds import KINDS, Draw, suspect
from soak.message import ACCEPTED, LOST, NOBODY, Message, Outcome, offer
from soak.service import DELAY
from soak.trouble import Troubles

_THREADS = 400
"""More than verdicts may wait for a DNS that is silent."""
_STACK = 262_144
_PASSED = 20_000
"""Senders who have passed, and are written for again and again; more are let go."""
_SPELLINGS = ("<{local}@{DOMAIN}>", "<@relay.example:{local}@{domain}>", '<"{local}"@{domain}>', "{local}@{domain}")
_ROLL_CALL = 300
"""Of them, a second, who are called at the end: as the day's mail comes, and not all at once."""
_PAUSE = 0.005


class Traffic:
    """Messages to a service."""

    def __init__(self, address: Address, troubles: Troubles, wrong: Findings, seed: int) -> None:
        self._address = address
        self._troubles = troubles
        self._wrong = wrong
        self._chance = Random(seed)
        self._kinds, self._shares = list(KINDS), list(KINDS.values())
        self._due: list[tuple[float, int, Message]] = []
        self._passed: list[Message] = []
        self._order = count()
        self._queue: SimpleQueue[Message | None] = SimpleQueue()
        self._lock = Lock()
        self.sent = 0
        self.done = 0
        self.outcomes: Counter[tuple[str, str, str]] = Counter()
        """By kind, reply, and what excuses it."""
        self.waits = array("f")
        """Seconds that known senders' sessions took."""
        threading.stack_size(_STACK)
        self._threads = [Thread(target=self._work, daemon=True) for _ in range(_THREADS)]
        threading.stack_size(0)
        for thread in self._threads:
            thread.start()

    @property
    def remembered(self) -> int:
        """How many senders who have passed are kept to be written for."""
        return len(self._passed)

    def run(self, messages: int, seconds: float) -> None:
        """Send so many messages, evenly spread over so many seconds."""
        began = time.monotonic()
        for number in range(messages):
            self._send(self._next(_at(began + seconds * number / messages)))
        self._rest()

    def call_roll(self) -> int:
        """Send a message of every sender who is to be remembered, and return how many there are."""
        with self._lock:
            everybody = list(self._passed)
        began = time.monotonic()
        for number, message in enumerate(everybody):
            _at(began + number / _ROLL_CALL)
            self._send(replace(message, kind="roll call"))
        self._rest()
        return len(everybody)

    def close(self) -> None:
        """Let the threads go."""
        for _ in self._threads:
            self._queue.put(None)

    def _send(self, message: Message) -> None:
        self.sent += 1
        self._queue.put(message)

    def _rest(self) -> None:
        """Wait until all that was sent is done."""
        while self.done < self.sent:
            time.sleep(_PAUSE)

    def _next(self, now: float) -> Message:
        """Return a message that is due again, or draw one."""
        with self._lock:
            if self._due and self._due[0][0] <= now:
                return heapq.heappop(self._due)[2]
        chance = self._chance
        kind = chance.choices([*self._kinds, None], [*self._shares, 100 - sum(self._shares)])[0]
        if kind is None and self._passed:
            return self._known(chance)
        return (kind or suspect)(Draw(chance, self.sent))

    def _known(self, chance: Random) -> Message:
        """Return a message of a sender who has passed, now and then written otherwise."""
        with self._lock:
            message = self._passed[chance.randrange(len(self._passed))]
        if chance.random() < 0.95:
            return message
        local, _, domain = message.sender.partition("@")
        written = chance.choice(_SPELLINGS).format(local=local, domain=domain, DOMAIN=domain.upper())
        return replace(message, kind="known, spelled otherwise", written=written)

    def _work(self) -> None:
        while message := self._queue.get():
            try:
                outcome = offer(self._address, message)
                self._note(message, outcome)
            except Exception as error:  # noqa: BLE001  the message is named, and the others go on
                self._wrong.add(f"{message.kind}: {error!r}")
            with self._lock:
                self.done += 1

    def _note(self, message: Message, outcome: Outcome) -> None:
        why = excuse(message, outcome, self._troubles)
        if message.kind == "too early" and self._late(message, outcome):
            why = "too late for it"
        again = message.kind == "retry" and outcome.reply == "450"
        if why is None and again and may_have_to_wait(message.first_try, outcome.began, self._troubles):
            why = "row not written, or time lost"
        with self._lock:
            self.outcomes[message.kind, outcome.reply, why if why is not None else "WRONG"] += 1
            if message.kind == "known" and outcome.reply == ACCEPTED:
                self.waits.append(outcome.ended - outcome.began)
        if why is None:
            right = " or ".join(sorted(message.right))
            said = f"{outcome.reply} {outcome.wrong}" if outcome.wrong else outcome.text or outcome.reply
            self._wrong.add(f"{message.kind}: {_nameless(said)} where {right} is right")
        self._follow_up(message, outcome)

    def _late(self, message: Message, outcome: Outcome) -> bool:
        """Whether a retry that was to be too early was not, or nobody can tell: time may pass while nobody is there."""
        late = outcome.ended - message.first_try >= DELAY
        return late or self._troubles.met(RESTART, message.first_try, outcome.ended)

    def _follow_up(self, message: Message, outcome: Outcome) -> None:
        """Have the sender of a first try come back, too early now and then, and keep who has passed."""
        now = outcome.ended
        if outcome.reply in (LOST, NOBODY) and message.kind == "retry":
            self._again(message, now + DELAY)
        elif outcome.reply == "450" and message.kind in ("first try", "retry"):
            first = replace(message, first_try=outcome.began)
            if _number(message) % 5 == 0 and message.kind == "first try":
                self._again(replace(first, kind="too early"), outcome.began + DELAY / 6)
            retry = replace(first, kind="retry", right=frozenset({ACCEPTED}), waits=False)
            self._again(retry, now + DELAY + 1)
        elif outcome.reply == ACCEPTED and message.kind == "retry" and not self._troubles.met(STORE, now - 2, now + 2):
            with self._lock:
                known = replace(message, kind="known", passed=True)
                if len(self._passed) < _PASSED:
                    self._passed.append(known)

    def _again(self, message: Message, when: float) -> None:
        with self._lock:
            heapq.heappush(self._due, (when, next(self._order), message))


def _at(begin: float) -> float:
    """Wait until a time, and return what time it is then."""
    while (now := time.monotonic()) < begin:
        time.sleep(min(_PAUSE, begin - now))
    return now


def _number(message: Message) -> int:
    """Return the number of a first try."""
    return int(message.sender[1:].partition("@")[0])


def _nameless(text: str) -> str:
    """Return a reply without what is of one session alone, so that the same can be counted."""
    return text.partition("(milter64 ")[0][:200]
