"""The verb: its report for people and for programs, its exit codes, its progress, and a DNS that says nothing."""

import json
import os
import pty
import re
import signal
import sys
import termios
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from milter64.audit import auditor
from milter64.audit.facts.facts import Facts
from milter64.cli import audit
from milter64.cli.main import main
from milter64.config.settings import Settings
from rig.lab import Lab
from rig.network import Namespace
from rig.nsd import Nsd
from rig.process import Process
from rig.scene import HOST, SIX, ZONE, Doors, Scene, pointer

NO_PTR = Scene(zone=ZONE.replace(f"{pointer(SIX)} PTR mx.example.org", ""))
WARNED = Scene(main={"milter_default_action": "accept"})


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Audit a scene, and return the exit code and what was printed."""

    def play(scene: Scene, *words: str, trouble: str = "") -> tuple[int, str]:
        def gather(_s: Settings, _p: Path | None, _d: Sequence[str], _n: Callable[[str], None]) -> tuple[Facts, str]:
            return scene.facts(), trouble

        monkeypatch.setattr(audit, "gather", gather)
        code = main(["audit", *words])
        return code, capsys.readouterr().out

    return play


Play = Callable[..., tuple[int, str]]


@pytest.mark.parametrize(
    ("scene", "trouble", "code"),
    [(Scene(), "", 0), (WARNED, "", 0), (NO_PTR, "", 1), (Scene(), "postconf is not installed here", 1)],
)
def test_the_exit_code_is_for_problems_alone(play: Play, scene: Scene, trouble: str, code: int) -> None:
    assert play(scene, trouble=trouble)[0] == code
    assert play(scene, "--json", trouble=trouble)[0] == code


def test_the_report_is_laid_out_by_theme_and_plain_when_piped(play: Play) -> None:
    output = play(WARNED)[1]
    lines = output.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "Inbound",
        "Outbound",
        "milter64",
        "Container",
        "Clients",
        "28 ok, 1 warning, 0 problem",
    ]
    assert ["ok", "A of mx.example.org", "192.0.2.25: eth0 has it"] in [re.split("  +", line)[1:] for line in lines]
    assert lines[1].index("10 mx") == next(line.index("none for port 25") for line in lines if "none for" in line)
    at = next(number for number, line in enumerate(lines) if "  warning  " in line)
    assert [re.split("   +", line)[-1] for line in lines[at : at + 3]] == [
        "accept lets mail in unjudged, forged results and all, while milter64 is away",
        "see: postconf -M smtp/inet; postconf -P 'smtp/inet/*'",
        "remedy: set tempfail; milter64 postfix prints how",
    ]
    assert "\x1b" not in output


def test_a_problem_has_its_evidence_too(play: Play) -> None:
    output = play(NO_PTR)[1]
    assert f"evidence: inet_protocols = all; smtp_address_preference = any; PTR of {SIX}\n" in output


def test_json_has_every_line_whole(play: Play) -> None:
    report = json.loads(play(NO_PTR, "--json")[1])
    assert (report["host"], report["domains"]) == ("mx.example.org", ["example.org"])
    assert report["counts"] == {"ok": 26, "warning": 1, "problem": 2}
    assert len(report["lines"]) == 29
    there_are_none = {"sharing", "lists", "neighbours"}
    assert {line["theme"] for line in report["lines"]} == set(auditor.THEMES) - there_are_none
    assert report["lines"][1] == {
        "theme": "inbound",
        "level": "ok",
        "subject": "A of mx.example.org",
        "reason": "192.0.2.25: eth0 has it",
        "evidence": ["mx.example.org. A 192.0.2.25"],
        "see": "ip address show to 192.0.2.25",
        "remedy": "",
    }


def test_the_page_sums_up_in_the_words_of_its_lines(play: Play, tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    play(WARNED, "--html", str(page))
    html = page.read_text()
    figures = re.findall(r"<dt>(.*?)</dt>", html)
    assert figures == ["good", "warning", "problem"]
    assert set(re.findall(r"<li class=\"\w+\"><p><b>(\w+)</b>", html)) == {"good", "warning"}


def test_strangers_text_is_cleaned(play: Play) -> None:
    scene = Scene(doors=Doors(greetings={SIX: "554 \x1b]0;owned\x07 no"}))
    assert "\x1b" not in play(scene)[1]
    assert "\\u001b" not in play(scene, "--json")[1]


def test_lines_that_two_services_share_are_told_once(play: Play) -> None:
    twice = Scene(services=(*Scene().services, Scene().services[0]))
    assert play(twice)[1] == play(Scene())[1]


def test_a_postfix_that_cannot_be_read_is_a_line_of_its_own(play: Play) -> None:
    output = play(Scene(), trouble="postconf is not installed here")[1]
    assert "problem  Postfix " in output
    assert "taken for the defaults: postconf is not installed here" in output


def test_a_host_that_does_not_tell_of_itself_is_not_judged(play: Play) -> None:
    code, output = play(Scene(host=replace(HOST, missing=("ip", "ss"))))
    assert code == 1
    assert "can't be read without ip and ss: nothing is judged" in output
    assert "remedy: apt install iproute2" in output
    assert output.endswith("\n0 ok, 0 warning, 1 problem\n")


def silent_dns(lab: Lab, network: Namespace) -> list[str]:
    """Return an audit's command line whose nameserver says nothing."""
    nsd = lab.start(Nsd, {".": ""}, network=network)
    os.killpg(nsd.pid, signal.SIGSTOP)
    file = lab.folder / "milter64.toml"
    file.write_text(f'[dns]\nnameservers = ["{nsd.server}"]\ntimeout = "100ms"\ndeadline = "200ms"\n')
    words = ["audit", "--config", str(file), "--config-directory", str(lab.folder), "--domain", "example.org"]
    return network.command(sys.executable, "-m", "milter64", *words)


