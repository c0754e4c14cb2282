"""What this configuration would have done with the traffic in a log of Postfix's.

In come the lines that history has read; out go outcomes, judged by the same engine that serves, and what the log could
not tell.
"""
