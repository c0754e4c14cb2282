"""A fault of our own: whoever is served is put off, the log has the traceback, and the next transaction is served."""

import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import Milter
import pytest

from milter64.address import Translator
from milter64.callbacks import Callbacks, Context
from milter64.headers import Settings as Headers
from milter64.telemetry import Settings, Telemetry
from rig.milterclient import ALL_ACTIONS, ALL_STEPS


class Broken:
    """An engine, or a translator, that agrees to everything, and of which one method breaks once."""

    def __init__(self, method: str) -> None:
        self._broken = method

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401  it has every method there is
        return partial(self._call, method)

    def _call(self, method: str, *_: object) -> object:
        if method == self._broken:
            self._broken = ""
            raise ZeroDivisionError("of our own making")
        return SimpleNamespace(exempt=True) if method in ("begin", "client") else None


class MailServer:
    """The mail server's side of pymilter."""

    def __init__(self, engine: Broken, translator: Any = None) -> None:  # noqa: ANN401  it may be a broken one
        self._context = Context(
            notice=lambda _: None,
            engine=engine,  # type: ignore[arg-type]  # a fake
            translator=translator or Translator(),
            telemetry=Telemetry(Settings(format="json")),
            headers=Headers(),
            authserv_id="",
        )
        self.reply = ""
        self.new_session()

    def new_session(self) -> None:
        self.session = Callbacks(self._context)
        self.session._ctx = self  # noqa: SLF001  as pymilter's C code does
        self.session.negotiate([ALL_ACTIONS, ALL_STEPS, 0, 0])
        self.session.connect("client.example", 4, ("192.0.2.1", 40000))
        self.session.hello("client.example")

    def send(self) -> tuple[str, str]:
        """Send a message, and return the first callback that isn't content, with its reply."""
        self.session.envfrom("<a@example.org>")
        for callback in (partial(self.session.envrcpt, "<b@example.net>"), self.session.eom):
            answer = callback()
            if answer != Milter.CONTINUE:
                assert answer == Milter.TEMPFAIL
                self.session.abort()
                return getattr(callback, "func", callback).__name__, self.reply
        return "", ""

    def getsymval(self, _: str) -> None:
        return None

    def setreply(self, *words: str) -> None:
        self.reply = " ".join(words)


def traceback(log: str, where: str) -> bool:
    lines = [json.loads(line) for line in log.splitlines()]
    return [line["where"] for line in lines if "ZeroDivisionError: of our own making" in line["exception"]] == [where]


@pytest.mark.parametrize(
    ("method", "where", "told_at", "code"),
    [
        ("begin", "envfrom", "envrcpt", "451 4.7.0"),
        ("judge", "envrcpt", "envrcpt", "451 4.3.0"),
        ("end", "eom", "eom", "451 4.3.0"),
        ("accepted", "eom", "eom", "451 4.3.0"),
    ],
)
def test_a_fault_in_the_engine_puts_off_one_transaction(
    method: str, where: str, told_at: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = MailServer(Broken(method))
    callback, reply = server.send()
    assert (callback, reply[:9]) == (told_at, code)
    log = capsys.readouterr().err
    assert traceback(log, where)
    assert code == "451 4.7.0" or f"(milter64 {json.loads(log)['session']})" in reply
    assert server.send() == ("", "")


def test_what_is_left_of_a_transaction_after_a_fault_is_put_off_too() -> None:
    server = MailServer(Broken("judge"))
    server.session.envfrom("<a@example.org>")
    for code in ("451 4.3.0", "451 4.7.0"):
        assert server.session.envrcpt("<b@example.net>") == Milter.TEMPFAIL
        assert server.reply.startswith(code)
    assert server.session.eom() == Milter.TEMPFAIL


def test_a_fault_while_a_transaction_is_given_up_harms_none(capsys: pytest.CaptureFixture[str]) -> None:
    server = MailServer(Broken("abandoned"))
    server.session.envfrom("<a@example.org>")
    server.session.abort()
    assert traceback(capsys.readouterr().err, "abort")
    assert server.send() == ("", "")


def test_a_fault_at_connect_puts_off_one_session_and_trusts_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    server = MailServer(Broken(""), Broken("client"))
    assert traceback(capsys.readouterr().err, "connect")
    for _ in range(2):
        callback, reply = server.send()
        assert (callback, reply[:9]) == ("envrcpt", "451 4.7.0")
    server.new_session()
    assert server.send() == ("", "")
