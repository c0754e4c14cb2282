"""Who is judged is who is delivered, however addresses are spelled: milter64 behind a real Postfix."""

from pathlib import Path

import pytest

from rig.debian import Debian
from rig.identity import SETTINGS, Attempt, Delivered, attempts, differences
from rig.lab import Lab
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import until
from rig.service import Milter64
from rig.smtp import Smtp
from rig.spellings import spellings
from rig.world import HONEST, ZONES, behind

SEED = 1


def judged(lab: Lab, count: int, root: Path | None = None) -> tuple[list[Attempt], list[str]]:
    """Send so many spellings through Postfix, half of them senders, and return them, and what was judged wrongly."""
    store = lab.folder / "rows.sqlite"
    nsd = lab.start(Nsd, ZONES)
    milter = lab.start(Milter64, SETTINGS.format(store=store, dns=nsd.server))
    postfix = lab.start(Postfix, milters=milter.milters, root=root, virtual_mailbox_domains="static:all")

    def connect() -> Smtp:
        client = Smtp("127.0.0.1", postfix.port)
        client.xclient(addr=behind(HONEST))
        client.ehlo("mail.honest.example")
        return client

    tried = attempts(connect, spellings("x.example", count // 2, SEED), spellings("lab.example", count // 2, SEED))
    taken = {attempt.token for attempt in tried if attempt.taken}
    inbox = lab.folder / f"{lab.servers.index(postfix) + 1}-postfix" / "mail" / "inbox" / "new"
    delivered = until(lambda: (found := _delivered(inbox)).keys() >= taken and found, "all messages", seconds=120)
    return tried, differences(tried, milter, store, delivered)


def _delivered(inbox: Path) -> dict[str, Delivered]:
    found = {}
    for path in inbox.glob("*"):
        header = path.read_bytes().partition(b"\n\n")[0].decode().replace("\n ", " ").replace("\n\t", " ")
        fields = dict(reversed([line.split(": ", 1) for line in header.split("\n") if ": " in line]))
        results = [line for line in header.split("\n") if line.startswith("Authentication-Results: mx.lab.example;")]
        each = Delivered(
            sender=fields["Return-Path"], recipient=f"<{fields['Delivered-To']}>", results=" ".join(results)
        )
        found[each.token] = each
    return found


def test_who_is_judged_is_who_postfix_delivers(lab: Lab) -> None:
    tried, wrong = judged(lab, 400)
    assert wrong == []
    assert sum(attempt.taken for attempt in tried) > 150


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_who_is_judged_is_who_the_postfix_of_each_release_delivers(lab: Lab, tmp_path: Path, release: str) -> None:
    debian = Debian(release, tmp_path / "root")
    debian.run("sh", "-c", "echo postfix postfix/main_mailer_type select No configuration | debconf-set-selections")
    debian.apt("install", "postfix")
    tried, wrong = judged(lab, 3000, debian.root)
    assert wrong == []
    assert sum(attempt.taken for attempt in tried) > 1000
