"""The configuration: one TOML file, all of it optional, into frozen settings.

Each part's settings stand beside its code; here they are put together, and what no part can see for itself is checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from milter64.address import translation_prefix
from milter64.address.client import Origin
from milter64.address.translation_prefix import Prefix
from milter64.address.translator import Translator
from milter64.checks import dmarc_policy, helo_name, iprev, spf_settings, unreadable_mailbox
from milter64.checks import dns_list_settings as dns_list
from milter64.checks.dns_list_settings import Settings as DnsListSettings
from milter64.checks.helo_name import Settings as HeloSettings
from milter64.checks.iprev import Settings as IprevSettings
from milter64.checks.spf_settings import LeftTo
from milter64.checks.spf_settings import Settings as SpfSettings
from milter64.config.listen_address import MetricsSettings
from milter64.config.listen_address import Settings as MilterSettings
from milter64.dns.settings import Settings as DnsSettings
from milter64.greylist.settings import Settings as GreylistSettings
from milter64.headers.settings import Settings as HeadersSettings
from milter64.judging.settings import Settings as JudgingSettings
from milter64.limits.memory import Settings as LimitsSettings
from milter64.limits.settings import LEVELS, RATE
from milter64.limits.settings import Settings as RateSettings
from milter64.lists.listed import BLOCK, KINDS, LISTED
from milter64.lists.settings import Recipient
from milter64.lists.settings import Settings as ListSettings
from milter64.mail.action import Action
from milter64.mail.finding import Key
from milter64.mail.spares import Spares
from milter64.policy.action_table import Policy
from milter64.policy.trust import Trust
from milter64.telemetry.settings import Settings as LogSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """The table [translation]: whose IPv6 addresses stand for IPv4 ones."""

    prefixes: tuple[Prefix, ...] = (Prefix("64:ff9b::/96"),)
    explicit: tuple[translation_prefix.Mapping, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file, one field a table, or an array of tables."""

    mode: Literal["enforce", "observe"] = "enforce"
    milter: MilterSettings = field(default_factory=MilterSettings)
    translation: Translation = field(default_factory=Translation)
    dns: DnsSettings = field(default_factory=DnsSettings)
    trust: Trust = field(default_factory=Trust)
    helo: HeloSettings = field(default_factory=HeloSettings)
    iprev: IprevSettings = field(default_factory=IprevSettings)
    spf: SpfSettings = field(default_factory=SpfSettings)
    dnslist: tuple[DnsListSettings, ...] = ()
    greylist: GreylistSettings = field(default_factory=GreylistSettings)
    allow: ListSettings = field(default_factory=ListSettings)
    block: ListSettings = field(default_factory=ListSettings)
    recipient: tuple[Recipient, ...] = ()
    rate: RateSettings = field(default_factory=RateSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
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
        lists = [(each, each.key(about)) for each in self.dnslist for about in each.about]
        for origin in Origin:
            for key, actions in self._actions(origin).items():
                table |= {(*key, result, origin): action for result, action in actions.items()}
            table |= {
                (unreadable_mailbox.NAME, of, unreadable_mailbox.UNREADABLE, origin): Action.REJECT
                for of in (unreadable_mailbox.SENDER, unreadable_mailbox.RECIPIENT)
            }
            table |= {(BLOCK, kind, LISTED, origin): Action.REJECT for kind in KINDS}
            table |= {(RATE, kind, level, origin): Action.TEMPFAIL for kind in self.rate.limits for level in LEVELS}
            table |= {(*_DMARC, dmarc_policy.TEMPERROR, origin): Action.TEMPFAIL}
            table |= {(*key, each.positive, origin): each.action for each, key in lists}
        # An enabled check is asked even if nothing follows, for the header; where a HELO name leads stands in none.
        helo_leads = not self.helo.actions.keys().isdisjoint(BY_DNS[_HELO])
        asked = {_SPF_HELO: self.spf.enabled, _SPF: self.spf.enabled, _IPREV: self.iprev.enabled, _HELO: helo_leads}
        asked |= {_DMARC: self.spf.left_to_dmarc}
        return Policy(
            table,
            {key: BY_DNS[key] for key, is_asked in asked.items() if is_asked}
            | {key: dns_list.RESULTS | {each.positive} for each, key in lists},
            spares=self._spares(),
            greylisting=self.greylist.enabled,
            apply_to_all=self.greylist.apply == "all",
            judge_private=self.trust.judge_private,
        )

    def _spares(self) -> Mapping[tuple[str, str, str], Spares]:
        """Return what a check's result spares: nothing where the check isn't used, which keeps the rest quick."""
        left = (dmarc_policy.POLICY, dmarc_policy.TEMPERROR) if self.spf.left_to_dmarc else ()
        white = [each.key(about) for each in self.dnslist if each.check == dns_list.ACCEPTING for about in each.about]
        return {(*_DMARC, result): Spares.SPF_FAIL for result in left} | {
            (*key, dns_list.PASS): Spares.GREYLIST for key in white
        }

    def judging(self) -> JudgingSettings:
        """Return what the engine needs to know."""
        return JudgingSettings(
            policy=self.policy(),
            greylist=self.greylist,
            trust=self.trust,
            deadline=self.dns.deadline,
            own_name=self.authserv_id,
            header=self._header(),
            observe=self.mode == "observe",
        )

    def _header(self) -> frozenset[Key]:
        """Return the questions that are asked for the header, whatever follows from their answers."""
        if not self.headers.any:
            return frozenset()
        asked = {_SPF_HELO: self.spf.enabled, _SPF: self.spf.enabled, _IPREV: self.iprev.enabled}
        # RFC 8904 is about addresses alone.
        lists = [each for each in self.dnslist if each.check == dns_list.ACCEPTING and "client" in each.about]
        return frozenset(key for key, is_asked in asked.items() if is_asked) | {each.key("client") for each in lists}

    def _actions(self, origin: Origin) -> Mapping[Key, Mapping[str, Action]]:
        special = self.iprev.ipv6_actions if origin is Origin.IPV6 else None
        return {
            _HELO: self.helo.actions,
            _SPF_HELO: self.spf.helo_actions,
            # What is left to DMARC is refused, unless the sender's domain turns out to have a policy.
            _SPF: {of: Action.REJECT if to is LeftTo.DMARC else to for of, to in self.spf.actions.items()},
            _IPREV: self.iprev.actions if special is None else special,
        }


_SPF_HELO: Key = (spf_settings.NAME, spf_settings.HELO)
_SPF: Key = (spf_settings.NAME, spf_settings.MAILFROM)
_IPREV: Key = (iprev.NAME, iprev.PROPERTY)
_HELO: Key = (helo_name.NAME, helo_name.PROPERTY)
_DMARC: Key = (dmarc_policy.NAME, dmarc_policy.PROPERTY)

SPF_RESULTS = frozenset({"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"})
"""RFC 7208 2.6."""
IPREV_RESULTS = frozenset({"pass", "fail", "temperror", "permerror"})
"""RFC 8601 2.7.3."""
BY_DNS: Mapping[Key, frozenset[str]] = {
    _SPF_HELO: SPF_RESULTS,
    _SPF: SPF_RESULTS,
    _IPREV: IPREV_RESULTS,
    _HELO: frozenset({"pass", "fail", "temperror"}),
    _DMARC: frozenset({dmarc_policy.POLICY, dmarc_policy.NONE, dmarc_policy.TEMPERROR}),
}
"""The questions that take DNS, each with the results that only DNS gives."""
