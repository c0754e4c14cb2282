"""The guard watches a running service for set-ups that hide or falsify who calls, behind everything.

It sees clients and asks the resolver; it tells the translator what to distrust, and the log what to mend. No verdict
waits for it.
"""
