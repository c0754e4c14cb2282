"""Stories, numbered on, of a real Postfix and of milter64 with settings of an admin's own."""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from rig.lab import Lab
from rig.mail import Mail, facts, results
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import alive, until
from rig.procfs import children
from rig.service import Milter64
from rig.smtp import Smtp
from rig.stage import MEMORY, Stage, set_stage, wait_out_the_delay
from rig.world import HONEST, HONEST_IPV6, LIAR, NAMELESS, STRANGER, STRANGER_IPV6, ZONES, behind

pytestmark = pytest.mark.long

FORGED = Mail(token="forged", address=behind(STRANGER), helo="stranger.example")


def test_24_observing_refuses_nothing_and_does_everything_else(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f'mode = "observe"\n{MEMORY}')
    assert FORGED.send(stage).code == 250
    line = FORGED.logged(stage, "accepted")
    assert facts(line, "reply", "spf", "observe") == {"reply": "550 5.7.23", "spf": "fail", "observe": "rejected"}
    assert line["queue"]
    assert "spf=fail" in results(FORGED.delivered(stage))
    assert [each for each in stage.milter.log if "session" in each] == [line]


def test_25_whoever_came_back_while_we_observed_is_not_delayed_when_we_enforce(lab: Lab) -> None:
    store = f'[greylist]\nstore = "sqlite:{lab.folder}/greylist.sqlite"\ndelay = "1s"\n'
    stage = set_stage(lab, ZONES, f'mode = "observe"\n{store}')
    mail = Mail(token="moved", address=behind(NAMELESS), sender="a@none.example", helo="none.example")

    def passed() -> bool:
        mail.send(stage)
        return any(line.get("greylist") == "passed" for line in stage.milter.log)

    until(passed, "the observed sender to pass")
    stage.milter.become(f'{store}\n[dns]\nnameservers = ["{stage.dns.server}"]\n')
    assert mail.send(stage).code == 250


def test_26_with_apply_all_a_stranger_waits_before_dns_is_asked_and_is_refused_on_its_retry(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f'{MEMORY}apply = "all"\n')
    first = FORGED.send(stage)
    assert (first.code, first.text[:30]) == (450, "4.7.1 Greylisted, please try a")
    assert facts(FORGED.logged(stage, "greylisted"), "spf", "iprev", "greylist") == {
        "spf": None,
        "iprev": None,
        "greylist": "new",
    }
    wait_out_the_delay()
    assert FORGED.send(stage).text.startswith("5.7.23")
    honest = Mail(token="honest", address=behind(HONEST))
    assert honest.retried(stage).code == 250
    local = Mail(token="local", address="172.17.0.1")
    assert local.retried(stage).code == 250


def test_27_what_dns_says_after_the_reply_lets_the_retry_come_from_elsewhere(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f'{MEMORY}apply = "all"\n')
    assert Mail(token="pool", address=behind(HONEST)).send(stage).code == 450
    wait_out_the_delay()
    retry = Mail(token="pool", address=HONEST_IPV6)
    assert retry.send(stage).code == 250
    passed = retry.logged(stage, "accepted")
    assert passed["greylist"] == "passed"
    assert passed["group"] in {"spf:honest.example", "rdns:honest.example"}


def test_28_relays_of_ours_are_not_judged_and_what_they_say_is_kept(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f'{MEMORY}\n[trust]\nrelays = ["{STRANGER_IPV6}"]\n')
    field = "mx.lab.example; spf=pass smtp.mailfrom=honest.example"
    message = f"Authentication-Results: {field}\nReceived-SPF: pass receiver=mx.lab.example\n\nHi.\n"
    mail = Mail(token="relayed", address=STRANGER_IPV6, message=message)
    assert mail.send(stage).code == 250
    delivered = mail.delivered(stage)
    assert delivered.get_all("Authentication-Results") == [field]
    assert delivered.get_all("Received-SPF") == ["pass receiver=mx.lab.example"]
    assert mail.logged(stage, "accepted")["because"] == "exempt relay: its address is in trust.relays"


def test_29_trust_is_in_the_address_on_the_wire_and_never_in_a_decoded_one(lab: Lab) -> None:
    prefix = "2001:db8:64::/96"
    stage = set_stage(
        lab, ZONES, f'{MEMORY}\n[translation]\nprefixes = ["{prefix}"]\n[trust]\nnetworks = ["10.0.0.0/8"]\n'
    )
    decoded = Mail(
        token="decoded", address="2001:db8:64::10.0.0.1", message="Authentication-Results: mx.lab.example; x\n\n"
    )
    direct = Mail(token="direct", address="10.0.0.1", message=decoded.message)
    assert (decoded.send(stage).code, direct.send(stage).code) == (250, 250)
    assert facts(decoded.logged(stage, "accepted"), "client", "because") == {"client": "10.0.0.1", "because": None}
    assert results(decoded.delivered(stage)).startswith("mx.lab.example; none (client 10.0.0.1, ")
    assert direct.delivered(stage).get_all("Authentication-Results") == ["mx.lab.example; x"]


