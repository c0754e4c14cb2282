from pathlib import Path

import pytest

from bench import bout, world
from bench.bout import OURS, Bout
from bench.loads import ALONE, EARLIER, PLAIN, POSTGREY, PREFORK, UNLISTED, Load
from bench.peers import Peer
from bench.progress import Progress
from bench.systems import Milter64
from bench.target import MEMORY, REDIS_CPU, Target
from rig.lab import Lab
from rig.nsd import Nsd
from rig.process import until
from rig.redis import Redis

pytestmark = pytest.mark.slow


class Broken(Peer):
    """A peer that ends as soon as it is started."""

    def __init__(self, folder: Path, *_: object) -> None:
        super().__init__(folder, "sh", "-c", "echo no such luck; exit 1")


class Forgetful(Peer):
    """A policy service that puts everybody off, every time."""

    options = ("--policy",)
    _PROGRAM = """
import socketserver, sys
class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            line.strip() or self.wfile.write(b"action=DEFER_IF_PERMIT\\n\\n")
socketserver.ThreadingUnixStreamServer(sys.argv[1], Answer).serve_forever()
"""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "python3", "-c", self._PROGRAM, folder / "sock")


FRESH = Load(
    name="short",
    title="a short one",
    workload="fresh",
    sessions=20,
    fill=2,
    warm=5,
    beside=(PREFORK,),
    targets=(
        Target(against=PLAIN, ratio=1),
        Target(against=POSTGREY, ratio=1),
        Target(against=EARLIER, ratio=2, metric=MEMORY, at_most=True),
    ),
)


def test_a_load_is_put_on_all_that_start_in_each_round_and_who_does_not_start_is_named(
    lab: Lab, milterload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bout, "Postgrey", Broken)
    (milterload.parent / "fresh.tsv").write_text("\n".join(world.workloads(100)["fresh"]))
    result = Bout(FRESH, lab, lab.start(Nsd, {".": ""}), milterload.parent).run(2, Progress())
    assert result.missing == {POSTGREY: "it ended at once: no such luck"}
    assert [target.against for target, _ in result.ratios] == [PLAIN, EARLIER]
    assert [report["replies"]["rcpt.450"] for report in result.reports[OURS]] == [20, 20]
    assert [report["replies"]["eom.accept"] for report in result.reports[PLAIN]] == [20, 20]
    assert result.reports.keys() == {OURS, PLAIN, PREFORK}
    (ours,) = (server for server in lab.servers if isinstance(server, Milter64))
    sessions = 2 * 20 + 3 * (5 + 20)  # filling, and warming up and two rounds, before each of which DNS is asked
    until(lambda: ours.output.count(" greylist=") == sessions, f"{sessions} lines in milter64's log")


def test_without_milter64_itself_there_is_nothing_to_measure(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bout, "Milter64", Broken)
    with pytest.raises(RuntimeError, match="no such luck"):
        Bout(FRESH, lab, lab.start(Nsd, {".": ""}), tmp_path)


def test_itself_without_lists_is_measured_beside_it(lab: Lab, milterload: Path) -> None:
    (milterload.parent / "fresh.tsv").write_text("\n".join(world.workloads(100)["fresh"]))
    (milterload.parent / "block").write_text("11.0.0.0/8\n2001:db8::/32\n")
    of = Load(
        name="a",
        title="b",
        workload="fresh",
        sessions=20,
        lists='[block]\nfiles = ["BUILD/block"]',
        targets=(Target(against=UNLISTED, ratio=1),),
    )
    result = Bout(of, lab, lab.start(Nsd, {".": ""}), milterload.parent).run(1, Progress())
    assert [report["replies"]["rcpt.550"] for report in result.reports[OURS]] == [20]
    assert [report["replies"]["rcpt.450"] for report in result.reports[UNLISTED]] == [20]


def test_itself_with_and_without_a_shared_store_are_measured_and_what_that_costs_redis(
    lab: Lab, milterload: Path
) -> None:
    (milterload.parent / "fresh.tsv").write_text("\n".join(world.workloads(100)["fresh"]))
    of = Load(
        name="a",
        title="b",
        workload="fresh",
        sessions=20,
        shared=True,
        targets=(Target(against=ALONE, ratio=1), Target(against=ALONE, ratio=1, metric=REDIS_CPU)),
    )
    result = Bout(of, lab, lab.start(Nsd, {".": ""}), milterload.parent).run(2, Progress())
    for name in (OURS, ALONE):
        assert [report["replies"]["rcpt.450"] for report in result.reports[name]] == [20, 20]
        assert [report[REDIS_CPU] > 0 for report in result.reports[name]] == [True, True]
    (redis,) = (server for server in lab.servers if isinstance(server, Redis))
    until(lambda: redis.ask("--raw", "KEYS", "milter64:1r*").count("\n") == 3 * 20 - 1, "all pairs to be there")


def test_a_greylist_that_never_lets_known_senders_pass_is_left_out(
    lab: Lab, milterload: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bout, "Postgrey", Forgetful)
    monkeypatch.setattr(bout, "_DELAY", 0.1)
    monkeypatch.setattr(world, "HOT_SESSIONS", 5)
    # milter64 knows them at once: the addresses are trusted.
    trusting = 'trust.networks = ["0.0.0.0/0", "::/0"]\ntrust.translators = true'
    of = Load(
        name="a", title="b", workload="hot", hot=True, sessions=5, targets=FRESH.targets[1:2], configuration=trusting
    )
    (milterload.parent / "hot.tsv").write_text("\n".join(world.workloads(100)["hot"]))
    result = Bout(of, lab, lab.start(Nsd, {".": ""}), milterload.parent).run(1, Progress())
    assert result.missing == {POSTGREY: "known senders are put off after 10 tries"}
    assert result.reports.keys() == {OURS}
