"""The unit under a real systemd: a Debian with the package, booted by systemd-nspawn, where a script acts and says."""

import os
import subprocess
from pathlib import Path

import pytest

from rig.deb import ROOT
from rig.debian import Debian
from rig.network import HERE

PROOF = """[Unit]
After=multi-user.target milter64.service
[Service]
Type=oneshot
ExecStart=/bin/bash /proof
ExecStopPost=/bin/systemctl poweroff --force
[Install]
WantedBy=default.target
"""

SCRIPT = r"""
exec >/said 2>&1
state() { echo "$(systemctl is-active milter64) $(systemctl show milter64 --property=StatusText --value)"; }
main() { systemctl show milter64 --property=MainPID --value; }
restarts() { systemctl show milter64 --property=NRestarts --value; }
within() { for _ in $(seq 600); do eval "$1" && return; sleep 0.1; done; echo "in vain: $1"; state; }
answers() { python3 -c 'import sys; from milter64.config.listen_address import endpoint
from milter64.service.milter_probe import is_served
sys.exit(not is_served(endpoint("inet:8864@'"$1"'"), 5))'; }
active() { [ "$(systemctl is-active milter64)" = active ]; }

ip link set lo up
within active; echo "start: $(state)"
answers 127.0.0.1 && echo "start: answers"
stat --format 'folders: %n %U %a' /run/milter64 /var/lib/milter64

systemctl reload milter64; echo "reload: $?"
within '[[ $(state) == *reloaded:* ]]'
echo nonsense = 1 >>/etc/milter64/milter64.toml
systemctl reload milter64 2>/dev/null; echo "broken: $? $(systemctl is-active milter64)"
sed -i '$d' /etc/milter64/milter64.toml

worker=$(pgrep -P "$(main)" | head -1)
kill -STOP "$worker"
within '! kill -0 '"$worker"' 2>/dev/null'
within 'answers 127.0.0.1'; echo "stuck: replaced, restarts $(restarts)"

kill -KILL "$(main)"
within '[ "$(restarts)" = 1 ]'; within active; within 'answers 127.0.0.1'; echo "killed: restarted"

printf '[milter]\nsocket = "inet:8864@192.0.2.1"\n' >/etc/milter64/milter64.toml
systemctl restart milter64 2>/dev/null
within '[ "$(restarts)" -ge 6 ]'; echo "no address: $(systemctl is-failed milter64)"
ip address add 192.0.2.1/32 dev lo
within active; answers 192.0.2.1 && echo "address: answers"

kill -STOP "$(main)"
within '[ "$(systemctl show milter64 --property=Result --value)" = watchdog ]'; echo "watchdog: has bitten"
within active; within 'answers 192.0.2.1'; echo "watchdog: restarted"
systemctl stop milter64; echo "stop: $? $(systemctl show milter64 --property=Result --value) $(pgrep -c milter64)"
"""

SAID = """start: active ready: inet:8864@localhost, workers: {cpus}
start: answers
folders: /run/milter64 milter64 711
folders: /var/lib/milter64 milter64 750
reload: 0
broken: 1 active
stuck: replaced, restarts 0
killed: restarted
no address: activating
address: answers
watchdog: has bitten
watchdog: restarted
stop: 0 success 0
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_unit_starts_reloads_heals_and_stops_under_a_real_systemd(tmp_path: Path) -> None:
    built = tmp_path / "package"
    HERE.run(str(ROOT / "packaging" / "build-deb"), str(built))
    debian = Debian("bookworm", tmp_path / "root")
    (package,) = built.iterdir()
    (debian.root / "package.deb").write_bytes(package.read_bytes())
    debian.apt("install", "/package.deb", "systemd-sysv", "dbus", "iproute2", "procps")
    watchdog = "[Service]\nWatchdogSec=15s\n"  # as the unit's, but sooner
    debian.leave("/etc/systemd/system/milter64.service.d/sooner.conf", watchdog)
    debian.leave("/etc/systemd/system/proof.service", PROOF)
    debian.leave("/proof", SCRIPT)
    debian.run("systemctl", "set-default", "multi-user.target")
    debian.run("systemctl", "enable", "milter64", "proof")
    nspawn = ("systemd-nspawn", "--register=no", "--keep-unit", "--private-network", "--console=pipe", "--boot")
    subprocess.run([*nspawn, f"--directory={debian.root}"], stdin=subprocess.DEVNULL, check=False, timeout=600)
    cpus = len(os.sched_getaffinity(0))
    assert (debian.root / "said").read_text().splitlines() == SAID.format(cpus=cpus).splitlines()
