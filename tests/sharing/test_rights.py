"""The rights that docs and audit propose are those that the code needs."""

import ast
import re
from pathlib import Path

import pytest

from milter64.sharing.rights import COMMANDS, RIGHTS
from milter64.sharing.server_url import parse
from milter64.sharing.survey import survey
from rig.lab import Lab
from rig.redis import Redis

SHARING = Path(__file__).parents[2] / "milter" / "milter64" / "sharing"
WITHOUT = {"acl|whoami", "auth", "config|get", "hello", "sentinel|get-master-addr-by-name"}
"""What everybody may, what Sentinels are asked, and what only tells more where it is allowed."""
_PARTED = {"ACL", "CLUSTER", "CONFIG", "SENTINEL"}


def said(path: Path) -> set[str]:
    """Return the commands in a file: the first words of tuples and lists, and those of scripts."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Tuple, ast.List)):
            words = [each.value for each in node.elts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            first = node.elts[:1]
            if first and isinstance(first[0], ast.Constant) and words and re.fullmatch("[A-Z]+", words[0]):
                found.add("|".join(words[: 1 + (words[0] in _PARTED)]).lower())
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {name.lower() for name in re.findall(r"redis\.call\('([A-Z]+)'", node.value)}
    return found


def test_each_command_of_ours_is_among_the_rights_and_no_other(lab: Lab) -> None:
    redis = lab.start(Redis)
    every = {word for path in SHARING.glob("*.py") for word in said(path)}
    known = set(redis.ask("COMMAND", "LIST").split()) | {word for word in every if "|" in word}
    assert every & known - WITHOUT == set(COMMANDS)


@pytest.mark.parametrize("command", [each.split("|") for each in COMMANDS])
def test_a_user_with_these_rights_may_all_that_and_no_more(lab: Lab, command: list[str]) -> None:
    redis = lab.start(Redis)
    assert redis.ask("ACL", "SETUSER", "milter64", "on", ">PASSWORD", *RIGHTS.split()) == "OK"
    assert redis.ask("ACL", "DRYRUN", "milter64", *ARGUMENTS.get(command[0], [*command, "milter64:1:x"])) == "OK"
    assert "no permissions" in redis.ask("ACL", "DRYRUN", "milter64", "GET", "another")
    assert "no permissions" in redis.ask("ACL", "DRYRUN", "milter64", "FLUSHALL")


KEY = "milter64:1:x"
ARGUMENTS = {
    "eval": ["eval", "return 1", "1", KEY],
    "hget": ["hget", KEY, "f"],
    "hdel": ["hdel", KEY, "f"],
    "hset": ["hset", KEY, "f", "v"],
    "pexpire": ["pexpire", KEY, "1"],
    "set": ["set", KEY, "v"],
    "scan": ["scan", "0"],
    "hscan": ["hscan", KEY, "0"],
    "select": ["select", "0"],
    "xadd": ["xadd", KEY, "*", "f", "v"],
    "xrange": ["xrange", KEY, "-", "+"],
    "xrevrange": ["xrevrange", KEY, "+", "-"],
    "xread": ["xread", "STREAMS", KEY, "0"],
    "dbsize": ["dbsize"],
    "randomkey": ["randomkey"],
    "time": ["time"],
    "cluster": ["cluster", "slots"],
}


def test_the_servers_can_be_surveyed_with_these_rights(lab: Lab) -> None:
    redis = lab.start(Redis)
    redis.ask("ACL", "SETUSER", "milter64", "on", ">PASSWORD", *RIGHTS.split())
    (node,) = survey(parse(redis.url.replace("//", "//milter64:PASSWORD@"))).nodes
    assert (node.role, node.trouble, node.settings) == ("master", "", {})
