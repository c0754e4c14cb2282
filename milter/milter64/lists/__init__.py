"""Who comes in and who stays out because the admin says so: allow and block lists, on the client as it really is.

In go entries (from the configuration, from files, by command), the envelope and what was found of it; out come matches,
and the questions of DNS by which there may be more. It decides nothing, and knows no greylist.
"""
