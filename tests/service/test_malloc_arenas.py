"""That all threads of a process share one heap, as malloc_info(3) tells."""

import subprocess
import sys

import pytest

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


@pytest.mark.parametrize(("how", "only_one"), [("one", True), ("many", False)])
def test_threads_have_one_heap_if_told_so(how: str, only_one: bool) -> None:  # noqa: FBT001  a column
    told = subprocess.run([sys.executable, "-c", CODE, how], check=True, capture_output=True, text=True).stdout
    assert (told.count("<heap nr=") == 1) is only_one
