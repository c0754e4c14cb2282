"""A Postfix and Sendmail milter that knows the real client behind NAT64, SIIT-DC and 464XLAT."""

from importlib.metadata import version

__version__ = version("milter64")
