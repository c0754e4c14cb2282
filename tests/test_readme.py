"""README says what the code does: its settings, commands, codes, fields, files and examples are the real ones."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from milter64.address.client import Origin
from milter64.address.translator import Translator
from milter64.checks import unreadable_mailbox as paths
from milter64.cli.main import VERBS, main
from milter64.config import load_file
from milter64.config.load_file import parse
from milter64.config.settings import Settings
from milter64.config.toml_reader import keys
from milter64.greylist.attempt import Standing, State
from milter64.mail.action import Action
from milter64.mail.finding import Finding, Key
from milter64.mail.session import Envelope, Session
from milter64.policy.decision import Verdict
from milter64.policy.smtp_reply import NOT_READY, one_at_a_time, reply, trouble
from milter64.telemetry.log import Settings as LogSettings
from milter64.telemetry.log import Telemetry
from milter64.telemetry.metrics import FAMILIES
from rig.lab import Lab
from rig.nsd import Nsd

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
TOML = [text for language, text in BLOCKS if language == "toml"]
CONSOLE = [text.partition("\n")[::2] for language, text in BLOCKS if language == "console"]
"""Commands, each with its output."""


def chapter(title: str) -> str:
    """Return what stands under a heading, up to the next one."""
    (text,) = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^##|\Z)", README, flags=re.DOTALL | re.MULTILINE)
    return str(text)


def table(text: str, head: str) -> list[list[str]]:
    """Return the rows, by cell, of the table whose head begins with `head`."""
    (rows,) = re.findall(rf"^\| {re.escape(head)} \|.*\n\|[-|]+\|\n((?:\|.*\|\n)+)", text, flags=re.MULTILINE)
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in rows.splitlines()]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# Settings

SETTINGS = {quoted(key)[0]: default for key, default, _ in table(chapter("Configuration"), "key")}
(ACTIONS,) = re.findall(r"^The actions by default:\n\n```toml\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def test_every_setting_stands_in_readme_and_no_other() -> None:
    assert list(SETTINGS) == list(keys(Settings))


def value(settings: object, key: str) -> object:
    for name in key.split("."):
        settings = getattr(settings, name)
    return [prefix.text for prefix in settings] if key == "translation.prefixes" else settings  # type: ignore[attr-defined]  # a tuple of them


@pytest.mark.parametrize("key", SETTINGS)
def test_the_default_that_readme_gives_is_the_codes(key: str) -> None:
    cell = SETTINGS[key]
    given, problems = parse(ACTIONS if cell == "below" else f"{key} = {quoted(cell)[0]}" if cell else "")
    assert not problems
    assert value(given, key) == value(Settings(), key)
    if cell == "below":
        assert key.rpartition(".")[2] in ACTIONS


def test_a_setting_without_a_default_in_readme_has_none() -> None:
    assert [key for key, cell in SETTINGS.items() if not cell] == ["iprev.ipv6_actions", "metrics.listen"]


@pytest.mark.parametrize(
    ("key", "results"), [(key, quoted(results)) for keys, results in table(README, "table") for key in quoted(keys)]
)
def test_an_action_can_be_given_for_each_result_that_readme_lists_and_for_no_other(
    key: str, results: list[str]
) -> None:
    actions = ", ".join(f'{result} = "accept"' for result in results)
    assert parse(f"{key} = {{ {actions} }}")[1] == []
    (problem,) = parse(f'{key} = {{ zzz = "accept" }}')[1]
    assert problem.remedy == f"possible are {', '.join(sorted(results))}"


@pytest.mark.parametrize("text", TOML)
def test_an_example_of_a_configuration_is_valid(text: str) -> None:
    assert parse(text)[1] == []


# Commands


def commands(program: str) -> set[str]:
    """Return the first words that README has behind a program, in code."""
    code = "\n".join([*(text for _, text in BLOCKS), *re.findall(r"^    .*$|`[^`\n]+`", README, flags=re.MULTILINE)])
    return set(re.findall(rf"(?:^ *|`|\$ |bin/){program}(?: -C \S+)? ([a-z][a-z-]+)", code, flags=re.MULTILINE))


def test_every_verb_stands_in_readme_and_no_other() -> None:
    assert commands("milter64") == set(VERBS)


def test_every_make_target_stands_in_readme_and_no_other() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert commands("make") == set(phony.split())


ZONES = {
    ".": """
        honest.example. TXT "v=spf1 ip4:192.31.196.10 -all"
        mail.honest.example. A 192.31.196.10
        mail.honest.example. TXT "v=spf1 a -all"
        10.196.31.192.in-addr.arpa. PTR mail.honest.example.
        ipv4only.arpa. A 192.0.0.170
        ipv4only.arpa. A 192.0.0.171
        """,
}


@pytest.mark.parametrize(("command", "output"), CONSOLE)
def test_a_command_prints_what_readme_shows(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    output: str,
) -> None:
    nsd = lab.start(Nsd, ZONES)
    file = lab.folder / "milter64.toml"
    file.write_text(f'milter.authserv_id = "mx.example.org"\ndns.nameservers = ["{nsd.server}"]\n')
    monkeypatch.setattr(load_file, "DEFAULT", file)
    prompt, program, *words = shlex.split(command)
    assert (prompt, program, main(words)) == ("$", "milter64", 0)
    assert list(timeless(capsys.readouterr().out)) == list(timeless(output))


def timeless(output: str) -> Iterator[list[str]]:
    """Yield the lines by word: a longer time makes a column wider."""
    for line in output.splitlines():
        yield re.sub(r"[\d.]+ m?s\b", "some s", line).split()


# Verdicts

SESSION = Session(
    token="1a2b3c4d",
    client=Translator().client("192.31.196.10"),
    port=2525,
    helo="mail.example.org",
    mta="mx.example.org",
)
ENVELOPE = Envelope(session=SESSION, sender="a@example.org", login="")
QUESTIONS: list[Key] = [
    ("spf", "smtp.mailfrom"),
    ("spf", "smtp.helo"),
    ("iprev", "policy.iprev"),
    ("helo", "smtp.helo"),
]


def finding(key: Key, result: str) -> Finding:
    return Finding(check=key[0], property=key[1], result=result, reason="a reason")


WAITING = Standing(state=State.WAITING, seconds=60, group="net:192.31.196.0/24", rows={})
FINDINGS = {key: finding(key, "fail") for key in QUESTIONS}


def refusals() -> Iterator[str]:
    """Yield the codes of every reply that there is."""
    results = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror")
    causes = [(finding(key, result),) for key in QUESTIONS for result in results]
    verdicts = [
        Verdict(action=action, because=because)
        for action in (Action.TEMPFAIL, Action.REJECT)
        for because in (*causes, tuple(FINDINGS.values()))
    ]
    busy = Verdict(action=Action.TEMPFAIL, busy=True)
    for verdict in (*verdicts, busy, Verdict(action=Action.GREYLIST, standing=WAITING)):
        answer = reply(verdict, ENVELOPE)
        assert answer
        yield f"{answer.code} {answer.status}"
    unreadable = (paths.sender(replace(ENVELOPE, readable=False), frozenset()), paths.recipient("<>"))
    for each in unreadable:
        assert each
        answer = reply(Verdict(action=Action.REJECT, because=(each,)), ENVELOPE)
        assert answer
        yield f"{answer.code} {answer.status}"
    for answer in (trouble("1a2b3c4d"), one_at_a_time("1a2b3c4d"), NOT_READY):
        yield f"{answer.code} {answer.status}"


def test_readme_lists_the_codes_of_every_reply_and_no_other() -> None:
    listed = [codes for row in table(README, "why") for codes in row[1:] if codes]
    assert sorted(listed) == sorted(set(refusals()))


def test_readme_explains_every_field_and_event_of_the_log_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    log = Telemetry(LogSettings(format="json"))
    to = ["b@example.org"]
    for action in (Action.GREYLIST, Action.TEMPFAIL, Action.REJECT):
        verdict = Verdict(action=action, because=tuple(FINDINGS.values()), standing=WAITING)
        for observe in (True, False):
            log.refused(ENVELOPE, to, FINDINGS, verdict, NOT_READY, seconds=0.1, observe=observe)
    busy = Verdict(action=Action.TEMPFAIL, busy=True)
    log.refused(ENVELOPE, to, FINDINGS, busy, NOT_READY, seconds=0.1, observe=False)
    log.accepted(ENVELOPE, to, FINDINGS, None, queue_id="4jWYbR3kztzJ9Qt", seconds=0.1)
    unreadable = paths.sender(replace(ENVELOPE, readable=False), frozenset())
    assert unreadable
    log.abandoned(ENVELOPE, to, FINDINGS | {unreadable.key: unreadable}, seconds=0.1)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    fields = {name: meaning for names, meaning in table(README, "field") for name in quoted(names)}
    assert fields.keys() == {name for line in lines for name in line}
    assert set(quoted(fields["event"])) == {line["event"] for line in lines}


@pytest.mark.parametrize(
    ("head", "words"), [("`origin`", list(Origin)), ("`greylist`", [state.value for state in State])]
)
def test_readme_explains_every_word_of_a_field(head: str, words: list[str]) -> None:
    assert [word for cell, _ in table(README, head) for word in quoted(cell)] == words


def test_readme_lists_every_number_with_its_labels_and_no_other() -> None:
    suffix = {"counter": "_total"}
    listed = {
        name: quoted(labels) for names, labels, _ in table(README, "number, `milter64_...`") for name in quoted(names)
    }
    assert listed == {name + suffix.get(kind.kind, ""): list(kind.labels) for name, kind in FAMILIES.items()}


# The house


def test_readme_lists_every_wing_of_the_house() -> None:
    house = ROOT / "milter" / "milter64"
    listed = [name for cell, _ in table(chapter("Architecture"), "wing") for name in quoted(cell)]
    assert sorted(listed) == sorted(f"{path.parent.name}/" for path in house.glob("*/__init__.py"))


def test_readme_keeps_to_120_columns() -> None:
    assert [line for line in README.splitlines() if len(line) > 120] == []