def test_30_explicit_mappings_are_decoded(lab: Lab) -> None:
    mapping = f'{{ ipv4 = "{HONEST}", ipv6 = "2001:db8:aaaa::1" }}'
    stage = set_stage(lab, ZONES, f"{MEMORY}\n[translation]\nexplicit = [{mapping}]\n")
    mail = Mail(token="mapped", address="2001:db8:aaaa::1")
    assert mail.send(stage).code == 250
    assert facts(mail.logged(stage, "accepted"), "client", "origin", "spf") == {
        "client": HONEST,
        "origin": "translated",
        "spf": "pass",
    }


def test_31_reverse_dns_can_be_a_reason_to_refuse_alone_and_with_others(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f'{MEMORY}\n[iprev.actions]\nfail = "reject"\ntemperror = "tempfail"\n')
    several = Mail(token="several", address=behind(LIAR), helo="none.example").send(stage)
    assert (several.code, several.text[:16]) == (550, "5.7.26 SPF fail:")
    assert "; Reverse DNS fail: elsewhere.example does not" in several.text
    alone = Mail(token="alone", address=behind(LIAR), sender="a@none.example", helo="none.example").send(stage)
    assert alone.code == 550
    assert alone.text.startswith(f"5.7.25 Reverse DNS fail: elsewhere.example does not lead back to {LIAR} (milter64 ")


def test_32_a_temperror_can_put_a_client_off(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f'{MEMORY}\n[spf.actions]\ntemperror = "tempfail"\n')
    reply = Mail(token="lost", address=behind(HONEST), sender="a@lost.example").send(stage)
    assert (reply.code, reply.text[:20]) == (451, "4.7.24 SPF temperror")


def test_33_native_ipv6_can_have_its_own_rules_of_reverse_dns(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f'{MEMORY}\n[iprev]\nipv6_actions = {{ permerror = "reject" }}\n')
    mail = Mail(token="v6", address="2001:db8:77::1", sender="a@none.example", helo="none.example")
    assert mail.send(stage).text.startswith("5.7.25 Reverse DNS permerror: ")
    assert Mail(token="v4", address=behind(NAMELESS), sender=mail.sender, helo=mail.helo).send(stage).code == 450


def test_34_a_client_may_be_refused_for_its_helo(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f'{MEMORY}\n[helo.actions]\nown-name = "reject"\nfail = "reject"\n')
    own = Mail(token="own", address=behind(STRANGER), sender="a@none.example", helo="mx.lab.example").send(stage)
    assert (own.code, own.text[:43]) == (550, "5.7.1 HELO own-name: mx.lab.example is this")
    away = Mail(token="away", address=behind(STRANGER), sender="a@none.example", helo="elsewhere.example").send(stage)
    assert (away.code, away.text[:40]) == (550, "5.7.1 HELO fail: elsewhere.example does ")


def test_35_recipients_may_opt_out_of_greylisting(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f'{MEMORY}skip_recipients = ["quick@lab.example"]\n')
    quick = Mail(token="quick", address=behind(NAMELESS), sender="a@none.example", helo="none.example")
    assert quick.send(stage).code == 250
    slow = Mail(token="slow", address=quick.address, sender=quick.sender, helo=quick.helo)
    assert slow.send(stage).code == 450


def test_36_private_addresses_are_judged_on_demand(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f"{MEMORY}\n[trust]\njudge_private = true\n")
    assert Mail(token="judged", address="172.17.0.1").send(stage).text.startswith("5.7.23")


def test_37_received_spf_is_added_on_request(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f"{MEMORY}\n[headers]\nauthentication_results = false\nreceived_spf = true\n")
    received = "Received-SPF: pass (forged) receiver=other.example\n"
    fields = f"{received}Authentication-Results: mx.lab.example; x\n{received}"
    mail = Mail(token="received", address=behind(HONEST), message=f"{fields}\nHi.\n")
    assert mail.send(stage).code == 250
    message = mail.delivered(stage)
    received_spf = [str(field) for field in message.get_all("Received-SPF", [])]
    assert [(field.split()[0], f"client-ip={HONEST}" in field) for field in received_spf] == [("pass", True)] * 2
    assert ["identity=mailfrom" in field for field in received_spf] == [False, True]
    assert message.get_all("Authentication-Results") == ["mx.lab.example; x"]


