"""Whatever waits for sockets, side by side in one thread: each goes on at its own time, and none waits for another.

A course is written as if it were alone; where it would wait it yields what for.
"""

import math
import select
import time
from collections.abc import Generator, Iterator
from typing import NamedTuple, TypeVar

_Key = TypeVar("_Key")
_Result = TypeVar("_Result")


class Wait(NamedTuple):
    """For an event of poll(2) at a socket, of which this is the number, until `end`, a time.monotonic() value."""

    socket: int
    event: int
    end: float


Course = Generator[Wait, bool | None, _Result]
"""It is told whether the event has come in time."""


def side_by_side(courses: dict[_Key, Course[_Result]]) -> Iterator[tuple[_Key, _Result]]:
    """Take courses, those too that are added on the way, and yield what each returns as soon as it does.

    What one raises ends all.
    """
    waiting: dict[int, tuple[_Key, Course[_Result], float]] = {}
    poll = select.poll()
    while courses or waiting:
        going_on: list[tuple[_Key, Course[_Result], bool | None]] = []
        if courses:
            going_on += [(key, courses.pop(key), None) for key in tuple(courses)]
        else:
            first = min([end for _, _, end in waiting.values()])
            events = dict(poll.poll(max(0, math.ceil(1000 * (first - time.monotonic())))))
            now = time.monotonic()
            for number, (key, course, end) in tuple(waiting.items()):
                if number in events or end <= now:
                    del waiting[number]
                    poll.unregister(number)
                    going_on.append((key, course, end > now))
        for key, course, in_time in going_on:
            try:
                wait = course.send(in_time)
            except StopIteration as over:
                yield key, over.value
            else:
                waiting[wait.socket] = key, course, wait.end
                poll.register(wait.socket, wait.event)


def alone(course: Course[_Result]) -> _Result:
    """Return what a course returns."""
    ((_, result),) = side_by_side({None: course})
    return result
