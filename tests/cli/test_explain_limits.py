import json
from pathlib import Path

import pytest

from rig.dnsserver import DnsServer
from rig.verbs import said
from rig.world import RECORDS, behind

LIMITS = """
[allow]
entries = ["192.31.197.0/24"]
[rate]
sessions = { "ipv4/32" = "60/1h", "ipv6/64" = "30/1h" }
recipients = { "ipv4/24" = "300/60m", "ipv6/128" = "20/1h" }
"""


def explain(configuration: Path, *words: str) -> str:
    return said("explain", "--config", configuration, *words)


@pytest.mark.parametrize(
    ("address", "rows"),
    [
        (behind("192.31.196.10"), ["sessions 192.31.196.10/32 60/1h", "recipients 192.31.196.0/24 300/60m"]),
        ("2001:db8:6::25", ["sessions 2001:db8:6::/64 30/1h", "recipients 2001:db8:6::25/128 20/1h"]),
        ("64:ff9b:1::1", ["recipients 64:ff9b:1::1/128 20/1h"]),
        (behind("192.31.197.10"), []),
        ("10.1.2.3", []),
        ("127.0.0.1", []),
    ],
)
def test_the_limits_that_count_for_a_client_are_shown(address: str, rows: list[str], tmp_path: Path) -> None:
    with DnsServer(RECORDS) as server:
        file = tmp_path / "milter64.toml"
        head = f'dns.nameservers = ["{server.address}"]\ngreylist.store = "memory:"\nmilter.workers = 1\n'
        file.write_text(head + LIMITS)
        report = json.loads(explain(file, address, "--to", "u@lab.example", "--json"))
        text = explain(file, address, "--to", "u@lab.example")
    assert [" ".join(row.values()) for row in report["limits"]] == rows
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert [line for line in lines if line in rows] == rows
    assert ("Limits" in lines) == bool(rows)
