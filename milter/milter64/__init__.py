"""A Postfix and Sendmail milter that knows the real client behind NAT64, SIIT-DC and 464XLAT."""

__version__ = "0.1.0"  # pyproject.toml's: to read it from what is installed takes a fifth of a verb's start
