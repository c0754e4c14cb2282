import os
import time
from collections.abc import Callable
from contextlib import closing
from threading import Event, get_native_id

import pytest

from milter64.judging import background_work
from milter64.judging.background_work import BackgroundWork, Task
from rig.envelopes import TRANSLATOR
from rig.process import until

CLIENT, OTHER = map(TRANSLATOR.client, ("192.31.196.10", "198.51.100.7"))


def test_a_task_is_done_at_the_lowest_priority_and_those_that_put_it_keep_theirs() -> None:
    priorities: list[int] = []
    with closing(BackgroundWork(lambda: None)) as behind:
        behind.put(CLIENT, [], lambda _: priorities.append(os.getpriority(os.PRIO_PROCESS, get_native_id())))
        until(lambda: priorities == [19], "the task")
    assert os.getpriority(os.PRIO_PROCESS, get_native_id()) < 19


class Held:
    """Tasks that are done when their gate is open, with the numbers of those begun and done."""

    def __init__(self) -> None:
        self.gate = Event()
        self.begun: list[int] = []
        self.done: list[int] = []

    def task(self, number: int) -> Task:
        def task(_: object) -> None:
            self.begun.append(number)
            assert self.gate.wait(60)
            self.done.append(number)

        return task


def test_too_many_tasks_of_one_network_are_left_undone_and_others_get_theirs_done_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background_work, "_THREADS", 4)
    monkeypatch.setattr(background_work, "_MOST", 8)
    held, others = Held(), list[int]()
    with closing(BackgroundWork(lambda: None)) as behind:
        for number in range(12):
            behind.put(CLIENT, [], held.task(number))
        until(lambda: len(held.begun) == 2, "what may be done at once of one network")
        until(lambda: behind.bound() == (4, 8), "what may wait of one network")
        for number in range(12, 15):
            behind.put(OTHER, [], lambda _, number=number: others.append(number))  # type: ignore[misc]  # mypy sees no defaults
        until(lambda: others == [12, 13, 14], "the tasks of another network")
        held.gate.set()
        until(lambda: len(held.done) == 6, "the tasks that had a place")

        def another() -> bool:
            behind.put(CLIENT, [], lambda _: held.done.append(99))
            return 99 in held.done

        until(another, "one more task")
    assert sorted(set(held.done)) == [0, 1, 2, 3, 4, 5, 99]


def test_of_one_network_no_more_are_looked_at_in_a_while_than_could_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_work, "_OF_ONE", 2)
    monkeypatch.setattr(background_work, "_GATHER", 1.0)
    held = Held()
    other = Event()
    with closing(BackgroundWork(lambda: None)) as behind:
        for number in range(5):
            behind.put(CLIENT, [], held.task(number))
        behind.put(OTHER, [], lambda _: other.set())
        assert other.wait(60)
        seen = list(held.begun), behind.bound()[0]
        held.gate.set()
    assert seen == ([0, 1], 0)


def test_tasks_of_many_that_wait_for_one_domain_leave_room_for_others_till_it_has_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background_work, "_THREADS", 4)
    begun: list[int] = []
    answers, end = Event(), Event()

    def task(number: int) -> Task:
        def task(answered: Callable[[str], None]) -> None:
            begun.append(number)
            assert answers.wait(60)
            answered("silent.example")
            assert end.wait(60)

        return task

    with closing(BackgroundWork(lambda: None)) as behind:
        for number in range(4):
            behind.put(TRANSLATOR.client(f"{20 + number}.0.0.1"), ["silent.example"], task(number))
        done = Event()
        behind.put(OTHER, ["honest.example"], lambda _: done.set())
        assert done.wait(60)
        until(lambda: len(begun) == 2, "two of four to begin")
        answers.set()
        until(lambda: len(begun) == 4, "all to begin")
        end.set()


def test_a_task_whose_name_is_that_of_one_still_due_is_not_put_in_again() -> None:
    held = Held()
    with closing(BackgroundWork(lambda: None)) as behind:
        for name in ("one", "one", "other", None, None):
            behind.put(CLIENT, [], held.task(0), name)
        until(lambda: len(held.begun) == 4, "the tasks to begin")
        held.gate.set()

        def again() -> bool:
            behind.put(CLIENT, [], held.task(1), "one")
            return 1 in held.done

        until(again, "the name to be free again")
    assert held.done.count(0) == 4


def test_whoever_puts_a_task_in_waits_for_no_thread_that_does_tasks() -> None:
    done = Event()
    with closing(BackgroundWork(lambda: None)) as behind:
        with behind._lock:  # noqa: SLF001  which a thread may hold that has no CPU
            behind.put(CLIENT, [], lambda _: done.set())
        assert done.wait(60)


def test_a_thread_rests_much_longer_than_it_works_unless_all_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []

    class Rest(Event):
        def wait(self, timeout: float | None = None) -> bool:
            rests.append(timeout or 0)
            return True

    monkeypatch.setattr(background_work, "Event", Rest)

    def task(_: object) -> None:
        enough = time.thread_time() + 0.02
        while time.thread_time() < enough:
            pass

    with closing(BackgroundWork(lambda: None)) as behind:
        for _ in range(3):
            behind.put(CLIENT, [], task)
        until(lambda: len([rest for rest in rests if rest >= 0.8]) == 3, "the rests, beside those to gather")


def test_what_is_put_in_is_sorted_while_all_threads_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one client's dear tasks and its flood behind them would push everybody else's out unseen."""
    monkeypatch.setattr(background_work, "_REST", 1e12)
    monkeypatch.setattr(background_work, "_THREADS", 1)
    done = Event()
    with closing(BackgroundWork(lambda: None)) as behind:
        behind.put(CLIENT, [], lambda _: done.set())
        assert done.wait(60)
        for what in ("the one whose turn it is", "the one behind it"):
            behind.put(CLIENT, [], lambda _: None)
            until(lambda: not behind._offered, what)  # noqa: SLF001  where it could be pushed out


def test_a_fault_is_told_and_ends_no_thread() -> None:
    faults: list[str] = []
    done = Event()

    def task(_: object) -> None:
        raise ValueError("strange")

    with closing(BackgroundWork(lambda: faults.append("fault"))) as behind:
        for _ in range(10):
            behind.put(CLIENT, [], task)
        behind.put(CLIENT, [], lambda _: done.set())
        assert done.wait(60)
        until(lambda: len(faults) == 10, "the faults")
