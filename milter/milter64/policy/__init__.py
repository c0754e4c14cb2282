"""The decision, pure: what is known of a transaction goes in; a verdict comes out, or what is still missing.

Here is who is exempt, what each result leads to, and the SMTP reply that a verdict means. It asks nobody and waits for
nothing.
"""
