"""The script that merges rows into those on the server, as `RecordKind.merge` does here; and what it is given."""

from collections.abc import Iterable, Mapping

from milter64.greylist.row import Record, RecordKind
from milter64.sharing import row_texts
from milter64.sharing.interface import Command
from milter64.sharing.keys import rows_of

_MOST_GROUPS = 200
"""Of a pair, above which no more that wait are kept; our own stores keep half of it."""

_ROW = f"^({'[%d%l]' * 8}) ?(%w*)(%+?%d*)$"
"""What `row_texts` writes, as Lua looks for it."""

MERGE = f"""
local function time(text)
    return tonumber(text, 36) or 0 -- texts compare as the server's locale has it
end
local function merged(old, new)
    local first, passed, generation = string.match(new, '{_ROW}')
    local old_first, old_passed, old_generation = string.match(old, '{_ROW}')
    local further = old_first and (tonumber(generation) or 0) - (tonumber(old_generation) or 0)
    if not further or further > 0 then return new end
    if further < 0 then return old end
    if time(old_first) < time(first) then first = old_first end
    if time(old_passed) > time(passed) then passed = old_passed end
    if passed ~= '' then passed = ' ' .. passed end
    return first .. passed .. generation
end
local at = 1
for _, key in ipairs(KEYS) do
    local left, last = tonumber(ARGV[at]), at + 2 * ARGV[at + 1]
    local lasts = redis.call('PTTL', key)
    if lasts == -2 then
        redis.call('HSET', key, unpack(ARGV, at + 2, last + 1))
    else
        for each = at + 2, last, 2 do
            local group, new = ARGV[each], ARGV[each + 1]
            local old = redis.call('HGET', key, group)
            if old and old ~= new then
                new = merged(old, new)
            elseif not old and not string.find(new, ' ', 1, true) and redis.call('HLEN', key) >= {_MOST_GROUPS} then
                new = old
            end
            if new ~= old then
                redis.call('HSET', key, group, new)
            end
        end
    end
    if lasts < left then
        redis.call('PEXPIRE', key, left)
    end
    at = last + 2
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
