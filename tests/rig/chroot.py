"""A Debian of its own in a folder, made by debootstrap, in which no daemon is started by its packages."""

import shutil
from pathlib import Path

from rig.network import HERE

_NO_DAEMONS = "#!/bin/sh\nexit 101\n"


class Chroot:
    """A Debian in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def bootstrap(cls, root: Path, suite: str) -> "Chroot":
        """Make the smallest Debian that has apt, of a release such as "bookworm"."""
        HERE.run("debootstrap", "--variant=minbase", suite, str(root))
        policy = root / "usr" / "sbin" / "policy-rc.d"
        policy.write_text(_NO_DAEMONS)
        policy.chmod(0o755)
        return cls(root)

    def copy(self, root: Path) -> "Chroot":
        """Return another one like it."""
        HERE.run("cp", "--archive", "--reflink=auto", str(self.root), str(root))
        return Chroot(root)

    def put(self, source: Path, path: str) -> None:
        """Copy a file or a folder to `path` in it."""
        target = self.root / path.lstrip("/")
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)

    def run(self, *words: str) -> str:
        """Run a command in it to its end, and return its output; what it leaves running ends with it.

        Raises:
            RuntimeError: it failed; the message has its output.
        """
        namespaces = ("unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.root}/proc")
        clean = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")
        return HERE.run(*namespaces, "chroot", str(self.root), *clean, "DEBIAN_FRONTEND=noninteractive", *words)

    def install(self, *packages: str) -> None:
        """Install packages, without those that they merely recommend."""
        self.run("apt-get", "update", "-qq")
        self.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)
