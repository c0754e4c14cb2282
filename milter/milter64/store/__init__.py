"""Stores keep rows by key and group, in memory or in an SQLite file, and merge them without knowing what is in them.

In go rows, out come rows, or `StoreGone`. Who gives way where there are too many is decided here, by the group's
network.
"""
