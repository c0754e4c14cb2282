import os
import time
from contextlib import closing
from threading import Event, get_native_id

import pytest

from milter64 import backlog
from milter64.backlog import Backlog
from rig.process import until


def test_a_task_is_done_at_the_lowest_priority_and_those_that_put_it_keep_theirs() -> None:
    priorities: list[int] = []
    with closing(Backlog(lambda: None)) as behind:
        behind.put(lambda: priorities.append(os.getpriority(os.PRIO_PROCESS, get_native_id())))
        until(lambda: priorities == [19], "the task")
    assert os.getpriority(os.PRIO_PROCESS, get_native_id()) < 19


def test_too_many_tasks_are_left_undone_and_a_place_that_is_free_again_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backlog, "_MOST", 5)
    done: list[int] = []
    gate = Event()

    def task(number: int) -> None:
        assert gate.wait(60)
        done.append(number)

    with closing(Backlog(lambda: None)) as behind:
        for number in range(8):
            behind.put(lambda number=number: task(number))  # type: ignore[misc]  # mypy sees no defaults
        gate.set()
        until(lambda: len(done) == 5, "the tasks")

        def another() -> bool:
            behind.put(lambda: done.append(9))
            return 9 in done

        until(another, "one more task")
    assert sorted(set(done)) == [0, 1, 2, 3, 4, 9]


def test_a_thread_rests_much_longer_than_it_works_unless_all_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []

    class Rest(Event):
        def wait(self, timeout: float | None = None) -> bool:
            rests.append(timeout or 0)
            return True

    monkeypatch.setattr(backlog, "Event", Rest)

    def task() -> None:
        enough = time.thread_time() + 0.02
        while time.thread_time() < enough:
            pass

    with closing(Backlog(lambda: None)) as behind:
        for _ in range(3):
            behind.put(task)
        until(lambda: len(rests) == 3, "the rests")
    assert min(rests) >= 0.8


def test_a_fault_is_told_and_ends_no_thread() -> None:
    faults: list[str] = []
    done = Event()

    def task() -> None:
        raise ValueError("strange")

    with closing(Backlog(lambda: faults.append("fault"))) as behind:
        for _ in range(10):
            behind.put(task)
        behind.put(done.set)
        assert done.wait(60)
        until(lambda: len(faults) == 10, "the faults")
