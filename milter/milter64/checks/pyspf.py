"""pyspf, without the resolver that it would ask: all look-ups are ours.

It imports dnspython's, and with it asyncio and TLS: six megabytes in each process, and a tenth of a verb's start.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import dns.rdatatype  # noqa: F401  pyspf takes it for granted, as the resolver imports it

_RESOLVER = "dns.resolver"


def _imported() -> Any:  # noqa: ANN401  pyspf ships no types
    if _RESOLVER in sys.modules:
        return import_module("spf")
    sys.modules[_RESOLVER] = ModuleType(_RESOLVER)
    try:
        return import_module("spf")
    finally:
        del sys.modules[_RESOLVER]


spf = _imported()
