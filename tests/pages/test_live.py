"""Pages served live: to who knows the secret and means this host, made once for all who come at once, and bounded."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from threading import Event, Thread

import pytest

from milter64.pages import live
from milter64.pages.document import Document
from milter64.pages.html import POLICY
from milter64.pages.live import Live
from rig.chromium import Chromium
from rig.documents import DOCUMENT


class Maker:
    """Makes a document, and counts how often."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.made = 0
        self.error: Exception | None = None
        self.begun, self.may_end = Event(), Event()
        self.may_end.set()

    def __call__(self) -> Document:
        self.made += 1
        self.begun.set()
        assert self.may_end.wait(10)
        if self.error:
            raise self.error
        return replace(DOCUMENT, title=f"{self.name} {self.made}")


class Served:
    """A server, its pages, and what they are made by."""

    def __init__(self) -> None:
        self.report, self.audit = Maker("Report"), Maker("Audit")
        self.live = Live({"report": self.report, "audit": self.audit})
        _, _, self.host, self.secret, _ = self.live.address.split("/")
        self.port = int(self.host.rpartition(":")[2])

    def ask(self, path: str, *, method: str = "GET", host: str | None = None) -> tuple[int, dict[str, str], str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, headers={"Host": self.host if host is None else host})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()

    def send(self, octets: bytes) -> bytes:
        """Send what is no request of http.client's, and return all that comes back."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(octets)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.fixture
def served() -> Iterator[Served]:
    with _serving() as served:
        yield served


@contextmanager
def _serving() -> Iterator[Served]:
    served = Served()
    thread = Thread(target=served.live.serve)
    thread.start()
    try:
        yield served
    finally:
        served.live.stop()
        thread.join()
        served.live.close()


def test_who_knows_the_secret_is_given_each_page_and_the_first_without_a_name(served: Served) -> None:
    for name, title in (("audit", "Audit 1"), ("report", "Report 1"), ("", "Report 1")):
        status, headers, body = served.ask(f"/{served.secret}/{name}")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert f"<h1>{title}</h1>" in body
        assert '<a href="report">Report</a>' in body


def test_it_listens_on_the_loopback_interface_alone_and_each_time_with_another_secret(served: Served) -> None:
    assert served.live.address == f"http://127.0.0.1:{served.port}/{served.secret}/"
    assert len(served.secret) == 43  # 32 octets
    with _serving() as other:
        assert other.secret != served.secret


@pytest.mark.parametrize(
    "path",
    ["/", "/audit", "/SECRET", "/SECRET/none", "/SECRET/audit/", "/SECRET/audit?x", "/SECRETx/audit", "/SHORT/audit"],
)
def test_all_else_is_not_found_and_makes_nothing(served: Served, path: str) -> None:
    path = path.replace("SECRET", served.secret).replace("SHORT", served.secret[:-1])
    status, _, body = served.ask(path)
    assert (status, body) == (404, "not found\n")
    assert served.report.made + served.audit.made == 0


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8064", 200),  # as through a tunnel
        ("127.0.0.1:1", 200),
        ("[::1]:1", 200),
        ("evil.example", 404),
        ("evil.example:80", 404),
        ("localhost.evil.example", 404),
        ("127.0.0.1.evil.example", 404),
        ("", 404),
    ],
)
def test_a_name_that_leads_here_is_not_ours(served: Served, host: str, status: int) -> None:
    assert served.ask(f"/{served.secret}/audit", host=host)[0] == status
    assert served.audit.made == (status == 200)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"])
def test_there_is_nothing_to_do_but_read(served: Served, method: str) -> None:
    status, _, body = served.ask(f"/{served.secret}/audit", method=method)
    assert (status, body) == (404, "not found\n")
    assert served.audit.made == 0


def test_head_tells_how_long_a_page_is(served: Served) -> None:
    _, headers, body = served.ask(f"/{served.secret}/audit")
    status, of_head, nothing = served.ask(f"/{served.secret}/audit", method="HEAD")
    assert (status, of_head["Content-Length"], nothing) == (200, str(len(body)), "")
    assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize(
    "octets",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /SECRET/audit\r\n\r\n",
        b"GET /SECRET/audit HTTP/1.1\r\n\r\n",
        b"GET /SECRET/audit HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n\r\n",
        b"GET /SECRET/audit HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /SECRET/audit HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"Host: localhost\r\n\r\n",
        b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_request_for_a_page_gets_none(served: Served, octets: bytes) -> None:
    answer = served.send(octets.replace(b"SECRET", served.secret.encode()))
    assert b"<h1>" not in answer
    assert served.secret.encode() not in answer
    assert served.audit.made == 0
    assert served.ask(f"/{served.secret}/audit")[0] == 200


def test_every_answer_says_how_little_a_browser_may_do_with_it(served: Served) -> None:
    for path in (f"/{served.secret}/", "/"):
        headers = served.ask(path)[1]
        assert headers["Content-Security-Policy"] == f"{POLICY}; frame-ancestors 'none'"
        assert {name: headers[name] for name in FIELDS} == FIELDS
        assert headers["Server"] == "milter64"


FIELDS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@pytest.mark.parametrize(("fresh", "second"), [(1000.0, "Audit 1"), (0.0, "Audit 2")])
def test_a_page_is_made_anew_when_it_is_no_longer_fresh(
    served: Served, monkeypatch: pytest.MonkeyPatch, fresh: float, second: str
) -> None:
    monkeypatch.setattr(live, "FRESH", fresh)
    assert "<h1>Audit 1</h1>" in served.ask(f"/{served.secret}/audit")[2]
    assert f"<h1>{second}</h1>" in served.ask(f"/{served.secret}/audit")[2]


def test_a_page_that_can_not_be_made_says_why_and_is_tried_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FRESH", 0.0)
    served.audit.error = ValueError("no <log> there")
    assert "no &lt;log&gt; there" in served.ask(f"/{served.secret}/audit")[2]
    served.audit.error = None
    assert "<h1>Audit 2</h1>" in served.ask(f"/{served.secret}/audit")[2]


def test_of_those_who_come_at_once_all_have_the_page_and_it_is_made_once(served: Served) -> None:
    served.audit.may_end.clear()
    answers: list[str] = []
    threads = [Thread(target=lambda: answers.append(served.ask(f"/{served.secret}/audit")[2])) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert served.audit.begun.wait(10)
    # Of strangers each takes the place of who is there longest, if that is another stranger.
    held = [socket.create_connection(("127.0.0.1", served.port), timeout=10) for _ in range(40)]
    assert served.ask(f"/{served.secret}/report")[0] == 200  # who wants another page need not wait
    served.audit.may_end.set()
    for thread in threads:
        thread.join()
    assert ["<h1>Audit 1</h1>" in answer for answer in answers] == [True] * 3
    for each in held:
        each.close()


def test_strangers_who_only_hold_connections_keep_nobody_out(served: Served) -> None:
    held = [socket.create_connection(("127.0.0.1", served.port), timeout=10) for _ in range(40)]
    assert served.ask(f"/{served.secret}/audit")[0] == 200
    for each in held:
        each.close()


def test_a_port_in_use_is_an_error(served: Served) -> None:
    with pytest.raises(OSError, match="in use"):
        Live({"audit": served.audit}, served.port)


def test_a_browser_has_nothing_to_complain_of(served: Served) -> None:
    with Chromium() as browser:
        tab = browser.open(served.live.address)
        assert tab.run("document.querySelector('h1').textContent") == "Report 1"
        tab.load(tab.run("document.querySelector('nav a[href=audit]').href"))
        assert tab.run("document.querySelector('h1').textContent") == "Audit 1"
        assert tab.complaints == []
        assert tab.events("Network.loadingFailed") == []
