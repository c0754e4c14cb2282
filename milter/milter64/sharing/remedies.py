"""What mends it where servers can't be asked, by the reason that is told."""

import re

_REMEDIES = (
    (r"WRONGPASS|username-password pair", "write the user and the password that the server has: docs/cluster.md"),
    (r"NOAUTH|Authentication required", 'name a user and its password: "redis://USER@HOST?password_file=/path"'),
    (
        r"without any password",
        'give the server a password, or take it out of greylist.store; Sentinels take "redis+sentinel://HOST/NAME"',
    ),
    (r"NOPERM|no permissions", "give the user its rights, by ACL SETUSER as in docs/cluster.md"),
    (r"certificate", "name in ca= what has signed it, and the server by a name that it has"),
    (r"can't be read", "mend the file: `milter64 check-config`, as root, says more of it"),
    (r"knows no ", "write the name that `sentinel monitor` has for the server"),
    (r"command 'SENTINEL'", 'name Sentinels and their port, or write "redis://HOST" for the server itself'),
    (r"cluster support disabled", 'write "redis://HOST" for a server that is no Cluster'),
    (r"SELECT is not allowed|DB index", "take the number of the db out of greylist.store"),
    (r"name resolution|not known|No address", "write a name in greylist.store that this host finds, or an address"),
    (
        r"Protocol Error|no Redis|reset by peer|closed the connection|SSL|record",
        'write the port of a Redis or Valkey, and "rediss" where it wants TLS, else "redis"',
    ),
    (r"no answer in time", 'see that no firewall is in its way, and write "rediss" where it has TLS, else "redis"'),
)
_ELSE = "start the server, have it listen for this host, or mend greylist.store"


def remedy(why: str) -> str:
    """Return what to do about servers that can't be asked, of which `why` is told."""
    return next((what for pattern, what in _REMEDIES if re.search(pattern, why)), _ELSE)
