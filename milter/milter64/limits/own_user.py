"""Whose rights we have, in remedies for want of them."""

import os
import pwd


def own_user() -> str:
    """Return the name of the user that this process runs as; its number where it has none, as in a container."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
