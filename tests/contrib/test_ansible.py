"""The Ansible role, played by Debian's ansible in a clean Debian with a Postfix that has milters already."""

import json
import re
from dataclasses import dataclass

import pytest

from rig import deb
from rig.chroot import Chroot
from rig.lab import Lab

CONTRIB = deb.ROOT / "contrib" / "ansible"
OURS = "unix:milter64/milter64.sock"
SIGNER, DMARC = "inet:127.0.0.1:8891", "inet:127.0.0.1:8893"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # Debian is installed first


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A mail server that ansible sets up."""

    chroot: Chroot

    def play(self, **variables: str) -> int:
        """Play it, and return how many things have changed."""
        told = self.chroot.run(
            *("ansible-playbook", "-c", "local", "-i", "localhost,"),
            *("-e", "ansible_python_interpreter=/usr/bin/python3"),
            *("-e", json.dumps({"milter64_package": "/root/milter64.deb", **variables}), "/root/ansible/site.yml"),
        )
        return int(re.findall(r"^localhost .* changed=(\d+) ", told, flags=re.MULTILINE)[0])

    def postconf(self, *words: str) -> str:
        return self.chroot.run("postconf", *words).strip()

    def milters(self) -> dict[str, str]:
        """Return the milters of main.cf, as "", and of each service that has its own."""
        own = re.findall(r"^(\w+)/inet/smtpd_milters = ?(.*)$", self.postconf("-P"), flags=re.MULTILINE)
        return {"": self.postconf("-h", "smtpd_milters"), **dict(own)}

    @property
    def configuration(self) -> str:
        return (self.chroot.root / "etc/milter64/milter64.toml").read_text()


@pytest.fixture
def host(bookworm: Chroot, lab: Lab) -> Host:
    chroot = bookworm.copy(lab.folder / "host")
    chroot.install("ansible-core", "postfix", "python3-apt")
    chroot.put(CONTRIB, "/root/ansible")
    chroot.put(deb.build(lab.folder / "milter64"), "/root/milter64.deb")
    (chroot.root / "etc/postfix/main.cf").write_text("compatibility_level = 3.6\n")
    host = Host(chroot=chroot)
    for service in ("submission", "smtps"):
        host.postconf("-M", f"{service}/inet={service} inet n - y - - smtpd")
    host.postconf("-P", f"smtps/inet/smtpd_milters={SIGNER}")
    return host


def test_a_role_sets_up_milter64_before_postfix_and_finds_nothing_to_do_the_second_time(host: Host) -> None:
    host.postconf("-e", f"smtpd_milters = {SIGNER}, {{ {OURS}, default_action=accept }}, {DMARC}")
    assert host.play() == 4  # the package, its settings, submission, main.cf
    assert host.milters() == {"": f"{OURS},{SIGNER},{DMARC}", "submission": f"{SIGNER},{DMARC}", "smtps": SIGNER}
    assert 'prefixes = ["64:ff9b::/96"]' in host.configuration
    before = host.configuration
    assert host.play() == 0

    with pytest.raises(RuntimeError, match="sideways"):
        host.play(milter64_settings='mode = "sideways"\n')
    assert host.configuration == before
    assert host.play(milter64_settings='mode = "observe"\n') == 1
    assert host.configuration == 'mode = "observe"\n'

    host.postconf("-e", "smtpd_milters =")
    host.postconf("-PX", "submission/inet/smtpd_milters")
    assert host.play(milter64_settings='mode = "observe"\n') == 2
    assert host.milters() == {"": OURS, "submission": "", "smtps": SIGNER}

    shared = '[greylist]\nstore = "redis://milter64@192.0.2.10?password_file=/etc/milter64/redis-password"\n'
    for changes in (2, 0):  # the settings, and the password
        assert host.play(milter64_settings=shared, milter64_redis_password="s3cret") == changes
    password = host.chroot.root / "etc/milter64/redis-password"
    assert (password.read_text(), oct(password.stat().st_mode)) == ("s3cret\n", "0o100640")
    assert password.stat().st_gid != 0
