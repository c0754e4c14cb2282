"""What all sessions of a worker share, and what names each."""

from collections.abc import Callable
from dataclasses import dataclass
from random import getrandbits

from milter64.address.translator import Translator
from milter64.headers.settings import Settings
from milter64.judging.engine import Engine
from milter64.mail.session import Envelope
from milter64.telemetry.log import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What they share. `authserv_id` is empty where the mail server's name is to be used.

    `notice` is shown every envelope, and doesn't wait.
    """

    engine: Engine
    notice: Callable[[Envelope], None]
    translator: Translator
    telemetry: Telemetry
    headers: Settings
    authserv_id: str


def new_token() -> str:
    """Return the name of a session."""
    return f"{getrandbits(32):08x}"  # no secret; unlike urandom it keeps the GIL
