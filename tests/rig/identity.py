"""Whom milter64 judges beside whom a mail server delivers to and bounces to, for addresses in all spellings."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import idna

from milter64.greylist.pair import pair_key
from milter64.mail.clean_text import clean
from rig.process import until
from rig.service import Line, Milter64
from rig.smtp import Smtp

EXEMPT = "exempt@lab.example"
SETTINGS = """
[greylist]
apply = "all"
delay = "0s"
store = "sqlite:{store}"
skip_recipients = ["exempt@lab.example"]
[dns]
nameservers = ["{dns}"]
[milter]
workers = 1
"""
_PLAIN = "{}@plain.example"
_CONNECTIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What a mail server has made of an envelope, as it writes it, and our field in the header, "" if there is none."""

    sender: str
    recipient: str
    results: str

    @property
    def token(self) -> str:
        """What tells it from all others."""
        return _token(f"{self.sender} {self.recipient}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One spelling of a sender, or of a recipient; `token` is the other address's local part.

    `at_once` is whether it was accepted at the first try, and so not greylisted.
    """

    path: str
    token: str
    of_sender: bool
    taken: bool
    at_once: bool


def attempts(connect: Callable[[], Smtp], senders: Iterable[str], recipients: Iterable[str]) -> list[Attempt]:
    """Send a message from each sender and to each recipient, twice, as the first try is greylisted."""
    work = [(f"n{number}", path, True) for number, path in enumerate(senders)]
    work += [(f"t{number}", path, False) for number, path in enumerate(recipients)]

    def share(start: int) -> list[Attempt]:
        with connect() as client:
            return [_attempt(client, *each) for each in work[start::_CONNECTIONS]]

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        return [attempt for share in pool.map(share, range(_CONNECTIONS)) for attempt in share]


def _attempt(client: Smtp, token: str, path: str, of_sender: bool) -> Attempt:  # noqa: FBT001  a column of the work
    other = f"<{token}@lab.example>" if of_sender else f"<{_PLAIN.format(token)}>"
    sender, recipient = (path, other) if of_sender else (other, path)
    first, second = _taken(client, sender, recipient), _taken(client, sender, recipient)
    return Attempt(path=path, token=token, of_sender=of_sender, taken=first or second, at_once=first)


def _taken(client: Smtp, sender: str, recipient: str) -> bool:
    client.rset()
    utf8 = "" if (sender + recipient).isascii() else " SMTPUTF8"
    commands = (f"MAIL FROM:{sender}{utf8}", f"RCPT TO:{recipient}")
    return all(client.command(command).code == 250 for command in commands) and client.data().code == 250


def differences(
    attempts: Iterable[Attempt], milter: Milter64, store: Path, delivered: Mapping[str, Delivered]
) -> list[str]:
    """Return what is wrong: each message was judged as what it was delivered as, `delivered` by token."""
    taken = [attempt for attempt in attempts if attempt.taken]
    lines = until(lambda: _accepted(milter, taken), "a log line of each message", seconds=60)
    with closing(sqlite3.connect(store)) as connection:
        keys = until(lambda: _keys(connection, taken), "the rows of each message", seconds=60)
    found = []
    for attempt in taken:
        at, line = delivered[attempt.token], lines[attempt.token]
        sender, recipient = normal(at.sender), normal(at.recipient)
        local, _, domain = recipient.rpartition("@")
        excepted = f"{local.partition('+')[0]}@{domain}".lower() == EXEMPT
        exempt = excepted or (local or domain).lower() == "postmaster" or local.lower() == "abuse"
        judged = {
            "from": (line["from"], f"<{clean(sender)}>"),
            "to": (line["to"], f"<{clean(recipient)}>"),
            "exempt": (attempt.at_once, exempt),
            "spf": (_asked(at.results), clean(sender.rpartition("@")[2] or "mail.honest.example")),
            "pair": (keys.get(attempt.token), None if exempt else pair_key(sender, recipient)),
        }
        if line.get("because", "").startswith("exempt"):
            del judged["spf"]
        wrong = {name: each for name, each in judged.items() if each[0] != each[1]}
        if wrong:
            found.append(f"{'MAIL' if attempt.of_sender else 'RCPT'} {attempt.path!r} delivered as {at}: {wrong}")
    return found


def _accepted(milter: Milter64, taken: list[Attempt]) -> dict[str, Line] | None:
    lines = {_token(f"{line['from']} {line['to']}"): line for line in milter.log if line["event"] == "accepted"}
    return lines if lines.keys() >= {attempt.token for attempt in taken} else None


def _keys(connection: sqlite3.Connection, taken: list[Attempt]) -> dict[str, str] | None:
    keys = {_token(key): key for (key,) in connection.execute("SELECT key FROM rows")}
    missing = {attempt.token for attempt in taken if not attempt.at_once} - keys.keys()
    return None if missing else keys


def _token(text: str) -> str:
    found = re.search(r"<(n[0-9]+)@lab\.example>$|^<(t[0-9]+)@plain\.example>", text)
    return (found[1] or found[2]) if found else ""


def _asked(results: str) -> str:
    """Return the domain that SPF was asked about."""
    found = re.search(r'smtp\.mailfrom=(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))', results)
    return re.sub(r"\\(.)", r"\1", found[1] or found[2] or "") if found else ""


def normal(address: str) -> str:
    """Return an address as a mail server writes it without needless quotes, its domain as it is looked up."""
    address = address.strip().removeprefix("<").removesuffix(">")
    local, at, domain = address.rpartition("@")
    if not address:
        return ""
    if not at:
        local, domain = address, ""
    if re.fullmatch(r'"([ !#-\[\]-~]|[^\x00-\x7f]|\\[ -~])*"', local):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    if not re.fullmatch(r"[^\x00-\x20\"(),:;<>@\[\\\].\x7f]+(\.[^\x00-\x20\"(),:;<>@\[\\\].\x7f]+)*", local):
        local = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if not domain.isascii():
        domain = idna.encode(domain, uts46=True, std3_rules=False).decode()
    return f"{local}@{domain.lower().removesuffix('.')}" if at else local
