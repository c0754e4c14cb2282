"""What `milter64 postfix` knows, on Postfixes made of tables."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from milter64.audit.facts.postconf import Postfix, Service
from milter64.audit.rules.postfix_settings import Setting, check, plan
from milter64.config.load_file import parse
from milter64.config.settings import Settings

MAIN = {
    "queue_directory": "/var/spool/postfix",
    "smtpd_milters": "",
    "non_smtpd_milters": "",
    "milter_protocol": "6",
    "milter_default_action": "tempfail",
    "milter_command_timeout": "30s",
    "milter_content_timeout": "300s",
    "content_filter": "",
    "smtpd_proxy_filter": "",
    "receive_override_options": "",
}
"""Postfix's defaults."""
OURS = "inet:127.0.0.1:8864"
SIGNER = "inet:localhost:8891"
QUEUE = '[milter]\nsocket = "unix:/var/spool/postfix/milter64/milter64.sock"\n'
ELSEWHERE = '[milter]\nsocket = "unix:/run/milter64.sock"\n'


def smtpd(name: str = "smtp", *, chroot: bool = True, type: str = "inet", **overrides: str) -> Service:  # noqa: A002  Postfix's word
    return Service(name=name, type=type, chroot=chroot, command="smtpd", overrides=overrides)


def postfix(*services: Service, **main: str) -> Postfix:
    return Postfix(directory=Path("/etc/postfix"), main={**MAIN, **main}, services=services or (smtpd(),))


def settings(text: str = "") -> Settings:
    made, problems = parse(text)
    assert not problems
    return made


def lines(postfix: Postfix, text: str = "") -> list[str]:
    return [setting.command() for setting in plan(postfix, settings(text))]


def troubles(postfix: Postfix, text: str = "") -> list[tuple[str, str]]:
    """Return where and what, the first words of it; what breaks nothing has a question mark."""
    return [
        (trouble.where, trouble.what if trouble.breaks else f"? {trouble.what}")
        for trouble in check(postfix, settings(text))
    ]


# The socket as Postfix names it


@pytest.mark.parametrize(
    ("socket", "chroot", "named"),
    [
        ("inet:8864@127.0.0.1", True, "inet:127.0.0.1:8864"),
        ("inet:8864", True, "inet:127.0.0.1:8864"),
        ("inet:8864@192.0.2.1", True, "inet:192.0.2.1:8864"),
        ("inet6:8864@[::1]", True, "inet:[::1]:8864"),
        ("inet6:8864", True, "inet:[::1]:8864"),
        ("unix:/var/spool/postfix/milter64/milter64.sock", True, "unix:milter64/milter64.sock"),
        ("unix:/var/spool/postfix/milter64/milter64.sock", False, "unix:milter64/milter64.sock"),
        ("unix:/run/milter64/milter64.sock", False, "unix:/run/milter64/milter64.sock"),
        ("unix:/run/milter64/own.sock", True, "unix:milter64/own.sock"),
    ],
)
def test_the_socket_is_named_as_postfix_finds_it(socket: str, chroot: bool, named: str) -> None:  # noqa: FBT001  a case
    assert lines(postfix(smtpd(chroot=chroot)), f'milter.socket = "{socket}"') == [
        f"postconf -e 'smtpd_milters = {named}'"
    ]


@pytest.mark.parametrize(
    ("milters", "text", "chroot"),
    [
        (OURS, "", True),
        ("inet:localhost:8864", "", True),
        ("inet:8864@127.0.0.1", "", True),
        (f"{{ {OURS}, connect_timeout=5s }}, {SIGNER}", "", True),
        (f"{{ {OURS} connect_timeout = 5s }} {SIGNER}", "", True),
        (OURS, 'milter.socket = "inet:8864"', True),
        ("inet:[::1]:8864", 'milter.socket = "inet6:8864@[::1]"', True),
        ("inet:[::1]:8864", 'milter.socket = "inet6:8864"', True),
        ("unix:milter64/milter64.sock", QUEUE, True),
        ("unix:milter64/milter64.sock", QUEUE, False),
        ("unix:/milter64/milter64.sock", QUEUE, True),
        ("local:milter64/milter64.sock", QUEUE, True),
        ("unix:/var/spool/postfix/milter64/milter64.sock", QUEUE, False),
        ("unix:/run/milter64.sock", ELSEWHERE, False),
    ],
)
def test_a_postfix_that_is_right_in_any_spelling_is_left_alone(milters: str, text: str, chroot: bool) -> None:  # noqa: FBT001  a case
    right = postfix(smtpd(chroot=chroot), smtpd("submission", smtpd_milters=SIGNER), smtpd_milters=milters)
    assert (lines(right, text), troubles(right, text)) == ([], [])


