"""What milter64 has to be allowed on the servers, where it has a user of its own there."""

from milter64.sharing.keys import PREFIX

COMMANDS = (
    *(
        "cluster|slots",
        "dbsize",
        "echo",
        "eval",
        "get",
        "hdel",
        "hget",
        "hgetall",
        "hlen",
        "hscan",
        "hset",
        "info",
        "pexpire",
    ),
    *("pttl", "randomkey", "scan", "select", "set", "time", "xadd", "xlen", "xrange", "xread", "xrevrange"),
)
"""All that is ever asked of them, by decisions, behind them, and by verbs that can't do without."""

RIGHTS = f"resetchannels ~{PREFIX}* {' '.join(f'+{each}' for each in COMMANDS)}"
"""The same in the words of ACLs."""
