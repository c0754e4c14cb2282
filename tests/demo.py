"""`make demo`: the real path for the eyes.

A translator, DNS, Postfix and milter64 come up in network namespaces, and four mails are sent: honest and forged, over
native IPv6 and from IPv4 through the translator. The table shows of each what a server believes that takes the address
as it comes, by pyspf and a look-up of its reverse DNS, and what milter64 has made of it. Both ask the same DNS64
resolver, which a server without IPv4 has. Nothing that is shown is made up: it is asked, sent, received and logged.
"""

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from ipaddress import ip_network
from textwrap import wrap
from typing import NoReturn

import dns.resolver
import spf

from milter64.cli.screen import Screen
from milter64.config import load
from rig.lab import Lab
from rig.means import lack
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

POLICIES = {
    "bank.example": f"v=spf1 ip4:{HONEST} ip6:{HONEST_IPV6} -all",
    "post.example": "v=spf1 a:mail.post.example//64 -all",
}
ZONES = {
    ".": f"""
        bank.example. TXT "{POLICIES["bank.example"]}"
        post.example. TXT "{POLICIES["post.example"]}"
        mail.bank.example. A {HONEST}
        mail.bank.example. AAAA {HONEST_IPV6}
        mail.post.example. A 192.31.196.20
        four.forger.example. A {FORGER}
        six.forger.example. AAAA {FORGER_IPV6}
        10.196.31.192.in-addr.arpa. PTR mail.bank.example.
        66.48.175.192.in-addr.arpa. PTR four.forger.example.
        0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.4.0.0.0.f.f.f.3.ip6.arpa. PTR mail.bank.example.
        6.6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.6.0.0.f.f.f.3.ip6.arpa. PTR six.forger.example.
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
"""What a shell makes of a program that ends by Ctrl-C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail, by who sends it in truth, and from where."""

    honest: bool
    path: str
    address: str
    helo: str
    sender: str

    @property
    def title(self) -> str:
        return f"{'honest' if self.honest else 'forged'}, {self.path}"

    @property
    def recipient(self) -> str:
        """The inbox that tells it from the others."""
        return f"{'honest' if self.honest else 'forged'}-{self.path[-4:].lower()}@lab.example"


MAILS = (
    Mail(honest=True, path="native IPv6", address=HONEST_IPV6, helo="mail.bank.example", sender="a@bank.example"),
    Mail(honest=False, path="native IPv6", address=FORGER_IPV6, helo="six.forger.example", sender="a@bank.example"),
    Mail(honest=True, path="NAT64, IPv4", address=HONEST, helo="mail.bank.example", sender="a@bank.example"),
    Mail(honest=False, path="NAT64, IPv4", address=FORGER, helo="four.forger.example", sender="a@post.example"),
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
    """What a server takes a mail's client for, and whether it takes the mail; `fate` says that in words."""

    client: str
    spf: str
    iprev: str
    bucket: str
    accepts: bool
    fate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A mail, what became of it at milter64, and the two beliefs about it."""

    mail: Mail
    reply: Reply
    log: str
    without: Belief
    decoded: Belief


def main() -> int:
    """Play the demo, and return an exit code."""
    screen = Screen()
    if missing := lack():
        Screen(sys.stderr).line(f"The demo runs real servers in network namespaces, and {missing}.")
        return os.EX_UNAVAILABLE
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
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
    screen.line("DNS lets these send:")
    screen.table([*POLICIES.items(), ("mail.post.example", "A 192.31.196.20, no AAAA")], indent=2)
    results = [_follow(stage, mail, screen) for mail in MAILS]
    screen.line()
    _compare(results, screen)
    honest, forged = results[2:]
    screen.line()
    screen.title("What the honest IPv4 sender's mail has got")
    field = _delivered(stage, honest.mail)["Authentication-Results"]
    screen.line(f"  Authentication-Results: {field}".replace("\n", "\n  "))
    screen.title("and left in milter64's log")
    _paragraph(honest.log, screen)
    screen.title("What the IPv4 forger was told")
    _paragraph(str(forged.reply), screen)


@contextmanager
def _step(what: str, screen: Screen) -> Iterator[list[str]]:
    """Announce what is about to be done, and then say how it went: "done", or what is put into the list."""
    sys.stdout.write(f"  {what} ... ")
    sys.stdout.flush()
    outcome: list[str] = []
    yield outcome
    screen.line(" ".join(outcome) or "done")


def _set_stage(lab: Lab, screen: Screen) -> Stage:
    """Start all servers in the server's namespace, behind the translator."""
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


def _follow(stage: Stage, mail: Mail, screen: Screen) -> Result:
    """Send a mail, and find out what either server believes."""
    with _step(f"sending: {mail.title}, {mail.address} for {mail.sender}", screen) as outcome:
        host = SERVER_IPV6 if ":" in mail.address else SERVER_IPV4
        with Smtp(host, stage.postfix.port, network=stage.nat.client, source=mail.address) as client:
            client.ehlo(mail.helo)
            reply = client.transaction(mail.sender, [mail.recipient])
        log = until(lambda: _logged(stage, mail), f"a log line about {mail.recipient}")
        outcome.append(_codes(reply))
    facts = dict(word.split("=", 1) for word in shlex.split(log))
    wire = facts["wire"]
    return Result(
        mail=mail,
        reply=reply,
        log=log,
        without=stage.nat.server.call(lambda: _as_it_comes(stage.resolver, wire, mail)),
        decoded=Belief(
            client=facts["client"],
            spf=facts["spf"],
            iprev=facts["iprev"],
            bucket=_bucket(stage.milter, wire),
            accepts=reply.code == 250,
            fate=_codes(reply),
        ),
    )


def _as_it_comes(resolver: Unbound, wire: str, mail: Mail) -> Belief:
    """Return what pyspf, reverse DNS and a greylist by /64 make of the address on the wire."""
    asked = dns.resolver.Resolver(configure=False)
    asked.nameservers, asked.port = [resolver.address], resolver.port
    dns.resolver.default_resolver = asked  # the one that pyspf asks
    result, _ = spf.check2(i=wire, s=mail.sender, h=mail.helo)
    return Belief(
        client=wire,
        spf=result,
        iprev=_iprev(asked, wire),
        bucket=str(ip_network(f"{wire}/64", strict=False)),
        accepts=result != "fail",
        fate="refused" if result == "fail" else "accepted",
    )


def _iprev(resolver: dns.resolver.Resolver, address: str) -> str:
    """Return whether a name of an IPv6 address leads back to it (RFC 8601 2.7.3)."""
    name = str(resolver.resolve_address(address)[0])
    return "pass" if address in map(str, resolver.resolve(name, "AAAA")) else "fail"


def _bucket(milter: Milter64, wire: str) -> str:
    """Return the network that milter64 greylists a client by."""
    settings = load(milter.file)
    return settings.translator().client(wire).network(settings.greylist.ipv4_prefix, settings.greylist.ipv6_prefix)


def _logged(stage: Stage, mail: Mail) -> str | None:
    whole_lines = stage.milter.output.split("\n")[:-1]
    return next((line for line in whole_lines if mail.recipient in line), None)


def _delivered(stage: Stage, mail: Mail) -> Message:
    honest = [each for each in MAILS if each.honest]
    return next(m for m in stage.postfix.delivered(len(honest)) if m["Delivered-To"] == mail.recipient)


def _codes(reply: Reply) -> str:
    """Return a reply's two codes, such as 250 2.0.0."""
    return f"{reply.code} {reply.text.split()[0]}"


def _compare(results: Sequence[Result], screen: Screen) -> None:
    """Show the beliefs about each mail one above the other, and how many were wrong."""
    screen.title("What a server believes: without, it takes the address as it comes (pyspf, /64 buckets)")
    rows = []
    for result in results:
        rows.append((result.mail.title, "without", *_cells(result.without, result, screen)))
        rows.append((f"  {result.mail.address}", "milter64", *_cells(result.decoded, result, screen)))
    screen.table(rows, ("MAIL", "SERVER", "CLIENT", "SPF", "RDNS", "GREYLIST BUCKET", "REPLY"))
    without, decoded = (
        sum(belief.accepts != each.mail.honest for each, belief in beliefs)
        for beliefs in ([(each, each.without) for each in results], [(each, each.decoded) for each in results])
    )
    screen.line()
    screen.title(
        f"Wrong: {without} of {len(results)} without milter64, {decoded} with it. "
        f"Without, all of IPv4 shares the bucket {results[-1].without.bucket}."
    )


def _cells(belief: Belief, result: Result, screen: Screen) -> Iterator[str]:
    """Yield a belief's cells, those yellow in which the two differ."""
    for name in ("client", "spf", "iprev", "bucket"):
        cell = getattr(belief, name)
        differs = getattr(result.without, name) != getattr(result.decoded, name)
        yield screen.paint(cell, "yellow") if differs else cell
    right = belief.accepts == result.mail.honest
    yield screen.paint(f"{belief.fate}, {'right' if right else 'WRONG'}", "green" if right else "red")


def _paragraph(text: str, screen: Screen) -> None:
    for line in wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False):
        screen.line(line)


if __name__ == "__main__":
    sys.exit(main())
