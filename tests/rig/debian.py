"""Clean Debian systems: chroots made by debootstrap, each of which a test may change as it likes."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import get_default_verify_paths

from rig.network import HERE

_CACHE = Path(__file__).parents[2] / "build" / "debian"
"""The system of each release as debootstrap has made it, and the packages that apt has fetched."""

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}

_ENTER = """
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
if [ "$2" ]; then mount --bind "$2" "$1/var/cache/apt/archives"; else ip link set lo up; fi
root=$1
shift 2
cd /
exec chroot "$root" "$@"
"""


class Debian:
    """A minimal system of a release, such as "bookworm", in a folder of its own.

    Each command runs in namespaces of its own for processes and mounts: when it ends, nothing that it has started is
    left, and nothing is mounted in the folder.
    """

    def __init__(self, release: str, folder: Path) -> None:
        """Unpack it into `folder`, which is new. The first time, debootstrap makes it from this system's mirror."""
        self.root = folder
        self._archives = _CACHE / f"{release}-archives"
        self._archives.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
        folder.chmod(0o755)
        with _alone_with(self._archives):  # others may want to make it at the same time
            system = _system(release, folder)
        HERE.run("tar", "--extract", "--numeric-owner", "--file", str(system), "-C", str(folder))
        for name in ("etc/resolv.conf", "etc/hosts"):
            (folder / name).write_bytes(Path("/", name).read_bytes())
        proxies = [line for line in HERE.run("apt-config", "dump", "Acquire").splitlines() if "Proxy" in line]
        (folder / "etc/apt/apt.conf.d/99host").write_text("\n".join(proxies) + "\n")
        if trusted := get_default_verify_paths().cafile:
            (folder / "etc/pip.pem").write_bytes(Path(trusted).read_bytes())
            (folder / "etc/pip.conf").write_text("[global]\ncert = /etc/pip.pem\n")
        self.apt("update")

    def apt(self, *words: str) -> str:
        """Run apt-get, which asks nothing and keeps a configuration file that was changed."""
        return self.run(
            "apt-get", "-qq", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", *words
        )

    def run(self, *words: str, alone: bool = False) -> str:
        """Run a command to its end and return all its output; `alone` gives it a network of nothing but loopback.

        Raises:
            RuntimeError: it failed; what it said is in the error.
        """
        code, output = self.attempt(*words, alone=alone)
        if code:
            raise RuntimeError(f"{' '.join(words)} ended with {code}:\n{output}")
        return output

    def attempt(self, *words: str, alone: bool = False) -> tuple[int, str]:
        """Run a command to its end, and return its exit code and all its output."""
        if alone:
            return self._attempt("", *words)
        with _alone_with(self._archives):
            return self._attempt(str(self._archives), *words)

    def _attempt(self, archives: str, *words: str) -> tuple[int, str]:
        namespaces = ("--mount", "--pid", "--fork", "--kill-child", *(() if archives else ("--net",)))
        done = subprocess.run(
            HERE.command("unshare", *namespaces, "sh", "-euc", _ENTER, "sh", str(self.root), archives, *words),
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return done.returncode, done.stdout

    def clone(self, path: str) -> None:
        """Put what is committed here into a new folder there."""
        HERE.run("git", "clone", "--quiet", "--no-local", str(_CACHE.parents[1]), f"{self.root}{path}")

    def leave(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file there."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)


@contextmanager
def _alone_with(folder: Path) -> Iterator[None]:
    """Have the folder of apt's archives, which the systems of a release share, to oneself."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _system(release: str, scratch: Path) -> Path:
    """Return an archive of a clean system."""
    archive = _CACHE / f"{release}.tar"
    if not archive.exists():
        made = scratch.with_name(f"{scratch.name}-made")
        mirrors = HERE.run(
            "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"
        )
        HERE.run("debootstrap", "--variant=minbase", release, str(made), mirrors.split()[0])
        HERE.run("tar", "--create", "--numeric-owner", "--file", f"{archive}.new", "-C", str(made), ".")
        Path(f"{archive}.new").rename(archive)
    return archive
