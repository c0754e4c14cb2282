"""The admin's lists in a real service with real DNS, over the wire: whom they let in and keep out, and how soon."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count

import pytest

from rig.direct import Message, session
from rig.lab import Lab
from rig.milterclient import MilterClient
from rig.nsd import Nsd
from rig.numbers import Counted
from rig.process import until
from rig.procfs import server_of
from rig.service import Milter64
from rig.verbs import said
from rig.world import HONEST, LIAR, STRANGER, STRANGER_IPV6, ZONES, behind

Start = Callable[..., Milter64]
Settled = Callable[..., str]

NEW = Message(address=behind(HONEST))
"""Nothing speaks against him, but that all who are new must wait."""
FORGED = Message(address=behind(STRANGER), helo="stranger.example")
"""His domain's SPF says no."""
SOFT = replace(FORGED, sender="a@soft.example")
YES, WAIT, NO, BLOCKED = "continue", "450 4.7.1", "550 5.7.23", "550 5.7.1"


@pytest.fixture(scope="module")
def settled() -> Iterator[Settled]:
    """Complete a configuration: all who are new wait, and nobody is known yet."""
    with Lab() as lab:
        nsd, stores = lab.start(Nsd, ZONES), count()

        def settled(configuration: str = "", apply: str = "all") -> str:
            return f"""
                [milter]
                workers = 1
                [dns]
                nameservers = ["{nsd.server}"]
                [greylist]
                apply = "{apply}"
                delay = "1h"
                store = "sqlite:{lab.folder}/rows-{next(stores)}"
                {configuration}
            """

        yield settled


@pytest.fixture(scope="module")
def served(settled: Settled) -> Iterator[Milter64]:
    with Lab() as lab:
        yield lab.start(Milter64, settled())


@pytest.fixture
def start(settled: Settled, served: Milter64) -> Start:
    """Have a service go by some configuration."""

    def start(configuration: str = "", apply: str = "all") -> Milter64:
        served.become(settled(configuration, apply))
        return served

    return start


def told(milter: Milter64, message: Message) -> str:
    """Return what a client is told: yes, or the codes of a refusal."""
    reply = message.offer(milter)
    return YES if reply.action == "continue" else " ".join(reply.text.split(" ")[:2])


def run(milter: Milter64, *words: str) -> str:
    return said(*words, "--config", milter.file)


@pytest.mark.parametrize(
    ("who", "spares", "message", "without"),
    [
        pytest.param(HONEST, "greylist", NEW, WAIT, id="an address, decoded"),
        pytest.param(f"{behind(HONEST)}", "greylist", NEW, WAIT, id="an address on the wire"),
        pytest.param("192.31.196.0/24", "greylist", NEW, WAIT, id="a network"),
        pytest.param("64:ff9b::192.31.196.0/120", "greylist", NEW, WAIT, id="a network on the wire"),
        pytest.param("192.31.196.0/24", "greylist", replace(NEW, address=HONEST), WAIT, id="over IPv4"),
        pytest.param("2001:db8:bad::/48", "all", replace(FORGED, address=STRANGER_IPV6), NO, id="a native network"),
        pytest.param("mail.honest.example", "greylist", NEW, WAIT, id="a name"),
        pytest.param(".honest.example", "greylist", NEW, WAIT, id="a name above"),
        pytest.param("stranger.example", "all", FORGED, NO, id="a name, against SPF"),
        pytest.param("@honest.example", "greylist", NEW, WAIT, id="a sender's domain"),
        pytest.param("@.honest.example", "all", replace(NEW, sender="a@mail.honest.example"), WAIT, id="one above it"),
        pytest.param("a@honest.example", "greylist", NEW, WAIT, id="a sender"),
        pytest.param("to:b@lab.example", "greylist", NEW, WAIT, id="a recipient"),
        pytest.param("to:@lab.example", "all", FORGED, NO, id="a recipient's domain"),
    ],
)
def test_who_is_allowed_comes_in(start: Start, who: str, spares: str, message: Message, without: str) -> None:
    apply = "suspect" if without == NO else "all"
    assert told(start(apply=apply), message) == without
    entry = f'{{ who = "{who}", spares = "{spares}" }}'
    assert told(start(f"[allow]\nentries = [{entry}]", apply=apply), message) == YES


