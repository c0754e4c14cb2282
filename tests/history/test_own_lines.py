"""Our own lines come back as they were written, whatever stands before them, and nobody else's are taken for ours."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milter64.history.own_lines import Event, events
from milter64.mail.clean_text import clean
from milter64.telemetry.log_format import json_layout, logfmt

LINE = (
    "time=2026-11-21T00:53:07.644Z level=info event=rejected session=d26eb094 client=192.31.196.40"
    ' from=<joe@honest.example> because="spf fail: \\"no\\"" reply="550 5.7.23" ms=24.2'
)
FIELDS = {
    "time": "2026-11-21T00:53:07.644Z",
    "level": "info",
    "event": "rejected",
    "session": "d26eb094",
    "client": "192.31.196.40",
    "from": "<joe@honest.example>",
    "because": 'spf fail: "no"',
    "reply": "550 5.7.23",
    "ms": "24.2",
}


def one(line: str) -> Event:
    (event,) = events([f"{line}\n".encode()])
    return event


@pytest.mark.parametrize(
    "before",
    [
        "",
        "Nov 21 00:53:07 mx milter64[123]: ",
        "2026-11-21T00:53:07.644123+00:00 mx milter64[123]: ",
        "<30>1 2026-11-21T00:53:07.644123+00:00 mx milter64 123 - - ",
        "milter64-1  | ",
        "2026-11-21T00:53:07.644123456Z ",
    ],
    ids=["nothing", "syslog", "journal", "RFC 5424", "compose", "docker logs -t"],
)
@pytest.mark.parametrize("line", [LINE, json.dumps(FIELDS)], ids=["logfmt", "JSON"])
def test_a_line_is_read_behind_what_others_put_before_it(before: str, line: str) -> None:
    assert one(before + line) == Event(1795222387.644, "rejected", FIELDS)


def test_a_line_is_read_out_of_the_file_that_docker_keeps() -> None:
    assert one(json.dumps({"log": f"{LINE}\n", "stream": "stderr"}, separators=(",", ":"))).fields == FIELDS


@pytest.mark.parametrize(
    ("line", "left_out"),
    [
        (f'time=2026-11-21T00:53:07.644Z level=info event=greylisted helo="a b{" observe=rejected"} ms=1', {"observe"}),
        ('time=2026-11-21T00:53:07.644Z level=info event=greylisted from="<x event=accepted queue=F', {"queue"}),
        ('time=2026-11-21T00:53:07.644Z level=info event=greylisted from="', {"from"}),
    ],
    ids=["a quotation that ends", "one that was cut", "one that was cut at once"],
)
def test_what_a_stranger_writes_is_no_field_wherever_the_line_was_cut(line: str, left_out: set[str]) -> None:
    event = one(line)
    assert event.name == "greylisted"
    assert left_out.isdisjoint(event.fields)


@pytest.mark.parametrize(
    "line",
    [
        'Nov 21 00:53:07 mx postfix/smtpd[12]: from=<"time=2026-11-21T00:53:07.644Z level=info event=accepted"@x>',
        "time=yesterday level=info event=accepted",
        "time=2026-11-21T00:53:07.644Z level=info",
        '{"time": "2026-11-21T00:53:07.644Z"}',
        '{"time": 3, "event": "accepted"}',
        '{"log": "time=2026-11-21T00:53:07.644Z level=info event=a"',
        "nothing at all",
    ],
)
def test_what_is_not_ours_is_counted(line: str) -> None:
    counted = list[int]()
    assert list(events([f"{line}\n{line}\n".encode()], counted.append)) == []
    assert sum(counted) == 2


VALUES = st.text(max_size=60)
NAMES = st.from_regex(r"[a-z][a-z_]{0,9}", fullmatch=True)


LAYOUTS = {"logfmt": logfmt, "JSON": json_layout()}


@pytest.mark.parametrize("layout", LAYOUTS)
@given(more=st.dictionaries(NAMES, VALUES, max_size=6), spoken=VALUES)
def test_whatever_is_logged_comes_back_as_it_was_written(layout: str, more: dict[str, str], spoken: str) -> None:
    said = {"level": "info", "event": "rejected", **{f"x{name}": text for name, text in more.items()}, "to": spoken}
    event = one(LAYOUTS[layout]({"time": 1795222387_644_000_000, **said}))
    assert event.at == 1795222387.644
    assert event.fields == {"time": "2026-11-21T00:53:07.644Z", **{name: clean(text) for name, text in said.items()}}


def test_a_traceback_keeps_its_lines() -> None:
    fields = {"time": 1795222387_644_000_000, "level": "error", "event": "fault", "exception": 'a\n  File "b"\nc\\n'}
    assert one(logfmt(fields)).fields["exception"] == 'a\n  File "b"\nc\\n'
