"""The configuration: one TOML file, all of it optional, into frozen settings.

Each part's settings stand beside its code; here they are put together, and what no part can see for itself is checked.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from milter64 import address, store
from milter64.address import Origin, Prefix, Translator
from milter64.checks import helo, iprev, path, spf
from milter64.checks.helo import Settings as HeloSettings
from milter64.checks.iprev import Settings as IprevSettings
from milter64.checks.spf import Settings as SpfSettings
from milter64.dns import Settings as DnsSettings
from milter64.exchange import nameserver
from milter64.greylist import Settings as GreylistSettings
from milter64.headers import Settings as HeadersSettings
from milter64.listener import MetricsSettings
from milter64.listener import Settings as MilterSettings
from milter64.networks import Networks, pack, parse_network
from milter64.policy import Policy, Trust
from milter64.session import split
from milter64.telemetry import Settings as LogSettings
from milter64.text import clean
from milter64.toml import Problem, Reader, Wrong, build, placed, read, show
from milter64.verdict import Action, Key

DEFAULT = Path("/etc/milter64/milter64.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """The table [translation]: whose IPv6 addresses stand for IPv4 ones."""

    prefixes: tuple[Prefix, ...] = (Prefix("64:ff9b::/96"),)
    explicit: tuple[address.Mapping, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file, one field a table."""

    mode: Literal["enforce", "observe"] = "enforce"
    milter: MilterSettings = field(default_factory=MilterSettings)
    translation: Translation = field(default_factory=Translation)
    dns: DnsSettings = field(default_factory=DnsSettings)
    trust: Trust = field(default_factory=Trust)
    helo: HeloSettings = field(default_factory=HeloSettings)
    iprev: IprevSettings = field(default_factory=IprevSettings)
    spf: SpfSettings = field(default_factory=SpfSettings)
    greylist: GreylistSettings = field(default_factory=GreylistSettings)
    headers: HeadersSettings = field(default_factory=HeadersSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    log: LogSettings = field(default_factory=LogSettings)

    @property
    def authserv_id(self) -> str:
        """The name that our Authentication-Results bear, empty for the mail server's own."""
        return self.milter.authserv_id

    def translator(self) -> Translator:
        """Return what decodes clients' addresses."""
        spared = (self.trust.networks, self.trust.relays)
        return Translator(self.translation.prefixes, self.translation.explicit, spared=spared)

    def policy(self) -> Policy:
        """Return the table of what each finding leads to, and the questions that are asked."""
        table: dict[tuple[str, str, str, Origin], Action] = {}
        for origin in Origin:
            for key, actions in self._actions(origin).items():
                table |= {(*key, result, origin): action for result, action in actions.items()}
            table |= {(path.NAME, of, path.UNREADABLE, origin): Action.REJECT for of in (path.SENDER, path.RECIPIENT)}
        # An enabled check is asked even if nothing follows, for the header; where a HELO name leads stands in none.
        helo_leads = not self.helo.actions.keys().isdisjoint(_BY_DNS[_HELO])
        asked = {_SPF_HELO: self.spf.enabled, _SPF: self.spf.enabled, _IPREV: self.iprev.enabled, _HELO: helo_leads}
        return Policy(
            table,
            {key: _BY_DNS[key] for key, is_asked in asked.items() if is_asked},
            greylisting=self.greylist.enabled,
            apply_to_all=self.greylist.apply == "all",
            judge_private=self.trust.judge_private,
        )

    def _actions(self, origin: Origin) -> Mapping[Key, Mapping[str, Action]]:
        special = self.iprev.ipv6_actions if origin is Origin.IPV6 else None
        return {
            _HELO: self.helo.actions,
            _SPF_HELO: self.spf.helo_actions,
            _SPF: self.spf.actions,
            _IPREV: self.iprev.actions if special is None else special,
        }


class ConfigError(ValueError):
    """A file that can't be used: `path`, and all its `problems`."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        super().__init__(path, problems)
        self.path = path
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(
            f"{clean(str(self.path), _WIDE)}{f':{problem.line}' if problem.line else ''}: "
            f"{f'{problem.key}: ' if problem.key else ''}{problem.what}; {problem.remedy}"
            for problem in self.problems
        )


def load(path: Path | None = None) -> Settings:
    """Return the settings in a file; without `path` those of `DEFAULT`, which need not be there.

    Raises:
        ConfigError: the file can't be read, or something in it is wrong.
    """
    file = path or DEFAULT
    try:
        raw = read(file)
    except OSError as error:
        if path is None and isinstance(error, FileNotFoundError):
            return Settings()
        problem = Problem(what=f"can't be read: {error.strerror}", remedy="name a file that can be read")
        raise ConfigError(file, [problem]) from error
    if raw.startswith(BOM_UTF8):
        problem = Problem(line=1, what="begins with a byte order mark", remedy="save it as UTF-8 without one")
        raise ConfigError(file, [problem])
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problem = Problem(line=line, what=f"byte 0x{raw[error.start]:02x} is not UTF-8", remedy="save it as UTF-8")
        raise ConfigError(file, [problem]) from error
    settings, problems = parse(text)
    if problems:
        raise ConfigError(file, problems)
    return settings


def parse(text: str) -> tuple[Settings, list[Problem]]:
    """Return the settings in a text, and all that is wrong with them."""
    settings, problems = build(Settings, text, _READERS, _WORDS)
    if not any(not problem.key for problem in problems):
        wrong = {problem.key for problem in problems}
        problems += [problem for problem in _contradictions(settings) if problem.key not in wrong]
        problems = placed(problems, text) if problems else []
    return settings, list(_presentable(problems))


_MOST = 100
"""Problems that are told, and"""
_WIDE = 500
"""characters of each part of one."""


def _presentable(problems: list[Problem]) -> Iterator[Problem]:
    """Return what people can be shown of problems: the file may hold anything."""
    for each in problems[:_MOST]:
        what, remedy = clean(each.what, _WIDE), clean(each.remedy, _WIDE)
        yield Problem(key=clean(each.key, _WIDE), line=each.line, what=what, remedy=remedy)
    if problems[_MOST:]:
        what = f"{len(problems) - _MOST} more like these"
        yield Problem(line=problems[_MOST].line, what=what, remedy="mend these first")


def open_to_others(settings: Settings) -> Iterator[Problem]:
    """Return what is valid, and yet seldom meant: numbers that other hosts can read."""
    listen = settings.metrics.listen
    if listen and not all(pack(host) in _LOOPBACK for host in listen.hosts):
        yield Problem(
            key="metrics.listen",
            what=f"open to whoever reaches {listen.address[0]}",
            remedy='write "127.0.0.1:9864", or have a firewall let in none but Prometheus',
        )


_LOOPBACK = Networks(("127.0.0.0/8", "::1/128"))

_SPF_HELO: Key = (spf.NAME, spf.HELO)
_SPF: Key = (spf.NAME, spf.MAILFROM)
_IPREV: Key = (iprev.NAME, iprev.PROPERTY)
_HELO: Key = (helo.NAME, helo.PROPERTY)

_SPF_RESULTS = frozenset({"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"})
"""RFC 7208 2.6."""
_IPREV_RESULTS = frozenset({"pass", "fail", "temperror", "permerror"})
"""RFC 8601 2.7.3."""
_BY_DNS: Mapping[Key, frozenset[str]] = {
    _SPF_HELO: _SPF_RESULTS,
    _SPF: _SPF_RESULTS,
    _IPREV: _IPREV_RESULTS,
    _HELO: frozenset({"pass", "fail", "temperror"}),
}
"""The questions that take DNS, each with the results that only DNS gives."""

_WORDS: Mapping[str, list[str]] = {
    "helo.actions": sorted(_BY_DNS[_HELO] | {"malformed", "literal", "own-name"}),
    "iprev.actions": sorted(_IPREV_RESULTS),
    "iprev.ipv6_actions": sorted(_IPREV_RESULTS),
    "spf.helo_actions": sorted(_SPF_RESULTS),
    "spf.actions": sorted(_SPF_RESULTS),
}


def _prefix(value: object) -> Prefix:
    try:
        return Prefix(str(value))
    except ValueError as error:
        raise Wrong(str(error), 'write a prefix such as "64:ff9b::/96"') from error


def _mapping(value: object) -> address.Mapping:
    form = '{ ipv4 = "192.0.2.1", ipv6 = "2001:db8:aaaa::1" }'
    if not isinstance(value, dict) or value.keys() != {"ipv4", "ipv6"}:
        raise Wrong(f"{show(value)} is no mapping", f"write {form}")
    try:
        return address.Mapping(str(value["ipv4"]), str(value["ipv6"]))
    except ValueError as error:
        raise Wrong(str(error), f"write two blocks, such as {form}") from error


def _networks(value: object) -> Networks:
    if not isinstance(value, list):
        raise Wrong(f"{show(value)} is of the wrong kind", 'write a list, such as ["192.0.2.0/24", "2001:db8::/32"]')
    wrong = [text for text in map(str, value) if not _is_network(text)]
    if wrong:
        plural = "are no networks" if len(wrong) > 1 else "is no network"
        raise Wrong(f"{', '.join(map(show, wrong))} {plural}", "write 192.0.2.0/24, 2001:db8::/32 or a single address")
    return Networks(value)


def _is_network(text: str) -> bool:
    try:
        parse_network(text)
    except ValueError:
        return False
    return True


_READERS: Mapping[type, Reader] = {Prefix: _prefix, address.Mapping: _mapping, Networks: _networks}


def _contradictions(settings: Settings) -> Iterator[Problem]:
    """Return what is wrong with values that are well written."""
    grey = settings.greylist
    for key, holds, what, remedy in (
        ("dns.timeout", settings.dns.timeout > 0, "no time at all", 'write a time such as "2s"'),
        ("dns.deadline", settings.dns.deadline > 0, "no time at all", 'write a time such as "8s"'),
        (
            "greylist.retry_window",
            grey.retry_window > grey.delay,
            "ends before greylist.delay does, so that no retry could pass",
            "make it longer than the delay",
        ),
        ("greylist.ipv4_prefix", 0 <= grey.ipv4_prefix <= 32, "no prefix length of IPv4", "write 0 to 32"),  # noqa: PLR2004  as it says
        ("greylist.ipv6_prefix", 0 <= grey.ipv6_prefix <= 128, "no prefix length of IPv6", "write 0 to 128"),  # noqa: PLR2004  as it says
    ):
        if not holds:
            yield Problem(key=key, what=what, remedy=remedy)
    for server in settings.dns.nameservers:
        try:
            nameserver(server)
        except ValueError as error:
            yield Problem(key="dns.nameservers", what=str(error), remedy="write its address; names are not looked up")
    for recipient in grey.skip_recipients:
        local, domain = split(recipient)
        if recipient not in (f"{local}@{domain}", local.lower()):
            yield Problem(
                key="greylist.skip_recipients",
                what=f"{show(recipient)} would never match",
                remedy=f"write {show(f'{local}@{domain}' if domain else local.lower())}",
            )
    if grey.store == "memory:" and (settings.milter.workers or 1) > 1:
        yield Problem(
            key="greylist.store",
            what="each of several workers would have a greylist of its own",
            remedy='write milter.workers = 1, or "sqlite:/path"',
        )
    yield from _store_problem(grey.store)


def _store_problem(url: str) -> Iterator[Problem]:
    what = ""
    try:
        path = store.parse(url)
        if path and (path.name in ("", "..") or url.endswith("/")):
            what = f"{show(url)} names no file"
    except ValueError as error:
        what = str(error)
    if what:
        yield Problem(key="greylist.store", what=what, remedy='write "sqlite:/path" or "memory:"')
