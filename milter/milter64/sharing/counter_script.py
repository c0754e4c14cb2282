"""The script that counts on the server as `RateTable` does here, by the server's clock; and what it is given.

A counter there is a text of two numbers: the moment when all that was taken will be made up for, in seconds since 1970,
and the interval that it was counted by. It lasts until that moment.
"""

from collections.abc import Sequence
from typing import NamedTuple

from milter64.limits.rate_table import Counter
from milter64.sharing.interface import Command, Reply
from milter64.sharing.keys import COUNTERS

_PER_SECOND = 1_000_000

SCRIPT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local asks = ARGV[1] == '1'
local counters, used_up, longest = {}, 0, 0
for at, key in ipairs(KEYS) do
    local taken, known, interval, period, takes = unpack(ARGV, 5 * at - 3, 5 * at + 1)
    taken, known, interval, period = tonumber(taken), tonumber(known), tonumber(interval), tonumber(period)
    local before, by = string.match(redis.call('GET', key) or '', '^(%S+) (%S+)$')
    before, by = tonumber(before), tonumber(by)
    local moment = now
    if before and by and before > now then
        moment = before
        if by ~= interval then
            moment = now + (before - now) / by * interval
        end
    end
    local most = now + period
    moment, known = math.min(moment, most), math.min(now + known, most)
    local moved = taken > 0 or known > moment
    moment = math.min(math.max(moment + taken * interval, known), most)
    local wait = moment + interval - most
    if asks and wait > interval * 0.001 and wait > longest then
        used_up, longest = at, wait
    end
    counters[at] = {key, moment, interval, takes == '1', moved}
end
local reply = {used_up, math.ceil(longest * 1000000)}
for at, counter in ipairs(counters) do
    local key, moment, interval, takes, moved = unpack(counter)
    if asks and takes and used_up == 0 then
        moment, moved = moment + interval, true
    end
    if moved then
        redis.call('SET', key, string.format('%.17g %.17g', moment, interval), 'PX', math.ceil((moment - now) * 1000))
    end
    reply[at + 2] = math.ceil((moment - now) * 1000000)
end
return reply
"""
"""KEYS are counters. ARGV has whether it is asked if one more may be taken by all of them, "1" or "0"; and for each how
many were taken that nobody has told it, in how many seconds the host that tells it knows them to be made up for,
interval and period, and "1" if it is to be counted by, "0" if only to be looked at.

It answers which is used up and has to be waited for longest, beginning with 1, 0 if none is; for how many microseconds;
and for each counter in how many all will be made up for.
"""


class Told(NamedTuple):
    """What the server is told of a counter: how many were taken, and in how many seconds they are made up for."""

    counter: Counter
    taken: int
    known: float


class Answer(NamedTuple):
    """What it answers: which counter is used up, how long that has to be waited for, and when each is made up for.

    In seconds from now; 0 to wait if none is used up.
    """

    used_up: int
    wait: float
    seconds: Sequence[float]


def key(counter: Counter) -> str:
    """Return a counter's key on the server."""
    return COUNTERS + counter.known_as


def command(told: Sequence[Told], *, asks: bool) -> Command:
    """Return the command that tells the server of counters, and asks whether one more may be taken by all."""
    arguments = list[int | float]()
    for counter, taken, known in told:
        arguments += [taken, known, counter.interval, counter.period, int(counter.takes)]
    return ["EVAL", SCRIPT, len(told), *[key(each.counter) for each in told], int(asks), *arguments]


def answer(reply: Reply, counters: int) -> Answer | None:
    """Read the reply about so many counters, None if it is none."""
    if not isinstance(reply, list) or len(reply) != counters + 2 or {type(each) for each in reply} != {int}:
        return None
    used_up, wait, *until = reply
    return Answer(used_up - 1, wait / _PER_SECOND, [each / _PER_SECOND for each in until])
