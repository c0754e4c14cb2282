"""The running service: supervisor, workers, the server of the numbers, their sockets, and the pymilter adapter.

In come signals, connections and libmilter's callbacks; out go sessions handed to the engine, and words to systemd. It
owns no mail policy.
"""