# The lines


@pytest.mark.parametrize(
    ("milters", "wanted"),
    [
        ("", OURS),
        (SIGNER, f"{OURS}, {SIGNER}"),
        (f"{SIGNER} {OURS}", f"{OURS}, {SIGNER}"),
        (f"{SIGNER}, {{ unix:a/b, protocol=4 }}, {OURS}", f"{OURS}, {SIGNER}, {{ unix:a/b, protocol=4 }}"),
        (f"{OURS}, {SIGNER}, {OURS}", f"{OURS}, {SIGNER}"),
        (
            f"{{ {OURS}, command_timeout=9s, x=5s }}",
            f"{{ {OURS}, command_timeout=30s, x=5s }}",
        ),
        ("inet:127.0.0.1:9999", f"{OURS}, inet:127.0.0.1:9999"),
        ("inet:127.0.0.2:8864", f"{OURS}, inet:127.0.0.2:8864"),
        ("inet:milter.example:8864", f"{OURS}, inet:milter.example:8864"),
    ],
)
def test_milter64_goes_first_once_and_the_others_stay_behind_it_in_order(milters: str, wanted: str) -> None:
    assert plan(postfix(smtpd_milters=milters), settings()) == (Setting(name="smtpd_milters", value=wanted),)


def test_a_spelling_that_the_chroot_hides_is_replaced() -> None:
    hidden = postfix(smtpd_milters=f"unix:/var/spool/postfix/milter64/milter64.sock, {SIGNER}")
    assert lines(hidden, QUEUE) == [f"postconf -e 'smtpd_milters = unix:milter64/milter64.sock, {SIGNER}'"]
    assert troubles(hidden, QUEUE) == [
        ("smtp/inet", "in its chroot there is no unix:/var/spool/postfix/milter64/milter64.sock")
    ]


def test_the_default_of_newer_postfixes_is_as_good_as_that_of_older_ones() -> None:
    newer = postfix(smtpd_milters=OURS, milter_default_action="shutdown")
    assert (lines(newer), troubles(newer)) == ([], [])


@pytest.mark.parametrize(
    ("text", "main", "own"),
    [
        ("", {"milter_default_action": "accept"}, "default_action=tempfail"),
        ('mode = "observe"', {}, "default_action=accept"),
        ("", {"milter_command_timeout": "9s"}, "command_timeout=30s"),
        ('dns.deadline = "40s"', {}, "command_timeout=62s"),
        ('dns.deadline = "20s"', {"milter_content_timeout": "1"}, "content_timeout=42s"),
        ("", {"milter_protocol": "2"}, "protocol=6"),
    ],
)
def test_what_must_be_otherwise_is_set_for_milter64_alone(text: str, main: dict[str, str], own: str) -> None:
    assert lines(postfix(**main), text) == [f"postconf -e 'smtpd_milters = {{ {OURS}, {own} }}'"]
    assert troubles(postfix(**main, smtpd_milters=f"{{ {OURS}, {own} }}"), text) == []