def test_38_the_log_can_keep_people_to_itself(lab: Lab) -> None:
    zones = {
        **ZONES,
        "people.example": """
        people.example. TXT "v=spf1 include:%{l}.%{lr}.people.example -all"
        """,
    }
    actions = '[spf]\nactions = { permerror = "reject" }\n[helo]\nactions = { malformed = "reject" }\n'
    stage = set_stage(lab, zones, f'{MEMORY}\n{actions}[log]\nprivacy = "hash"\n')
    joe = "joe.bloggs@honest.example"
    Mail(token="secret", address=behind(HONEST), sender=joe).send(stage)
    Mail(token="secret", address=behind(HONEST), sender="joe.bloggs@people.example").send(stage)
    Mail(token="secret", address=behind(HONEST), sender=joe, helo="joe.bloggs@honest").send(stage)
    Mail(token="secret", address=behind(HONEST), sender=joe, helo="Joe-Bloggs").send(stage)
    stage.milter.wait_log(lambda line: line["event"] == "accepted")
    stage.milter.wait_log(lambda line: line.get("because") == "spf permerror")
    until(lambda: stage.milter.output.count('"because": "helo malformed"') == 2, "the lines about HELO")
    assert "@honest.example>" in stage.milter.output
    assert not re.search("bloggs|sggolb|secret", stage.milter.output, re.IGNORECASE)


def test_39_a_chrooted_postfix_asks_over_a_unix_socket_in_its_queue(lab: Lab) -> None:
    nsd = lab.start(Nsd, ZONES)
    postfix = lab.start(Postfix, milters="unix:milter64.sock", chroot=True)
    settings = f'{MEMORY}\n[dns]\nnameservers = ["{nsd.server}"]\n[milter]\nsocket_group = "postfix"\n'
    milter = lab.start(Milter64, settings, unix=postfix.queue / "milter64.sock")
    mail = Mail(token="chroot", address=behind(HONEST))
    stage = Stage(dns=nsd, milter=milter, postfix=postfix)
    assert mail.send(stage).code == 250
    assert "spf=pass" in results(mail.delivered(stage))


def test_40_a_transaction_after_a_pause_has_a_deadline_of_its_own(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f"{MEMORY}\n[iprev]\nenabled = false\n[spf]\nhelo_actions = {{}}\n")
    stage.milter.become(
        f'{MEMORY}\n[dns]\nnameservers = ["{stage.dns.server}"]\ndeadline = "500ms"\n[iprev]\nenabled = false\n'
    )
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=behind(STRANGER))
        client.ehlo("stranger.example")

        def soft() -> int:
            client.rset()
            client.mail("a@soft.example")
            return client.rcpt("pause@lab.example").code

        assert soft() == 450
        until(lambda: soft() == 250, "a second to go by")
        client.rset()
        client.mail("a@honest.example")
        assert client.rcpt("pause@lab.example").text.startswith("5.7.23 SPF fail")


def _mails(stage: Stage, first: int, count: int) -> list[int]:
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=behind(HONEST))
        client.ehlo("mail.honest.example")
        return [
            client.transaction(f"s{number}@honest.example", [f"r{number}@lab.example"]).code
            for number in range(first, first + count)
        ]


def test_41_a_reload_under_traffic_delays_none_of_two_hundred_mails(lab: Lab) -> None:
    stage = set_stage(lab, ZONES)
    with ThreadPoolExecutor(20) as pool:
        sessions = [pool.submit(_mails, stage, number * 10, 10) for number in range(20)]
        rounds: list[int] = []
        for number in range(3):
            rounds.append(number)
            stage.milter.reload()
            until(lambda: stage.milter.reloads == len(rounds), "the reload")
        codes = [code for session in sessions for code in session.result()]
    assert codes == [250] * 200
    until(lambda: sum(line["event"] == "accepted" for line in stage.milter.log) == 200, "a line for each mail")


def test_42_a_bad_file_changes_nothing_and_says_why(lab: Lab) -> None:
    stage = set_stage(lab, ZONES)
    stage.milter.configure("[spf]\nactoins = {}\n")
    stage.milter.reload()
    line = stage.milter.wait_log(lambda line: line["level"] == "error")
    assert "spf.actoins" in line["reason"]
    assert 'did you mean "actions"?' in line["reason"]
    assert FORGED.send(stage).text.startswith("5.7.23")


def _workers(stage: Stage) -> list[int]:
    return children(stage.milter.pid)


def test_43_a_worker_killed_in_mid_session_costs_that_session_a_451_and_nobody_else_anything(lab: Lab) -> None:
    stage = set_stage(lab, ZONES, f"{MEMORY}\n[milter]\nworkers = 1\n")
    (worker,) = until(lambda: _workers(stage), "the worker")
    with Smtp("127.0.0.1", stage.postfix.port) as client:
        client.xclient(addr=behind(HONEST))
        client.ehlo("mail.honest.example")
        client.mail("a@honest.example")
        assert client.rcpt("killed@lab.example").code == 250
        os.kill(worker, signal.SIGKILL)
        until(lambda: not alive(worker))
        assert client.rcpt("killed2@lab.example").code == 451
    until(lambda: _workers(stage) not in ([], [worker]), "another worker")
    assert Mail(token="after", address=behind(HONEST)).send(stage).code == 250
    assert FORGED.send(stage).code == 550
