"""Stories of limits with a real Postfix, which refuses some recipients itself; two workers count together."""

from contextlib import ExitStack

from rig.lab import Lab
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.service import Milter64
from rig.smtp import Smtp
from rig.stage import Stage
from rig.world import HONEST_IPV6, NAMELESS, ZONES, behind


def stage(lab: Lab, limits: str) -> Stage:
    """Start a Postfix that knows two recipients, puts off one and refuses all others."""
    nsd = lab.start(Nsd, ZONES)
    configuration = f"""
[milter]
workers = 2
[dns]
nameservers = ["{nsd.server}"]
[greylist]
enabled = false
store = "sqlite:{lab.folder}/greylist.sqlite"
[rate]
{limits}
"""
    milter = lab.start(Milter64, configuration)
    postfix = lab.start(
        Postfix,
        milters=milter.milters,
        virtual_mailbox_maps="inline:{{you@lab.example=inbox/}, {later@lab.example=inbox/}}",
        smtpd_recipient_restrictions="check_recipient_access inline:{later@lab.example=DEFER}",
    )
    return Stage(dns=nsd, milter=milter, postfix=postfix)


def begin(stage: Stage, address: str, *, login: str = "") -> Smtp:
    """Return a session of a client without a name, that has said MAIL."""
    client = Smtp("127.0.0.1", stage.postfix.port)
    client.xclient(addr=address, login=login)
    client.ehlo("none.example")
    assert client.mail("a@none.example").code == 250
    return client


def test_ipv4_clients_behind_a_translator_are_counted_by_their_own_networks_over_all_workers(lab: Lab) -> None:
    here = stage(lab, 'recipients = { "ipv4/24" = "6/1h", "ipv6/64" = "3/1h" }')
    with ExitStack() as stack:
        sessions = [stack.enter_context(begin(here, behind(f"192.31.196.{n}"))) for n in range(50, 62)]
        replies = [client.rcpt("you@lab.example") for client in sessions]
        assert sorted(reply.code for reply in replies) == [250] * 6 + [450] * 6
        put_off = [reply.text for reply in replies if reply.code == 450]
        text = "4.7.1 Too many recipients from 192.31.196.0/24, please try again in 600 seconds (milter64 "
        assert all(reply.startswith(text) for reply in put_off), put_off
        other = stack.enter_context(begin(here, behind("192.31.197.50")))
        assert other.rcpt("you@lab.example").code == 250
        native = stack.enter_context(begin(here, HONEST_IPV6))
        assert [native.rcpt("you@lab.example").code for _ in range(4)] == [250] * 3 + [450]


def test_recipients_whom_postfix_refuses_use_up_their_limit_and_those_whom_it_puts_off_do_not(lab: Lab) -> None:
    here = stage(lab, 'refused_recipients = { "ipv4/32" = "3/1h" }')
    with begin(here, behind(NAMELESS)) as client:
        assert [client.rcpt("later@lab.example").code for _ in range(5)] == [450] * 5
        assert client.rcpt("you@lab.example").code == 250
        assert [client.rcpt(f"guess{n}@lab.example").code for n in range(5)] == [550] * 5
        reply = client.rcpt("you@lab.example")
        assert reply.code == 450
        assert "Too many refused recipients from 192.31.196.20/32, please try again in 1200 seconds" in reply.text
        assert client.rcpt("postmaster@lab.example").code == 550, "which Postfix has not"
        assert client.data().code == 250
    here.milter.wait_log(lambda line: line["event"] == "accepted")
    assert "guess" not in here.milter.output
    assert "later" not in here.milter.output
    with begin(here, behind(NAMELESS), login="joe") as client:
        assert client.rcpt("you@lab.example").code == 250


def test_a_session_too_many_is_hung_up_on_at_its_first_recipient(lab: Lab) -> None:
    here = stage(lab, 'sessions = { "ipv4/32" = "2/1h" }')
    with ExitStack() as stack:
        sessions = [stack.enter_context(begin(here, behind(NAMELESS))) for _ in range(3)]
        assert sorted(client.rcpt("you@lab.example").code for client in sessions) == [250, 250, 421]
        line = here.milter.wait_log(lambda line: line["event"] == "deferred")
        assert (line["reply"], line["rate"]) == ("421 4.7.0", "sessions:ipv4/32")


def test_in_observe_mode_limits_are_counted_and_logged_and_nobody_is_put_off(lab: Lab) -> None:
    here = stage(lab, 'recipients = { "ipv4/32" = "2/1h" }')
    here.milter.become('mode = "observe"\n' + here.milter.file.read_text())
    with begin(here, behind(NAMELESS)) as client:
        assert [client.rcpt("you@lab.example").code for _ in range(3)] == [250] * 3
    line = here.milter.wait_log(lambda line: "observe" in line)
    assert (line["reply"], line["rate"]) == ("450 4.7.1", "recipients:ipv4/32")
    assert (line["event"], line["observe"]) == ("abandoned", "deferred")