@pytest.mark.parametrize(
    ("service", "line"),
    [
        (smtpd("submission"), "submission/inet/smtpd_milters="),
        (smtpd("submissions"), "submissions/inet/smtpd_milters="),
        (smtpd("smtps"), "smtps/inet/smtpd_milters="),
        (smtpd("192.0.2.1:587"), "192.0.2.1:587/inet/smtpd_milters="),
        (smtpd("465", smtpd_milters=OURS), "465/inet/smtpd_milters="),
        (smtpd("submission", smtpd_milters=f"{OURS}, {SIGNER}"), f"submission/inet/smtpd_milters={SIGNER}"),
        (
            smtpd("submission", smtpd_milters=f"{OURS}, {SIGNER} unix:x"),
            f"submission/inet/smtpd_milters={SIGNER},unix:x",
        ),
        (smtpd("2525", milter_macro_daemon_name="ORIGINATING"), "2525/inet/smtpd_milters="),
        (smtpd("127.0.0.1:10025"), "127.0.0.1:10025/inet/smtpd_milters="),
        (smtpd("[::1]:10025"), "'[::1]:10025/inet/smtpd_milters='"),
        (smtpd("localhost:10025"), "localhost:10025/inet/smtpd_milters="),
        (smtpd("10025", smtpd_authorized_xforward_hosts="127.0.0.0/8"), "10025/inet/smtpd_milters="),
        (smtpd("submission", smtpd_milters=""), ""),
        (smtpd("submission", smtpd_milters=SIGNER), ""),
        (smtpd("127.0.0.1:10025", receive_override_options="no_header_body_checks,no_milters"), ""),
        (smtpd("2525"), ""),
        (smtpd("127.0.0.1:25"), ""),
    ],
)
def test_submission_and_the_way_back_in_are_taken_off(service: Service, line: str) -> None:
    right_before = postfix(smtpd(), service, smtpd_milters=OURS)
    assert lines(right_before) == ([f"postconf -P {line}"] if line else [])
    assert bool(troubles(right_before)) is bool(line)
    # The remedy says for master.cf what the line says for postconf.
    remedies = [trouble.remedy for trouble in check(right_before, settings())]
    option = line.rpartition("/")[2]
    assert remedies == ([f"in master.cf, set -o {option.strip(chr(39))} for it"] if line else [])


def test_a_filter_that_is_not_asked_twice_marks_the_way_back() -> None:
    filtered = postfix(smtpd(), smtpd("10026", content_filter=""), smtpd_milters=OURS, content_filter="amavis:x:1")
    assert lines(filtered) == ["postconf -P 10026/inet/smtpd_milters="]


def test_other_milters_stay_where_milter64_is_taken_off() -> None:
    submission = smtpd("submission")
    found = plan(postfix(smtpd(), submission, smtpd_milters=SIGNER), settings())
    assert found[1] == Setting(service="submission/inet", name="smtpd_milters", value=SIGNER)


def test_a_front_with_milters_of_its_own_gets_milter64_there() -> None:
    own = postfix(smtpd("smtpd", type="pass", smtpd_milters=SIGNER), smtpd_milters=OURS)
    assert lines(own) == [f"postconf -P smtpd/pass/smtpd_milters={OURS},{SIGNER}"]
    assert troubles(own)[0][1].startswith("it has smtpd_milters of its own, without milter64; main.cf's has no effect")


@pytest.mark.parametrize(
    ("value", "dense"),
    [
        ("", ""),
        ("inet:a:1, inet:b:2", "inet:a:1,inet:b:2"),
        ("inet:a:1 inet:b:2", "inet:a:1,inet:b:2"),
        ("inet:a:1, { inet:b:2 , protocol = 4 x=5 }", "inet:a:1,{inet:b:2,protocol=4,x=5}"),
    ],
)
def test_master_cf_is_given_no_blanks_which_postconf_refuses(value: str, dense: str) -> None:
    command = Setting(service="smtp/inet", name="smtpd_milters", value=value).command()
    assert command.replace("'", "") == f"postconf -P smtp/inet/smtpd_milters={dense}"


def test_lines_for_another_folder_name_it_and_any_name_is_safe_for_the_shell() -> None:
    command = Setting(name="smtpd_milters", value="unix:it's").command(Path("/etc/postfix two"))
    words = subprocess.run(["sh", "-c", f"printf '%s|' {command}"], capture_output=True, text=True, check=True).stdout
    assert words == "postconf|-c|/etc/postfix two|-e|smtpd_milters = unix:it's|"


