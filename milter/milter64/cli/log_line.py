"""A line of a log, ours or Postfix's: who has sent what to whom, as far as it says so.

Strangers choose much of what is in it, so each thing is looked for where the program that wrote the line puts it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from milter64.address import as_written


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """What a line says: `client` is an address, and what it doesn't name is None."""

    client: str
    helo: str | None = None
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    ours: bool = False


_OURS = re.compile(r'[^=<"{]*\btime=\S+ level=[a-z]+ event=.*')
_FIELD = re.compile(r'(?:^|\s)([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)')
_JSON = re.compile(r'[^=<"{]*(\{.*\})')
_MAILBOX = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^">])*)>')
_NAME = r"([^\s\[\]]*\[[^\s\[\]]+\](?::[0-9]+)?)"
_CLIENT = re.compile(rf"[^=<]*?\b(?:from |client=|for |PASS (?:NEW|OLD) |\w+LISTED |DISCONNECT ){_NAME}")
_CONTENT = re.compile(rf"[^=<]*?: \w+: (?:header|body|mime|nested)\b.* from {_NAME}")
"""Of header_checks and body_checks, where the client stands behind what the sender wrote."""
_ENVELOPE = re.compile(
    r"(?P<head>.*); from=<(?P<sender>.*?)>(?:,? to=<(?P<recipient>.*?)>)?(?:,? proto=\w+)?(?:,? helo=<(?P<helo>\S*)>)?"
    r"(?:,? sasl_\w+=\S+)*"
)


def read(text: str) -> LogLine:
    """Read a line, which may have been wrapped.

    Raises:
        ValueError: it names no client.
    """
    try:
        return _read(" ".join(text.split()))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address, nor a line of a log that names a client") from None


def _read(line: str) -> LogLine:
    if _OURS.fullmatch(line):
        fields = reversed(_FIELD.findall(line))  # the first counts: where a line was cut, a quotation has no end
        return _ours({name: _unquoted(value) for name, value in fields})
    if match := _JSON.fullmatch(line):
        return _ours({name: value for name, value in json.loads(match[1]).items() if isinstance(value, str)})
    return _postfixs(line)


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _ours(fields: Mapping[str, str]) -> LogLine:
    client = fields.get("wire") or fields.get("client") or ""
    senders = _MAILBOX.findall(fields.get("from", ""))
    return LogLine(
        client=as_written.address(client),
        helo=fields.get("helo") or None,
        sender=senders[0] if senders else None,
        recipients=tuple(_MAILBOX.findall(fields.get("to", ""))),
        ours=True,
    )


def _postfixs(line: str) -> LogLine:
    envelope = _ENVELOPE.fullmatch(line)
    head = envelope["head"] if envelope else line
    found = _CONTENT.fullmatch(head) or _CLIENT.match(head)
    client = as_written.address(found[1] if found else "")
    if not envelope:
        return LogLine(client=client)
    recipients = () if envelope["recipient"] is None else (envelope["recipient"],)
    return LogLine(client=client, helo=envelope["helo"] or None, sender=envelope["sender"], recipients=recipients)
