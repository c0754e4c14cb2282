"""Debian's miltertest: a mail server's side of the milter protocol, spoken by a Lua script."""

import subprocess

_FRAME = """
local script, why = load([==[
{}]==], "=script")
if script then script, why = xpcall(script, debug.traceback) end
if not script then mt.echo(why) error(why) end
"""
"""miltertest keeps Lua's errors to itself."""


def miltertest(script: str, **names: str | int) -> str:
    """Run a script, with `names` as its global variables, and return its output; AssertionError if it fails.

    `mt` is miltertest's own library; a script says `error("...")` where it is not content.
    """
    definitions = [word for name, value in names.items() for word in ("-D", f"{name}={value}")]
    done = subprocess.run(
        ["miltertest", *definitions],
        input=_FRAME.format(script),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"miltertest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
