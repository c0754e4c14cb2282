"""A fault of our own: whoever is served is put off, the log has the traceback, and the next transaction is served."""

import json
from functools import partial
from types import SimpleNamespace
from typing import Any

import Milter
import pytest

from milter64.address.client import Origin
from milter64.address.translator import Translator
from milter64.headers.settings import Settings as Headers
from milter64.service.pymilter_callbacks import Callbacks, callbacks
from milter64.service.session_context import Context
from milter64.telemetry.log import Telemetry
from milter64.telemetry.settings import Settings
from rig.milterclient import ALL_ACTIONS, ALL_STEPS


class Broken:
    """An engine, or a translator, that agrees to everything, and of which one method breaks once."""

    def __init__(self, method: str) -> None:
        self._broken = method

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401  it has every method there is
        return partial(self._call, method)

    def _call(self, method: str, *_: object, **__: object) -> object:
        if method == self._broken:
            self._broken = ""
            raise ZeroDivisionError("of our own making")
        return SimpleNamespace(exempt=True, origin=Origin.UNKNOWN) if method in ("begin", "client") else None


class MailServer:
    """The mail server's side of pymilter."""

    def __init__(self, engine: Broken, translator: Any = None) -> None:  # noqa: ANN401  it may be a broken one
        context = Context(
            notice=lambda _: None,
            engine=engine,  # type: ignore[arg-type]  # a fake
            translator=translator or Translator(),
            telemetry=Telemetry(Settings(format="json")),
            headers=Headers(),
            authserv_id="",
        )
        self._callbacks = callbacks(partial(Callbacks, context))
        self.reply = ""
        self.new_session()

    def new_session(self) -> None:
        self.call("negotiate", [ALL_ACTIONS, ALL_STEPS, 0, 0])
        self.call("connect", "client.example", 4, ("192.0.2.1", 40000))
        self.call("helo", "client.example")

    def call(self, event: str, *arguments: object) -> int:
        return self._callbacks[event](self, *arguments)

    def send(self) -> tuple[str, str]:
        """Send a message, and return the first callback that isn't content, with its reply."""
        self.call("envfrom", b"<a@example.org>")
        for event, *arguments in (("envrcpt", b"<b@example.net>"), ("eom",)):
            answer = self.call(event, *arguments)
            if answer != Milter.CONTINUE:
                assert answer == Milter.TEMPFAIL
                self.call("abort")
                return event, self.reply
        return "", ""

    def setpriv(self, session: Callbacks | None) -> None:
        self._session = session

    def getpriv(self) -> Callbacks | None:
        return self._session

    def getsymval(self, _: str) -> None:
        return None

    def setsymlist(self, *_: object) -> None:
        pass

    def setreply(self, *words: str) -> None:
        self.reply = " ".join(words)


def traceback(log: str, where: str) -> bool:
    lines = [json.loads(line) for line in log.splitlines()]
    faults = [line for line in lines if line["event"] == "fault"]
    return [line["where"] for line in faults if "ZeroDivisionError: of our own making" in line["exception"]] == [where]


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
    server.call("envfrom", b"<a@example.org>")
    for code in ("451 4.3.0", "451 4.7.0"):
        assert server.call("envrcpt", b"<b@example.net>") == Milter.TEMPFAIL
        assert server.reply.startswith(code)
    assert server.call("eom") == Milter.TEMPFAIL


def test_a_fault_while_a_transaction_is_given_up_harms_none(capsys: pytest.CaptureFixture[str]) -> None:
    server = MailServer(Broken("abandoned"))
    server.call("envfrom", b"<a@example.org>")
    server.call("abort")
    assert traceback(capsys.readouterr().err, "abort")
    assert server.send() == ("", "")


def test_a_session_that_could_not_even_begin_is_put_off() -> None:
    server = MailServer(Broken(""))
    server.setpriv(None)
    for event, *arguments in (("envrcpt", b"<b@example.net>"), ("eom",)):
        assert server.call(event, *arguments) == Milter.TEMPFAIL
        assert server.reply.startswith("451 4.7.0")


def test_a_fault_at_connect_puts_off_one_session_and_trusts_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    server = MailServer(Broken(""), Broken("client"))
    assert traceback(capsys.readouterr().err, "connect")
    for _ in range(2):
        callback, reply = server.send()
        assert (callback, reply[:9]) == ("envrcpt", "451 4.7.0")
    server.new_session()
    assert server.send() == ("", "")
