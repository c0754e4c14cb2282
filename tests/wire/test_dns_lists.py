"""DNS lists in a real service, over the wire: whom they refuse and spare, and what becomes of lists that go wrong."""

import json
import sys
from collections.abc import Iterator
from functools import partial

import pytest

from rig.direct import Message
from rig.dnslists import DnsList, ListServer
from rig.dnsserver import Fault
from rig.lab import Lab
from rig.numbers import Counted
from rig.process import Process, until
from rig.world import HONEST, LIAR, RECORDS, STRANGER, behind

KEY = "s3cr3tk3ys3cr3tk3y"
ZEN, DBL, WHITE = f"{KEY}.zen.lists.example", "dbl.lists.example", "wl.lists.example"
OTHERS = "other.lists.example", "third.lists.example"
REVERSED = {address: ".".join(reversed(address.split("."))) for address in (HONEST, LIAR, STRANGER)}
NEVER = Message(address=behind(STRANGER), helo="stranger.example", sender="a@none.example")
GREETED = Message(address=behind(HONEST))


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer({zone: DnsList() for zone in (ZEN, DBL, WHITE, *OTHERS)}) as server:
        server.records = {**RECORDS, "none.example": {"A": ["192.31.196.1"]}}
        yield server


def start(lab: Lab, server: ListServer, *lists: str, more: str = "", timeout: str = "5s") -> Counted:
    tables = "".join(f"[[dnslist]]\n{each}\n" for each in lists)
    dns = f'[dns]\nnameservers = ["{server.address}"]\ntimeout = "{timeout}"\n'
    return lab.start(Counted, f'{tables}{dns}[milter]\nworkers = 1\n[greylist]\nstore = "memory:"\n{more}')


def unknown(address: str) -> Message:
    """Return a message that nothing speaks against but that its client has no name."""
    return Message(address=behind(address), helo="none.example", sender="a@none.example")


def zone(name: str, *more: str) -> str:
    return "\n".join([f'zone = "{name}"', *more])


def test_a_client_behind_a_translator_is_refused_by_its_ipv4_address_and_told_why(lab: Lab, server: ListServer) -> None:
    server.lists[ZEN].listed = {REVERSED[STRANGER]: ["127.0.0.4"]}
    milter = start(lab, server, zone(ZEN, 'answers = ["127.0.0.2-11"]', 'text = "see https://x.example/{address}"'))
    reply = NEVER.offer(milter)
    assert reply.text.startswith(
        f"550 5.7.1 zen.lists.example lists {STRANGER}: see https://x.example/{STRANGER} (milter64 "
    )
    line = milter.wait_log(lambda line: line["event"] == "rejected")
    assert line["dnsbl"] == "zen.lists.example:listed"
    assert line["because"] == f"dnsbl listed: zen.lists.example lists {STRANGER} (127.0.0.4)"
    assert GREETED.offer(milter).action == "continue"
    assert REVERSED[STRANGER] in server.asked(ZEN)
    assert not [name for name in server.asked(ZEN) if name.endswith(".b.9.f.f.4.6.0.0")]


def test_of_three_lists_one_dead_one_refusing_and_one_that_says_yes_to_all_cost_no_mail_and_the_others_work_on(
    lab: Lab, server: ListServer
) -> None:
    server.lists[ZEN].listed = {REVERSED[STRANGER]: ["127.0.0.4"]}
    milter = start(lab, server, *map(zone, (ZEN, DBL, WHITE, *OTHERS)), timeout="1s")
    assert GREETED.offer(milter).action == "continue"
    dead, refusing = OTHERS
    server.lists[dead].fault, server.lists[refusing].fault = Fault.SILENT, Fault.REFUSED
    server.lists[DBL].everybody = "127.0.0.2"
    for last in range(50, 56):
        assert unknown(f"192.31.196.{last}").offer(milter).action != "reject"
    assert NEVER.offer(milter).text.startswith(f"550 5.7.1 zen.lists.example lists {STRANGER} (milter64")
    milter.wait_log(lambda line: line["event"] == "dns list" and line["list"] == dead)
    told = {line["list"]: line["trouble"] for line in milter.log if line["event"] == "dns list"}
    assert told == {
        DBL: "IPv4 addresses: it lists whatever it is asked about: 127.0.0.2",
        dead: "IPv4 addresses: no answer in time",
        refusing: "IPv4 addresses: REFUSED",
    }
    asked = len(server.asked(dead))
    assert Message(address=behind("192.31.196.60")).offer(milter).text.startswith("550 5.7.23")
    assert len(server.asked(dead)) == asked
    for name in (DBL, dead, refusing):
        until(partial(counted, milter, name), f"the number of {name}")


def counted(milter: Counted, name: str) -> float:
    """Return how often a list has counted for nothing."""
    results = ("permerror", "temperror")
    return sum(milter.number("findings_total", check="dnsbl", property=name, result=each) for each in results)


