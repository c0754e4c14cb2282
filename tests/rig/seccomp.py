"""Run a command with some system calls alone: all others fail with EPERM, as systemd has it.

Run as a program: its arguments are a JSON file with the names of the system calls, and the command.
"""

import ctypes
import errno
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_ERRNO = 0x00050000
_ALLOW = 0x7FFF0000
"""SCMP_ACT_ERRNO and SCMP_ACT_ALLOW of seccomp.h."""


def confine(calls: Sequence[str]) -> None:
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(_ERRNO | errno.EPERM))
    for call in calls:
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:  # else this architecture, or this libseccomp, doesn't know it
            assert seccomp.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0) == 0, call
    assert seccomp.seccomp_load(context) == 0


if __name__ == "__main__":
    confine(json.loads(Path(sys.argv[1]).read_text()))
    os.execvp(sys.argv[2], sys.argv[2:])
