"""The script that merges rows into those on the server, as `RecordKind.merge` does here; and what it is given."""

from collections.abc import Iterable, Mapping

from milter64.greylist.row import Record, RecordKind
from milter64.sharing import row_texts
from milter64.sharing.interface import Command
from milter64.sharing.keys import rows_of

_MOST_GROUPS = 200
"""Of a pair, above which no more that wait are kept; our own stores keep half of it."""

MERGE = f"""
local function parts(text)
    local generation, first, passed = string.match(text, '^(%d+) (-?%d+) (-?%d*)$')
    return tonumber(generation), tonumber(first), tonumber(passed), first, passed
end
local at = 1
for _, key in ipairs(KEYS) do
    local left, count = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    at = at + 2
    for _ = 1, count do
        local group, new = ARGV[at], ARGV[at + 1]
        at = at + 2
        local old = redis.call('HGET', key, group)
        if not old then
            if string.sub(new, -1) ~= ' ' or redis.call('HLEN', key) < {_MOST_GROUPS} then
                redis.call('HSET', key, group, new)
            end
        elseif old ~= new then
            local generation, first, passed, first_text, passed_text = parts(new)
            local old_generation, old_first, old_passed, old_first_text, old_passed_text = parts(old)
            if not old_generation or generation > old_generation then
                redis.call('HSET', key, group, new)
            elseif generation == old_generation then
                if old_first < first then first_text = old_first_text end
                if old_passed and (not passed or old_passed > passed) then passed_text = old_passed_text end
                local merged = string.match(new, '^%d+') .. ' ' .. first_text .. ' ' .. passed_text
                if merged ~= old then
                    redis.call('HSET', key, group, merged)
                end
            end
        end
    end
    if redis.call('PTTL', key) < left then
        redis.call('PEXPIRE', key, left)
    end
end
return #KEYS
"""
"""KEYS are hashes of rows. ARGV has for each the milliseconds that it is to last, how many rows, and group and row of
each. A key lasts as long as the longest of its rows."""


def merge(entries: Iterable[tuple[str, Mapping[str, Record]]], kind: RecordKind, now: float, offset: float) -> Command:
    """Return the command that merges rows by key and group; `now` is row time, `offset` as `row_texts.dump` has it."""
    keys, arguments = list[str](), list[str | int]()
    for key, rows in entries:
        keys.append(rows_of(key))
        last = max([kind.expires(row) for row in rows.values()], default=now)
        arguments += [max(1, round((last - now) * 1000)), len(rows)]
        for group, row in rows.items():
            arguments += [group, row_texts.dump(row, offset)]
    return ["EVAL", MERGE, len(keys), *keys, *arguments]
