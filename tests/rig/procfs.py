"""Processes, other people's too, and connections, as /proc shows them."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def processes(link: str) -> Iterator[tuple[Path, str]]:
    """Yield where a link in a process's folder of /proc leads, and the process's name, for all processes."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            yield (process / link).readlink(), (process / "comm").read_text().strip()


def children(pid: int) -> list[int]:
    """Return the child processes of one; /proc/PID/task/PID/children leaves some out while others come and go."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return sorted(found)


def stopped(pid: int) -> bool:
    """Return whether all threads of a process are stopped, as by SIGSTOP; kill(2) returns before they are."""
    return _states(pid) == {"T"}


def sleeps(pid: int) -> bool:
    """Return whether all threads of a process wait for something."""
    return _states(pid) == {"S"}


def _states(pid: int) -> set[str]:
    return {stat.read_text().rpartition(")")[2].split()[0] for stat in Path("/proc", str(pid)).glob("task/*/stat")}


def shared_maps(pid: int, least: int) -> set[str]:
    """Return the memory that a process shares with others, by its inodes, where a piece has so many octets at least."""
    found = set()
    for line in Path("/proc", str(pid), "maps").read_text().splitlines():
        addresses, mode, _, _, inode, *_ = line.split()
        begin, end = (int(address, 16) for address in addresses.split("-"))
        if mode.endswith("s") and end - begin >= least:
            found.add(inode)
    return found


def server_of(port: int) -> int | None:
    """Return the process that holds the server's end of a connection from `port` of 127.0.0.1, None if none does."""
    lines = (line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:])
    remote = f"0100007F:{port:04X}"  # in tcp6 behind ::ffff:
    sockets = {Path(f"socket:[{line[9]}]") for line in lines if line[2].endswith(remote)}
    for file in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):  # it has ended meanwhile
            if file.readlink() in sockets:
                return int(file.parts[2])
    return None
