import json
from pathlib import Path

from rig.dnslists import DnsList, ListServer
from rig.verbs import said
from rig.world import RECORDS, behind


def explain(configuration: Path, *words: str) -> str:
    return said("explain", "--config", configuration, *words)


def test_each_dns_list_is_shown_with_what_it_was_asked_said_and_what_follows(tmp_path: Path) -> None:
    reversed_, client = "40.196.31.192", "192.31.196.40"
    key = "s3cr3tk3ys3cr3tk3y"
    zones = ("a.lists.example", f"{key}.b.lists.example", "c.lists.example", "d.lists.example", "e.lists.example")
    with ListServer({zone: DnsList() for zone in zones}) as server:
        server.records.update(RECORDS)
        server.lists[zones[1]].listed = {"40.196.31.192": ["127.0.0.4"]}
        server.lists[zones[2]].everybody = "127.0.0.2"
        server.lists[zones[3]].listed = {"40.196.31.192": ["127.0.0.9"]}
        file = tmp_path / "milter64.toml"
        more = ("about = ['client', 'sender']", "", "", "answers = ['127.0.0.2-4']", "action = 'accept'")
        tables = [f"[[dnslist]]\nzone = '{zone}'\n{line}\n" for zone, line in zip(zones, more, strict=True)]
        head = f'dns.nameservers = ["{server.address}"]\ngreylist.store = "memory:"\nmilter.workers = 1\n'
        file.write_text(head + "".join(tables))
        words = (behind(client), "--helo", "stranger.example", "--from", "a@sub.none.example", "--to", "u@lab.example")
        report = json.loads(explain(file, *words, "--json"))
        text = explain(file, *words)
    assert [tuple(row.values()) for row in report["dns_lists"]] == [
        ("a.lists.example", "client", reversed_, "", f"a.lists.example does not list {client}"),
        ("a.lists.example", "sender", "sub.none.example", "", "a.lists.example does not list sub.none.example"),
        (
            "b.lists.example",
            "client",
            reversed_,
            "127.0.0.4",
            f"b.lists.example lists {client}, and nothing that can't be listed: reject",
        ),
        (
            "c.lists.example",
            "client",
            None,
            None,
            "counts for nothing: it lists whatever it is asked about: 127.0.0.2",
        ),
        ("d.lists.example", "client", reversed_, "127.0.0.9", f"d.lists.example does not list {client}"),
        ("e.lists.example", "client", None, None, "not asked: its word could change nothing"),
    ]
    assert report["rules"] == [f'dnslist.action = "reject": b.lists.example lists {client}']
    lines = [line.split() for line in text.splitlines()]
    assert ["a.lists.example", "client", reversed_, "-", "a.lists.example", "does", "not", "list", client] in lines
    assert key not in text + json.dumps(report)
