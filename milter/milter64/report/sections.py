"""A report as sections of a Document: the judgement first, then what it is made of."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from milter64.pages.document import (
    Bars,
    Column,
    Distribution,
    Figures,
    Finding,
    Findings,
    Section,
    Series,
    Shares,
    Table,
)
from milter64.pages.wording import said
from milter64.report import figures as taken
from milter64.report.bounded import Top
from milter64.report.facts import suspect
from milter64.report.outcome import KEPT_OUT, OUTCOMES, PUT_OFF, REFUSED, SPARED

_SHOWN = 10
_LABELS = 48
"""Columns of a plot at most."""
_STEPS = (3600, 3 * 3600, 6 * 3600, 86400, 7 * 86400, 28 * 86400)
_WORDS = {
    "accepted": "let in",
    "greylisted": "put off by the greylist",
    "deferred": "put off for other reasons",
    "busy": "put off, too busy",
    "rejected": "refused",
    "abandoned": "abandoned by the client",
    SPARED: "let in by observe mode",
}
_EDGES = (0.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 86400.0, float("inf"))
_CANT_TELL = (
    "The log has no content of mail. Whether DKIM signs it, who its author is and which name a client's address has it"
    " can't tell. Who is sent to through a mailing list or a forwarder is told by the sender's address alone."
)


def sections(figures: taken.Figures, judged: Sequence[Finding]) -> Iterator[Section]:
    """Yield what a report says."""
    yield Section(title="Judgement", content=Findings(findings=tuple(judged)))
    if not figures.total:
        return
    yield Section(
        title="What became of it",
        text=_observed(figures),
        content=Figures(
            figures=tuple(
                (_WORDS[event], f"{count:,}, {count / figures.total:.1%}")
                for event in _events(figures)
                if (count := figures.by(_decided(figures))[event])
            )
        ),
    )
    yield Section(title="By time", content=_by_time(figures))
    if (whys := _whys(figures)).rows:
        yield Section(title="Why", text=f"What refused, or put off{', or would have' * figures.mixed}.", content=whys)
    yield Section(title="By origin", content=_origins(figures))
    if figures.put_off:
        yield from _greylist(figures)
    refused, of = ("Refused, or let in by observe mode", "times") if figures.mixed else ("Refused", "refused")
    if honest := figures.refused.honest():
        yield Section(
            title=f"{refused}, and looks honest",
            text=_CANT_TELL,
            content=Table(
                columns=(
                    Column(name="who"),
                    Column(name="times", kind="number"),
                    *([Column(name="in observe mode", kind="number")] if figures.mixed else []),
                    Column(name="days", kind="number"),
                    Column(name="recipients", kind="number"),
                    Column(name="why"),
                    Column(name="what speaks for them"),
                ),
                rows=tuple(
                    (
                        each.who,
                        each.count,
                        *([each.observed] if figures.mixed else []),
                        len(each.days),
                        len(each.recipients),
                        each.why,
                        "; ".join(suspect(each).speaks),
                    )
                    for each in honest[:_SHOWN]
                ),
                more=max(len(honest) - _SHOWN, 0),
            ),
        )
    for name, top in (("network", figures.networks), ("domain", figures.domains), ("sender", figures.senders)):
        if len(top):
            yield Section(title=f"{refused}, by {name}", content=_top(name, of, top))
    if checks := _checks(figures):
        yield Section(title="Lists and limits", content=checks)
    if figures.troubles:
        columns = (Column(name="event"), Column(name="times", kind="number"), Column(name="last", kind="time"))
        rows = tuple((name, each.count, each.last_at, each.said) for name, each in figures.troubles.items())
        yield Section(
            title="Our own trouble", content=Table(columns=(*columns, Column(name="what the last one said")), rows=rows)
        )
    if figures.others:
        text = f"{figures.others:,} lines of it are not milter64's, or can't be read, and were left out."
        yield Section(title="About the log", text=text)


def _decided(figures: taken.Figures) -> str:
    """Return which word of a shape tells: what was decided, or, where only some of that was in force, what became."""
    return "became" if figures.mixed else "judged"


def _events(figures: taken.Figures) -> tuple[str, ...]:
    return (*OUTCOMES, SPARED) if figures.mixed else OUTCOMES


def _observed(figures: taken.Figures) -> str:
    """Return what observe mode has to do with it."""
    if figures.mixed:
        else_ = figures.by("observed", SPARED, decided="became")
        put_off = sum(else_[event] for event in PUT_OFF)
        return f"Of those whom observe mode let in, {else_[REFUSED]:,} would have been refused, {put_off:,} put off."
    return "As it would be but for observe mode: all but the abandoned came in." if _all_came_in(figures) else ""


def _all_came_in(figures: taken.Figures) -> bool:
    """Return whether nobody was kept out because observe mode was on."""
    observes = figures.observes or figures.count(*KEPT_OUT, observed=True)
    return bool(observes) and not figures.count(*KEPT_OUT, observed=False)


def _by_time(figures: taken.Figures) -> Bars:
    hours, mixed = sorted(figures.hours), figures.mixed
    span = hours[-1] - hours[0]
    step = next((step for step in _STEPS if span / step < _LABELS), _STEPS[-1])
    begins = range(hours[0] // step * step, hours[-1] + 1, step)[-_LABELS:]
    counts = {begin: Counter[str]() for begin in begins}
    for hour in hours:
        if (begin := hour // step * step) in counts:
            for (judged, _, became), count in figures.hours[hour].items():
                counts[begin][became if mixed else judged] += count
    events = [event for event in _events(figures) if any(counts[begin][event] for begin in begins)]
    shape = "%Y-%m-%d %H:%MZ" if step < _STEPS[3] else "%Y-%m-%d"
    return Bars(
        by="from",
        labels=tuple(f"{datetime.fromtimestamp(begin, UTC):{shape}}" for begin in begins),
        series=tuple(
            Series(name=_WORDS[event], values=tuple(counts[begin][event] for begin in begins)) for event in events
        ),
    )


def _whys(figures: taken.Figures) -> Table:
    events = [event for event in _events(figures) if event not in {"accepted", "abandoned"}]
    by_event = {event: figures.by("why", event, decided=_decided(figures)) for event in events}
    counted = Counter[str]()
    for counts in by_event.values():
        counted.update(counts)
    columns = (Column(name="why"), *(Column(name=_WORDS[event], kind="number") for event in events))
    rows = tuple(
        (why or "whoever is new", *(by_event[event][why] or None for event in events))
        for why, _ in counted.most_common(_SHOWN)
    )
    return Table(columns=columns, rows=rows, more=max(len(counted) - _SHOWN, 0))


def _origins(figures: taken.Figures) -> Table:
    events = _events(figures)
    by_event = {event: figures.by("origin", event, decided=_decided(figures)) for event in events}
    columns = (Column(name="origin"), *(Column(name=_WORDS[event], kind="number") for event in events))
    return Table(
        columns=columns,
        rows=tuple(
            (origin or "not told", *(by_event[event][origin] or None for event in events))
            for origin, _ in figures.by("origin").most_common(_SHOWN)
        ),
    )


def _greylist(figures: taken.Figures) -> Iterator[Section]:
    times, waiting, all_came_in = figures.came_back, figures.waiting, _all_came_in(figures)
    back = "wrote again in time" if all_came_in else "came back in time"
    some = figures.put_off_observed and not all_came_in
    rows = [
        ("pairs of sender and recipient put off", f"{figures.put_off:,}"),
        *([("of them let in by observe mode", f"{figures.put_off_observed:,}")] if some else []),
        (back, f"{times.count:,}, {times.count / figures.put_off:.1%}"),
        ("never did", f"{waiting.late:,}"),
        ("may yet", f"{len(waiting):,}"),
    ]
    if waiting.pushed_out:
        rows.append(("lost sight of, as they were too many", f"{waiting.pushed_out:,}"))
    if figures.honest_lost:
        rows.append(("never did, and looks honest", f"{figures.honest_lost:,}"))
    for part, name in ((0.5, "half of them within"), (0.9, "nine in ten within")):
        if (seconds := times.part(part)) is not None:
            rows.append((name, said(seconds, "duration")))
    who = "Nobody was told to come back, for all came in" if all_came_in else "Observe mode tells nobody to come back"
    text = f"{who}: who wrote once only may be as honest as others." if all_came_in or some else ""
    yield Section(title="Greylist", text=text, content=Figures(figures=tuple(rows)))
    if times.count:
        yield Section(
            title="Time to pass",
            content=Distribution(by="after", of="pairs", edges=_EDGES, counts=times.between(_EDGES)),
        )


def _top(name: str, of: str, top: Top[str]) -> Shares:
    most = top.most(_SHOWN)
    return Shares(
        by=name,
        of=of,
        shares=tuple((key or "<>", float(count)) for key, count in most),
        more=len(top) - len(most),
    )


_LISTED = ("allow", "block", "dnsbl", "dnswl", "rate", "exempt", "path")


def _checks(figures: taken.Figures) -> Table | None:
    counts = [(check, result, count) for (check, result), count in figures.results().most_common() if check in _LISTED]
    if not counts:
        return None
    columns = (Column(name="list or limit"), Column(name="result"), Column(name="lines", kind="number"))
    return Table(columns=columns, rows=tuple(counts[: 2 * _SHOWN]), more=max(len(counts) - 2 * _SHOWN, 0))
