"""What lines add up to."""

import gc
import weakref

import pytest

from milter64.report.figures import Figures, network
from milter64.report.reading import read
from rig.reported import figures, line, shown

GREYLISTED = 'iprev=fail because="iprev fail: no" greylist=new group=net:192.31.196.0/24 wait=60 reply="450 4.7.1"'
REFUSED = 'spf_helo=pass spf=fail iprev=pass because="spf fail: no" reply="550 5.7.23"'
PASSED = "iprev=fail greylist=passed group=net:192.31.196.0/24"


def test_each_decision_is_counted_by_reason_origin_and_hour() -> None:
    taken = shown(
        figures(
            line(),
            line(at="2026-11-21T00:53:08.000Z", origin="ipv4"),
            line("rejected", at="2026-11-21T01:00:00.000Z", more=REFUSED),
            line("deferred", at="2026-11-21T01:00:00.000Z", more='because="rate ipv4/24: too many" reply="450 4.7.1"'),
            line("busy", at="2026-11-21T01:00:00.000Z", more='reply="451 4.3.2"'),
            line("abandoned", at="2026-11-21T02:00:00.000Z", more=""),
        )
    )
    assert taken["decisions"] == {
        "accepted": 2, "greylisted": 0, "deferred": 1, "busy": 1, "rejected": 1, "abandoned": 1
    }  # fmt: skip
    assert taken["by_reason"]["rejected"] == {"spf fail": 1}
    assert taken["by_reason"]["deferred"] == {"rate ipv4/24": 1}
    assert taken["by_origin"]["accepted"] == {"translated": 1, "ipv4": 1}
    assert {(each["at"], each["decision"]) for each in taken["by_hour"]} == {
        (1795219200, "accepted"),
        (1795222800, "rejected"),
        (1795222800, "deferred"),
        (1795222800, "busy"),
        (1795226400, "abandoned"),
    }
    assert (taken["first_at"], taken["last_at"]) == (1795222387, 1795226400)


def test_whole_figures_go_with_who_had_them() -> None:
    gc.disable()  # it comes by seldom where much is read
    try:
        taken = figures(line(), line("rejected", more=REFUSED), line("greylisted", more=GREYLISTED))
        left = weakref.ref(taken)
        del taken
        assert left() is None
    finally:
        gc.enable()


def test_what_observing_would_have_done_is_counted_as_that() -> None:
    observed = figures(line("accepted", more=f"{REFUSED} observe=rejected"), line())
    taken = shown(observed)
    assert (taken["mode"], taken["decisions"]["accepted"], taken["decisions"]["rejected"]) == ("observe", 1, 1)
    assert taken["observed"]["rejected"] == 1
    assert observed.by("event")["accepted"] == 2


def test_of_one_hour_both_modes_count_together_and_are_known_apart() -> None:
    observed = f"{REFUSED} observe=rejected"
    taken = figures(
        *[line("accepted", more=observed)] * 2, line("abandoned", more=observed), line("rejected", more=REFUSED), line()
    )
    assert {each["decision"]: each["lines"] for each in shown(taken)["by_hour"]} == {"accepted": 1, "rejected": 4}
    assert taken.by("became") == {"accepted": 1, "spared": 2, "abandoned": 1, "rejected": 1}
    assert taken.mixed


def test_the_last_word_says_which_mode_it_is_in() -> None:
    observed, enforced = line("accepted", more=f"{REFUSED} observe=rejected"), line("rejected", more=REFUSED)
    assert shown(figures(enforced, observed))["mode"] == "observe"
    assert shown(figures(observed, enforced))["mode"] == "enforce"


def _serves(event: str, mode: str) -> str:
    return f"time=2026-11-21T00:53:07.644Z level=info event={event} socket=inet:8864@localhost workers=2{mode}"


@pytest.mark.parametrize("observes", [False, True])
def test_the_service_says_its_mode_itself_and_the_last_word_counts(*, observes: bool) -> None:
    other, mode = (" mode=enforce", " mode=observe") if observes else (" mode=observe", " mode=enforce")
    denied = line("rejected", more=REFUSED) if observes else line("accepted", more=f"{REFUSED} observe=rejected")
    assert figures(_serves("ready", other), line(), _serves("reloaded", mode), denied).observes is observes
    assert figures(_serves("ready", mode), _serves("worker", other), line()).observes is observes
    assert figures(denied, _serves("ready", "")).observes is not observes  # as older versions say it


@pytest.mark.parametrize("configured", [False, True])
def test_where_no_line_tells_the_mode_it_is_as_configured(*, configured: bool) -> None:
    taken = Figures(1.0, observes=configured)
    read([f"{line()}\n".encode()], taken)
    assert taken.observes is configured


@pytest.mark.parametrize("later", ["accepted", "abandoned"])
def test_who_was_put_off_comes_back_if_he_is_let_in(later: str) -> None:
    taken = figures(
        line("greylisted", more=GREYLISTED),
        line("greylisted", at="2026-11-21T00:53:17.000Z", more=GREYLISTED),
        line(later, at="2026-11-21T00:58:07.000Z", more=PASSED),
    )
    assert taken.put_off == 1
    assert taken.came_back.count == (later == "accepted")
    assert len(taken.waiting) == (later != "accepted")
    if later == "accepted":
        assert taken.came_back.part(0.5) == pytest.approx(300, rel=0.07)


