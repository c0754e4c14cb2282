"""`make demo`: the real path for the eyes.

A translator, DNS, Postfix and milter64 come up in network namespaces, and four mails are sent: honest and forged, over
native IPv6 and from IPv4 through the translator. A table then shows of each what a server believes that takes the
address as it comes, by pyspf and a look-up of its reverse DNS, and what milter64 made of it. Both ask the same DNS64
resolver, as a server without IPv4 has one. All that is shown was asked, sent, received or logged.
"""

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from textwrap import wrap
from typing import NoReturn

import dns.resolver
import spf
from dns.reversename import from_address

from milter64.cli.terminal_layout import Screen
from milter64.config.load_file import load
from rig.lab import Lab
from rig.means import OF_THE_DEMO, lack
from rig.nat64 import CLIENT_IPV6, SERVER_IPV4, SERVER_IPV6, Nat64
from rig.nsd import Nsd
from rig.postfix import Postfix
from rig.process import until
from rig.service import Milter64
from rig.smtp import Reply, Smtp
from rig.unbound import Unbound

PREFIX = "64:ff9b::/96"
HONEST, HONEST_IPV6 = "192.31.196.10", CLIENT_IPV6
FORGER, FORGER_IPV6 = "192.175.48.66", "3fff:66::66"
POST = "192.31.196.20"

BANK_POLICY = f"v=spf1 ip4:{HONEST} ip6:{HONEST_IPV6} -all"
POST_POLICY = "v=spf1 a:mail.post.example//64 -all"
ZONES = {
    ".": f"""
        bank.example. TXT "{BANK_POLICY}"
        mail.bank.example. A {HONEST}
        mail.bank.example. AAAA {HONEST_IPV6}
        post.example. TXT "{POST_POLICY}"
        mail.post.example. A {POST}
        four.forger.example. A {FORGER}
        six.forger.example. AAAA {FORGER_IPV6}
        {from_address(HONEST)} PTR mail.bank.example.
        {from_address(HONEST_IPV6)} PTR mail.bank.example.
        {from_address(FORGER)} PTR four.forger.example.
        {from_address(FORGER_IPV6)} PTR six.forger.example.
        """,
}
CONFIGURATION = f"""
[translation]
prefixes = ["{PREFIX}"]
[dns]
nameservers = ["{{resolver}}"]
[greylist]
store = "memory:"
[log]
format = "logfmt"
"""
WIDTH = 98
INTERRUPTED = 130
"""What a shell makes of a program that Ctrl-C has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail: who sends it in truth, from where, and what it claims."""

    honest: bool
    address: str
    helo: str
    sender: str

    @property
    def translated(self) -> bool:
        return ":" not in self.address

    @property
    def title(self) -> str:
        return f"{'honest' if self.honest else 'forged'}, {'IPv4 by NAT64' if self.translated else 'native IPv6'}"

    @property
    def recipient(self) -> str:
        """An inbox of its own."""
        return f"{'honest' if self.honest else 'forged'}-{'ipv4' if self.translated else 'ipv6'}@lab.example"


