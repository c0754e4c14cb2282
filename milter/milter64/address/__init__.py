"""Addresses: which client an address on the wire stands for.

In go texts and bytes of IP addresses, with the configured prefixes and mappings; out come clients, and IPv4 addresses
encoded for people. It knows arithmetic alone: no clock, no file, no network, and nothing of mail.
"""