@pytest.mark.parametrize(
    ("who", "message"),
    [
        pytest.param(HONEST, NEW, id="an address, decoded"),
        pytest.param(behind(HONEST), NEW, id="an address on the wire"),
        pytest.param("192.31.196.0/24", NEW, id="a network"),
        pytest.param("honest.example", NEW, id="a name"),
        pytest.param("@honest.example", NEW, id="a sender's domain"),
        pytest.param("a@honest.example", NEW, id="a sender"),
        pytest.param("to:b@lab.example", NEW, id="a recipient"),
        pytest.param("to:@lab.example", replace(NEW, recipient="postmaster@lab.example"), id="postmaster"),
    ],
)
def test_who_is_blocked_stays_out(start: Start, who: str, message: Message) -> None:
    milter = start(f'[block]\nentries = ["{who}"]\n[allow]\nentries = [{{ who = "192.31.196.0/24", spares = "all" }}]')
    assert told(milter, message) == BLOCKED


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(replace(SOFT, helo="mail.partner.example", sender="a@none.example"), id="HELO"),
        pytest.param(replace(SOFT, address=behind(LIAR), sender="a@none.example"), id="a name that doesn't lead back"),
        pytest.param(SOFT, id="a bare MAIL FROM"),
        pytest.param(replace(NEW, helo="soft.example", sender=""), id="the null sender, and SPF pass for HELO"),
        pytest.param(replace(SOFT, sender="a@wide.example"), id="a domain that lets all the world send"),
    ],
)
@pytest.mark.parametrize("check", ["allow", "block"])
def test_what_anybody_can_say_matches_nothing(start: Start, check: str, message: Message) -> None:
    names = ["partner.example", "elsewhere.example", "@soft.example", "a@soft.example"]
    milter = start(f"[{check}]\nentries = {[*names, '@wide.example'] if check == 'allow' else names}")
    reply = message.send(milter)  # the null sender hears at the end of the message
    assert reply.text.startswith(WAIT)


def test_trust_goes_before_a_block_and_a_block_before_what_is_allowed(start: Start) -> None:
    everywhere = f'["{HONEST}", "{STRANGER}"]'
    lists = f"[block]\nentries = {everywhere}\n[allow]\nentries = {everywhere}\n"
    milter = start(f'[trust]\nnetworks = ["{behind(HONEST)}"]\n{lists}')
    assert told(milter, NEW) == YES
    assert told(milter, replace(NEW, address=HONEST)) == BLOCKED
    assert told(milter, FORGED) == BLOCKED


def test_recipients_have_their_exceptions_and_nobody_beside_them(start: Start) -> None:
    milter = start("""
        skip_recipients = ["quick@lab.example"]
        [[recipient]]
        address = "list@lab.example"
        [[recipient]]
        domain = "open.example"
        off = "all"
    """)
    for recipient, new, forged in (
        ("quick@lab.example", YES, NO),
        ("List@lab.example", YES, NO),
        ("any@open.example", YES, YES),
        ("other@lab.example", WAIT, NO),
    ):
        assert told(milter, replace(NEW, recipient=recipient)) == new
        assert told(milter, replace(FORGED, recipient=recipient)) == forged


def test_an_address_that_a_stranger_claims_through_a_translator_is_not_the_one_on_the_wire(start: Start) -> None:
    milter = start("""
        [translation]
        prefixes = ["2001:db8:64::/96"]
        [allow]
        entries = ["10.0.0.0/8", "127.0.0.0/8"]
    """)
    assert told(milter, replace(NEW, address="10.1.2.3")) == YES
    assert told(milter, replace(NEW, address="2001:db8:64::10.1.2.3")) == WAIT
    assert told(milter, replace(NEW, address="64:ff9b::127.0.0.2")) == WAIT


