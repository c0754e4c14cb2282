"""Where a fail of SPF is left to DMARC, is there anybody behind milter64 who checks it?"""

from pathlib import Path

import pytest

from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.rules.postfix_settings import check
from milter64.config.load_file import parse

OURS = "inet:127.0.0.1:8864"
SIGNER = "inet:localhost:8891"
LEFT = '[spf.actions]\nfail = "dmarc"\n'
WHAT = "I see nobody behind milter64 that checks DMARC: nobody refuses whom spf.actions.fail lets in"


def warned(text: str, main: dict[str, str], *overrides: dict[str, str]) -> list[str]:
    """Return of which services it is warned: one smtpd for each of `overrides`, or one alone."""
    services = [
        Service(name=f"192.0.2.{number}:25", type="inet", chroot=False, command="smtpd", overrides=each)
        for number, each in enumerate(overrides or ({},))
    ]
    settings, problems = parse(text)
    assert not problems
    found = check(Postfix(directory=Path(), main=main, services=tuple(services)), settings)
    assert not any(trouble.breaks for trouble in found if trouble.what == WHAT)
    return [trouble.where for trouble in found if trouble.what == WHAT]


@pytest.mark.parametrize(
    ("milters", "filtering", "seen"),
    [
        (OURS, "", False),
        (f"{OURS}, {SIGNER}", "", False),
        (f"{OURS}, {SIGNER}, unix:opendmarc/dmarc.sock", "", True),
        (f"{OURS}, {{ unix:run/OpenDMARC.sock, default_action = accept }}", "", True),
        (f"{OURS}, inet:localhost:8893", "", True),
        (f"{OURS}, inet:localhost:18893", "", False),
        (f"{OURS}, inet:localhost:88930", "", False),
        (f"{OURS}, inet:[::1]:11332", "", True),
        (f"{OURS}, unix:/run/rspamd/milter.sock", "", True),
        (f"{OURS}, inet:mailauth.example:7777", "", True),
        (f"{OURS}, unix:authentication_milter.sock", "", True),
        (OURS, "lmtp:unix:/run/rspamd.sock", True),
        (OURS, "smtp-amavis:[127.0.0.1]:10024", False),
        (f"unix:opendmarc/dmarc.sock, {OURS}", "", False),
    ],
)
def test_nobody_is_seen_where_no_socket_behind_us_is_called_so(milters: str, filtering: str, seen: bool) -> None:  # noqa: FBT001  a column
    main = {"smtpd_milters": milters, "content_filter": filtering}
    assert bool(warned(LEFT, main)) is not seen


def test_each_smtpd_is_judged_by_its_own_settings() -> None:
    behind = {"smtpd_milters": f"{OURS}, unix:opendmarc.sock"}
    assert warned(LEFT, behind, {}, {"smtpd_milters": OURS}) == ["192.0.2.1:25/inet"]
    filtering = {"content_filter": "rspamd"}
    assert warned(LEFT, {"smtpd_milters": OURS}, filtering, {"content_filter": ""}) == ["192.0.2.1:25/inet"]


@pytest.mark.parametrize("text", ["", f"spf.enabled = false\n{LEFT}", '[spf.actions]\nfail = "accept"\n'])
def test_nobody_is_missed_where_nothing_is_left_to_dmarc(text: str) -> None:
    assert warned(text, {"smtpd_milters": OURS}) == []
