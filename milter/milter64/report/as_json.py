"""A report for programs; docs/json.md says what each field is."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from milter64.pages.document import Finding
from milter64.report.bounded import Top
from milter64.report.facts import suspect
from milter64.report.figures import Figures
from milter64.report.outcome import OUTCOMES

_MOST = 100


def told(verb: str, figures: Figures, judged: Sequence[Finding], *, source: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report of a verb's as programs get it; `source` says what it is of."""
    return {
        "milter64": verb,
        "schema": 1,
        "source": dict(source),
        "first_at": figures.first_at,
        "last_at": figures.last_at if figures.first_at is not None else None,
        "mode": "observe" if figures.observes else "enforce",
        "judgement": [
            {
                "level": finding.level.value,
                "about": finding.about,
                "text": finding.text,
                "evidence": list(finding.evidence),
                "remedy": finding.remedy,
                "lines": list(finding.lines),
            }
            for finding in judged
        ],
        "decisions": {event: figures.count(event) for event in OUTCOMES},
        "observed": {event: figures.count(event, observed=True) for event in OUTCOMES},
        "by_reason": {event: dict(figures.by("why", event).most_common(_MOST)) for event in OUTCOMES},
        "by_origin": {event: dict(figures.by("origin", event)) for event in OUTCOMES},
        "by_hour": [
            {"at": hour, "origin": origin, "decision": event, "lines": count}
            for hour, counts in sorted(figures.hours.items())
            for (event, origin), count in sorted(_by_decision(counts).items())
        ],
        "results": [
            {"check": check, "result": result, "lines": count}
            for (check, result), count in figures.results().most_common(_MOST)
        ],
        "greylist": {
            "put_off": figures.put_off,
            "put_off_observed": figures.put_off_observed,
            "came_back": figures.came_back.count,
            "never": figures.waiting.late,
            "open": len(figures.waiting),
            "lost_sight_of": figures.waiting.pushed_out,
            "honest_never": figures.honest_lost,
            "median_seconds": figures.came_back.part(0.5),
            "ninety_percent_seconds": figures.came_back.part(0.9),
        },
        "refused": {
            "by_network": _top(figures.networks),
            "by_domain": _top(figures.domains),
            "by_sender": _top(figures.senders),
            "looks_honest": [
                {
                    "who": each.who,
                    "lines": each.count,
                    "observed": each.observed,
                    "days": len(each.days),
                    "recipients": len(each.recipients),
                    "why": each.why,
                    "speaks": list(suspect(each).speaks),
                }
                for each in figures.refused.honest()[:_MOST]
            ],
        },
        "troubles": [
            {"event": name, "level": each.level, "times": each.count, "last_at": each.last_at, "said": each.said}
            for name, each in figures.troubles.items()
        ],
    }


def _by_decision(counts: Mapping[tuple[str, str, str], int]) -> Counter[tuple[str, str]]:
    added = Counter[tuple[str, str]]()
    for (event, origin, _), count in counts.items():
        added[event, origin] += count
    return added


def _top(top: Top[str]) -> list[dict[str, Any]]:
    return [{"name": name, "lines": count} for name, count in top.most(_MOST)]
