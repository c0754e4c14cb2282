"""A real Prometheus that scrapes one target."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from rig.process import Process, alive, until
from rig.server import Server

_CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: milter64
    static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
"""


class Prometheus(Server):
    """Prometheus with a database of its own, which reads a port of 127.0.0.1 every second."""

    def __init__(self, folder: Path, target: int, rules: Path) -> None:
        super().__init__(folder)
        self._target = target
        self._rules = rules
        self._port = 0

    def ask(self, path: str, **parameters: str) -> Any:  # noqa: ANN401  JSON
        """Return the data of an answer of its HTTP API."""
        with urlopen(f"http://127.0.0.1:{self._port}/api/v1/{path}?{urlencode(parameters)}", timeout=10) as response:
            return json.load(response)["data"]

    def query(self, expression: str) -> list[float]:
        """Return the values of an expression now."""
        return [float(result["value"][1]) for result in self.ask("query", query=expression)["result"]]

    def _start(self, stack: ExitStack) -> Process:
        self._port = stack.enter_context(self._network.reserve("127.0.0.1")).port
        file = self._folder / "prometheus.yml"
        file.write_text(_CONFIGURATION.format(rules=self._rules, target=self._target))
        process = self._run(
            stack,
            "prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address=127.0.0.1:{self._port}",
        )
        until(lambda: self._knows_its_target() or not alive(process.pid), "Prometheus to have scraped")
        assert alive(process.pid), "Prometheus has ended"
        return process

    def _knows_its_target(self) -> bool:
        try:
            return self.query("up") == [1.0]
        except (URLError, ConnectionError):
            return False
