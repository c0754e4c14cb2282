"""What faulthandler leaves behind, in a line."""

from milter64.service.crash_frames import LastWords, summary

DUMP = """Fatal Python error: Aborted

Thread 0x00007f0000000001 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 327 in wait
  File "/usr/lib/python3.11/threading.py", line 629 in wait
  File "/usr/lib/python3.11/queue.py", line 171 in get
  File "/usr/lib/python3.11/queue.py", line 180 in more
  File "/opt/milter64/guard.py", line 112 in _turn
  File "/opt/milter64/guard.py", line 100 in _run

Thread 0x00007f0000000002 (most recent call first):
  <no Python frame>

Current thread 0x00007f0000000003 [milter64] (most recent call first):
  File "/opt/milter64/worker.py", line 239 in _readable
  File "/opt/milter64/worker.py", line 200 in _serve

Extension modules: milter (total: 1)
"""


def test_each_thread_says_where_it_was_and_who_of_ours_sent_it_there() -> None:
    assert summary(DUMP) == (
        "wait (threading.py:327) < wait (threading.py:629) < get (queue.py:171) < _turn (guard.py:112); "
        "_readable (worker.py:239) < _serve (worker.py:200)"
    )


def test_threads_that_do_the_same_are_told_once_and_it_never_grows_long() -> None:
    assert summary(DUMP + DUMP) == summary(DUMP)
    assert len(summary("".join(DUMP.replace(":1", f":{n}").replace("112", str(n)) for n in range(1000)))) <= 600


def test_who_left_no_words_says_nothing() -> None:
    words = LastWords()
    assert not words.read()
    words.close()
