#!/bin/sh
# pyspf: modifiers that have no say change the result.
#
# By RFC 7208, two kinds of modifier do nothing: one that is unknown, wherever and however often it stands (section 6),
# and a redirect= beside all, which is ignored (section 6.1), so that it asks DNS for nothing and is none of the ten
# terms that may (section 4.6.4). One would guess that a record means the same with them and without.
#
# pyspf says permerror where an unknown modifier stands twice, and where a redirect= that isn't followed is the eleventh
# term. The records are valid, and the client is in them. Who publishes SPF for others to read: don't repeat a modifier
# of your own, and take out a redirect= behind all.
#
# 0: as recorded here; 1: it has changed; 69: a package can't be had.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

{ python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" -q install pyspf==2.0.14 dnspython==2.8.0; } >&2 || exit 69

cat > "$folder/recorded" <<'END'
pyspf 2.0.14
pass       an unknown modifier once
permerror  an unknown modifier twice
pass       ten terms that ask DNS, and all
permerror  the same, and a redirect= that isn't followed
END

"$folder/venv/bin/python" - > "$folder/seen" <<'END'
from importlib.metadata import version

import spf

CLIENT = "192.0.2.10"
TEN = " ".join(f"a:host{number}.example" for number in range(10))
RECORDS = {
    "an unknown modifier once": f"v=spf1 ip4:{CLIENT} team=post -all",
    "an unknown modifier twice": f"v=spf1 ip4:{CLIENT} team=post team=office -all",
    "ten terms that ask DNS, and all": f"v=spf1 {TEN} -all",
    "the same, and a redirect= that isn't followed": f"v=spf1 {TEN} -all redirect=other.example",
}


def look_up(name, kind, *_):
    """Return what DNS has, as pyspf's own drivers do: the tenth host is the client, the others are somebody else."""
    if kind == "TXT" and name == "sender.example":
        return [((name, kind), (record.encode(),))]
    if kind == "A" and name.startswith("host"):
        return [((name, kind), CLIENT if name == "host9.example" else "192.0.2.99")]
    return []


spf.DNSLookup = look_up
print("pyspf", version("pyspf"))
for title, record in RECORDS.items():
    result, _ = spf.check2(CLIENT, "joe@sender.example", "mail.sender.example")
    print(f"{result:9}  {title}")
END

cat "$folder/seen"
diff "$folder/recorded" "$folder/seen" || exit 1