def test_a_dns_that_says_nothing_is_a_problem_and_no_stack_trace(lab: Lab) -> None:
    with Namespace() as network, Process(*silent_dns(lab, network), "--json") as process:
        assert process.wait() == 1
        lines = {line["subject"]: line for line in json.loads(process.output)["lines"]}
    assert lines["MX of example.org"]["reason"].startswith("DNS gives no answer: ")
    assert lines["DNS64 and translation.prefixes"]["reason"].startswith("whether the resolver is a DNS64 isn't known")
    assert lines["Postfix"]["level"] == "problem"


def test_on_a_terminal_it_has_colour_shows_what_it_asks_and_wraps(lab: Lab) -> None:
    terminal, end = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 70))
    coloured = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    text = b""
    with Namespace() as network:
        words = silent_dns(lab, network)
        both = [(os.POSIX_SPAWN_DUP2, end, number) for number in (1, 2)]
        pid = os.posix_spawnp(words[0], words, coloured, file_actions=both)
        os.close(end)
        try:
            while chunk := os.read(terminal, 65536):
                text += chunk
        except OSError:  # how a terminal says that nobody writes to it any more
            pass
        finally:
            os.close(terminal)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert b"\x1b[Kasking: MX example.org" in text
    assert b"\x1b[31mproblem\x1b[0m" in text
    report = text.rpartition(b"\x1b[K")[2].decode()
    assert "asking" not in report
    texts = [re.sub("\x1b.*?m", "", line) for line in report.splitlines()]
    left = texts[1].index("its settings")
    assert max(len(text) for text in texts if not text[left:].startswith(("see:", "remedy:"))) <= left + 30
    assert any(text[left:].startswith("  ") for text in texts)
    assert " problem" in report.splitlines()[-1]


def test_a_wrong_option_and_a_wrong_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["audit", "--nonsense"])
    assert caught.value.code == 64
    file = tmp_path / "milter64.toml"
    file.write_text("nonsense = 1")
    assert main(["audit", "--config", str(file)]) == 78
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Example.ORG.", "example.org"),
        ("m\u00fcller.example", "xn--mller-kva.example"),
        ("_x.xn--mller-kva.example", "_x.xn--mller-kva.example"),
    ],
)
def test_a_domain_is_taken_as_dns_knows_it(monkeypatch: pytest.MonkeyPatch, play: Play, text: str, domain: str) -> None:
    given: list[str] = []
    facts = Scene().facts()

    def gather(_s: Settings, _p: Path | None, domains: Sequence[str], _n: Callable[[str], None]) -> tuple[Facts, str]:
        given.extend(domains)
        return facts, ""

    play(Scene())
    monkeypatch.setattr(audit, "gather", gather)
    assert main(["audit", "--domain", text]) == os.EX_OK
    assert given == [domain]


@pytest.mark.parametrize(
    "text", ["exa mple.org", " example.org", "", ".", "a..b", "example.org;id", "x" * 64, "a." * 130, "\x1b[31m"]
)
def test_what_is_no_domain_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["audit", "--domain", text])
    assert ended.value.code == os.EX_USAGE
    said = capsys.readouterr().err
    assert "is no domain, such as example.org" in said
    assert "\x1b" not in said
