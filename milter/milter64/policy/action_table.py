"""What each result leads to: a table, by check, property, result and origin.

What may not be held against a client simply has no row in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import product
from operator import or_

from milter64.address.client import Client, Origin
from milter64.mail.action import Action
from milter64.mail.finding import Finding, Key
from milter64.mail.spares import Spares

ACCEPT, GREYLIST, TEMPFAIL, REJECT = Action  # a name of a module is found in a quarter of the time

_GO_BY_ADDRESS = frozenset({"spf", "iprev", "helo"})
"""Checks whose answers from DNS say no more than what an address is to a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What counts for one kind of client.

    `actions` has what a (check, property, result) leads to; one that is not in it is accepted. `asked` has the
    questions that take DNS, each with the most that an answer can lead to. `floor` is what no finding at all leads to.
    `greylisting` says whether anything leads to the greylist. `spares` has what a (check, property, result) spares, and
    `relief` the questions that take DNS of which an answer may do so, each with all that.
    """

    actions: Mapping[tuple[str, str, str], Action]
    asked: Mapping[Key, Action]
    floor: Action
    greylisting: bool
    spares: Mapping[tuple[str, str, str], Spares] = field(default_factory=dict)
    relief: Mapping[Key, Spares] = field(default_factory=dict)

    def action(self, finding: Finding) -> Action:
        """Return what a finding leads to."""
        action = self.actions.get((finding.check, finding.property, finding.result))
        if not action or (action is GREYLIST and finding.fact("resolver") == "down"):
            return ACCEPT  # while no nameserver answers at all, everybody would look suspect
        return action

    def spared(self, finding: Finding) -> Spares:
        """Return what a finding spares."""
        return self.spares.get((finding.check, finding.property, finding.result), Spares.NOTHING)

    def serves(self, finding: Finding, worst: Action) -> bool:
        """Whether a finding leads to no more than `worst`, and spares all that an answer to its question may."""
        return self.action(finding) <= worst and self.relief.get(finding.key, Spares.NOTHING) in self.spared(finding)

    def without_greylisting(self) -> "Rules":
        """Return the rules where nobody is greylisted."""

        def lifted(action: Action) -> Action:
            return ACCEPT if action is GREYLIST else action

        return replace(
            self,
            actions={key: lifted(action) for key, action in self.actions.items()},
            asked={key: lifted(action) for key, action in self.asked.items()},
            floor=lifted(self.floor),
            greylisting=False,
        )


class Policy:
    """The table of actions, made ready for each kind of client."""

    def __init__(  # noqa: PLR0913  all that makes a table of actions
        self,
        table: Mapping[tuple[str, str, str, Origin], Action],
        questions: Mapping[Key, frozenset[str]],
        *,
        spares: Mapping[tuple[str, str, str], Spares] | None = None,
        greylisting: bool = True,
        apply_to_all: bool = False,
        judge_private: bool = False,
    ) -> None:
        """Make the rules of every origin.

        `table` goes from check, property, result and origin to an action, `spares` from the first three to what they
        spare. `questions` are those that take DNS, each with the results that only DNS gives. For a result that spares
        anything no question is asked but to spare it. `apply_to_all` greylists every client, `judge_private` asks about
        addresses of private use too.
        """
        self._rules: dict[tuple[Origin, bool, bool], Rules] = {}
        """By origin, and whether the address is of private use, and shared."""
        spares = spares or {}
        relief = {
            key: spared
            for key, results in questions.items()
            if (spared := _all_of(spares.get((*key, result), Spares.NOTHING) for result in results))
        }
        for origin in Origin:
            # All who hide behind a gateway would be one client to the greylist.
            kept = greylisting and origin is not Origin.MASKED
            floor = GREYLIST if apply_to_all and origin is not Origin.UNKNOWN else ACCEPT
            for private, shared in product((True, False), repeat=2):
                judged = origin.identifies and (judge_private or not private)
                # Behind a gateway that nobody has told us of, everybody would fail: that is found out while they wait.
                most = TEMPFAIL if shared else REJECT
                actions = {
                    (check, property_, result): min(action, most) if by_dns and check in _GO_BY_ADDRESS else action
                    for (check, property_, result, row_origin), action in table.items()
                    for by_dns in (result in questions.get((check, property_), ()),)
                    if row_origin is origin and (judged or not by_dns)
                }
                raising = {key: action for key, action in actions.items() if key not in spares}
                asked = {
                    key: max((raising.get((*key, result), ACCEPT) for result in results), default=ACCEPT)
                    for key, results in questions.items()
                    if judged
                }
                rules = Rules(
                    actions=actions,
                    asked=asked,
                    floor=floor,
                    greylisting=GREYLIST in {floor, *actions.values()},
                    spares=spares,
                    relief=relief if judged else {},
                )
                self._rules[origin, private, shared] = rules if kept else rules.without_greylisting()

    def rules(self, client: Client) -> Rules:
        """Return what counts for a client.

        Of an address that isn't the client's own, or that the public DNS knows nothing about, nothing is asked.
        """
        return self._rules[client.origin, client.private, client.shared]


def _all_of(spares: Iterable[Spares]) -> Spares:
    return reduce(or_, spares, Spares.NOTHING)