def test_a_command_and_a_file_count_in_all_workers_and_after_a_restart(lab: Lab) -> None:
    block = lab.folder / "block"
    block.write_text("192.0.2.0/24\n")
    configuration = f"""
        [milter]
        workers = 2
        [dns]
        nameservers = ["{lab.start(Nsd, ZONES).server}"]
        [greylist]
        store = "sqlite:{lab.folder}/rows"
        [block]
        files = ["{block}"]
    """
    milter = lab.start(Milter64, configuration)
    with ExitStack() as stack:
        clients = _in_all_workers(stack, milter, 2)

        def all_say(text: str) -> None:
            until(lambda: {_offered(client) for client in clients} == {text}, f"{text or 'yes'} from all workers")

        all_say("")
        run(milter, "block", HONEST, "--because", "a flood")
        all_say(BLOCKED)
        run(milter, "forget", HONEST)
        all_say("")
        run(milter, "block", HONEST, "--for", "6s")
        all_say(BLOCKED)
        all_say("")
        block.write_text("192.0.2.0/24\n192.31.196.0/24 # all of them\n")
        all_say(BLOCKED)
        block.write_text("192.31.196.0/24 until=2020-01-01\nwrong\n")
        all_say("")
        block.unlink()
        run(milter, "block", "honest.example")
        all_say(BLOCKED)
    troubles = [
        f"{block}:2: below wrong anybody may have a name; write a name of theirs, such as partner.wrong",
        f"{block}: No such file or directory: what counted before counts on",
    ]
    until(lambda: _troubles(milter) == troubles, f"{troubles} to be told")
    assert milter.stop() == os.EX_OK
    assert told(lab.start(Milter64, configuration), NEW) == BLOCKED


def _offered(client: MilterClient) -> str:
    """Return what a new transaction of a session hears."""
    client.abort()
    client.mail("<a@honest.example>")
    return " ".join(client.rcpt("<b@lab.example>").text.split(" ")[:2])


def _troubles(milter: Milter64) -> list[str]:
    """Return what is wrong with lists, each trouble once, though two workers may find it at the same moment."""
    return list(dict.fromkeys(line["trouble"] for line in milter.log if line["event"] == "lists"))


def _in_all_workers(stack: ExitStack, milter: Milter64, workers: int) -> list[MilterClient]:
    """Return sessions, of which each worker has one at least."""
    clients, owners = list[MilterClient](), set[int | None]()
    while len(owners) < workers:
        client = stack.enter_context(session(milter))
        client.connect(address=behind(HONEST), j="mx.lab.example")
        client.helo("mail.honest.example")
        owners.add(server_of(client.port))
        clients.append(client)
    return clients


def test_the_log_the_numbers_and_explain_have_each_match(lab: Lab, settled: Settled) -> None:
    milter = lab.start(
        Counted,
        settled("""
        [allow]
        entries = [{ who = "@soft.example", because = "ticket 12" }, "192.31.0.0/16"]
        [block]
        entries = [{ who = "stranger.example", because = "a flood" }]
        """),
    )
    assert replace(NEW, sender="a@soft.example").send(milter).action == YES
    line = milter.wait_log(lambda line: line["event"] == "accepted")
    assert (line["allow"], line["client"]) == ("network:greylist,domain:greylist", HONEST)
    reply = FORGED.offer(milter)
    assert reply.text.startswith(BLOCKED)
    line = milter.wait_log(lambda line: line["event"] == "rejected")
    assert line["block"] == "name:listed"
    assert line["because"] == "block listed: stranger.example (a flood, block.entries)"
    assert "flood" not in reply.text, "a stranger is told no reasons"
    assert "SPF" not in reply.text, "nor what comes after a block"
    of_block = {"check": "block", "property": "name", "result": "listed", "origin": "translated"}
    until(lambda: milter.number("findings_total", **of_block) == 1.0, "the match in the numbers")
    explained = run(milter, "explain", behind(STRANGER), "--from", "a@none.example", "--to", "b@lab.example")
    for words in (
        "  block  name     stranger.example  is refused         a flood, block.entries",
        "  allow  network  192.31.0.0/16     is spared greylist  allow.entries",
        "  by the block list: stranger.example (a flood, block.entries)",
    ):
        assert " ".join(words.split()) in " ".join(explained.split())
    explained = run(milter, "explain", behind(HONEST), "--from", "a@soft.example", "--to", "b@lab.example")
    assert "by the allow list: @soft.example (ticket 12, allow.entries)" in explained


def test_explain_tells_what_no_list_has_asked_for_and_nothing_of_who_is_trusted(start: Start) -> None:
    milter = start(f"""
        [allow]
        entries = ["stranger.example"]
        [block]
        entries = ["192.31.196.40"]
        [trust]
        networks = ["{HONEST}"]
    """)
    explained = run(milter, "explain", behind(STRANGER), "--from", "a@none.example", "--to", "b@lab.example")
    assert "allow  name     -              iprev was not asked, which could change nothing" in explained
    assert "Lists" not in run(milter, "explain", HONEST, "--to", "b@lab.example")
