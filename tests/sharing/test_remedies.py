"""What real servers say to settings that are wrong, and what is advised then."""

from pathlib import Path

import pytest

from milter64.sharing.interface import ServersGone
from milter64.sharing.remedies import remedy
from milter64.sharing.server_url import parse
from milter64.sharing.survey import survey
from rig.lab import Lab
from rig.redis import Redis, RedisCluster


def why(url: str) -> str:
    with pytest.raises(ServersGone) as gone:
        survey(parse(url))
    return str(gone.value)


@pytest.mark.parametrize(
    ("setting", "url", "advised"),
    [
        ("", "redis://me:s3cret@{}", "write the user and the password"),
        ("", "redis://:s3cret@{}", "give the server a password"),
        ("", "redis://{}/99", "take the number of the db out"),
        ("", "redis+cluster://{}", "that is no Cluster"),
        ("", "redis+sentinel://{}/mymaster", "name Sentinels and their port"),
        ("", "rediss://{}", 'else "redis"'),
        ("requirepass s3cret", "redis://{}", "name a user and its password"),
        ("requirepass s3cret", "redis://:other@{}", "write the user and the password"),
        ("user weak on >s3cret ~* +ping", "redis://weak:s3cret@{}", "give the user its rights"),
        ("user weak on >s3cret ~other:* +@all", "redis://weak:s3cret@{}", "give the user its rights"),
        ("", "redis://{}?password_file=/none", "mend the file"),
        ("", "redis://nosuch.invalid", "that this host finds"),
        ("", "redis://127.0.0.1:1", "start the server"),
    ],
)
def test_each_wrong_setting_has_its_remedy(lab: Lab, setting: str, url: str, advised: str) -> None:
    redis = lab.start(Redis, *([setting] if setting else []))
    told = why(url.format(f"{redis.address}:{redis.port}"))
    assert advised in remedy(told), told
    assert "s3cret" not in told


def test_a_db_number_of_a_server_in_a_cluster_has_its_remedy(tmp_path: Path) -> None:
    with RedisCluster(tmp_path / "cluster") as cluster:
        node = cluster.nodes[0]
        assert "take the number of the db out" in remedy(why(f"redis://{node.address}:{node.port}/3"))
