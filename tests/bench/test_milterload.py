import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from threading import Lock, Thread
from time import sleep

import pytest

from bench.measure import Report

LINE = "64:ff9b::c01f:c40a\tunknown\tmail.example.org\ts%s.%n@example.org\tuser%n@rcpt.test\n"
STALL = 0.3


class PolicyService(ThreadingUnixStreamServer):
    """Notes each request and its connection; the first one has to wait for `stall` seconds."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Answer)
        self.requests: list[dict[str, str]] = []
        self.connections = 0
        self.stall = 0.0
        self.action = "DUNNO"
        self.lock = Lock()


class Answer(StreamRequestHandler):
    server: PolicyService

    def handle(self) -> None:
        with self.server.lock:
            self.server.connections += 1
        attributes: dict[str, str] = {}
        for line in self.rfile:
            name, is_one, value = line.decode().rstrip("\n").partition("=")
            if is_one:
                attributes[name] = value
                continue
            with self.server.lock:
                first = not self.server.requests
                self.server.requests.append(attributes)
            sleep(self.server.stall if first else 0)
            attributes = {}
            self.wfile.write(f"action={self.server.action}\n\n".encode())


@pytest.fixture
def service(tmp_path: Path) -> Iterator[PolicyService]:
    with PolicyService(tmp_path / "sock") as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(tool: Path, folder: Path, *options: str) -> Report:
    (folder / "load.tsv").write_text(LINE)
    where = ("--socket", f"unix:{folder / 'sock'}", "--workload", str(folder / "load.tsv"))
    done = subprocess.run([tool, "--policy", *where, *options], capture_output=True, text=True, check=False)
    report: Report = json.loads(done.stdout)
    return report


def test_a_policy_service_is_asked_at_rcpt_as_postfix_asks_on_connections_that_are_kept(
    service: PolicyService, milterload: Path, tmp_path: Path
) -> None:
    report = ask(milterload, tmp_path, "--sessions", "50", "--concurrency", "5", "--seed", "x")
    assert (report["sessions"], report["failed"], report["replies"]) == (50, 0, {"rcpt.DUNNO": 50})
    assert service.connections <= 5
    first = min(service.requests, key=lambda request: int(request["recipient"][4:].partition("@")[0]))
    assert (
        first.items()
        >= {
            "request": "smtpd_access_policy",
            "protocol_state": "RCPT",
            "client_address": "64:ff9b::c01f:c40a",
            "client_name": "unknown",
            "helo_name": "mail.example.org",
            "sender": "sx.0@example.org",
            "recipient": "user0@rcpt.test",
        }.items()
    )
    assert len({request["sender"] for request in service.requests}) == 50
    assert len({request["instance"] for request in service.requests}) == 50


def test_the_word_of_an_action_is_counted_without_its_text(
    service: PolicyService, milterload: Path, tmp_path: Path
) -> None:
    service.action = "DEFER_IF_PERMIT Greylisted, see http://example.org/"
    assert ask(milterload, tmp_path, "--sessions", "3")["replies"] == {"rcpt.DEFER_IF_PERMIT": 3}


def test_at_a_given_rate_latency_counts_from_the_planned_start_so_that_none_hides_behind_a_stalled_one(
    service: PolicyService, milterload: Path, tmp_path: Path
) -> None:
    service.stall = STALL
    report = ask(milterload, tmp_path, "--sessions", "20", "--concurrency", "1", "--rate", "1000")
    waited = report["latency_ms"]["until_rcpt"]
    assert waited["count"] == 20
    # All were to begin within 20 ms, and had to wait for the first one's answer.
    assert waited["p50"] >= STALL * 1000 - 20
