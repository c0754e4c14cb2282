"""A store that several hosts share, and the host's own beside it: what counts, and what is wrong."""

import pytest

from milter64.config.load_file import parse
from milter64.greylist.settings import Settings

FILE = "sqlite:/var/lib/milter64/greylist.sqlite"
SERVER = "rediss://me:s3cret@redis.example.org"


@pytest.mark.parametrize(
    ("text", "shared", "own", "key"),
    [
        ("", "", FILE, "greylist.store"),
        ('store = "memory:"', "", "memory:", "greylist.store"),
        ('store = "sqlite:/rows"\nlocal = "sqlite:/rows"', "", "sqlite:/rows", "greylist.store"),
        (f'store = "{SERVER}"', SERVER, FILE, "greylist.local"),
        (f'store = "{SERVER}"\nlocal = "memory:"', SERVER, "memory:", "greylist.local"),
        ('store = "unix:///s"\nlocal = "sqlite:/rows"', "unix:///s", "sqlite:/rows", "greylist.local"),
    ],
)
def test_a_host_has_a_store_of_its_own_beside_what_it_shares(text: str, shared: str, own: str, key: str) -> None:
    settings, problems = parse(f"[greylist]\n{text}\n")
    assert not problems
    grey = settings.greylist
    assert (grey.shared, grey.local_store, grey.local_key) == (shared, own, key)


def test_a_password_is_not_in_what_is_printed_of_settings() -> None:
    assert "s3cret" not in repr(Settings(store=SERVER))


WRONG = {
    "an unknown scheme": ('store = "reddis://:s3cret@h"', "greylist.store", 2, "scheme is unknown", '"redis://HOST"'),
    "a port": ('store = "redis://:s3cret@h:x"', "greylist.store", 2, "the port of the host is none", "1 to 65535"),
    "no name": ('store = "redis+sentinel://h"', "greylist.store", 2, "the name that Sentinels call", "/mymaster"),
    "a db in a Cluster": ('store = "redis+cluster://h/1"', "greylist.store", 2, "no db numbers", "take out"),
    "a URL with a line's end": ('store = "redis://:s3cret@h\\n"', "greylist.store", 2, "not shown", "write it without"),
    "URLs": ('store = ["redis://:s3cret@h"]', "greylist.store", 2, "not shown", "write a text in quotes"),
    "servers as the host's own": (
        f'store = "{SERVER}"\nlocal = "redis://:s3cret@h"',
        "greylist.local",
        3,
        'neither "memory:" nor "sqlite:"',
        'write "sqlite:/path" or "memory:"',
    ),
    "a host's own without a file": (
        f'store = "{SERVER}"\nlocal = "sqlite:/var/"',
        "greylist.local",
        3,
        '"sqlite:/var/" names no file',
        'write "sqlite:/path" or "memory:"',
    ),
    "two of the host's own": (
        'store = "memory:"\nlocal = "sqlite:/rows"',
        "greylist.local",
        3,
        "greylist.store is this host's own already, and another one",
        "leave one of them",
    ),
    "many of the host's own": (
        f'store = "{SERVER}"\nlocal = "memory:"\n[milter]\nworkers = 2',
        "greylist.local",
        3,
        "each of several workers would have a greylist of its own",
        "workers = 1",
    ),
    "limits over hosts that share nothing": (
        'store = "memory:"\n[rate]\nexact = true',
        "rate.exact",
        4,
        "there is nobody to count with",
        "name servers in greylist.store, or take it out",
    ),
}


@pytest.mark.parametrize(("text", "key", "line", "what", "remedy"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_has_its_place_and_remedy_and_no_password(
    text: str, key: str, line: int, what: str, remedy: str
) -> None:
    [problem] = parse(f"[greylist]\n{text}\n")[1]
    assert (problem.key, problem.line) == (key, line)
    assert what in problem.what
    assert remedy in problem.remedy
    assert "s3cret" not in f"{problem}"


def test_limits_may_be_exact_over_hosts_that_share_a_store() -> None:
    settings, problems = parse(f'greylist.store = "{SERVER}"\nrate.exact = true\n')
    assert (settings.rate.exact, problems) == (True, [])
    assert not settings.rate, "a limit is still another thing"
