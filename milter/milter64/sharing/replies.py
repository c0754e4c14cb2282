"""What the servers answer to those who read it behind the decisions."""

from concurrent.futures import Future

from milter64.mail.clean_text import clean
from milter64.sharing.interface import Reply, ServersGone

_PATIENCE = 1.0
"""Seconds to wait; the link itself gives up before."""


class MayNotShare(Exception):  # noqa: N818  it lasts until the admin has done something
    """Nothing may be shared; the text says why, and what helps."""


def answers(future: Future[list[Reply]]) -> list[Reply]:
    """Return what was answered, an exception where a command is refused.

    Raises:
        ServersGone: nothing was, in time.
    """
    try:
        return future.result(_PATIENCE)
    except TimeoutError as error:
        raise ServersGone("no answer in time") from error


def replies(future: Future[list[Reply]]) -> list[Reply]:
    """Return what was answered.

    Raises:
        ServersGone: nothing was, in time.
        MayNotShare: one of the commands is refused, which they are not where the keys are ours.
    """
    found = answers(future)
    for answer in found:
        if isinstance(answer, Exception):
            raise MayNotShare(
                f"the server refuses what milter64 shares by: {clean(str(answer))}; "
                "give it a db number or a server of its own, or the rights that docs/cluster.md names"
            )
    return found
