"""Greylisting (RFC 6647), pure: by which pair and groups rows are kept, and how an attempt moves them.

In go the rows of a pair and the time; out comes where the attempt stands, with the rows to be written. It reads no
clock and no store.
"""
