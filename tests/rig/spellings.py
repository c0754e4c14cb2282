"""Ways to spell an address in MAIL and RCPT: by the grammars of RFC 5321 and 6531, and changed by a seed's chance."""

from collections.abc import Iterator
from random import Random

_LOCALS = [
    *("joe", "Joe", "a.b", "a+tag", "a%b", "a!b", "a=b", "x-1_y", "{a}", "postmaster", "exempt", "victim", "abuse"),
    *(
        '"joe"',
        '"a b"',
        '"a@b"',
        '"a\\"b"',
        '"a\\\\b"',
        '"\\a\\b"',
        '""',
        '"a..b"',
        '"<a>"',
        '"a,b"',
        '"(a)"',
        '"postmaster"',
    ),
    *(
        "a..b",
        ".a",
        "a.",
        "a b",
        "a;b",
        "a:b",
        "a,b",
        "a\\b",
        "a(c)",
        "(c)a",
        "a@b",
        "a(c)b",
        '"a"b',
        'a"b"',
        '"a""b"',
        "",
    ),
    *("straße", "σίγμας", "\u212aelvin", "dotless\u0131", "\u0130", "пример", "用户", '"用 户"', "e\u0301"),
]
_DOMAINS = [
    *(
        "{}",
        "{}.",
        "{}..",
        "X.{}",
        "x..{}",
        "-x.{}",
        "x-.{}",
        "x_y.{}",
        "(c){}",
        "{}(c)",
        "{}(c).",
        " {}",
        "{} ",
        "x.{}",
    ),
    *(
        "[192.0.2.1]",
        "[IPv6:2001:db8::1]",
        "single",
        "",
        "x y.{}",
        "x@{}",
        "{}@x",
        "{};x",
        "{},x",
        "{}:x",
        "{}%x",
        '"{}"',
    ),
    *(
        "straße.{}",
        "STRAßE.{}",
        "σίγμας.{}",
        "\u212aelvin.{}",
        "пример.{}",
        "x\u3002{}",
        "\uff58.{}",
        "xn--strae-oqa.{}",
    ),
]
_FRAMES = [
    *(
        "<{}>",
        "<{}>",
        "<{}>",
        "{}",
        "< {} >",
        "<{}> ",
        " <{}>",
        "<{}>;",
        "<(c){}>",
        "<{}(c)>",
        "(c)<{}>",
        "<{}>(c)",
        "<<{}>>",
    ),
    *("<@r.example:{}>", "<@r.example,@s.example:{}>", "<@:{}>", "<x <{}>>", "x <{}>", '"x" <{}>', "<{}><y@z.example>"),
    *("<y@z.example><{}>", "<{}", "{}>", '<"{}">', "<x:{};>", "<{},y@z.example>", "<y@z.example,{}>", "<z.example!{}>"),
]
_NOBODY = ["<>", "< >", "<(c)>", "<<>>", '<"">', "<@>", "<.>", "<;>", "<@r.example:>"]
_STRANGE = [*'<>@".\\(),;:%![] \t', "@x", "(c)", '""', "ß", "\u3002", "..", "\\@"]


def spellings(domain: str, count: int, seed: int) -> Iterator[str]:
    """Yield so many different spellings of addresses at or about a domain."""
    chance = Random(f"{seed} {domain}")
    seen = set[str]()
    everything = [*_NOBODY, *(f"<{local}@{domain}>" for local in _LOCALS), *(f"<joe@{each}>" for each in _DOMAINS)]
    while len(seen) < count:
        path = everything.pop() if everything else _chosen(chance)
        path = path.replace("{}", domain)
        if path not in seen:
            seen.add(path)
            yield path


def _chosen(chance: Random) -> str:
    usual = chance.random()
    local = chance.choice(_LOCALS)
    domain = "{}" if usual < 0.4 else chance.choice(_DOMAINS)
    frame = "<{}>" if usual > 0.8 else chance.choice(_FRAMES)
    path = frame.replace("{}", f"{local}@{domain}", 1)
    for _ in range(chance.choice((0, 0, 1, 2))):
        at = chance.randrange(len(path) + 1)
        while "{" in path[max(0, at - 1) : at + 1] and "{}" in path[max(0, at - 2) : at + 2]:
            at = chance.randrange(len(path) + 1)
        change = chance.randrange(3)
        if change == 0:
            path = path[:at] + chance.choice(_STRANGE) + path[at:]
        elif change == 1:
            path = path[:at].swapcase() + path[at:]
        else:
            path = path[:at] + path[at + 1 :]
    return path
