"""What is said and counted: one log line for each outcome, and the families of numbers.

In go envelopes, findings and verdicts; out come lines on standard error and a tally. It changes no outcome, and no
session waits for it.
"""