MAILS = (
    Mail(honest=True, address=HONEST_IPV6, helo="mail.bank.example", sender="a@bank.example"),
    Mail(honest=False, address=FORGER_IPV6, helo="six.forger.example", sender="a@bank.example"),
    Mail(honest=True, address=HONEST, helo="mail.bank.example", sender="a@bank.example"),
    Mail(honest=False, address=FORGER, helo="four.forger.example", sender="a@post.example"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a mail meets on its way."""

    nat: Nat64
    resolver: Unbound
    milter: Milter64
    postfix: Postfix


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What a server takes a mail's client for, its answer to the mail, and whether that does the sender justice."""

    client: str
    spf: str
    iprev: str
    bucket: str
    answer: str
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a mail, and what either server believes of it."""

    mail: Mail
    reply: Reply
    log: str
    undecoded: Belief
    decoded: Belief


def main() -> int:
    """Play the demo, and return an exit code."""
    if missing := lack(OF_THE_DEMO, "demo"):
        Screen(sys.stderr).line(f"The demo runs real servers in network namespaces, and {missing}.")
        return os.EX_UNAVAILABLE
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    screen = Screen()
    try:
        with Lab() as lab:
            _play(lab, screen)
    except KeyboardInterrupt:
        screen.line("\nInterrupted; all that was started is stopped.")
        return INTERRUPTED
    return os.EX_OK


def _interrupt(*_: object) -> NoReturn:
    """Leave all `with` blocks, which clean up; a second Ctrl-C must not cut that short."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _play(lab: Lab, screen: Screen) -> None:
    screen.title("Four mails to a mail server that has IPv6 only")
    stage = _set_stage(lab, screen)
    outcomes = [_follow(stage, mail, screen) for mail in MAILS]
    screen.line()
    _compare(outcomes, screen)
    *_, honest, forged = outcomes
    screen.line()
    screen.title("The honest mail over IPv4 was delivered with this on top,")
    messages = stage.postfix.delivered(sum(mail.honest for mail in MAILS))
    (message,) = (m for m in messages if m["Delivered-To"] == honest.mail.recipient)
    for field in message.get_all("Authentication-Results", []):
        screen.line(f"  Authentication-Results: {field}".replace("\n", "\n  "))
    screen.title("and milter64 has logged:")
    _paragraph(honest.log, screen)
    screen.title("The forger over IPv4 was told:")
    _paragraph(str(forged.reply), screen)


@contextmanager
def _step(what: str, screen: Screen) -> Iterator[list[str]]:
    """Announce what is about to be done, and then what came of it: "done", or what is put into the list."""
    sys.stdout.write(f"  {what} ... ")
    sys.stdout.flush()
    result: list[str] = []
    yield result
    screen.line(" ".join(result) or "done")


def _set_stage(lab: Lab, screen: Screen) -> Stage:
    """Start all servers in the mail server's namespace, which only the translator joins to IPv4."""
    with _step(f"starting the translator: tayga, {PREFIX}", screen):
        nat = lab.start(Nat64, PREFIX, dual_stack=True, addresses=(HONEST, FORGER))
        nat.client.run("ip", "address", "add", f"{FORGER_IPV6}/128", "dev", "eth0")
        nat.router.run("ip", "route", "add", f"{FORGER_IPV6}/128", "dev", "client")
    with _step("starting DNS: nsd, and before it unbound as DNS64", screen):
        nsd = lab.start(Nsd, ZONES, network=nat.server)
        resolver = lab.start(Unbound, nsd, dns64=PREFIX, network=nat.server)
    with _step("starting milter64", screen):
        milter = lab.start(Milter64, CONFIGURATION.format(resolver=resolver.server), network=nat.server)
    with _step("starting Postfix", screen):
        postfix = lab.start(Postfix, milters=milter.milters, network=nat.server, addresses=(SERVER_IPV6,))
    return Stage(nat=nat, resolver=resolver, milter=milter, postfix=postfix)


def _follow(stage: Stage, mail: Mail, screen: Screen) -> Outcome:
    """Send a mail, and find out what either server believes."""
    with _step(f"sending: {mail.title}, {mail.sender} from {mail.address}", screen) as result:
        host = SERVER_IPV4 if mail.translated else SERVER_IPV6
        with Smtp(host, stage.postfix.port, network=stage.nat.client, source=mail.address) as client:
            client.ehlo(mail.helo)
            reply = client.transaction(mail.sender, [mail.recipient])
        log = until(lambda: _line(stage.milter.output, mail.recipient), "milter64's log line")
        facts = dict(word.split("=", 1) for word in shlex.split(log))
        answer = f"{reply.code} {reply.text.split()[0]}"
        result.append(answer)
    wire = facts["wire"]
    decoded = Belief(
        client=facts["client"],
        spf=facts["spf"],
        iprev=facts["iprev"],
        bucket=_bucket(stage.milter, wire),
        answer=answer,
        right=(reply.code == 250) == mail.honest,
    )
    undecoded = stage.nat.server.call(lambda: _as_it_comes(stage.resolver, wire, mail))
    return Outcome(mail=mail, reply=reply, log=log, undecoded=undecoded, decoded=decoded)


def _line(log: str, word: str) -> str | None:
    return next((line for line in log.split("\n")[:-1] if word in line), None)


def _bucket(milter: Milter64, wire: str) -> str:
    """Return the network by which milter64 greylists a client."""
    settings = load(milter.file)
    return settings.translator().client(wire).network(settings.greylist.ipv4_prefix, settings.greylist.ipv6_prefix)


def _as_it_comes(resolver: Unbound, wire: str, mail: Mail) -> Belief:
    """Return what pyspf, reverse DNS and a greylist of /64 networks make of the address on the wire."""
    asked = dns.resolver.Resolver(configure=False)
    asked.nameservers, asked.port = [resolver.address], resolver.port
    dns.resolver.default_resolver = asked  # the one that pyspf asks
    result, _ = spf.check2(i=wire, s=mail.sender, h=mail.helo)
    refused = result == "fail"
    return Belief(
        client=wire,
        spf=result,
        iprev=_iprev(asked, wire),
        bucket=str(ip_network(f"{wire}/64", strict=False)),
        answer="refused" if refused else "accepted",
        right=refused != mail.honest,
    )


def _iprev(resolver: dns.resolver.Resolver, address: str) -> str:
    """Return whether the name of an IPv6 address leads back to it (RFC 8601 2.7.3)."""
    name = str(resolver.resolve_address(address)[0])
    return "pass" if address in map(str, resolver.resolve(name, "AAAA")) else "fail"


def _compare(outcomes: Sequence[Outcome], screen: Screen) -> None:
    """Show the two beliefs of each mail one above the other, how many were wrong, and why."""
    screen.title("What a server believes that takes the address as it comes (pyspf, /64 buckets), and milter64")
    rows = []
    for outcome in outcomes:
        rows.append((outcome.mail.title, "undecoded", *_cells(outcome.undecoded, outcome.decoded, screen)))
        rows.append((f"  {outcome.mail.address}", "milter64", *_cells(outcome.decoded, outcome.undecoded, screen)))
    screen.table(rows, ("MAIL", "SERVER", "CLIENT", "SPF", "RDNS", "GREYLIST BUCKET", "REPLY"))
    screen.line()
    undecoded = sum(not outcome.undecoded.right for outcome in outcomes)
    decoded = sum(not outcome.decoded.right for outcome in outcomes)
    screen.title(
        f"Wrong replies: {undecoded} of {len(outcomes)} undecoded, where all of IPv4 is one greylist bucket;"
        f" {decoded} of {len(outcomes)} with milter64."
    )
    bank = ("bank.example", BANK_POLICY, "ip4: matches no IPv6 address")
    post = ("post.example", POST_POLICY, "DNS64 shows its host in 64:ff9b::/64")
    screen.table((bank, post), indent=2)


def _cells(belief: Belief, other: Belief, screen: Screen) -> Iterator[str]:
    """Yield the cells of a belief, yellow where the other one differs."""
    for name in ("client", "spf", "iprev", "bucket"):
        cell = getattr(belief, name)
        yield cell if cell == getattr(other, name) else screen.paint(cell, "yellow")
    verdict, colour = ("right", "green") if belief.right else ("WRONG", "red")
    yield screen.paint(f"{belief.answer}, {verdict}", colour)


def _paragraph(text: str, screen: Screen) -> None:
    for line in wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False):
        screen.line(line)


if __name__ == "__main__":
    sys.exit(main())
