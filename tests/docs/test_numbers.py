"""docs/numbers.md lists every number, and its lines for Prometheus are valid."""

import subprocess
from pathlib import Path

from milter64.telemetry.metrics import FAMILIES
from rig.pages import ROOT, blocks, page, quoted, table

NUMBERS = page("numbers")


def test_every_number_is_listed_with_its_labels_and_no_other() -> None:
    suffix = {"counter": "_total"}
    listed = {
        name: quoted(labels) for names, labels, _ in table(NUMBERS, "number, `milter64_...`") for name in quoted(names)
    }
    assert listed == {name + suffix.get(kind.kind, ""): list(kind.labels) for name, kind in FAMILIES.items()}


def promtool(*words: str | Path) -> str:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_lines_for_prometheus_are_a_configuration_with_the_rules_of_contrib(tmp_path: Path) -> None:
    (lines,) = blocks(NUMBERS, "yaml")
    (tmp_path / "prometheus.yml").write_text(lines)
    (tmp_path / "milter64.rules.yml").symlink_to(ROOT / "contrib" / "prometheus" / "milter64.rules.yml")
    assert "1 rule files found" in promtool("check", "config", tmp_path / "prometheus.yml")


def test_the_queries_are_rules_that_prometheus_takes(tmp_path: Path) -> None:
    queries = "".join(blocks(NUMBERS, "promql")).replace("\n  ", " ").splitlines()
    rules = "".join(f"  - {{record: 'number:{n}', expr: '{query}'}}\n" for n, query in enumerate(queries))
    (tmp_path / "rules.yml").write_text(f"groups:\n- name: docs\n  rules:\n{rules}")
    assert "2 rules found" in promtool("check", "rules", tmp_path / "rules.yml")
