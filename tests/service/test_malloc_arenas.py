"""That all threads of a process share one heap, as malloc_info(3) tells."""

import os
import subprocess
import sys
from socket import socketpair
from types import SimpleNamespace

import pytest

from milter64.service import worker
from milter64.service.channel import ASK

CODE = """
import ctypes, sys, threading
from milter64.service.malloc_arenas import one_arena
if sys.argv[1] == "one":
    one_arena()
here = threading.Barrier(4)
def take():
    octets = bytearray(10_000)
    here.wait()
threads = [threading.Thread(target=take) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


KEPT = """
import re
from milter64.service.malloc_arenas import give_back
taken = [bytes(16_000) for _ in range(4000)]
taken[:-1] = []
def here():
    print(re.search(r"^RssAnon:\\s+(\\d+)", open("/proc/self/status").read(), re.MULTILINE)[1])
here()
give_back()
here()
"""


def test_what_is_free_beneath_something_is_given_back() -> None:
    told = subprocess.run([sys.executable, "-c", KEPT], check=True, capture_output=True, text=True).stdout
    before, after = map(int, told.split())
    assert before - after > 50_000


@pytest.mark.parametrize(("seconds", "times"), [(0.0, 1), (1e9, 0)])
def test_a_worker_gives_back_every_so_often(monkeypatch: pytest.MonkeyPatch, seconds: float, times: int) -> None:
    given_back: list[bool] = []
    monkeypatch.setattr(worker, "give_back", lambda: given_back.append(True))
    monkeypatch.setattr(worker, "_GIVE_BACK", seconds)
    door = SimpleNamespace(visitors=[], wait=None, has_sessions=True, is_open=True, answered=bool, ask=int, shut=int)
    ours, channel = socketpair()
    bell, ringer = socketpair()
    with ours, channel, bell, ringer:
        ours.send(ASK)
        ringer.send(b"\0")  # libmilter has ended: so does all
        assert worker._serve(channel, bell, int, door) == os.EX_SOFTWARE  # type: ignore[arg-type]  # noqa: SLF001  fakes
    assert len(given_back) == times


@pytest.mark.parametrize(("how", "only_one"), [("one", True), ("many", False)])
def test_threads_have_one_heap_if_told_so(how: str, only_one: bool) -> None:  # noqa: FBT001  a column
    told = subprocess.run([sys.executable, "-c", CODE, how], check=True, capture_output=True, text=True).stdout
    assert (told.count("<heap nr=") == 1) is only_one
