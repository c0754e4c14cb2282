"""What this host can find out about the translators before it. It finds and tells; it trusts nothing by itself.

Evidence comes from addresses that clients had, from DNS64 (RFC 7050) and from router advertisements (RFC 8781).
"""
