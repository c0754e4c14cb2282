"""Remedies that are lines for a shell: what they set counts at once."""

import shlex
from pathlib import Path

from milter64.audit.facts.postconf import Postfix
from milter64.audit.rules.postfix_settings import Setting

_OWN = Path("/etc/postfix")


def reloaded(postfix: Postfix, setting: Setting) -> str:
    """Return the line that sets a parameter of a Postfix, and has it read that."""
    directory = None if postfix.directory == _OWN else postfix.directory
    reload = shlex.join(["postfix", *(["-c", str(directory)] if directory else []), "reload"])
    return f"{setting.command(directory)} && {reload}"
