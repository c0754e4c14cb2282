"""Several Postfixes on one host: each that listens is judged, and none that doesn't."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from milter64.audit.auditor import audit
from milter64.audit.facts.instances import instances
from milter64.audit.facts.postconf import Postfix, PostfixUnreadable
from milter64.audit.report_line import Line
from milter64.audit.rules.postfix_settings import check, plan
from milter64.config.settings import Settings
from rig.scene import SERVICES, Scene, service, smtpd

FRONT = "smtp inet n - n - - smtpd\n"
BACK = "127.0.0.1:10026 inet n - n - - smtpd\n"
CLIENT = "smtp unix - - n - - smtp\n"
OFF = "master_service_disable = inet\n"
ON = "multi_instance_enable = yes\n"


def write(folder: Path, name: str, main: str = "", master: str = FRONT + CLIENT) -> Path:
    path = folder / name
    path.mkdir()
    own = f"queue_directory = /var/spool/{name}\ndata_directory = /var/lib/{name}\nmyhostname = {name}.example.org\n"
    own += "smtpd_client_connection_count_limit = 0\n"  # of which 3.8 and later have more to say
    text = f"compatibility_level = 3.6\n{own}multi_instance_name = {name}\n{main}"
    for file, lines in {"main.cf": text, "master.cf": master}.items():
        (path / file).write_text(lines)
        os.utime(path / file, (0, 0))
    return path


def primary(folder: Path, main: str, *others: Path) -> Path:
    return write(folder, "primary", f"{main}multi_instance_directories = {' '.join(map(str, others))}\n")


def names(folder: Path) -> tuple[list[str], dict[str, str]]:
    found = instances(folder)
    return [each.name for each in found.judged], {Path(path).name: why for path, why in found.others.items()}


def test_a_postfix_that_is_alone_is_judged_listening_or_not(tmp_path: Path) -> None:
    alone = write(tmp_path, "alone", OFF)
    assert names(alone) == (["alone"], {})
    assert instances(alone).judged[0].disabled == ("smtp/inet",)


def test_each_that_listens_is_judged(tmp_path: Path) -> None:
    others = [
        write(tmp_path, "in", ON),
        write(tmp_path, "out", ON, BACK + CLIENT),
        write(tmp_path, "off", "multi_instance_enable = no\n"),
        write(tmp_path, "quiet", ON, CLIENT),
        write(tmp_path, "created", ON + OFF),
        tmp_path / "gone",
    ]
    judged, idle = names(primary(tmp_path, ON + OFF, *others))
    assert judged == ["in", "out"]
    assert {name: why.partition(":")[0].rpartition("/")[2] for name, why in idle.items()} == {
        "primary": "it does not listen",
        "off": "it is not started",
        "quiet": "it does not listen",
        "created": "it does not listen",
        "gone": "postconf",
    }
    assert [each.front_elsewhere for each in instances(tmp_path / "primary").judged] == [False, True]


def test_where_none_listens_the_first_is_judged(tmp_path: Path) -> None:
    assert names(primary(tmp_path, OFF, write(tmp_path, "in")))[0] == ["primary"]


def test_the_folder_that_is_named_is_looked_at_with_those_that_it_manages_alone(tmp_path: Path) -> None:
    inside = write(tmp_path, "in", ON)
    primary(tmp_path, ON, inside)
    assert names(inside) == (["in"], {})


def test_a_first_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(PostfixUnreadable):
        instances(tmp_path / "none")


def told(folder: Path, *words: str) -> tuple[str, dict[str, Any]]:
    """Return what postmulti lists, and what the verb says, where that folder is /etc/postfix."""
    script = 'mount --bind "$1" /etc/postfix; postmulti -l; echo --; shift; "$@"'
    command = [sys.executable, "-m", "milter64", "postfix", "--json", *words]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(folder), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    listed, _, report = done.stdout.partition("--\n")
    return listed, json.loads(report)


def test_they_are_those_that_postmulti_lists_and_the_lines_are_for_each(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    configuration = tmp_path / "milter64.toml"
    configuration.write_text("")
    inside, out = write(tmp_path, "in", ON), write(tmp_path, "out", ON, BACK + CLIENT)
    folder = primary(tmp_path, ON + OFF, inside, out, write(tmp_path, "off"))
    listed, report = told(folder, "--config", str(configuration))
    rows = [line.split() for line in listed.splitlines()]
    assert [(name, enabled) for name, _, enabled, _ in rows] == [
        ("primary", "y"),
        ("in", "y"),
        ("out", "y"),
        ("off", "n"),
    ]
    assert report["lines"] == [
        f"postconf -c {inside} -e 'smtpd_milters = inet:127.0.0.1:8864'",
        f"postfix -c {inside} reload",
    ]
    assert [(trouble["directory"], trouble["what"]) for trouble in report["troubles"]] == [
        (str(inside), "milter64 is not asked")
    ]
    assert {Path(path).name for path in report["others"]} == {"postfix", "off"}


def test_an_instance_without_a_front_asks_nobody_and_nothing_is_wrong_with_that() -> None:
    out = Postfix(
        directory=Path("/etc/postfix-out"),
        main={"smtpd_milters": "inet:localhost:8891", "milter_default_action": "tempfail", "milter_protocol": "6"},
        services=(smtpd("127.0.0.1:10026"), smtpd("submission")),
        front_elsewhere=True,
    )
    assert (plan(out, Settings()), check(out, Settings())) == ((), ())
    asks = replace(out, main={**out.main, "smtpd_milters": "inet:127.0.0.1:8864"})
    assert [setting.service for setting in plan(asks, Settings())] == ["127.0.0.1:10026/inet", "submission/inet"]


def lines(scene: Scene, *more: Postfix, idle: tuple[str, ...] = ()) -> dict[str, Line]:
    facts = replace(scene.facts(), more=more, idle=idle)
    return {line.subject: line for _, line in audit(facts)}


def test_the_audit_looks_at_each_and_its_commands_name_the_folder() -> None:
    first = Scene().facts().postfix
    other = replace(
        first,
        directory=Path("/etc/postfix out"),
        main={**first.main, "multi_instance_name": "postfix-out", "smtp_helo_name": "out.example.org"},
        services=(
            smtpd("127.0.0.1:10026", smtpd_milters="inet:127.0.0.1:8864"),
            service("smtp", inet_protocols="ipv4"),
        ),
        usual=False,
        front_elsewhere=True,
    )
    found = lines(Scene(), other, idle=("/etc/postfix-off: it is not started",))
    assert found["Postfix instances"].reason == "looked at: /etc/postfix, postfix-out"
    assert found["Postfix instances"].evidence == ("/etc/postfix-off: it is not started",)
    assert found["milters: smtp/inet"].see == "postconf smtpd_milters"
    back = found["milters: 127.0.0.1:10026/inet of postfix-out"]
    assert back.see.startswith(
        "postconf -c '/etc/postfix out' -M 127.0.0.1:10026/inet; postconf -c '/etc/postfix out' -P"
    )
    assert back.remedy.endswith("milter64 postfix --config-directory '/etc/postfix out' prints how")
    assert found["IPv4 source of smtp"].see == "ip -4 route get 198.41.0.4"
    assert found["families of smtp of postfix-out"].see.startswith("postconf -c '/etc/postfix out' -P smtp/unix/inet")
    assert "resolver of postfix-out" not in found
    assert sum(subject.startswith("port 25 of") for subject in found) == 2


def test_services_that_master_does_not_start_are_told_of() -> None:
    scene = Scene(main={"master_service_disable": "submission/inet"})
    facts = scene.facts()
    facts = replace(facts, postfix=replace(facts.postfix, disabled=("submission/inet",)))
    found = {line.subject: line for _, line in audit(facts)}
    assert found["services of /etc/postfix"].reason == "not started, and not judged: submission/inet"


def test_the_name_of_the_front_is_the_hosts_own() -> None:
    services = (smtpd(myhostname="mx.example.org"), *SERVICES[1:])
    found = lines(Scene(services=services, main={"myhostname": "internal.example.org"}))
    assert not any(subject.startswith("name on port 25") for subject in found)
    assert "MX that are this host" not in found


def test_a_command_that_names_its_folder_is_left_alone() -> None:
    text = "postconf -c /x -P a && postconf -n && postfix reload && postfix -c /x reload; milter64 postfix; postconf(5)"
    here = replace(Scene().facts().postfix, directory=Path("/x"))
    assert here.placed(text) == text
    assert replace(here, usual=False).placed(text) == (
        "postconf -c /x -P a && postconf -c /x -n && postfix -c /x reload && postfix -c /x reload; "
        "milter64 postfix --config-directory /x; postconf(5)"
    )
