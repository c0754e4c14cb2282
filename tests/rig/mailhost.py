"""A mail host to type commands on: this one, but for what they may change."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from milter64.greylist.row import Record, RecordKind
from milter64.greylist.settings import Settings
from milter64.store.sqlite_merging import Merging
from rig.network import HERE, Network
from rig.pages import ROOT

_ENTER = """
hostname mx.example.org
mount --bind "$1/etc" /etc
for folder in /run /var/lib /var/log /var/spool; do mount -t tmpfs none "$folder"; done
mkdir /run/fail2ban /var/lib/fail2ban /var/lib/milter64 /var/lib/postfix /var/spool/postfix /var/spool/postfix/milter64
cp "$1/greylist.sqlite" /var/lib/milter64
cp "$1/milter64.log" /var/log
chown postfix /var/lib/postfix
touch /var/log/auth.log
mount --bind "$2" "$2"
mount -o remount,bind,ro "$2"
cd "$2"
[ -z "$3" ] || $3 >/dev/null 2>&1
exec bash -euo pipefail -c "$4" 2>&1
"""
"""Its /etc is a copy, what else it changes is empty, and the repository is read only."""

_SERVERS = {"postfix reload": "postfix start", "fail2ban-client reload": "fail2ban-client start"}
"""How the server is started that a command needs."""

_DRY = 'make() { command make --dry-run "$@"; }\n'
"""What `make` does here: nothing, but it has to know the target."""

_SUBMISSION = (
    "\nsubmission inet n - y - - smtpd\nsubmissions inet n - y - - smtpd\n127.0.0.1:10025 inet n - y - - smtpd\n"
)
"""Lines that many a master.cf has, beside those of Debian's."""


_LOG = (
    "time=2026-11-21T00:53:07.644Z level=info event=rejected ban=64:ff9b::c01f:c428 session=d26eb094 "
    "client=192.31.196.40 wire=64:ff9b::c01f:c428 port=40000 origin=translated helo=nowhere.example "
    "from=<joe@honest.example> to=<you@example.org> spf_helo=none spf=fail "
    'because="spf fail: 192.31.196.40 is not permitted by honest.example (-all)" reply="550 5.7.23" ms=24.2\n'
)
"""The line of a refusal."""


def _row() -> Record:
    """Return a row of somebody who has just begun to wait."""
    return Record(generation=0, first_seen=time.time())


class MailHost:
    """mx.example.org: Debian's Postfix and fail2ban, and milter64."""

    def __init__(self, folder: Path, *, network: Network, settings: str) -> None:
        """Have its /etc in `folder`, with these settings of milter64; the nameserver is 127.0.0.1 in `network`."""
        self._folder, self._network, self._settings = folder, network, settings
        HERE.run("cp", "--archive", "/etc", str(folder))
        (folder / "milter64.log").write_text(_LOG)
        with Merging(folder / "greylist.sqlite", RecordKind(Settings()), print) as merging:
            merging.merge([("<ann@partner.example> <you@example.org>", {"net:198.51.100.0/24": _row()})])

    def type(self, commands: str) -> tuple[int, str]:
        """Run commands in the folder of the repository as bash does, up to the first that fails.

        Return its exit code, and what all of them have printed. The next commands find nothing of what these have done.
        """
        self._forget()
        servers = [start for command, start in _SERVERS.items() if command in commands]
        namespaces = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
        inside = ("sh", "-euc", _ENTER, "sh", str(self._folder), str(ROOT), " && ".join(servers), _DRY + commands)
        done = subprocess.run(
            self._network.command(*namespaces, *inside),
            env={"PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def _forget(self) -> None:
        """Make the files anew that commands may change."""
        etc, debian = self._folder / "etc", Path("/usr/share/postfix")
        for name in ("postfix", "fail2ban"):
            shutil.rmtree(etc / name)
            shutil.copytree(Path("/etc", name), etc / name, symlinks=True)
        # Without the limit of which there is more to say from Postfix 3.8 on.
        main = f"{(debian / 'main.cf.debian').read_text()}\nsmtpd_client_connection_count_limit = 0\n"
        (etc / "postfix" / "main.cf").write_text(main)
        (etc / "postfix" / "master.cf").write_text((debian / "master.cf.dist").read_text() + _SUBMISSION)
        (etc / "milter64").mkdir(exist_ok=True)
        (etc / "milter64" / "milter64.toml").write_text(self._settings)
        (etc / "resolv.conf").unlink(missing_ok=True)
        (etc / "resolv.conf").write_text("nameserver 127.0.0.1\n")
