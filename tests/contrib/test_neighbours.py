"""What stands in contrib for rspamd and SpamAssassin is what the verb prints without a configuration."""

from pathlib import Path

import pytest

from milter64.cli.neighbours import written
from milter64.config.settings import Settings

CONTRIB = Path(__file__).parents[2] / "contrib"
FILES = {"rspamd": "rspamd/milter64.lua", "spamassassin": "spamassassin/Milter64.pm"}


@pytest.mark.parametrize("program", FILES)
def test_the_example_is_what_the_verb_prints(program: str) -> None:
    assert (CONTRIB / FILES[program]).read_text() == written(program, Settings())
