"""Sessions and transactions as the checks see them."""

from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.mail.session import Envelope, Session

TRANSLATOR = Translator([Prefix("64:ff9b::/96")])


def envelope(client: str | None, helo: str | None, sender: str, *, mta: str = "mta.example.net") -> Envelope:
    """Return a transaction of a client at `client`, an address on the wire."""
    session = Session(token="T", client=TRANSLATOR.client(client), port=0, helo=helo, mta=mta)
    return Envelope(session=session, sender=sender, login="")