def test_each_recipient_of_a_mail_comes_back_by_himself() -> None:
    taken = figures(
        line("greylisted", more=GREYLISTED, to="<a@x.example>"),
        line("greylisted", more=GREYLISTED, to="<b@x.example>"),
        line("accepted", at="2026-11-21T00:58:07.000Z", more=PASSED, to="<b@x.example>,<a@x.example>,<c@x.example>"),
    )
    assert (taken.put_off, taken.came_back.count, len(taken.waiting)) == (2, 2, 0)


def test_whose_window_is_over_never_came_back_and_the_others_may_yet() -> None:
    taken = figures(
        line("greylisted", more=GREYLISTED, to="<a@x.example>"),
        line("greylisted", at="2026-11-21T02:00:00.000Z", more=GREYLISTED, to="<b@x.example>"),
        line("accepted", at="2026-11-21T02:30:00.000Z", to="<c@x.example>"),
        window=3600.0,
    )
    assert (taken.waiting.late, len(taken.waiting), taken.honest_lost) == (1, 1, 0)


def test_who_looks_honest_and_never_came_back_is_named() -> None:
    put_off = 'spf_helo=pass spf=pass iprev=permerror greylist=new group=net:192.31.196.0/24 wait=60 reply="450 4.7.1"'
    taken = figures(
        line("greylisted", more=put_off, to="<a@x.example>"),
        line("greylisted", more=put_off, to="<b@x.example>"),
        line("accepted", at="2026-11-21T00:55:00.000Z", more="greylist=passed", to="<b@x.example>"),
        line("accepted", at="2026-11-21T09:00:00.000Z", to="<c@x.example>"),
        window=3600.0,
    )
    assert (taken.honest_lost, taken.lost.most(5)) == (1, [("@honest.example", 1)])


def test_whom_observe_mode_let_in_nobody_told_to_come_back() -> None:
    put_off = "spf_helo=pass spf=pass iprev=permerror greylist=new group=net:192.31.196.0/24 wait=60"
    late = line("accepted", at="2026-11-21T09:00:00.000Z", to="<c@x.example>")
    observed = figures(line("accepted", more=f"{put_off} observe=greylisted"), late, window=3600.0)
    told = figures(line("greylisted", more=put_off), late, window=3600.0)
    assert (observed.put_off_observed, observed.honest_lost, observed.lost.most(5)) == (1, 1, [])
    assert (told.put_off_observed, told.honest_lost, told.lost.most(5)) == (0, 1, [("@honest.example", 1)])


def test_who_is_refused_and_looks_honest_is_named_by_what_proves_him() -> None:
    by_domain = 'spf_helo=pass spf=pass iprev=fail because="iprev fail: no" reply="550 5.7.25"'
    taken = figures(
        *[line("rejected", more=REFUSED)] * 3,
        line("rejected", more=by_domain),
        line("rejected", more='spf=fail because="spf fail: no"', client="203.0.113.9"),
    )
    assert [(each.who, each.count, each.why) for each in taken.refused.honest()] == [
        ("192.31.196.40", 3, "spf fail"),
        ("@honest.example", 1, "iprev fail"),
    ]
    assert dict(taken.networks.most(5)) == {"192.31.196.0/24": 4, "203.0.113.0/24": 1}
    assert taken.senders.most(5) == [("joe@honest.example", 5)]


def test_what_speaks_for_a_sender_must_do_so_each_time() -> None:
    unproven = 'spf_helo=pass spf=fail iprev=fail because="spf fail: no" reply="550 5.7.23"'
    assert figures(line("rejected", more=REFUSED)).refused.honest()
    assert not figures(line("rejected", more=REFUSED), line("rejected", more=unproven)).refused.honest()


def test_clients_whose_address_is_not_theirs_are_shown() -> None:
    taken = figures(line(origin="undecoded", client="64:ff9b:1::1"), line("rejected", more=REFUSED, origin="masked"))
    assert {origin: top.most(1) for origin, top in taken.odd_clients.items()} == {
        "undecoded": [("64:ff9b:1::1", 1)],
        "masked": [("192.31.196.40", 1)],
    }
    assert taken.senders.most(1) == [("joe@honest.example", 1)]


def test_our_own_trouble_is_counted_with_its_last_words() -> None:
    warning = "time=2026-11-21T00:53:07.644Z level=warning event={} trouble={}"
    taken = figures(
        warning.format('"dns list"', '"no answer" list=zen'),
        warning.format('"dns list"', '"other answer" list=zen'),
        warning.format("greylist", "gone"),
        "time=2026-11-21T00:53:07.644Z level=info event=stopped",
    )
    assert {name: (each.count, each.said) for name, each in taken.troubles.items()} == {
        "dns list zen": (2, "other answer; list: zen"),
        "greylist": (1, "gone"),
    }


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("192.0.2.1", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8::1", "2001:db8::/64"),
        ("", ""),
        ("a:b", "a:b"),
    ],
)
def test_a_client_is_in_a_network(client: str, expected: str) -> None:
    assert network(client) == expected
