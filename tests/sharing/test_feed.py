"""The feed, in which anybody may have written who has the server's password."""

import json
import zlib

import pytest

from milter64.sharing import row_texts
from milter64.sharing.keys import FEED, rows_of
from rig.lab import Lab
from rig.redis import Redis
from rig.sharing import NETWORK, PASSED, begun, pair, turns

ROW = row_texts.dump(PASSED, 0.0)


@pytest.fixture
def redis(lab: Lab) -> Redis:
    return lab.start(Redis)


BATCHES = {
    "nothing": b"",
    "no text": b"\xff",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"k":' * 100_000,
    "no number": b"NaN",
    "a list": b"[1]",
    "a number of many digits": b'{"k": ' + b"9" * 10_000 + b"}",
    "an object for a row": json.dumps({"k": {NETWORK: {}}}).encode(),
    "a number for a row": json.dumps({"k": {NETWORK: 1}}).encode(),
    "a key that is no text": json.dumps({"\ud800": {NETWORK: ROW}}).encode(),
    "a group that is no text": json.dumps({"k": {"spf:\ud800": ROW}}).encode(),
    "odd keys and groups": json.dumps({"#": {"": ROW}, "": {"net:": ROW, "net:x/24": ROW, "spf:a\nb": ROW}}).encode(),
    "many groups": json.dumps({"k": {f"net:192.31.{n}.0/24": ROW for n in range(256)}}).encode(),
    "the future": json.dumps({"k": {NETWORK: "zzzzzzzz zzzzzzzz+999999999"}}).encode(),
}


@pytest.mark.parametrize("what", BATCHES)
def test_whatever_stands_there_keeps_nobody_from_what_comes_behind_it(redis: Redis, what: str) -> None:
    host, other = begun(redis, "mx1"), begun(redis, "mx2")
    host.servers.run("XADD", FEED, "*", "h", "mx3", "b", zlib.compress(BATCHES[what]))
    other.store.merge(pair(1), {NETWORK: PASSED})
    turns(other, host)
    assert host.own.read(pair(1)) == {NETWORK: PASSED}
    redis.ask("FLUSHALL")  # now it is told everything that they have
    turns(host, other)
    assert redis.ask("HLEN", rows_of(pair(1))) == "1"
    assert host.lost == other.lost == []


@pytest.mark.parametrize("fields", [("a", "b"), ("h", "x"), ("b", "x"), ("h", "", "h", "y", "b", "z")])
def test_an_entry_that_is_none_of_ours_is_passed_over(redis: Redis, fields: tuple[str, ...]) -> None:
    host, other = begun(redis, "mx1"), begun(redis, "mx2")
    redis.ask("XADD", FEED, "*", *fields)
    other.store.merge(pair(1), {NETWORK: PASSED})
    turns(other, host)
    assert host.own.read(pair(1)) == {NETWORK: PASSED}
