"""What can be wrong with [allow], [block] and [[recipient]]: each thing with its key, its line and its remedy."""

import pytest

from milter64.config.load_file import parse

WRONG = {
    "no skipped recipient": (
        '[greylist]\nskip_recipients = ["a@"]',
        "greylist.skip_recipients",
        2,
        "to:a@ is no address",
        "write user@partner.example",
    ),
    "a skipped domain that is none": (
        '[greylist]\nskip_recipients = ["a b"]',
        "greylist.skip_recipients",
        2,
        "to:@a b is no name",
        "write a name",
    ),
    "a recipient who is nobody": (
        '[[recipient]]\noff = "all"',
        "recipient[1]",
        1,
        "an address or a domain",
        "address =",
    ),
    "a recipient who is two": (
        'recipient = [{ address = "a@example.org", domain = "example.org" }]',
        "recipient[1]",
        1,
        "an address or a domain",
        "address =",
    ),
    "a recipient's domain with a local part": (
        '[[recipient]]\ndomain = "a@example.org"',
        "recipient[1]",
        1,
        "a@example.org is no domain",
        "address =",
    ),
    "a recipient's address without one": (
        '[[recipient]]\naddress = "example.org"',
        "recipient[1]",
        1,
        "example.org is no address",
        'write domain = "example.org"',
    ),
    "all recipients at a domain, in other programs' words": (
        '[[recipient]]\naddress = "*@example.org"',
        "recipient[1]",
        1,
        "is one who is called *",
        "leave the * out",
    ),
    "a recipient spared what there isn't": (
        '[[recipient]]\naddress = "a@example.org"\noff = "spf"',
        "recipient[1].off",
        3,
        '"spf" is not possible here',
        'possible are "greylist", "all"',
    ),
    "no entry": ("[allow]\nentries = [25]", "allow.entries", 2, "25 is no entry", 'write "192.0.2.0/24" or { who ='),
    "an entry of nobody": ('[block]\nentries = [{ until = "2027-01-31" }]', "block.entries", 2, "is no entry", "who ="),
    "an entry that says more": (
        '[allow]\nentries = [{ who = "::1", for = "7d" }]',
        "allow.entries",
        2,
        "is no entry",
        "",
    ),
    "an entry of another kind": (
        '[allow]\nentries = [{ who = "2001:db8::1", spares = true }]',
        "allow.entries",
        2,
        "true is of the wrong kind for spares",
        "write { who =",
    ),
    "an entry that spares what there isn't": (
        '[allow]\nentries = [{ who = "2001:db8::1", spares = "dns" }]',
        "allow.entries",
        2,
        "dns can't be spared",
        "possible are greylist, spf, all",
    ),
    "an entry that never ends": (
        '[allow]\nentries = [{ who = "2001:db8::1", until = "soon" }]',
        "allow.entries",
        2,
        "soon is no time",
        "write 2027-01-31",
    ),
    "a time of no zone": (
        "[allow]\nentries = [{ who = '2001:db8::1', until = 2027-01-31T12:00:00 }]",
        "allow.entries",
        2,
        "2027-01-31T12:00:00 is no time",
        "write 2027-01-31",
    ),
    "an entry of everybody": (
        '[block]\nentries = ["::/0"]',
        "block.entries",
        2,
        "::/0 is IPv4's",
        "IPv4 network itself",
    ),
    "an entry of a translator": (
        '[translation]\nprefixes = ["2001:db8:64::/96"]\n[allow]\nentries = ["2001:db8:64::/96"]',
        "allow.entries",
        4,
        "2001:db8:64::/96 is IPv4's",
        "IPv4 network itself",
    ),
    "a public suffix": ('[allow]\nentries = ["@co.uk"]', "allow.entries", 2, "below co.uk anybody", "partner.co.uk"),
    "who is blocked and spared": (
        '[block]\nentries = [{ who = "192.0.2.1", spares = "all" }]',
        "block.entries",
        2,
        "who is blocked is spared nothing",
        "leave spares out",
    ),
    "a name that nobody looks up": (
        '[iprev]\nenabled = false\n[allow]\nentries = ["partner.example"]',
        "allow.entries",
        4,
        "iprev.enabled is false",
        "write a network",
    ),
    "an entry too long for a line": (
        f'[allow]\nentries = [{{ who = "192.0.2.1", because = "{"x" * 1000}" }}]',
        "allow.entries",
        2,
        "more than 1000 octets",
        "a shorter comment",
    ),
    "a relative list": ('[block]\nfiles = ["block"]', "block.files", 2, '"block" is no absolute path', "/etc/milter64"),
    "many lists": (
        f"[block]\nfiles = {[f'/{number}' for number in range(33)]}",
        "block.files",
        2,
        "more than 32 files",
        "put their lines together",
    ),
}


@pytest.mark.parametrize(("text", "key", "line", "what", "remedy"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_has_key_line_and_remedy(text: str, key: str, line: int, what: str, remedy: str) -> None:
    [problem] = parse(text)[1]
    assert (problem.key, problem.line) == (key, line)
    assert what in problem.what
    assert remedy in problem.remedy