def test_a_list_that_is_dead_is_asked_again_when_it_is_back(lab: Lab, server: ListServer) -> None:
    server.lists[ZEN].listed = {REVERSED[STRANGER]: ["127.0.0.4"]}
    server.lists[ZEN].fault = Fault.SERVFAIL
    milter = start(lab, server, zone(ZEN))
    assert NEVER.offer(milter).action != "reject"
    milter.wait_log(lambda line: line["event"] == "dns list")
    server.lists[ZEN].fault = Fault(0)
    until(lambda: NEVER.offer(milter).text.startswith("550 5.7.1"), "the list to count again", seconds=30)
    assert milter.wait_log(lambda line: line["event"] == "dns list counts again")["list"] == "zen.lists.example"


def test_a_list_that_accepts_spares_the_greylist_alone_and_stands_in_the_header(lab: Lab, server: ListServer) -> None:
    server.lists[WHITE].listed = {REVERSED[LIAR]: ["127.0.10.1"], REVERSED[STRANGER]: ["127.0.10.2"]}
    milter = start(lab, server, zone(WHITE, 'action = "accept"'), more='apply = "all"\n')
    assert unknown("192.31.196.50").offer(milter).text.startswith("450 4.7.1")
    spared = unknown(LIAR).send(milter)
    assert spared.action == "continue"
    fields = " ".join(" ".join(value for _, value in spared.headers).split())
    assert f"dnswl=pass ({WHITE} lists {LIAR}) dns.zone={WHITE} policy.ip=127.0.10.1 dns.sec=na" in fields
    line = milter.wait_log(lambda line: line["event"] == "accepted")
    assert line["dnswl"] == f"{WHITE}:pass"
    forged = Message(address=behind(STRANGER), helo="stranger.example").offer(milter)
    assert forged.text.startswith("550 5.7.23"), "SPF counts all the same"


@pytest.mark.parametrize(
    ("about", "name"), [("sender", "none.example"), ("helo", "stranger.example"), ("name", "stranger.example")]
)
def test_a_list_of_domains_is_asked_about_the_sender_the_helo_name_or_the_confirmed_name(
    lab: Lab, server: ListServer, about: str, name: str
) -> None:
    server.lists[DBL].listed = {name: ["127.0.1.2"]}
    milter = start(lab, server, zone(DBL, f'about = ["{about}"]', 'action = "tempfail"'))
    assert NEVER.offer(milter).text.startswith(f"451 4.7.1 dbl.lists.example lists {name} (milter64 ")
    assert milter.wait_log(lambda line: line["event"] == "deferred")["dnsbl"] == f"{DBL}/{about}:listed"
    assert GREETED.offer(milter).action == "continue"


def test_a_list_is_not_asked_about_private_addresses_nor_where_its_word_could_change_nothing(
    lab: Lab, server: ListServer
) -> None:
    milter = start(lab, server, zone(ZEN, 'action = "greylist"'), zone(WHITE, 'action = "accept"'))
    assert Message(address="10.0.0.1").send(milter).action == "continue"
    assert Message(address="64:ff9b::a00:1").send(milter).action == "continue"
    assert server.asked(ZEN) == server.asked(WHITE) == []
    assert Message(address=behind(STRANGER), helo="stranger.example").offer(milter).text.startswith("550 5.7.23")
    assert server.asked(WHITE) == []


def test_a_key_is_in_no_log_no_number_no_header_no_reply_and_nothing_that_a_command_prints(
    lab: Lab, server: ListServer
) -> None:
    white = f"{KEY}.wl.lists.example"
    server.lists[white] = DnsList({REVERSED[HONEST]: ["127.0.10.1"]})
    server.lists[ZEN].listed = {REVERSED[STRANGER]: ["127.0.0.4"]}
    milter = start(
        lab,
        server,
        zone(ZEN, 'about = ["client", "sender", "helo", "name"]'),
        zone(white, 'action = "accept"'),
        more='[log]\nlevel = "debug"\n',
    )
    seen = [NEVER.offer(milter).text, repr(GREETED.send(milter).headers)]
    server.lists[white].fault = Fault.SERVFAIL
    server.lists[ZEN].everybody = "127.0.0.2"
    seen += [Message(address=behind(f"192.31.196.{last}")).send(milter).text for last in range(50, 55)]
    wrong = milter.file.read_text().replace(ZEN, f"{ZEN} ").replace(f'"{white}"', f'["{white}"]')
    good = milter.file.read_text()
    milter.file.write_text(wrong)
    milter.reload()
    milter.wait_log(lambda line: "not shown" in json.dumps(line))
    milter.file.write_text(good)
    until(lambda: "zen.lists.example" in milter.get("/metrics")[1], "the numbers of the lists")
    seen += [milter.output, milter.get("/metrics")[1]]
    words = "explain", behind(STRANGER), "--to", "u@lab.example", "--from", "a@none.example"
    for command in (words, (*words, "--json"), ("check-config",), ("check-config", "--json")):
        with Process(sys.executable, "-m", "milter64", *command, "--config", milter.file) as process:
            process.wait()
            seen.append(process.output)
    assert "zen.lists.example lists" in seen[0]
    assert "dns.zone=wl.lists.example" in seen[1]
    assert 'property="zen.lists.example"' in "".join(seen)
    assert [text for text in seen if KEY in text] == []