# What would break

RIGHT = {"smtpd_milters": OURS}


@pytest.mark.parametrize(
    ("main", "service", "text", "where", "what"),
    [
        ({}, smtpd(), "", "smtp/inet", "milter64 is not asked"),
        ({"smtpd_milters": f"{SIGNER}, {OURS}"}, smtpd(), "", "smtp/inet", f"{SIGNER} comes before milter64"),
        ({"smtpd_milters": f"{OURS}, {OURS}"}, smtpd(), "", "smtp/inet", "milter64 is asked more than once"),
        (RIGHT, smtpd(receive_override_options="no_milters"), "", "smtp/inet", "receive_override_options has no_mil"),
        (RIGHT, smtpd(smtpd_proxy_filter="[::1]:10024"), "", "smtp/inet", "smtpd_proxy_filter keeps the message"),
        (RIGHT, smtpd(command_timeout=""), 'dns.deadline = "29s"', "smtp/inet milter_command_timeout", "30s is over"),
        (RIGHT | {"milter_content_timeout": "5"}, smtpd(), "", "smtp/inet milter_content_timeout", "5 is over before"),
        (RIGHT | {"milter_protocol": "4"}, smtpd(), "", "smtp/inet milter_protocol", "? 4: below 6 milter64 is"),
        (
            RIGHT | {"milter_default_action": "reject"},
            smtpd(),
            "",
            "smtp/inet milter_default_action",
            "reject: mail",
        ),
        (RIGHT, smtpd(milter_default_action="accept"), "", "smtp/inet milter_default_action", "? accept lets mail in"),
        (RIGHT, smtpd(), 'mode = "observe"', "smtp/inet milter_default_action", "? tempfail makes mail wait"),
        (
            RIGHT | {"milter_default_action": "shutdown"},
            smtpd(),
            'mode = "observe"',
            "smtp/inet milter_default_action",
            "? shutdown makes mail wait",
        ),
        (RIGHT | {"non_smtpd_milters": OURS}, smtpd(), "", "non_smtpd_milters", "mail from this host has no client"),
        (RIGHT, smtpd("submission"), "", "master.cf", "there is no smtpd on port 25"),
        (RIGHT, smtpd("127.0.0.1:25"), "", "master.cf", "there is no smtpd on port 25"),
        (RIGHT | {"inet_interfaces": "loopback-only"}, smtpd(), "", "inet_interfaces", "? only this host"),
        ({"smtpd_milters": "unix:/run/milter64.sock"}, smtpd(), ELSEWHERE, "milter.socket", "smtpd is chrooted into"),
    ],
)
def test_what_does_not_go_with_milter64_is_found(
    main: dict[str, str], service: Service, text: str, where: str, what: str
) -> None:
    found = troubles(postfix(service, **main), text)
    assert found[0][0] == where
    assert found[0][1].startswith(what)


def test_what_breaks_comes_before_what_does_not() -> None:
    wrong = postfix(smtpd(), smtpd("submission"), smtpd_milters=OURS, milter_default_action="accept")
    assert [what[:1] == "?" for _, what in troubles(wrong)] == [False, True]


def test_what_is_no_smtpd_is_left_alone() -> None:
    cleanup = replace(smtpd("127.0.0.1:10025"), command="spawn")
    assert lines(postfix(smtpd(), cleanup, **RIGHT)) == []


def test_an_unreadable_timeout_is_left_to_postfix_which_complains() -> None:
    assert troubles(postfix(**RIGHT, milter_command_timeout="soon")) == []


def test_a_postfix_for_this_host_alone_is_well_where_another_talks_to_strangers() -> None:
    inside = postfix(smtpd(), inet_interfaces="loopback-only")
    assert [where for where, _ in troubles(inside)] == ["inet_interfaces"]
    assert troubles(replace(inside, front_elsewhere=True)) == []
