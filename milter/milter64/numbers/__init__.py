"""How the numbers of several processes become one: each worker's tally, its gauges, and the files that all share.

It counts what others do; where nobody wants numbers, nothing of it is loaded.
"""
