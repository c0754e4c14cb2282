"""DNS: questions go in, each with a deadline; an answer comes out, or `Unanswered` in time.

Here are the cache, the nameservers and whether they answer, the messages on the wire, and the public suffix list. It
knows DNS64's inventions by the translator, and nothing of mail.
"""
